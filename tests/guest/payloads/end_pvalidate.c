/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PVALIDATE where no memory is: the guest's end */
#include "snp.h"

void payload(void)
{
    void *va = map_page(6, 0xfed00000, true);

    check(T("validates-mmio"), true);
    pvalidate(va, 0, 1);
    check("goes-on-after-pvalidate", false);
}
