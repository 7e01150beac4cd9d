/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: the RMP check of a translation
 *
 * AMD64 APM volume 2, 15.36.10.  Checks are made where a translation enters a
 * TLB; whoever changes an entry ends those that it forbids, see marks.h.  A
 * page that only its owner may write is entered without the right to, so that
 * a write comes back and is told.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/page-protection.h"
#include "qemu/units.h"
#include "svm.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/host/internal.h"
#include "tcg/snp/host/marks.h"
#include "tcg/snp/host/rmp.h"

static bool is_large(const SnpAccess *access)
{
    return access->page_size >= 2 * MiB;
}

static bool is_virtual(const SnpAccess *access)
{
    return access->mmu_idx != MMU_PHYS_IDX &&
           access->mmu_idx != MMU_NESTED_IDX;
}

/* What may only be written where the hypervisor owns it */
static SnpOutcome check_shared(SnpAccess *access)
{
    if (snp_rmp_host_owns(snp_host(), access->paddr, is_large(access))) {
        return SNP_ACCESS_OK;
    }
    if (access->type == MMU_DATA_STORE) {
        access->bits = SNP_FAULT_RMP;
        return SNP_ACCESS_FAULT;
    }
    access->prot &= ~PAGE_WRITE;
    return SNP_ACCESS_OK;
}

static bool is_owner(CPUX86State *env, const SevRmpEntry *entry, hwaddr gpa)
{
    return entry->lo & SEV_RMP_ASSIGNED &&
           sev_rmp_asid(entry) == env->svm.asid &&
           sev_rmp_gpa(entry) == (gpa & SEV_RMP_GPA_MASK);
}

/* Who fetches is known only where virtual addresses are. */
static SnpOutcome check_vmpl(CPUX86State *env, SnpAccess *access,
                             const SevRmpEntry *entry, bool user, bool super)
{
    return snp_check_vmpl(access, sev_rmp_perm(entry, env->svm.vmpl & 3), user,
                          super);
}

/* The order is the architecture's: the first that fails is told. */
static SnpOutcome check_private(CPUX86State *env, SnpAccess *access)
{
    SevRmpEntry entry;

    access->bits = SNP_FAULT_RMP;
    if (!snp_rmp_get(snp_host(), access->paddr, &entry) ||
        !is_owner(env, &entry, access->gpa) ||
        !(entry.lo & SEV_RMP_PAGE_2M) == is_large(access)) {
        return SNP_ACCESS_FAULT;
    }
    /* Nobody touches a VMSA that somebody runs with: 15.36.12 */
    if (entry.lo & SEV_RMP_LOCK) {
        return SNP_ACCESS_FAULT;
    }
    if (!(entry.lo & SEV_RMP_VALIDATED)) {
        return SNP_ACCESS_NOT_VALIDATED;
    }
    return check_vmpl(env, access, &entry, true, true);
}

/* A page of the nested tables, or what they map */
static SnpOutcome check_nested(CPUX86State *env, SnpAccess *access)
{
    bool sev = env->svm.sev;

    access->private = sev && access->addr & snp_cbit_mask();
    access->gpa = sev ? access->addr & ~snp_cbit_mask() : access->addr;
    if (access->private && snp_host_is_guest(env, SVM_SEV_SNP)) {
        return check_private(env, access);
    }
    return check_shared(access);
}

/* Of a guest's virtual address all but the right to fetch is known by now. */
static SnpOutcome check_fetch(CPUX86State *env, SnpAccess *access)
{
    bool user = snp_access_is_user(access);
    SevRmpEntry entry;

    if (!snp_host_is_guest(env, SVM_SEV_SNP) || !env->svm.vmpl ||
        !(access->prot & PAGE_EXEC) ||
        !snp_rmp_get(snp_host(), access->paddr, &entry) ||
        sev_rmp_asid(&entry) != env->svm.asid) {
        return SNP_ACCESS_OK;
    }
    access->gpa = sev_rmp_gpa(&entry) | (access->paddr & 0xfff);
    access->private = true;
    return check_vmpl(env, access, &entry, user, !user);
}

static uint64_t error_code(const SnpAccess *access, bool user)
{
    return access->bits | PG_ERROR_P_MASK |
           (user ? PG_ERROR_U_MASK : 0) |
           (access->type == MMU_DATA_STORE ? PG_ERROR_W_MASK : 0) |
           (access->type == MMU_INST_FETCH ? PG_ERROR_I_D_MASK : 0);
}

SnpOutcome snp_host_access(CPUX86State *env, SnpAccess *access)
{
    SnpHostVcpu *vcpu = snp_host_vcpu_of(env);
    SnpOutcome outcome;

    if (access->mmu_idx == MMU_NESTED_IDX && vcpu->resolving) {
        vcpu->resolved = true;
        vcpu->resolved_spa = access->paddr;
        return SNP_ACCESS_RESOLVED;
    }
    if (!(vcpu->syscfg & SYSCFG_SNP_EN)) {
        return SNP_ACCESS_OK;
    }
    snp_mark_translation(snp_host(), env_cpu(env), access);
    /* The pages of a world switch are looked at before it begins. */
    if (env->svm.switching && access->mmu_idx == MMU_PHYS_IDX) {
        return SNP_ACCESS_OK;
    }
    if (access->mmu_idx == MMU_NESTED_IDX) {
        outcome = check_nested(env, access);
        vcpu->nested_outcome = outcome;
        vcpu->nested_bits = error_code(access, true);
        return outcome;
    }
    if (is_virtual(access) && env->hflags2 & HF2_NPT_MASK) {
        return check_fetch(env, access);
    }
    return check_shared(access);
}

/* The intercept comes before CR2: APM volume 2, 15.12.15. */
static G_NORETURN void raise_page_fault(CPUX86State *env, vaddr addr,
                                        uint32_t code, uintptr_t ra)
{
    if (env->intercept_exceptions & 1 << EXCP0E_PAGE) {
        x86_stq_phys(env_cpu(env), env->vm_vmcb +
                     offsetof(struct vmcb, control.exit_info_2), addr);
    } else {
        env->cr[2] = addr;
    }
    raise_exception_err_ra(env, EXCP0E_PAGE, code, ra);
}

/*
 * #PF for the host, #NPF for a guest.  A page table that the host does not own
 * is met by a walk: of the host's tables for its own access, of the nested
 * ones for a guest's.
 */
void snp_host_fault(CPUX86State *env, const SnpAccess *access, bool is_walk,
                    uintptr_t ra)
{
    uint64_t code = error_code(access, snp_access_is_user(access));

    if (env->hflags2 & HF2_NPT_MASK) {
        const SnpHostVcpu *vcpu = snp_host_vcpu_of(env);
        bool private = is_walk ? vcpu->nested_private : access->private;

        snp_host_npf(env, code | PG_ERROR_U_MASK | SNP_FAULT_GPA |
                     (private ? SNP_FAULT_ENC : 0),
                     is_walk ? vcpu->nested_gpa : access->gpa, ra);
    }
    raise_page_fault(env, access->addr, code, ra);
}
