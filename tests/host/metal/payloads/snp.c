/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMRUN and #VMEXIT of a guest with SEV-SNP
 *
 * Code, page tables and VMSA are the guest's private pages, all else is shared.
 * APM volume 2, 15.36.12.
 */
#include "rmp.h"

#define VMSA_PAGE       (GUEST_VALID | GUEST_STATE | RMP_VMSA)

#define EXIT_BUSY       (~1ULL)
#define NPF_RMP         (1ULL << 31)
#define NPF_ENC         (1ULL << 34)

ES_GUEST(g_status, "movl $0xc0010131, %ecx\n rdmsr\n movl %eax, %ebx");
ES_GUEST(g_load, "movq (%rsi), %rbx");

static void start(const u8 *code, const u8 *end)
{
    set_snp(code, end, 0, GUEST_PRIVATE + GUEST_DATA);
}

static void check_failure(const char *name, u64 entry, u64 code)
{
    start(g_status, g_status_end);
    set_rmp(GUEST_STATE, entry, RMP_ALL);
    check_eq(name, run(), code);
}

static void vmsa_page(void)
{
    check_failure(T("vmsa-of-host"), 0, EXIT_INVALID);
    check_failure(T("vmsa-of-other"), (VMSA_PAGE & ~RMP_ASID(1)) | RMP_ASID(2),
                  EXIT_INVALID);
    check_failure(T("no-vmsa"), VMSA_PAGE & ~RMP_VMSA, EXIT_INVALID);
    check_failure(T("vmsa-not-validated"), VMSA_PAGE & ~RMP_VALIDATED,
                  EXIT_INVALID);
    check_failure(T("vmsa-immutable"), VMSA_PAGE | RMP_IMMUTABLE,
                  EXIT_INVALID);
    check_failure(T("vmsa-in-use"), VMSA_PAGE | RMP_LOCK, EXIT_BUSY);
    start(g_status, g_status_end);
    *vmcb32(VMCB_ASID) = 2;
    check_eq(T("other-asid"), run(), EXIT_INVALID);
}

static void faults(void)
{
    set_rmp(GUEST_DATA, 0, 0);
    start(g_load, g_load_end);
    check_eq(T("private-is-shared"), run_encrypted(), EXIT_NPF);
    check_eq(T("private-is-shared-error"), *vmcb64(VMCB_INFO1) &
             (NPF_RMP | NPF_ENC), NPF_RMP | NPF_ENC);
    check_eq(T("private-is-shared-address"), *vmcb64(VMCB_INFO2) & ~0xfffULL,
             GUEST_DATA);
    set_rmp(GUEST_DATA, GUEST_VALID | GUEST_DATA, RMP_ALL);
    check_eq(T("assigned"), run_encrypted(), EXIT_VMGEXIT);
    *nested_entry(GUEST_DATA) = 0;
    set_guest_state(SAVE_RIP, GUEST_CODE);
    check_eq(T("not-there"), run_encrypted(), EXIT_NPF);
    check_eq(T("not-there-error"), *vmcb64(VMCB_INFO1) & (NPF_RMP | NPF_ENC),
             NPF_ENC);
    set_rmp(GUEST_DATA, 0, 0);
}

/*
 * The VMCB of any guest, and a VMSA that is the host's, are in use while their
 * guest runs: RMPUPDATE would fail.  The guest looks up their entries itself.
 */
static void in_use(void)
{
    set_guest(g_load);
    regs.rsi = (u64)rmp_entry((u64)vmcb);
    check_eq(T("plain-guest"), run(), EXIT_VMMCALL);
    check_eq(T("vmcb-in-use"), regs.rbx, RMP_LOCK);
    check_eq(T("vmcb-left"), *rmp_entry((u64)vmcb), 0);
    set_encrypted(g_load);
    *vmsa64(VMSA_RSI) = (u64)rmp_entry((u64)vmsa);
    check_eq(T("es-guest"), run_encrypted(), EXIT_VMGEXIT);
    check_eq(T("vmsa-of-es-in-use"), *vmsa64(VMSA_RBX), RMP_LOCK);
    check_eq(T("vmsa-of-es-left"), *rmp_entry((u64)vmsa), 0);
    /* One page for both would be in use already. */
    set_encrypted(g_load);
    *vmcb64(VMCB_VMSA) = (u64)vmcb;
    check_eq(T("vmsa-is-vmcb"), run(), EXIT_BUSY);
}

void payload(void)
{
    svm_on();
    map_small();
    snp_on();
    start(g_status, g_status_end);
    check_eq(T("runs"), run_encrypted(), EXIT_VMGEXIT);
    check_eq(T("sev-status"), *guest_state(VMSA_RBX), 7);
    check_eq(T("no-longer-in-use"), *rmp_entry(GUEST_STATE) & RMP_LOCK, 0);
    vmsa_page();
    faults();
    in_use();
}
