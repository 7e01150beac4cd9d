/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two processors: what one of them may write, the other one takes away
 *
 * APM volume 3, RMPUPDATE: when it is done, no processor writes any more.
 */
#include "rmp.h"
#include "second.h"

/* Mapped in pages of 4 KiB, and nobody else touches it */
#define SPA             GUEST_BIG
#define GPA             0x40000000ULL
#define PAGES           64

static volatile u64 target;
static volatile int vector;
static volatile bool is_over;

static void do_write(void *arg)
{
    /* volatile: the access itself is what counts */
    *(volatile u8 *)arg = 1;
}

/* Writes where it is told to, and tells how that ended */
static void second_main(void)
{
    wrmsr(SYSCFG, rdmsr(SYSCFG) | SYSCFG_MFDM);
    wrmsr(SYSCFG, rdmsr(SYSCFG) | SYSCFG_SNP | SYSCFG_VMPL);
    while (!is_over) {
        if (target) {
            vector = try(do_write, (void *)target);
            target = 0;
        }
        pause();
    }
}

static int second_writes(u64 at)
{
    u64 start = rdtsc();

    target = at;
    while (target && rdtsc() - start < SECOND_EVER) {
        pause();
    }
    return target ? -2 : vector;
}

static u64 update(u64 spa, bool assigned)
{
    struct rmp_state state = { assigned ? GPA : 0, assigned, 0, 0, 0,
                               assigned ? 5 : 0 };

    return rmpupdate(spa, &state);
}

/* @both: the one that changes the page has written to it as well */
static unsigned take_away(bool both)
{
    unsigned i, wrong = 0;

    for (i = 0; i < PAGES; i++) {
        u64 spa = SPA + i * PAGE;

        wrong += second_writes(spa) != -1;
        if (both) {
            do_write((void *)spa);
        }
        wrong += update(spa, true) != 0;
        wrong += second_writes(spa) != PF;
        wrong += second_writes(spa + PAGE) != -1;
        wrong += update(spa, false) != 0;
        wrong += second_writes(spa) != -1;
    }
    return wrong;
}

void payload(void)
{
    svm_on();
    map_small();
    snp_on();
    check(T("second-processor"), start_second(second_main));
    check_eq(T("other-processor's"), take_away(false), 0);
    check_eq(T("both-processors'"), take_away(true), 0);
    is_over = true;
}
