/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shutdown: the root of the page tables is a page never validated. */
#include "snp.h"

void payload(void)
{
    check(T("loses-its-page-tables"), true);
    asm volatile("mov %0, %%cr3" :: "r"(AREA_GPA | CBIT) : "memory");
    check("goes-on-after-shutdown", false);
}
