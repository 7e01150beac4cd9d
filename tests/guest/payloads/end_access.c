/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private use of a hole: the guest's end */
#include "snp.h"

void payload(void)
{
    volatile u8 *va = map_page(6, 0x80000000, true);

    check(T("reads-from-a-hole"), true);
    *va;
    check("goes-on-after-access", false);
}
