/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that asks to be ended, by the GHCB MSR: reason set 5, code 0x42. */
#include "snp.h"

void payload(void)
{
    check(T("asks-for-termination"), true);
    vmgexit(0x100 | 5 << 12 | 0x42 << 16);
    check("goes-on-after-termination", false);
}
