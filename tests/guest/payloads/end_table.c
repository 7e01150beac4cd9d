/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A page table where no memory is: the guest's end */
#include "snp.h"

void payload(void)
{
    volatile u8 *va = (u8 *)(WINDOW_VA + 3 * PAGE_2M);

    *window_directory(3) = 0xfed00000 | CBIT | PTE;
    invlpg((void *)va);
    check(T("walks-a-table-in-mmio"), true);
    *va;
    check("goes-on-after-walk", false);
}
