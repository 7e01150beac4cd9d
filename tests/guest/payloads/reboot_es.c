/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An SEV-ES guest that is reset in three ways, and is launched again each time;
 * two vCPUs
 *
 * With private memory, or with memory that is encrypted in place.
 */
#include "lives.h"

#define KEPT            AREA_GPA
#define HIDDEN          (AREA_GPA + PAGE)
#define HOLE            (AREA_GPA + PAGE_2M)
#define MARK            0x5e5f606162636465

static volatile u64 started, leave_it;
/* In the launched image; 0 would lie in .bss */
static volatile u64 launched = MARK;

void ap_main(unsigned index)
{
    (void)index;
    started = 1;
    for (;;) {
        asm volatile("hlt");
    }
}

static volatile u64 *word(void *page)
{
    return page;
}

static void leave_content(void)
{
    leave_it = 1;
    launched = 0;
    *word(priv(KEPT)) = MARK;
    *word(priv(HIDDEN)) = MARK;
    to_shared(HIDDEN, PAGE);
    *word(shar(HIDDEN)) = MARK;
}

/* Nothing that was private can be read, whatever is there instead. */
static void check_new_life(void)
{
    check(S("private-content-is-gone"), *word(priv(KEPT)) != MARK);
    check(S("hidden-content-is-gone"), *word(priv(HIDDEN)) != MARK);
    check_eq(S("ghcb-msr-is-reset"), first_ghcb_msr & 0xfff, 1);
    check_eq(S("launched-data-is-as-at-first"), launched, MARK);
    check_eq(S("memory-is-as-at-first"), leave_it, 0);
}

static const char *const prefixes[] = {
    "", A("port-cf9"), A("shutdown"), A("keyboard-controller"),
};

void payload(void)
{
    u8 life = cmos(CMOS_LIFE);

    if (life >= ARRAY_SIZE(prefixes)) {
        fatal("lives", life);
    }
    if (life) {
        set_prefix(prefixes[life]);
        check_new_life();
        ap_signal(1);
        check(S("other-vcpu-runs"), wait_for(&started, 1));
        set_prefix(NULL);
    } else {
        check_eq(T("launched-data"), launched, MARK);
        ap_signal(1);
        check(T("other-vcpu-runs"), wait_for(&started, 1));
    }
    if (life == ARRAY_SIZE(prefixes) - 1) {
        return;
    }
    leave_content();
    set_cmos(CMOS_LIFE, life + 1);
    reset(life, HOLE);
    for (;;) {
        pause();
    }
}
