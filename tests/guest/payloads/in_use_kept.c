/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hypervisor that never pauses keeps from a VMSA in use; three vCPUs
 *
 * KVM does not look before it gives memory back, and is told by RMPUPDATE: the
 * page is lost to its host then.  Here the request fails.
 */
#include "snp.h"

static volatile u64 spins, reads, value;

void ap_main(unsigned index)
{
    while (index == 1) {
        spins++;
        pause();
    }
    while (!reads) {
        pause();
    }
    invlpg(priv(VMSA_GPA));
    value = *(volatile u64 *)priv(VMSA_GPA + 0x3b0);
    for (;;) {
        asm volatile("hlt");
    }
}

void payload(void)
{
    u64 entry = psc_entry(VMSA_GPA, PSC_SHARED);
    u64 seen;

    ap_start(2);
    ap_start(1);
    check(T("runs"), wait_for_more(&spins, 0));
    check_eq(T("rmpadjust"), rmpadjust(priv(VMSA_GPA), 0, 0x10001).eax, 3);
    check_eq(T("pvalidate"), pvalidate(priv(VMSA_GPA), 0, 0).eax, 3);
    check_eq(T("rmpquery"), rmpquery(priv(VMSA_GPA), 1).eax, 0);
    check(T("psc-fails"), psc(&entry, 1) != 0);
    check(T("psc-by-msr-fails"), psc_msr(VMSA_GPA, PSC_SHARED) >> 32 != 0);
    reads = 1;
    delay_us(300000);
    check_eq(T("read-waits"), value, 0);
    seen = spins;
    check(T("runs-on"), wait_for_more(&spins, seen));
    check_eq(T("destroy"), ap_request(AP_DESTROY, 1, 0, 0), 0);
    check(T("read-is-made"), wait_for(&value, SEV_FEATURES));
    check_eq(T("psc-after"), psc_msr(VMSA_GPA, PSC_SHARED), 0x15);
}
