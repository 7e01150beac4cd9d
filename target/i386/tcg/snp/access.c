/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translations: the C-bit rules, and what the RMP check's outcome leads to
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/page-protection.h"
#include "system/upm/compat.h"
#include "target/i386/sev-rmp.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/svm-assist.h"
#include "tcg/snp/processor.h"

/* Not a page table's and not the processor's own access */
static bool is_virtual(int mmu_idx)
{
    return mmu_idx != MMU_PHYS_IDX && mmu_idx != MMU_NESTED_IDX;
}

/*
 * Instruction fetches and table walks are always private, and so is
 * everything outside long mode and PAE (APM volume 2, 15.34.5).
 */
static void apply_cbit(CPUX86State *env, MMUAccessType type, int mmu_idx,
                       hwaddr *paddr, int *prot)
{
    if (*paddr & snp_cbit_mask()) {
        return;
    }
    if (is_virtual(mmu_idx) && env->cr[0] & CR0_PG_MASK &&
        env->cr[4] & CR4_PAE_MASK) {
        if (type != MMU_INST_FETCH) {
            *prot &= ~PAGE_EXEC;
            return;
        }
        *prot &= PAGE_EXEC;
    }
    *paddr |= snp_cbit_mask();
}

bool snp_access_is_user(const SnpAccess *access)
{
    return is_virtual(access->mmu_idx) &&
           is_mmu_index_user(svm_mmu_base(access->mmu_idx));
}

static int rights(unsigned perm, bool user, bool super)
{
    return (perm & SEV_RMP_READ ? PAGE_READ : 0) |
           (perm & SEV_RMP_WRITE ? PAGE_WRITE : 0) |
           ((user && perm & SEV_RMP_EXEC_USER) ||
            (super && perm & SEV_RMP_EXEC_SUPER) ? PAGE_EXEC : 0);
}

static int right_of(MMUAccessType type)
{
    return type == MMU_DATA_STORE ? PAGE_WRITE
           : type == MMU_INST_FETCH ? PAGE_EXEC : PAGE_READ;
}

/* APM volume 2, 15.36.7 and 15.36.10 */
SnpOutcome snp_check_vmpl(SnpAccess *access, unsigned perm, bool user,
                          bool super)
{
    access->prot &= rights(perm, user, super);
    if (access->prot & right_of(access->type)) {
        return SNP_ACCESS_OK;
    }
    access->bits = SNP_FAULT_RMP | SNP_FAULT_VMPL;
    return SNP_ACCESS_FAULT;
}

bool snp_stage1(CPUX86State *env, MMUAccessType type, int mmu_idx,
                hwaddr *paddr, int *prot)
{
    SnpCpu *cpu = snp_cpu(env);

    apply_cbit(env, type, mmu_idx, paddr, prot);
    if (!cpu->resolving || !is_virtual(mmu_idx)) {
        return true;
    }
    cpu->resolved = true;
    cpu->resolved_paddr = *paddr;
    return false;
}

hwaddr snp_resolve(CPUX86State *env, uint64_t gva, uintptr_t ra)
{
    SnpCpu *cpu = snp_cpu(env);
    CPUState *cs = env_cpu(env);
    int mmu_idx = cpu_mmu_index(cs, false);

    cpu->resolving = true;
    cpu->resolved = false;
    x86_cpu_tlb_fill(cs, gva, 1, MMU_DATA_LOAD, mmu_idx, true, 0);
    cpu->resolving = false;
    if (!cpu->resolved) {
        /* An access raises what is wrong; if nothing is by now, once more. */
        x86_cpu_tlb_fill(cs, gva, 1, MMU_DATA_LOAD, mmu_idx, false, ra);
        cpu_loop_exit_restore(cs, ra);
    }
    return cpu->resolved_paddr;
}

static G_NORETURN void raise_outcome(CPUX86State *env, SnpOutcome outcome,
                                     uintptr_t ra)
{
    snp_raise_vc(env, outcome == SNP_ACCESS_MMIO ? SNP_EXIT_NPF_MMIO
                                                 : SNP_EXIT_NPF_NOT_VALIDATED,
                 ra);
}

/* A page walk asks by probing, and its own end raises what it has met. */
static bool fail_probe(CPUX86State *env, const SnpAccess *access,
                       SnpOutcome outcome)
{
    SnpCpu *cpu = snp_cpu(env);

    /* Who takes an error code from here finds none of an earlier fault. */
    env->error_code = 0;
    if (access->mmu_idx == MMU_PHYS_IDX) {
        cpu->walk_outcome = outcome;
        cpu->walk_fault = *access;
    }
    return false;
}

bool snp_tlb_fill(CPUX86State *env, vaddr addr, MMUAccessType type,
                  int mmu_idx, bool probe, uintptr_t retaddr, hwaddr *paddr,
                  int *prot, uint64_t page_size)
{
    const SnpWorldOps *world = snp_world();
    SnpAccess access;

    if (!world) {
        return true;
    }
    access = (SnpAccess) {
        .addr = addr, .type = type, .mmu_idx = mmu_idx, .paddr = *paddr,
        .prot = *prot, .page_size = page_size,
    };
    for (;;) {
        SnpOutcome outcome = world->access(env, &access);

        if (outcome == SNP_ACCESS_OK) {
            *paddr = access.paddr;
            *prot = access.prot;
            return true;
        }
        if (outcome == SNP_ACCESS_RESOLVED) {
            return false;
        }
        if (probe) {
            return fail_probe(env, &access, outcome);
        }
        if (outcome != SNP_ACCESS_FAULT) {
            raise_outcome(env, outcome, retaddr);
        }
        world->fault(env, &access, false, retaddr);
    }
}

bool snp_walk_faulted(CPUX86State *env)
{
    return snp_world() && snp_cpu(env)->walk_outcome != SNP_ACCESS_OK;
}

bool snp_walk_fault(CPUX86State *env, vaddr addr, MMUAccessType type,
                    int mmu_idx, bool at_stage2, bool probe, uintptr_t retaddr)
{
    SnpAccess access;
    SnpOutcome outcome;

    /* What a nested walk has met is for the walk that it is part of. */
    if (probe || !at_stage2 || !snp_walk_faulted(env)) {
        return false;
    }
    outcome = snp_cpu(env)->walk_outcome;
    access = snp_cpu(env)->walk_fault;
    access.addr = addr;
    access.type = type;
    access.mmu_idx = mmu_idx;
    if (outcome == SNP_ACCESS_FAULT) {
        snp_world()->fault(env, &access, true, retaddr);
        /*
         * An exception that is being delivered must not get lost.  The walk
         * begins again, and succeeds, but where a table was converted: it is
         * not validated.
         */
        if (!(env->svm.sev & SVM_SEV_SNP) || access.bits & SNP_FAULT_RMP) {
            return true;
        }
        outcome = SNP_ACCESS_NOT_VALIDATED;
    }
    raise_outcome(env, outcome, retaddr);
}
