/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One vCPU asks for a large range of many runs; another one that converts
 * pages elsewhere in the same memory, and the monitor, do not wait until the
 * request is done; two vCPUs
 *
 * Nothing here is compared with a clock but with the request itself: half of
 * its time is too long.  On a busy machine anything may wait once, so one
 * request out of TRIES is enough: where something waits for all of it, it
 * does so each time.
 */
#include "runs.h"

#define TRIES   4
#define PAGES   16
#define ENOUGH  50      /* per cent */

enum { IDLE, PREPARE, ASK };

static volatile u64 task, asking, began, ended;
static volatile u64 monitor_waited;

static void ask(void)
{
    host("watch-monitor", NULL, 0, 0, 0);
    began = rdtsc();
    asking = 1;
    runs_map(TO_PRIVATE);
    ended = rdtsc();
    asking = 0;
    monitor_waited = host("monitor-waited", NULL, 0, 0, 0);
}

void ap_main(unsigned index)
{
    (void)index;
    for (;;) {
        switch (task) {
        case PREPARE:
            runs_make(0, RUNS / 2);
            task = IDLE;
            break;
        case ASK:
            ask();
            task = IDLE;
        }
        pause();
    }
}

/*
 * Returns how long one conversion of a page took at most, of those that had
 * begun before the request's end.
 */
static u64 convert_meanwhile(void)
{
    u64 longest = 0, before, took;

    while (!asking) {
        pause();
    }
    for (unsigned i = 0; asking; i++) {
        before = rdtsc();
        must_map(AREA_GPA + i % PAGES * PAGE, 1,
                 i / PAGES % 2 ? TO_SHARED : TO_PRIVATE);
        took = rdtsc() - before;
        if (took > longest) {
            longest = took;
        }
    }
    return longest;
}

static void await_idle(void)
{
    while (task != IDLE) {
        pause();
    }
}

/* Returns what a conversion waited, in per cent of the request's time. */
static u64 try(void)
{
    u64 longest;

    runs_map(TO_SHARED);
    task = PREPARE;
    runs_make(RUNS / 2, RUNS);
    await_idle();
    must_map(AREA_GPA, PAGES, TO_SHARED);
    task = ASK;
    longest = convert_meanwhile();
    await_idle();
    return longest * 100 / (ended - began);
}

void payload(void)
{
    u64 waited = 100, monitor = 100;

    start_cpus(1);
    for (unsigned i = 0; i < TRIES && (waited > ENOUGH || monitor > ENOUGH);
         i++) {
        u64 found = try();

        waited = found < waited ? found : waited;
        monitor = monitor_waited < monitor ? monitor_waited : monitor;
        result("request-cycles", ended - began);
        result("conversion-waited-per-cent", found);
        result("monitor-waited-per-cent", monitor_waited);
    }
    check(T("no-conversion-waits-for-all-of-it"), waited <= ENOUGH);
    check(T("no-monitor-waits-for-all-of-it"), monitor <= ENOUGH);
}
