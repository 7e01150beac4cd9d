/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INIT and SIPI for a vCPU that has not come to its AP reset hold yet, where
 * firmware sends them once: they end the hold that comes next; two vCPUs
 */
#include "snp.h"

static volatile u64 asked, holding, done, response;

static u64 hold_by_msr(void)
{
    return vmgexit(6) >> 12;
}

static u64 hold_by_nae(void)
{
    ghcb_clear();
    ghcb_call(NAE_RESET_HOLD, 0, 0);
    return ghcb_get(GHCB_INFO2);
}

/* Two holds of each kind, when they are asked for */
void ap_main(unsigned index)
{
    (void)index;
    ghcb_setup();
    for (u64 n = 0; n < 4; n++) {
        done = n;
        stay_while(&asked, n);
        holding = n + 1;
        response = n < 2 ? hold_by_msr() : hold_by_nae();
    }
    done = 4;
    for (;;) {
        asm volatile("hlt");
    }
}

/* One hold that ends at once, one that does not */
static void check_early(const char *name, unsigned signals)
{
    u64 before = done;

    set_prefix(name);
    for (unsigned i = 0; i < signals; i++) {
        ap_signal(1);
    }
    asked++;
    check(S("kept"), wait_for(&done, before + 1));
    ap_signal_until(1, &done, before);
    check(S("answered"), response != 0);
    response = 0;
    asked++;
    wait_for(&holding, asked);
    delay_us(10000);
    check_eq(S("one-kept"), done, before + 1);
    ap_signal_until(1, &done, before + 1);
    check(S("released"), wait_for(&done, before + 2) && response);
    set_prefix(NULL);
}

void payload(void)
{
    done = -1ULL;
    ap_signal(1);
    check(T("starts"), wait_for(&done, 0));
    check_early(A("msr"), 1);
    check_early(A("nae"), 2);
}
