/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: the RMP entry that a guest's instruction names
 *
 * PVALIDATE, RMPADJUST and RMPQUERY: AMD64 APM volume 3, chapter 4.  The
 * hypervisor is software of the host, so whatever it has to do first is a
 * nested page fault.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "qemu/units.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/host/internal.h"
#include "tcg/snp/host/rmp.h"

/* Permissions of VMPL 1 to 3: SnpOperand.rmp has flags in VMPL0's place */
#define LOWER_PERMS 0xffffff00U

static uint32_t to_operand(const SevRmpEntry *entry)
{
    return (entry->perms & LOWER_PERMS) |
           (entry->lo & SEV_RMP_ASSIGNED ? SNP_RMP_ASSIGNED : 0) |
           (entry->lo & SEV_RMP_VALIDATED ? SNP_RMP_VALIDATED : 0) |
           (entry->lo & SEV_RMP_PAGE_2M ? SNP_RMP_PAGE_2M : 0) |
           (entry->lo & SEV_RMP_VMSA ? SNP_RMP_VMSA : 0) |
           (entry->lo & SEV_RMP_LOCK ? SNP_RMP_IN_USE : 0) |
           (entry->lo & SEV_RMP_IMMUTABLE ? SNP_RMP_IMMUTABLE : 0);
}

static G_NORETURN void fault(CPUX86State *env, const SnpOperand *operand,
                             uint64_t bits, uintptr_t ra)
{
    snp_host_npf(env, bits | PG_ERROR_P_MASK | PG_ERROR_W_MASK |
                 PG_ERROR_U_MASK | SNP_FAULT_RMP | SNP_FAULT_GPA |
                 SNP_FAULT_ENC, operand->gpa, ra);
}

/* Where the nested tables say that the page is, without the RMP's say */
static hwaddr resolve(CPUX86State *env, const SnpOperand *operand,
                      uintptr_t ra)
{
    SnpHostVcpu *vcpu = snp_host_vcpu_of(env);
    CPUState *cs = env_cpu(env);
    hwaddr addr = operand->gpa | snp_cbit_mask();
    uint64_t info1;
    target_ulong gpa = addr;

    vcpu->resolving = true;
    vcpu->resolved = false;
    x86_cpu_tlb_fill(cs, addr, 1, MMU_DATA_LOAD, MMU_NESTED_IDX, true, 0);
    vcpu->resolving = false;
    if (vcpu->resolved) {
        return vcpu->resolved_spa;
    }
    snp_walk_fault(env, addr, MMU_DATA_LOAD, MMU_NESTED_IDX, true, false, ra);
    info1 = env->error_code | SNP_FAULT_GPA;
    snp_host_walk.nested_fault(env, &info1, &gpa, ra);
    snp_host_npf(env, info1, gpa, ra);
}

static bool is_guests(CPUX86State *env, const SnpOperand *operand,
                      const SevRmpEntry *entry)
{
    return entry->lo & SEV_RMP_ASSIGNED && !(entry->lo & SEV_RMP_IMMUTABLE) &&
           sev_rmp_asid(entry) == env->svm.asid &&
           sev_rmp_gpa(entry) == (operand->gpa & SEV_RMP_GPA_MASK);
}

bool snp_host_operand(CPUX86State *env, SnpOperand *operand, uintptr_t ra)
{
    SevRmpEntry entry;

    operand->entry.spa = resolve(env, operand, ra);
    if (!snp_rmp_get(snp_host(), operand->entry.spa, &entry) ||
        !is_guests(env, operand, &entry)) {
        fault(env, operand, 0, ra);
    }
    operand->rmp = to_operand(&entry);
    return true;
}

bool snp_host_fit(CPUX86State *env, SnpOperand *operand, bool large,
                  uintptr_t ra)
{
    bool is_large = operand->rmp & SNP_RMP_PAGE_2M;

    if (is_large && !large) {
        fault(env, operand, SNP_FAULT_SIZEM, ra);
    }
    operand->count = large ? SNP_RMP_PAGES_2M : 1;
    /* The guest's page table may lead into the midst of a large page. */
    return is_large == large &&
           !(large && operand->gpa & (2 * MiB - 4 * KiB));
}

/* The bits of one entry that an instruction may change */
static bool change(SevRmpEntry *entry, uint32_t mask, uint32_t value)
{
    SevRmpEntry old = *entry;

    entry->perms = (entry->perms & ~(uint64_t)(mask & LOWER_PERMS)) |
                   (value & mask & LOWER_PERMS);
    if (mask & SNP_RMP_VALIDATED) {
        entry->lo &= ~SEV_RMP_VALIDATED;
        entry->lo |= value & SNP_RMP_VALIDATED ? SEV_RMP_VALIDATED : 0;
    }
    if (mask & SNP_RMP_VMSA) {
        entry->lo &= ~SEV_RMP_VMSA;
        entry->lo |= value & SNP_RMP_VMSA ? SEV_RMP_VMSA : 0;
    }
    return entry->lo != old.lo || entry->perms != old.perms;
}

/*
 * Rights that have grown are asked for again where they were missed.  What is
 * validated no more would stay in nested translations, which no INVLPG of the
 * guest ends here.
 */
static bool wants_flush(const SevRmpEntry *old, const SevRmpEntry *new)
{
    return old->lo & ~new->lo & SEV_RMP_VALIDATED || old->perms & ~new->perms;
}

/*
 * What the host took away since snp_host_operand() is nobody's to change;
 * the guest meets that at its next access.
 */
static SnpChange set_locked(CPUX86State *env, SnpOperand *operand,
                            uint32_t mask, uint32_t value)
{
    SnpHost *host = snp_host();
    SevRmpEntry entry, old;

    if (!snp_rmp_get(host, operand->entry.spa, &entry) ||
        !is_guests(env, operand, &entry) ||
        !(entry.lo & SEV_RMP_PAGE_2M) != (operand->count == 1)) {
        return SNP_UNCHANGED;
    }
    if (snp_rmp_is_in_use(host, operand->entry.spa, operand->count)) {
        return SNP_IN_USE;
    }
    if (operand->required & ~to_operand(&entry)) {
        return SNP_OUTDATED;
    }
    old = entry;
    if (!change(&entry, mask, value)) {
        return SNP_UNCHANGED;
    }
    snp_rmp_set(host, operand->entry.spa, &entry);
    operand->flushed = wants_flush(&old, &entry);
    return SNP_CHANGED;
}

SnpChange snp_host_set(CPUX86State *env, SnpOperand *operand, uint32_t mask,
                       uint32_t value)
{
    SnpHost *host = snp_host();
    SnpChange change;

    snp_rmp_lock(host);
    change = set_locked(env, operand, mask, value);
    snp_rmp_unlock(host);
    if (operand->flushed) {
        snp_rmp_flush_guests(host);
    }
    return change;
}
