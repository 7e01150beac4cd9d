/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Targets whose guests can all be suspended to RAM
 */
#include "qemu/osdep.h"
#include "system/upm/suspend.h"

const char *upm_guest_unsuspendable(void)
{
    return NULL;
}
