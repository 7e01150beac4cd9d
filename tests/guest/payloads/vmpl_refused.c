/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hypervisor that has one VMPL refuses others, and does not look which one a
 * VMSA is for: the processor does; two vCPUs
 */
#include "vmpls.h"

#define RUN_REQUEST(vmpl) ((u64)(vmpl) << 32 | 0x16)

static volatile u64 ready, status, results[6];

/* At VMPL1, behind the hypervisor's back */
void ap_main(unsigned index)
{
    volatile u8 *page = priv(AREA_GPA);

    (void)index;
    status = rdmsr(MSR_SEV_STATUS);
    results[0] = *(volatile u64 *)page;
    results[1] = pvalidate(page, 0, 1).eax;
    results[2] = rmpadjust(page, 0, VMPL_R | 1).eax;
    results[3] = rmpadjust(page, 0, VMPL_R | 2).eax;
    results[4] = rmpadjust(page, 0, VMPL_R | VMPL_W | 2).eax;
    results[5] = rmpquery(page, 2).rdx;
    ready = 1;
    for (;;) {
        pause();
    }
}

static void check_vmpl1(void)
{
    volatile u64 *page = priv(AREA_GPA);

    validate(page, PAGE);
    page[0] = 0x1234;
    vmpl_share(1);
    rmpadjust(page, 0, VMPL_R | 1);
    check_eq(T("create-vmpl1-vmsa"),
             ap_request(AP_CREATE, 1, (u64)vmpl_page(1, 1), SEV_FEATURES), 0);
    ap_signal_once(1);
    check(T("vmpl1-runs"), wait_for(&ready, 1));
    check_eq(T("vmpl1-status"), status, KIND_SNP);
    check_eq(T("vmpl1-reads"), results[0], 0x1234);
    check_eq(T("vmpl1-pvalidate"), results[1], FAIL_PERMISSION);
    check_eq(T("vmpl1-rmpadjust-vmpl1"), results[2], FAIL_PERMISSION);
    check_eq(T("vmpl1-rmpadjust-vmpl2"), results[3], 0);
    check_eq(T("vmpl1-rmpadjust-more"), results[4], FAIL_PERMISSION);
    check_eq(T("vmpl1-rmpquery"), results[5], VMPL_R | 2);
}

void payload(void)
{
    u64 vmsa = (u64)vmpl_page(1, 1);

    check_eq(T("features"), vmgexit(GHCB_MSR_FEATURES) >> 12, 3);
    check_eq(T("run-msr"), vmgexit(RUN_REQUEST(1)), RUN_REQUEST(1));
    check_eq(T("run-msr-vmpl0"), vmgexit(RUN_REQUEST(0)), RUN_REQUEST(0));
    check_eq(T("run-event"), run_vmpl_event(1),
             2ULL << 32 | GHCB_ERR_EVENT);
    check_eq(T("create-vmpl1"), ap_request(AP_CREATE | 1 << 16, 1, vmsa,
                                           SEV_FEATURES),
             2ULL << 32 | GHCB_ERR_INPUT);
    check_eq(T("create-on-init-vmpl1"), ap_request(AP_ON_INIT | 1 << 16, 1,
                                                   vmsa, SEV_FEATURES),
             2ULL << 32 | GHCB_ERR_INPUT);
    check_eq(T("destroy-vmpl1"), ap_request(AP_DESTROY | 1 << 16, 1, 0, 0),
             2ULL << 32 | GHCB_ERR_INPUT);
    check_vmpl1();
}
