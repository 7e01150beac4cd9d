/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What requests take, for bench/run: RUNS of one page each, and then one for
 * all that lies between those pages
 *
 * Time until requests are answered, and, "touched", until each page has been
 * written to on its new side as well.
 */
#include "runs.h"

static void touch(u64 gpa)
{
    *(volatile u8 *)priv(gpa) = 1;
}

static void single(void)
{
    u64 requests = 0, began = rdtsc(), before;

    for (u64 i = 0; i < RUNS; i++) {
        before = rdtsc();
        must_map(runs_page(i), 1, TO_PRIVATE);
        requests += rdtsc() - before;
        touch(runs_page(i));
    }
    result("single", requests / RUNS);
    result("single-touched", (rdtsc() - began) / RUNS);
}

static void range(void)
{
    u64 began, request;

    host("watch-monitor", NULL, 0, 0, 0);
    began = rdtsc();
    runs_map(TO_PRIVATE);
    request = rdtsc() - began;
    host("monitor-waited", NULL, 0, 0, 0);
    began = rdtsc();
    for (u64 i = 0; i < RUNS; i++) {
        touch(runs_page(i) + PAGE);
    }
    result("range", request);
    result("range-touched", request + rdtsc() - began);
}

void payload(void)
{
    single();
    range();
}
