/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What conversions take, for bench/run: cycles a page until it was written to
 * on its new side, and what is resident in the end
 *
 * Validation is the guest's own work, and the same under any QEMU.
 */
#include "snp.h"

#define SIZE        (16 * PAGE_2M)
#define PAGES       (SIZE / PAGE)
/* What the launch and GHCBs take besides */
#define OTHERS      (BSS_SIZE + VMSA_SIZE + 8 * PAGE)
#define SINGLES     1000
#define STORM       4000

static void touch(volatile u8 *va, u64 size)
{
    for (u64 i = 0; i < size; i += PAGE) {
        va[i] = 1;
    }
}

static void convert(u64 gpa, u64 size, bool private)
{
    if (private) {
        to_private(gpa, size);
    } else {
        to_shared(gpa, size);
    }
    touch(private ? priv(gpa) : shar(gpa), size);
}

/* One page of the area after the other, to shared */
static void single(void)
{
    u64 began = rdtsc();

    for (u64 i = 0; i < SINGLES; i++) {
        convert(AREA_GPA + i * PAGE, PAGE, false);
    }
    result("single", (rdtsc() - began) / SINGLES);
}

static void storm(void)
{
    u64 began = rdtsc();

    for (u64 i = 0; i < STORM; i++) {
        convert(AREA_GPA, PAGE, i % 2);
    }
    result("storm", (rdtsc() - began) / STORM);
}

/* All of the area by as few requests as its pages fit into */
static void range(void)
{
    u64 began = rdtsc();

    convert(AREA_GPA, SIZE, false);
    convert(AREA_GPA, SIZE, true);
    result("range", (rdtsc() - began) / (2 * PAGES));
}

void payload(void)
{
    to_private(AREA_GPA, SIZE);
    touch(priv(AREA_GPA), SIZE);
    range();
    storm();
    single();
    result("touched", SIZE + OTHERS);
    host_resident_most(T("resident"), SIZE + OTHERS);
}
