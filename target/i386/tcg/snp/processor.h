/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated SEV-SNP processor: what it offers to either world
 *
 * What QEMU's own files call is in snp-hooks.h, what the processor asks of
 * the world under it in world.h.
 */
#ifndef TARGET_I386_TCG_SNP_PROCESSOR_H
#define TARGET_I386_TCG_SNP_PROCESSOR_H

#include "qemu/bswap.h"
#include "cpu.h"
#include "exec/mmu-access-type.h"
#include "target/i386/sev-vmsa.h"
#include "tcg/snp/snp-hooks.h"
#include "tcg/snp/world.h"

/* Exit codes that svm.h lacks, APM volume 2, appendix C */
#define SVM_EXIT_EFER_WRITE_TRAP    0x08f
#define SVM_EXIT_CR0_WRITE_TRAP     0x090
#define SVM_EXIT_CR15_WRITE_TRAP    0x09f
#define SVM_EXIT_AVIC_IPI           0x401
#define SVM_EXIT_AVIC_NOACCEL       0x402
#define SVM_EXIT_VMGEXIT            0x403
/* #VC error codes that are no intercepts */
#define SNP_EXIT_NPF_MMIO           0x400
#define SNP_EXIT_NPF_NOT_VALIDATED  0x404

/**
 * SnpCpu: what the processor itself keeps of one vCPU
 * @walk_fault: what the page walk at hand could not read, and why; valid
 *     with @walk_outcome other than SNP_ACCESS_OK
 * @resolving: translate only, for an instruction that names a page
 * @resolved, @resolved_paddr: the outcome of that, with the C-bit
 *
 * Owned by the vCPU's thread.
 */
typedef struct SnpCpu {
    SnpOutcome walk_outcome;
    SnpAccess walk_fault;
    bool resolving;
    bool resolved;
    hwaddr resolved_paddr;
} SnpCpu;

/** snp_cpu: never NULL on a machine that has a world */
SnpCpu *snp_cpu(CPUX86State *env);

/** snp_cbit_mask: the C-bit as a mask of physical address bits */
uint64_t snp_cbit_mask(void);

/**
 * snp_set_result: what an instruction on the RMP returns
 * @carry: CF
 *
 * OF, SF, ZF, AF and PF are set by EAX: APM volume 3, PVALIDATE and others.
 * The translator has to know that flags are CC_OP_EFLAGS then.
 */
void snp_set_result(CPUX86State *env, uint32_t eax, bool carry);

/*
 * vc.c
 */

/** snp_raise_vc: #VC with an error code; @ra as in world.h */
G_NORETURN void snp_raise_vc(CPUX86State *env, int code, uintptr_t ra);

/**
 * snp_exit_is_automatic: does an intercepted event leave an encrypted guest
 * without asking it?
 * @code: SVM_EXIT_*; APM volume 2, 15.35.4 and table 15-36
 */
bool snp_exit_is_automatic(uint64_t code);

/*
 * insn.c
 */

/**
 * snp_leave: leave the translation block behind an instruction that is over
 *
 * env->eip is behind it.  Does what else ends an instruction.
 */
G_NORETURN void snp_leave(CPUX86State *env);

/*
 * access.c
 */

/**
 * snp_stage1: the end of a guest's own page walk, on encrypted guests
 * @type, @mmu_idx: of the access
 * @paddr: in: guest-physical address as the guest's page tables say it; out:
 *     with the C-bit that the access has
 * @prot: shrinks where the access rights depend on the C-bit
 *
 * Applies the C-bit rules (APM volume 2, 15.34.5).  To be called again for
 * the same translation without harm.
 *
 * Returns: false where only this address was wanted, see
 * SNP_ACCESS_RESOLVED; there is nothing to be checked then, and the fill of
 * the TLB fails.
 */
bool snp_stage1(CPUX86State *env, MMUAccessType type, int mmu_idx,
                hwaddr *paddr, int *prot);

/**
 * snp_check_vmpl: what the RMP lets a VMPL other than 0 do
 * @perm: its permissions, SEV_RMP_READ and so on
 * @user, @super: who may be executing: what is not known is both
 *
 * Returns: SNP_ACCESS_OK, with @prot of @access shrunk, or SNP_ACCESS_FAULT
 * with @bits set.
 */
SnpOutcome snp_check_vmpl(SnpAccess *access, unsigned perm, bool user,
                          bool super);

/** snp_access_is_user: an access by virtual address, at CPL 3 */
bool snp_access_is_user(const SnpAccess *access);

/**
 * snp_resolve: where a virtual address of the guest lies
 *
 * Raises #GP or #PF as a one-byte read does.
 *
 * Returns: the guest-physical address, with the C-bit.
 */
hwaddr snp_resolve(CPUX86State *env, uint64_t gva, uintptr_t ra);

/** snp_cpuid: CPUID as software of this world sees it */
void snp_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
               uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx);

/*
 * vmsa.c, vmsa-store.c
 */

/**
 * SnpVmsaRules: in what a VMSA is held against who runs it
 * @features_set: bits of SEV_FEATURES that must be set
 * @features: bits of SEV_FEATURES that may be set
 * @vmpls: VMPLs that may be asked for: 1, or more
 * @tsc_aux: TSC_AUX is part of the VMSA (CPUID 8000_001F EAX[9],
 *     TscAuxVirtualization); otherwise it is the hypervisor's to switch
 */
typedef struct SnpVmsaRules {
    uint64_t features_set;
    uint64_t features;
    uint8_t vmpls;
    bool tsc_aux;
} SnpVmsaRules;

/** snp_vmsa_has_debug: DR0 to DR3 are part of it, as SEV_FEATURES say */
static inline bool snp_vmsa_has_debug(const SevVmsa *vmsa)
{
    return le64_to_cpu(vmsa->sev_features) & SEV_FEATURES_DEBUG_SWAP;
}

/**
 * snp_vmsa_load: set all of a vCPU's state from a VMSA page
 * @vmsa: in the layout of APM table B-4; not written by others meanwhile
 *
 * Makes the checks that VMRUN makes (APM volume 2, 15.5.1 and 15.35.8).  From
 * any state of the vCPU, in its thread or before it runs.  What is no part of
 * a VMSA stays: SMM, GIF, interrupts, the APIC, and without DebugSwap the
 * addresses of breakpoints.
 *
 * Returns: NULL, or why VMRUN would fail; nothing has changed then.
 */
const char *snp_vmsa_load(CPUX86State *env, const SevVmsa *vmsa,
                          const SnpVmsaRules *rules);

/**
 * snp_vmsa_load_swapped: the part of it that #VMEXIT loads, too
 * @vmsa: or the host's save area, which has the same layout
 *
 * What table B-4 calls type B, but XCR0: FS, GS, LDTR, TR, the general
 * registers without RAX and RSP, MSRs, PKRU and XSS.  Makes no checks.
 */
void snp_vmsa_load_swapped(CPUX86State *env, const SevVmsa *vmsa);

/** snp_xcr0_supported: what XCR0 may hold; x87 state is always there */
uint64_t snp_xcr0_supported(CPUX86State *env);

/**
 * snp_vmsa_store: write a vCPU's state back, as #VMEXIT does
 *
 * Writes every field that snp_vmsa_load() takes register state from, and no
 * other: SEV_FEATURES, VMPL and what the hypervisor keeps in the page stay.
 * env must be up to date.
 */
void snp_vmsa_store(CPUX86State *env, SevVmsa *vmsa,
                    const SnpVmsaRules *rules);

#endif
