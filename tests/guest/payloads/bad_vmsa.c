/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU is created with a page that is no VMSA: nobody looks before it
 * starts, and then it is the guest's end, or never runs; two vCPUs
 */
#include "snp.h"

static volatile u64 started;

void ap_main(unsigned index)
{
    (void)index;
    started = 1;
    for (;;) {
        asm volatile("hlt");
    }
}

void payload(void)
{
    u64 plain = AREA_GPA + PAGE;

    validate(priv(plain), PAGE);
    memcpy(priv(plain), ap_vmsa(1), PAGE);
    check_eq(T("accepted"), ap_request(AP_CREATE, 1, plain, SEV_FEATURES), 0);
    ap_signal_once(1);
    delay_us(300000);
    check_eq(SPEC_T("never-runs"), started, 0);
    ap_start(1);
    check(SPEC_T("runs-with-a-good-one"), wait_for(&started, 1));
}
