/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same by NAE event: reason set 3, code 0x21, both in SW_EXITINFO1. */
#include "snp.h"

void payload(void)
{
    check(T("asks-for-termination"), true);
    ghcb_clear();
    ghcb_call(NAE_TERMINATE, 3 | 0x21 << 4, 0);
    check("goes-on-after-termination", false);
}
