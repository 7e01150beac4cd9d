/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What conversions take, for bench/lab.py: cycles until all of the pages that
 * were converted have been written to on their new side
 *
 * Implicit conversions take an encryption bit; such a fault is one page, so
 * that 2 MiB are 512 of them.
 */
#include "kvm.h"

#define STORM   100000  /* on a kernel without that bit */

static void touch(volatile u8 *va, u64 pages)
{
    for (u64 i = 0; i < pages; i++) {
        va[i * PAGE] = 1;
    }
}

static void convert(u64 gpa, u64 pages, bool explicit, bool private)
{
    if (explicit &&
        map_gpa_range(gpa, pages, private ? TO_PRIVATE : TO_SHARED)) {
        fatal("KVM_HC_MAP_GPA_RANGE", gpa);
    }
    touch(private ? priv(gpa) : shar(gpa), pages);
}

/* To and fro, @rounds times, each time elsewhere in the area. */
static void measure(const char *name, u64 pages, unsigned rounds,
                    bool explicit)
{
    u64 slots = 16 * PAGE_2M / (pages * PAGE), began;

    touch(shar(AREA_GPA), 16 * PAGE_2M / PAGE);
    began = rdtsc();
    for (unsigned i = 0; i < rounds; i++) {
        u64 gpa = AREA_GPA + i % slots * pages * PAGE;

        convert(gpa, pages, explicit, true);
        convert(gpa, pages, explicit, false);
    }
    result(name, (rdtsc() - began) / (2 * rounds));
}

static void storm(void)
{
    u64 began = rdtsc();

    for (unsigned i = 0; i < STORM; i++) {
        convert(AREA_GPA, 1, true, i % 2 == 0);
    }
    result("storm", (rdtsc() - began) / STORM);
}

void payload(void)
{
    if (!cbit) {
        storm();
        return;
    }
    measure("explicit-4k", 1, 2000, true);
    measure("explicit-2m", 512, 16, true);
    measure("implicit-4k", 1, 2000, false);
    measure("implicit-2m", 512, 8, false);
}
