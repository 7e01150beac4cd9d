/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The GHCB MSR protocol, GHCB specification (56421). */
#include "snp.h"

static bool cpuid_page(u32 leaf, u32 *regs)
{
    u8 *page = priv(CPUID_GPA);
    u32 count = *(u32 *)page;

    for (u32 i = 0; i < count && i < 64; i++) {
        u32 *entry = (u32 *)(page + 0x10 + 48 * i);

        if (entry[0] == leaf && entry[1] == 0) {
            memcpy(regs, entry + 6, 16);
            return true;
        }
    }
    return false;
}

/* There is no such page for a guest with SEV-ES alone. */
static bool cpuid_event(u32 leaf, u32 *regs)
{
    static const unsigned fields[] = { GHCB_RAX, GHCB_RBX, GHCB_RCX, GHCB_RDX };

    ghcb_clear();
    ghcb_set(GHCB_RAX, leaf);
    ghcb_set(GHCB_RCX, 0);
    if (ghcb_call(NAE_CPUID, 0, 0)) {
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        regs[i] = answer(fields[i]);
    }
    return true;
}

static bool cpuid_agrees(u32 leaf)
{
    u32 regs[4];

    if (!(has_rmp() ? cpuid_page : cpuid_event)(leaf, regs)) {
        return false;
    }
    for (u64 i = 0; i < 4; i++) {
        u64 response = vmgexit((u64)leaf << 32 | i << 30 | 4);

        if ((response & 0xfff) != 5 || response >> 32 != regs[i]) {
            return false;
        }
    }
    return true;
}

/* What ends a guest that has no RMP */
static void check_pages(void)
{
    u64 area = AREA_GPA;
    u64 response;

    check_eq(SNP_T("preferred-ghcb"), vmgexit(0x10), ~0xfffULL | 0x11);
    check_eq(SNP_T("register-ghcb"), vmgexit(GHCB_GPA | 0x12),
             GHCB_GPA | 0x13);
    check_eq(SNP_T("psc-shared"), psc_msr(area, PSC_SHARED), 0x15);
    *(volatile u64 *)shar(area) = 1;
    check_eq(SNP_T("psc-shared-usable"), *(volatile u64 *)shar(area), 1);
    check_eq(SNP_T("psc-private"), psc_msr(area, PSC_PRIVATE), 0x15);
    check_eq(SNP_T("psc-private-again"), psc_msr(area, PSC_PRIVATE), 0x15);
    for (unsigned op = 0; op < 16; op += op == 0 ? 3 : 1) {
        static const char *const names[] = {
            [0] = SNP_T("psc-operation-0"), [3] = SNP_T("psc-operation-3"),
            [4] = SNP_T("psc-operation-4"), [15] = SNP_T("psc-operation-15"),
        };

        response = psc_msr(area, op);
        if (op < ARRAY_SIZE(names) && names[op]) {
            check(names[op], (response & 0xfff) == 0x15 && response >> 32);
        }
    }
    response = psc_msr(0xfed00000, PSC_SHARED);
    check(SNP_T("psc-mmio"), (response & 0xfff) == 0x15 && response >> 32);
    response = psc_msr(0x80000000, PSC_PRIVATE);
    check(SNP_T("psc-hole"), (response & 0xfff) == 0x15 && response >> 32);
}

void payload(void)
{
    u64 info = vmgexit(2);

    check_eq(T("sev-info-code"), info & 0xfff, 1);
    if (has_rmp()) {
        check_eq(SNP_T("sev-info-max-version"), info >> 48, 2);
    } else {
        /* Which is what KVM_SEV_ES_INIT gives */
        check_eq(ES_T("sev-info-max-version-1"), info >> 48, 1);
    }
    check_eq(T("sev-info-min-version"), info >> 32 & 0xffff, 1);
    check_eq(T("sev-info-cbit"), info >> 24 & 0xff, CBIT_POS);
    check(T("cpuid-0"), cpuid_agrees(0));
    check(T("cpuid-80000000"), cpuid_agrees(0x80000000));
    check(T("cpuid-8000001f"), cpuid_agrees(0x8000001f));
    check_eq(T("hypervisor-features"), vmgexit(0x80), 3 << 12 | 0x81);

    if (has_rmp()) {
        check_pages();
    }
    check_eq(T("unknown-code"), vmgexit(0x1234567890123fff),
             0x1234567890123fff);
    check_eq(T("unknown-code-0ff"), vmgexit(0x0ff), 0x0ff);
    /* A GHCB address that is not set resumes without action. */
    check_eq(T("ghcb-zero"), vmgexit(0), 0);
}
