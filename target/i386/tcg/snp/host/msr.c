/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: MSRs
 *
 * AMD64 APM volume 2, 15.34.2, 15.36.2 and 15.36.4.  Firmware has chosen the
 * RMP's place: a write that would move it is refused, as one that would
 * change it once SNP is enabled.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/host/internal.h"
#include "tcg/snp/host/vmrun.h"

/* Bits 18 to 25 are defined, up to VMPL_EN */
#define SYSCFG_WRITABLE MAKE_64BIT_MASK(18, 8)
/* What stays as it is once SNP is enabled, until reset */
#define SYSCFG_LOCKED (SYSCFG_MEM_ENCRYPT | SYSCFG_SNP_EN | SYSCFG_VMPL_EN)

void snp_host_reset_vcpu(SnpHostVcpu *vcpu)
{
    *vcpu = (SnpHostVcpu) {
        .syscfg = SYSCFG_MEM_ENCRYPT,
        .hwcr = HWCR_SMMLOCK | HWCR_TSC_FREQ_SEL,
    };
}

bool snp_host_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value)
{
    SnpHostVcpu *vcpu = snp_host_vcpu_of(env);

    if (snp_host_guest_rdmsr(env, index, value)) {
        return true;
    }
    switch (index) {
    case MSR_SYSCFG:
        *value = vcpu->syscfg;
        return true;
    case MSR_HWCR:
        *value = vcpu->hwcr;
        return true;
    case MSR_SEV_STATUS:
        *value = snp_host_sev_status(env);
        return true;
    case MSR_RMP_BASE:
        *value = snp_host()->rmp_base;
        return true;
    case MSR_RMP_END:
        *value = snp_host()->rmp_end;
        return true;
    default:
        return false;
    }
}

static bool write_syscfg(CPUX86State *env, uint64_t value)
{
    SnpHostVcpu *vcpu = snp_host_vcpu_of(env);
    uint64_t old = vcpu->syscfg;

    if (value & ~SYSCFG_WRITABLE) {
        return false;
    }
    if (old & SYSCFG_SNP_EN) {
        value = (value & ~SYSCFG_LOCKED) | (old & SYSCFG_LOCKED);
    }
    if (value & SYSCFG_SNP_EN && !(value & SYSCFG_MEM_ENCRYPT)) {
        return false;
    }
    qatomic_set(&vcpu->syscfg, value);
    if ((value ^ old) & SYSCFG_LOCKED) {
        tlb_flush(env_cpu(env));
    }
    return true;
}

static bool write_rmp_bound(CPUX86State *env, uint64_t bound, uint64_t value)
{
    return value == bound &&
           !(snp_host_vcpu_of(env)->syscfg & SYSCFG_SNP_EN);
}

bool snp_host_wrmsr(CPUX86State *env, uint32_t index, uint64_t value,
                    uintptr_t ra)
{
    bool ok = true;

    if (snp_host_guest_wrmsr(env, index, value)) {
        return true;
    }
    switch (index) {
    case MSR_SYSCFG:
        ok = write_syscfg(env, value);
        break;
    case MSR_HWCR:
        snp_host_vcpu_of(env)->hwcr = value | HWCR_SMMLOCK;
        break;
    case MSR_SEV_STATUS:
        ok = false;
        break;
    case MSR_RMP_BASE:
        ok = write_rmp_bound(env, snp_host()->rmp_base, value);
        break;
    case MSR_RMP_END:
        ok = write_rmp_bound(env, snp_host()->rmp_end, value);
        break;
    default:
        return false;
    }
    if (!ok) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
    return true;
}
