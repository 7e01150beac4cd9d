/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other way to start a vCPU: the first SIPI lets it run what the launch
 * gave it, later ones release it from an AP reset hold; two vCPUs
 */
#include "snp.h"

static volatile u64 stage, msr_hold, nae_hold, nae_error;

void ap_main(unsigned index)
{
    stage = index;
    ghcb_setup();
    stage = 2;
    msr_hold = vmgexit(6);
    stage = 3;
    ghcb_clear();
    nae_error = ghcb_call(NAE_RESET_HOLD, 0, 0);
    nae_hold = ghcb_get(GHCB_INFO2);
    stage = 4;
    for (;;) {
        asm volatile("hlt");
    }
}

void payload(void)
{
    check_eq(T("waits-for-sipi"), stage, 0);
    ap_signal(1);
    check(T("first-sipi-starts-at-the-reset-block"), wait_for(&stage, 2));
    delay_us(3000);
    check_eq(T("msr-hold-holds"), stage, 2);
    ap_signal(1);
    check(T("msr-hold-released"), wait_for(&stage, 3));
    check(T("msr-hold-response"), (msr_hold & 0xfff) == 7 && msr_hold >> 12);
    delay_us(3000);
    check_eq(T("nae-hold-holds"), stage, 3);
    ap_signal(1);
    check(T("nae-hold-released"), wait_for(&stage, 4));
    check_eq(T("nae-hold-error"), nae_error, 0);
    check(T("nae-hold-response"), nae_hold != 0);
}
