/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMSA of an SEV-ES or SEV-SNP guest
 *
 * AMD64 Architecture Programmer's Manual, volume 2 (24593), table B-4:
 * where the processor keeps a vCPU's state between VMEXIT and VMRUN.  Every
 * field is little-endian.  The firmware measures such pages at launch, the
 * emulated processor starts vCPUs from them.
 */
#ifndef TARGET_I386_SEV_VMSA_H
#define TARGET_I386_SEV_VMSA_H

#include "qemu/compiler.h"

#define SEV_VMSA_PAGE_SIZE 4096

/* SEV_FEATURES, offset 3B0h */
#define SEV_FEATURES_SNP_ACTIVE             (1ULL << 0)
#define SEV_FEATURES_RESTRICTED_INJECTION   (1ULL << 3)
/* Restricted and alternate injection */
#define SEV_FEATURES_INJECTION              (3ULL << 3)
#define SEV_FEATURES_DEBUG_SWAP             (1ULL << 5)
#define SEV_FEATURES_PREVENT_HOST_IBS       (1ULL << 6)
#define SEV_FEATURES_BTB_ISOLATION          (1ULL << 7)
#define SEV_FEATURES_SECURE_TSC             (1ULL << 9)
#define SEV_FEATURES_SMT_PROTECTION         (1ULL << 15)

/* Segment attributes: bits 47:40 and 55:52 of a descriptor, put together */
#define SEV_VMSA_ATTR_TYPE_MASK     0x000f
#define SEV_VMSA_ATTR_S             0x0010
#define SEV_VMSA_ATTR_DPL_SHIFT     5
#define SEV_VMSA_ATTR_P             0x0080
#define SEV_VMSA_ATTR_L             0x0200
#define SEV_VMSA_ATTR_DB            0x0400
#define SEV_VMSA_ATTR_G             0x0800

typedef struct QEMU_PACKED SevVmsaSegment {
    uint16_t selector;
    uint16_t attributes;
    uint32_t limit;
    uint64_t base;
} SevVmsaSegment;

/*
 * Padding is named by its offset.  What the emulated processor has no use
 * for is part of the padding or kept because software fills it in.
 */
typedef struct QEMU_PACKED SevVmsa {
    SevVmsaSegment es, cs, ss, ds, fs, gs;
    SevVmsaSegment gdtr, ldtr, idtr, tr;
    uint64_t pad_0a0[5];            /* shadow stack pointers, U_CET */
    uint8_t pad_0c8[2];
    uint8_t vmpl;
    uint8_t cpl;
    uint8_t pad_0cc[4];
    uint64_t efer;
    uint8_t pad_0d8[0x140 - 0xd8];
    uint64_t xss;
    uint64_t cr4, cr3, cr0;
    uint64_t dr7, dr6;
    uint64_t rflags;
    uint64_t rip;
    uint64_t dr[4];
    uint64_t dr_mask[4];
    uint8_t pad_1c0[0x1d8 - 0x1c0];
    uint64_t rsp;
    uint64_t s_cet, ssp, isst_addr;
    uint64_t rax;
    uint64_t star, lstar, cstar, sfmask;
    uint64_t kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t cr2;
    uint8_t pad_248[0x268 - 0x248];
    uint64_t g_pat;
    uint64_t dbgctl;
    uint64_t br_from, br_to;
    uint64_t last_excp_from, last_excp_to;
    uint8_t pad_298[0x2e8 - 0x298];
    uint32_t pkru;
    uint32_t tsc_aux;
    uint64_t tsc_scale, tsc_offset;
    uint8_t pad_300[0x308 - 0x300];
    uint64_t rcx, rdx, rbx;
    uint64_t pad_320;
    uint64_t rbp, rsi, rdi;
    uint64_t r8_to_r15[8];
    uint8_t pad_380[0x390 - 0x380];
    uint64_t exit_info_1, exit_info_2, exit_int_info, next_rip;
    uint64_t sev_features;
    uint64_t vintr_ctrl;
    uint64_t exit_code;
    uint64_t virtual_tom;
    uint64_t tlb_id, pcpu_id;
    uint64_t event_inj;
    uint64_t xcr0;
    uint8_t pad_3f0[0x400 - 0x3f0];
    uint64_t x87_dp;
    uint32_t mxcsr;
    uint16_t x87_ftw, x87_fsw, x87_fcw, x87_fop;
    uint16_t x87_ds, x87_cs;
    uint64_t x87_rip;
    /* Eight mantissas, then eight words of sign and exponent */
    uint64_t x87_low[8];
    uint16_t x87_high[8];
    uint64_t xmm[16][2];
    uint64_t ymm_high[16][2];
    uint8_t pad_670[SEV_VMSA_PAGE_SIZE - 0x670];
} SevVmsa;

#define SEV_VMSA_CHECK(field, at) \
    QEMU_BUILD_BUG_ON(offsetof(SevVmsa, field) != (at))

SEV_VMSA_CHECK(cs, 0x010);
SEV_VMSA_CHECK(gs, 0x050);
SEV_VMSA_CHECK(gdtr, 0x060);
SEV_VMSA_CHECK(ldtr, 0x070);
SEV_VMSA_CHECK(idtr, 0x080);
SEV_VMSA_CHECK(tr, 0x090);
SEV_VMSA_CHECK(vmpl, 0x0ca);
SEV_VMSA_CHECK(cpl, 0x0cb);
SEV_VMSA_CHECK(efer, 0x0d0);
SEV_VMSA_CHECK(xss, 0x140);
SEV_VMSA_CHECK(cr4, 0x148);
SEV_VMSA_CHECK(cr0, 0x158);
SEV_VMSA_CHECK(dr7, 0x160);
SEV_VMSA_CHECK(dr6, 0x168);
SEV_VMSA_CHECK(rflags, 0x170);
SEV_VMSA_CHECK(rip, 0x178);
SEV_VMSA_CHECK(dr, 0x180);
SEV_VMSA_CHECK(dr_mask, 0x1a0);
SEV_VMSA_CHECK(rsp, 0x1d8);
SEV_VMSA_CHECK(rax, 0x1f8);
SEV_VMSA_CHECK(star, 0x200);
SEV_VMSA_CHECK(sfmask, 0x218);
SEV_VMSA_CHECK(kernel_gs_base, 0x220);
SEV_VMSA_CHECK(sysenter_cs, 0x228);
SEV_VMSA_CHECK(sysenter_eip, 0x238);
SEV_VMSA_CHECK(cr2, 0x240);
SEV_VMSA_CHECK(g_pat, 0x268);
SEV_VMSA_CHECK(last_excp_to, 0x290);
SEV_VMSA_CHECK(pkru, 0x2e8);
SEV_VMSA_CHECK(tsc_aux, 0x2ec);
SEV_VMSA_CHECK(tsc_scale, 0x2f0);
SEV_VMSA_CHECK(rcx, 0x308);
SEV_VMSA_CHECK(rbx, 0x318);
SEV_VMSA_CHECK(rbp, 0x328);
SEV_VMSA_CHECK(rdi, 0x338);
SEV_VMSA_CHECK(r8_to_r15, 0x340);
SEV_VMSA_CHECK(exit_info_1, 0x390);
SEV_VMSA_CHECK(sev_features, 0x3b0);
SEV_VMSA_CHECK(virtual_tom, 0x3c8);
SEV_VMSA_CHECK(event_inj, 0x3e0);
SEV_VMSA_CHECK(xcr0, 0x3e8);
SEV_VMSA_CHECK(x87_dp, 0x400);
SEV_VMSA_CHECK(mxcsr, 0x408);
SEV_VMSA_CHECK(x87_ftw, 0x40c);
SEV_VMSA_CHECK(x87_fsw, 0x40e);
SEV_VMSA_CHECK(x87_fcw, 0x410);
SEV_VMSA_CHECK(x87_fop, 0x412);
SEV_VMSA_CHECK(x87_ds, 0x414);
SEV_VMSA_CHECK(x87_cs, 0x416);
SEV_VMSA_CHECK(x87_rip, 0x418);
SEV_VMSA_CHECK(x87_low, 0x420);
SEV_VMSA_CHECK(x87_high, 0x460);
SEV_VMSA_CHECK(xmm, 0x470);
SEV_VMSA_CHECK(ymm_high, 0x570);
QEMU_BUILD_BUG_ON(sizeof(SevVmsa) != SEV_VMSA_PAGE_SIZE);

#undef SEV_VMSA_CHECK

/*
 * The state a vCPU starts with
 */

/**
 * PspVcpuReset: in what the initial states of vCPUs differ
 * @cs_base, @rip: the reset vector
 * @signature: CPUID leaf 1 EAX, found in RDX after reset
 * @sev_features: APM volume 2 table B-4, offset 3B0h
 */
typedef struct PspVcpuReset {
    uint16_t cs_selector;
    uint64_t cs_base;
    uint64_t rip;
    uint32_t signature;
    uint64_t sev_features;
} PspVcpuReset;

/**
 * psp_vmsa_init: the VMSA that KVM would let the firmware measure
 *
 * The processor's reset state (APM volume 2, table 14-2) as SVM keeps it.
 */
void psp_vmsa_init(SevVmsa *vmsa, const PspVcpuReset *reset);

/**
 * psp_vmsa_without_fpu: the same, of a guest by KVM_SEV_ES_INIT
 *
 * KVM of Linux 6.12 keeps the measurements of old: there is no x87 and SSE
 * state in such a VMSA.
 */
void psp_vmsa_without_fpu(SevVmsa *vmsa);

#endif
