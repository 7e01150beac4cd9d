/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 240 MiB in which every second page is private: 30,720 runs for a request
 * to make private what is not
 */
#ifndef RUNS_H
#define RUNS_H

#include "kvm.h"

#define RUNS_GPA    0x2000000
#define RUNS_SIZE   (240 * 0x100000ULL)
#define RUNS        (RUNS_SIZE / PAGE / 2)

/** runs_page: the page that begins run @i, and is private; the next is not */
static inline u64 runs_page(u64 i)
{
    return RUNS_GPA + 2 * i * PAGE;
}

/** runs_make: from run @first to @end, where all is shared */
static inline void runs_make(u64 first, u64 end)
{
    for (u64 i = first; i < end; i++) {
        must_map(runs_page(i), 1, TO_PRIVATE);
    }
}

/** runs_map: the request for all of them */
static inline void runs_map(u64 attributes)
{
    must_map(RUNS_GPA, RUNS_SIZE / PAGE, attributes);
}

#endif
