/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What conversions take while all vCPUs make some, for bench/run: each has
 * pages of its own, of one memory block, and converts them to and fro; four
 * vCPUs
 */
#include "kvm.h"

#define ROUNDS  1000
#define PAGES   16
#define APART   PAGE_2M

static volatile u64 go, done;

static void work(unsigned index)
{
    u64 gpa = AREA_GPA + index * APART;

    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        bool private = i % 2 == 0;

        must_map(gpa, PAGES, private ? TO_PRIVATE : TO_SHARED);
        for (unsigned page = 0; page < PAGES; page++) {
            *(volatile u8 *)((private ? priv(gpa) : shar(gpa)) + page * PAGE) =
                1;
        }
    }
    __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
}

void ap_main(unsigned index)
{
    while (!go) {
        pause();
    }
    work(index);
    for (;;) {
        asm volatile("cli; hlt");
    }
}

void payload(void)
{
    u64 began;

    start_cpus(MAX_CPUS - 1);
    began = rdtsc();
    go = 1;
    work(0);
    while (done < MAX_CPUS) {
        pause();
    }
    result("storm4", (rdtsc() - began) / (2 * ROUNDS * MAX_CPUS));
}
