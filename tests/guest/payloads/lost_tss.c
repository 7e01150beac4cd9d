/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shutdown: a VMSA names no TSS, so that nothing leads back from user mode;
 * two vCPUs
 */
#include "snp.h"

static u8 user_stack[256] __attribute__((aligned(16)));

static void undefined(void)
{
    asm volatile("ud2");
}

void payload(void)
{
    u8 *page = ap_vmsa(1);

    /* TR's attributes and limit; RIP, and the arguments of run_user() */
    *(u16 *)(page + 0x92) = 0;
    *(u32 *)(page + 0x94) = 0;
    *(u64 *)(page + 0x178) = (u64)run_user;
    *(u64 *)(page + 0x338) = (u64)undefined;
    *(u64 *)(page + 0x330) = (u64)(user_stack + sizeof(user_stack));
    check_eq(T("vmsa-page"), rmpadjust(page, 0, 0x10001).eax, 0);
    check(T("loses-its-tss"), true);
    ap_request(AP_CREATE, 1, (u64)page, SEV_FEATURES);
    ap_signal_once(1);
    delay_us(2000000);
    check("goes-on-after-shutdown", false);
}
