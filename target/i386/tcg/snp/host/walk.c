/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: page walks, and where the C-bit travels in them
 *
 * A guest's own page tables give a guest-physical address with the C-bit.
 * It stays in what the nested TLB is asked for: the private and the shared
 * view of one guest page are two entries there.  The walk of the nested tables
 * is without it, and the RMP check asks which view it was.
 *
 * AMD64 APM volume 2, 15.34.1 (the C-bit and reserved bits), 15.34.5 (what is
 * always private), 15.25.6 and 15.36.10 (#NPF).
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/host/internal.h"

#define RESERVED_FROM(bit) MAKE_64BIT_MASK(bit, 52 - (bit))

static bool memory_is_encrypted(CPUX86State *env)
{
    return snp_host_vcpu_of(env)->syscfg & SYSCFG_MEM_ENCRYPT;
}

static bool is_sev(CPUX86State *env)
{
    return snp_host_is_guest(env, SVM_SEV | SVM_SEV_ES | SVM_SEV_SNP);
}

/*
 * A guest's addresses are not shortened.  The host's are, while memory is
 * encrypted; KVM takes the bits in between to tell its MMIO.
 */
uint64_t snp_host_reserved(CPUX86State *env, int ptw_idx, uint64_t mask)
{
    if (ptw_idx == MMU_NESTED_IDX) {
        mask |= RESERVED_FROM(SNP_HOST_PHYS_BITS);
        return is_sev(env) ? mask & ~snp_cbit_mask() : mask;
    }
    if (!memory_is_encrypted(env)) {
        return mask | RESERVED_FROM(SNP_HOST_PHYS_BITS);
    }
    mask |= RESERVED_FROM(SNP_HOST_PHYS_BITS - SNP_HOST_REDUCTION);
    return mask & ~snp_cbit_mask();
}

/* An encrypted guest's page tables are private, whatever points to them. */
static hwaddr walk_table(CPUX86State *env, int ptw_idx, hwaddr addr)
{
    if (ptw_idx == MMU_NESTED_IDX) {
        return is_sev(env) ? addr | snp_cbit_mask() : addr;
    }
    return memory_is_encrypted(env) ? addr & ~snp_cbit_mask() : addr;
}

static bool walk_leaf(CPUX86State *env, MMUAccessType type, int mmu_idx,
                      int ptw_idx, hwaddr *paddr, int *prot)
{
    if (ptw_idx == MMU_NESTED_IDX) {
        return !is_sev(env) || snp_stage1(env, type, mmu_idx, paddr, prot);
    }
    *paddr = walk_table(env, ptw_idx, *paddr);
    return true;
}

static hwaddr walk_nested(CPUX86State *env, hwaddr addr)
{
    SnpHostVcpu *vcpu = snp_host_vcpu_of(env);

    vcpu->nested_outcome = SNP_ACCESS_OK;
    vcpu->nested_private = snp_host_is_guest(env, SVM_SEV_SNP) &&
                           addr & snp_cbit_mask();
    vcpu->nested_gpa = is_sev(env) ? addr & ~snp_cbit_mask() : addr;
    return vcpu->nested_gpa;
}

/*
 * An encrypted guest's #NPF for reserved bits is how its hypervisor marks
 * MMIO: that becomes a #VC, as does a page that is not validated.
 */
static void nested_fault(CPUX86State *env, uint64_t *info1, target_ulong *gpa,
                         uintptr_t ra)
{
    SnpHostVcpu *vcpu = snp_host_vcpu_of(env);
    if (snp_host_is_guest(env, SVM_SEV_SNP) && *gpa & snp_cbit_mask()) {
        *info1 |= SNP_FAULT_ENC;
    }
    if (is_sev(env)) {
        *gpa &= ~snp_cbit_mask();
    }
    if (vcpu->nested_outcome == SNP_ACCESS_NOT_VALIDATED) {
        snp_raise_vc(env, SNP_EXIT_NPF_NOT_VALIDATED, ra);
    }
    if (vcpu->nested_outcome == SNP_ACCESS_FAULT) {
        *info1 = (*info1 & ~0xffffULL) | vcpu->nested_bits;
    } else if (env->hflags & HF_SNP_MASK && *info1 & PG_ERROR_RSVD_MASK) {
        snp_raise_vc(env, SNP_EXIT_NPF_MMIO, ra);
    }
}

const SnpWalkOps snp_host_walk = {
    .table = walk_table,
    .leaf = walk_leaf,
    .nested = walk_nested,
    .nested_fault = nested_fault,
};

void snp_host_npf(CPUX86State *env, uint64_t info1, hwaddr gpa, uintptr_t ra)
{
    x86_stq_phys(env_cpu(env),
                 env->vm_vmcb + offsetof(struct vmcb, control.exit_info_2),
                 gpa);
    cpu_vmexit(env, SVM_EXIT_NPF, info1, ra);
}
