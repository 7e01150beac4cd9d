/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMSA in the midst of a 2 MiB page: instructions of that size find it in use
 * as long as its vCPU runs, and not while it is halted; two vCPUs
 */
#include "snp.h"

#define FAIL_INUSE  3
#define VMSA_SET    0x10001

static volatile u64 spins, halts;

void ap_main(unsigned index)
{
    (void)index;
    while (!halts) {
        spins++;
        pause();
    }
    for (;;) {
        asm volatile("hlt");
    }
}

void payload(void)
{
    u8 *large = priv(AREA_GPA), *page = large + 3 * PAGE;

    check_eq(T("validate"), pvalidate(large, 1, 1).eax, 0);
    memcpy(page, ap_vmsa(1), PAGE);
    check_eq(T("vmsa"), rmpadjust(large, 1, VMSA_SET).eax, 0);
    check_eq(T("create"), ap_request(AP_CREATE, 1, (u64)page, SEV_FEATURES),
             0);
    ap_signal_once(1);
    check(T("runs"), wait_for_more(&spins, 0));
    check_eq(T("in-use-rmpadjust"), rmpadjust(large, 1, VMSA_SET).eax,
             FAIL_INUSE);
    check_eq(T("in-use-pvalidate"), pvalidate(large, 1, 1).eax, FAIL_INUSE);
    halts = 1;
    for (unsigned i = 0; i < 2000; i++) {
        if (!rmpadjust(large, 1, VMSA_SET).eax) {
            break;
        }
        delay_us(1000);
    }
    check_eq(T("halted-rmpadjust"), rmpadjust(large, 1, VMSA_SET).eax, 0);
    check_eq(T("halted-pvalidate"), pvalidate(large, 1, 1).eax, 0);
}
