/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long it takes until a guest runs, for bench/run */
#include "kvm.h"

void payload(void)
{
}
