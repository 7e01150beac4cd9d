/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: what its files offer each other
 *
 * All functions are called in the vCPU's thread; @ra is a helper's return
 * address, or 0 where env is up to date.
 */
#ifndef TARGET_I386_TCG_SNP_HOST_INTERNAL_H
#define TARGET_I386_TCG_SNP_HOST_INTERNAL_H

#include "cpu.h"
#include "target/i386/sev-rmp.h"
#include "tcg/snp/host/host.h"
#include "tcg/snp/processor.h"

static inline SnpHostVcpu *snp_host_vcpu_of(CPUX86State *env)
{
    return snp_host_vcpu(snp_host(), env_cpu(env)->cpu_index);
}

/** snp_host_is_guest: VMRUN has started a guest with this of SVM_SEV* */
static inline bool snp_host_is_guest(const CPUX86State *env, unsigned kind)
{
    return env->svm.sev & kind;
}

/** snp_host_sev_status: MSR SEV_STATUS of who runs; 0 for the host */
uint64_t snp_host_sev_status(CPUX86State *env);

/** snp_host_has_rmpread: has this CPU model the instruction RMPREAD? */
bool snp_host_has_rmpread(CPUX86State *env);

/*
 * The world's functions: see SnpWorldOps and SnpWalkOps
 */

/* msr.c */
bool snp_host_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value);
bool snp_host_wrmsr(CPUX86State *env, uint32_t index, uint64_t value,
                    uintptr_t ra);

/* cpuid.c */
void snp_host_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
                    uint32_t regs[4]);
void snp_host_realize(CPUState *cs);

/* access.c */
SnpOutcome snp_host_access(CPUX86State *env, SnpAccess *access);
void snp_host_fault(CPUX86State *env, const SnpAccess *access, bool is_walk,
                    uintptr_t ra);

/* walk.c */
extern const SnpWalkOps snp_host_walk;

/** snp_host_reserved: see SnpWorldOps.reserved */
uint64_t snp_host_reserved(CPUX86State *env, int ptw_idx, uint64_t mask);

/**
 * snp_host_npf: #VMEXIT for a nested page fault
 * @info1: error code, APM volume 2, 15.25.6 and 15.36.10
 * @gpa: without C-bit
 */
G_NORETURN void snp_host_npf(CPUX86State *env, uint64_t info1, hwaddr gpa,
                             uintptr_t ra);

/* operand.c */
bool snp_host_operand(CPUX86State *env, SnpOperand *operand, uintptr_t ra);
bool snp_host_fit(CPUX86State *env, SnpOperand *operand, bool large,
                  uintptr_t ra);
SnpChange snp_host_set(CPUX86State *env, SnpOperand *operand, uint32_t mask,
                       uint32_t value);

#endif
