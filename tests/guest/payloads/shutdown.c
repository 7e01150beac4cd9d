/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shutdown: the tables of the guest lie in a page that it rescinds. */
#include "snp.h"

void payload(void)
{
    u64 area = AREA_GPA;
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) pointer = { 0xfff, area };

    check(T("loses-its-interrupt-table"), true);
    asm volatile("lidt %0; int $3" :: "m"(pointer));
    check("goes-on-after-shutdown", false);
}
