/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INIT and SIPI wake a vCPU from HLT, and are not kept for the AP reset hold
 * that it comes to later; two vCPUs
 */
#include "snp.h"

static volatile u64 sleeps, awake, done;

void ap_main(unsigned index)
{
    (void)index;
    ghcb_setup();
    sleeps = 1;
    asm volatile("hlt");
    awake = 1;
    vmgexit(6);
    done = 1;
    for (;;) {
        asm volatile("hlt");
    }
}

void payload(void)
{
    ap_signal(1);
    check(T("starts"), wait_for(&sleeps, 1));
    delay_us(200000);
    check_eq(T("sleeps"), awake, 0);
    ap_signal(1);
    check(T("wakes"), wait_for(&awake, 1));
    delay_us(200000);
    check_eq(T("holds"), done, 0);
    ap_signal(1);
    check(T("hold-ends"), wait_for(&done, 1));
}
