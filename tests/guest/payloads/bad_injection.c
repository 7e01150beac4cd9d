/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMSA whose page says otherwise than its creation has how interrupts come:
 * no vCPU runs with it; two vCPUs, of a guest with restricted injection
 */
#include "snp.h"

#define FEATURES        0x29
#define WITHOUT         0x21
#define VMSA_FEATURES   0x3b0

static volatile u64 started;

void ap_main(unsigned index)
{
    (void)index;
    started++;
    for (;;) {
        asm volatile("hlt");
    }
}

void payload(void)
{
    u8 *vmsa = ap_vmsa(1);

    check_eq(T("own-features"), own_features(), FEATURES);
    *(u64 *)(vmsa + VMSA_FEATURES) = WITHOUT;
    rmpadjust(vmsa, 0, 0x10001);
    check_eq(T("said-so"), ap_request(AP_CREATE, 1, (u64)vmsa, WITHOUT),
             2ULL << 32 | GHCB_ERR_INPUT);
    check_eq(T("accepted"), ap_request(AP_CREATE, 1, (u64)vmsa, FEATURES), 0);
    ap_signal_once(1);
    /* Nothing shows that the vCPU has looked: one that runs late is counted. */
    delay_us(300000);
    check_eq(T("never-runs"), started, 0);
    check_eq(T("is-a-page-again"), rmpadjust(vmsa, 0, 1).eax, 0);
    ap_start(1);
    check(T("runs-as-it-must"), wait_for_more(&started, 0));
    delay_us(10000);
    check_eq(T("runs-once"), started, 1);
}
