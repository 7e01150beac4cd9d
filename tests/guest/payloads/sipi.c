/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other way to start a vCPU: the first SIPI lets it run what the launch
 * gave it, later ones release it from an AP reset hold; two vCPUs
 */
#include "snp.h"

#define RETRIES 60

static volatile u64 stage, go_on, msr_hold, nae_hold, nae_error;

void ap_main(unsigned index)
{
    stage = index;
    ghcb_setup();
    stage = 2;
    msr_hold = vmgexit(6);
    stage = 3;
    while (!go_on) {
        pause();
    }
    ghcb_clear();
    nae_error = ghcb_call(NAE_RESET_HOLD, 0, 0);
    nae_hold = ghcb_get(GHCB_INFO2);
    stage = 4;
    for (;;) {
        asm volatile("hlt");
    }
}

/*
 * A signal does nothing for a vCPU that has not come to its hold yet, so it
 * is sent again.  None is on its way any more when the vCPU may go on.
 */
static bool released(u64 to)
{
    for (unsigned i = 0; i < RETRIES && stage != to; i++) {
        ap_signal(1);
        for (unsigned ms = 0; ms < 1000 && stage != to; ms++) {
            delay_us(1000);
        }
    }
    return stage == to;
}

void payload(void)
{
    check_eq(T("waits-for-sipi"), stage, 0);
    ap_signal(1);
    check(T("first-sipi-starts-at-the-reset-block"), wait_for(&stage, 2));
    delay_us(3000);
    check_eq(T("msr-hold-holds"), stage, 2);
    check(T("msr-hold-released"), released(3));
    go_on = 1;
    check(T("msr-hold-response"), (msr_hold & 0xfff) == 7 && msr_hold >> 12);
    delay_us(3000);
    check_eq(T("nae-hold-holds"), stage, 3);
    check(T("nae-hold-released"), released(4));
    check_eq(T("nae-hold-error"), nae_error, 0);
    check(T("nae-hold-response"), nae_hold != 0);
}
