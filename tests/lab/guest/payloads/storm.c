/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access against conversion: one vCPU writes and reads pages while another
 * converts them, 10^5 times
 *
 * A word holds what was written to it in this half of its page, or zero after
 * a discard.  Each value names its page and when it was written, so nothing
 * else can pass for one.  With an encryption bit accesses convert pages as
 * well: each conversion is followed by some that want them as before.
 */
#include "kvm.h"

#define ACCESSES    100000
#define CONVERSIONS 10000
#define PAGES       32
/* how long accesses stay of one kind */
#define STRETCH     1024
/* accesses between two conversions where each costs faults */
#define PACE        256
#define SLOT(i) (AREA_GPA + (i) * PAGE)

static volatile u64 accesses, converted, done;
static u64 wrong, refused, lost;

static u64 value_of(u64 page, u64 n)
{
    return (page + 1) << 48 | n;
}

/* Is this what access @n to @page may find? */
static bool possible(u64 found, u64 page, u64 n)
{
    return !found || (found >> 48 == page + 1 &&
                      (found & 0xffffffffffff) <= n);
}

static void access_pages(void)
{
    u64 n = 0;

    while (n < ACCESSES || converted < CONVERSIONS) {
        u64 page = n % PAGES;
        bool private = n / STRETCH & 1;
        volatile u64 *va = private ? priv(SLOT(page)) : shar(SLOT(page));
        u64 found;

        n++;
        wrong += !possible(va[7], page, n - 1);
        va[7] = value_of(page, n);
        found = va[7];
        wrong += !possible(found, page, n);
        lost += found != value_of(page, n);
        accesses = n;
    }
}

static void convert_pages(void)
{
    u64 n = 0, next;

    while (converted < CONVERSIONS || accesses < ACCESSES) {
        refused += map_gpa_range(SLOT(0), PAGES,
                                 n++ % 2 ? TO_SHARED : TO_PRIVATE) != 0;
        converted += PAGES;
        next = cbit ? accesses + PACE : 0;
        while (accesses < next && !done) {
            pause();
        }
    }
}

void ap_main(unsigned index)
{
    (void)index;
    access_pages();
    done = 1;
}

void payload(void)
{
    u64 began;

    fill(shar(SLOT(0)), PAGES * PAGE, 0);
    must_map(SLOT(0), PAGES, TO_PRIVATE);
    fill(priv(SLOT(0)), PAGES * PAGE, 0);
    must_map(SLOT(0), PAGES, TO_SHARED);
    began = rdtsc();
    start_cpus(1);
    convert_pages();
    while (!done) {
        pause();
    }
    result("accesses", accesses);
    result("page-conversions", converted);
    result("writes-that-a-conversion-hid", lost);
    result("cycles", rdtsc() - began);
    check_eq(T("only-possible-values"), wrong, 0);
    check_eq(T("no-request-refused"), refused, 0);
    check(T("100000-accesses"), accesses >= ACCESSES);
    check(T("10000-page-conversions"), converted >= CONVERSIONS);
}
