/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSRs of an SNP guest: which it reaches by itself, and the two that only it
 * has
 */
#include "qemu/osdep.h"
#include "cpu.h"
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
    case MSR_TSC_AUX:
    case MSR_IA32_XSS:
        return true;
    default:
        return false;
    }
}

bool snp_guest_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value)
{
    switch (index) {
    case MSR_SEV_ES_GHCB:
        *value = snp_vcpu(env)->ghcb_msr;
        return true;
    case MSR_SEV_STATUS:
        /* SEV, SEV-ES and SEV-SNP, APM volume 2, 15.34.10 */
        *value = 7;
        return true;
    default:
        return false;
    }
}

bool snp_guest_wrmsr(CPUX86State *env, uint32_t index, uint64_t value,
                     uintptr_t ra)
{
    switch (index) {
    case MSR_SEV_ES_GHCB:
        snp_vcpu(env)->ghcb_msr = value;
        return true;
    case MSR_SEV_STATUS:
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    default:
        return false;
    }
}
