/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSRs of an encrypted guest: which it reaches by itself, and those that only
 * it has
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "cpu.h"
#include "standard-headers/asm-x86/kvm_para.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/guest.h"

bool snp_msr_is_direct(uint32_t index)
{
    switch (index) {
    case MSR_SEV_ES_GHCB:
    case MSR_SEV_STATUS:
    case MSR_EFER:
    case MSR_PAT:
    case MSR_STAR:
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_FMASK:
    case MSR_FSBASE:
    case MSR_GSBASE:
    case MSR_KERNELGSBASE:
    case MSR_IA32_SYSENTER_CS:
    case MSR_IA32_SYSENTER_ESP:
    case MSR_IA32_SYSENTER_EIP:
    case MSR_IA32_XSS:
        return true;
    case MSR_TSC_AUX:
        return snp_guest()->rules.vmsa.tsc_aux;
    default:
        return false;
    }
}

static bool has_ghcb(CPUX86State *env)
{
    return env->svm.sev & SVM_SEV_ES;
}

/* Of guests that find KVM's features in CPUID */
static bool has_kvm(CPUX86State *env)
{
    return !(env->svm.sev & SVM_SEV_SNP);
}

/*
 * SEV, SEV-ES and SEV-SNP, then the features of the VMSA in use; APM volume 2,
 * 15.34.10
 */
static uint64_t sev_status(CPUX86State *env)
{
    uint64_t features = snp_vcpu(env)->sev_features & ~SEV_FEATURES_SNP_ACTIVE;

    return env->svm.sev >> 1 | features << 2;
}

bool snp_guest_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value)
{
    switch (index) {
    case MSR_SEV_ES_GHCB:
        *value = has_ghcb(env) ? snp_vmpl(env)->ghcb_msr : 0;
        return has_ghcb(env);
    case MSR_SEV_STATUS:
        *value = sev_status(env);
        return true;
    case MSR_KVM_MIGRATION_CONTROL:
        if (has_kvm(env)) {
            *value = qatomic_read(&snp_guest()->migration_control);
        }
        return has_kvm(env);
    default:
        return false;
    }
}

bool snp_guest_wrmsr(CPUX86State *env, uint32_t index, uint64_t value,
                     uintptr_t ra)
{
    switch (index) {
    case MSR_SEV_ES_GHCB:
        if (has_ghcb(env)) {
            snp_vmpl(env)->ghcb_msr = value;
        }
        return has_ghcb(env);
    case MSR_SEV_STATUS:
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    case MSR_KVM_MIGRATION_CONTROL:
        if (has_kvm(env) && value & ~(uint64_t)KVM_MIGRATION_READY) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
        }
        if (has_kvm(env)) {
            qatomic_set(&snp_guest()->migration_control, value);
        }
        return has_kvm(env);
    default:
        return false;
    }
}
