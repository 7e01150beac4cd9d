/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A private access to where no memory is: a stop that names the address. */
#include "kvm.h"

void payload(void)
{
    host("stops", T("stopped-by-name"), 0, 0, 0);
    fatal("went on", *(volatile u8 *)priv(HOLE_GPA));
}
