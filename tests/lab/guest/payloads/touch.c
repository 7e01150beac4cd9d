/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Touch memory on both sides in turn, for bench/run: what is resident in the
 * end must not be more than what was touched
 */
#include "kvm.h"

#define PAGES   (16 * PAGE_2M / PAGE)
#define ROUNDS  4

static void convert(u64 gpa, u64 pages, bool private)
{
    if (map_gpa_range(gpa, pages, private ? TO_PRIVATE : TO_SHARED)) {
        fatal("KVM_HC_MAP_GPA_RANGE", gpa);
    }
    for (u64 i = 0; i < pages; i++) {
        *(volatile u8 *)((private ? priv(gpa) : shar(gpa)) + i * PAGE) = 1;
    }
}

void payload(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        u64 pages = round % 2 ? 1 : PAGE_2M / PAGE;

        for (u64 at = 0; at < PAGES; at += pages) {
            convert(AREA_GPA + at * PAGE, pages, (at / pages + round) % 2);
        }
    }
    result("touched", PAGES * PAGE + IMAGE_SIZE);
    host_resident();
}
