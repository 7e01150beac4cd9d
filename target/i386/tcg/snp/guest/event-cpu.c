/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NAE events that the vCPU itself answers: instructions that are intercepted
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/ghcb.h"

/* Hypercall results, linux/kvm_para.h */
#define HYPERCALL_NOT_PERMITTED (-1LL)
#define HYPERCALL_UNKNOWN       (-1000LL)

void snp_nae_cpuid(CPUX86State *env, SnpNae *nae)
{
    uint64_t xcr0 = env->xcr0, given = snp_nae_get(nae, GHCB_XCR0);
    uint64_t supported = env->features[FEAT_XSAVE_XCR0_LO] |
        (uint64_t)env->features[FEAT_XSAVE_XCR0_HI] << 32;
    uint32_t value[4];

    /* The hypervisor cannot see XCR0; sizes follow what the guest says. */
    if (given & XSTATE_FP_MASK && !(given & ~supported)) {
        env->xcr0 = given;
    }
    snp_cpuid(env, nae->regs[R_EAX], nae->regs[R_ECX], &value[R_EAX],
              &value[R_EBX], &value[R_ECX], &value[R_EDX]);
    env->xcr0 = xcr0;
    for (int i = 0; i < ARRAY_SIZE(value); i++) {
        nae->regs[i] = value[i];
    }
}

static void swap_in(CPUX86State *env, SnpNae *nae)
{
    for (int i = 0; i < ARRAY_SIZE(nae->regs); i++) {
        nae->guest_regs[i] = env->regs[i];
        env->regs[i] = nae->regs[i];
    }
    snp_vcpu(env)->nae = nae;
    snp_vcpu(env)->serving = true;
}

static void swap_out(CPUX86State *env, SnpNae *nae)
{
    snp_vcpu(env)->serving = false;
    snp_vcpu(env)->nae = NULL;
    for (int i = 0; i < ARRAY_SIZE(nae->regs); i++) {
        env->regs[i] = nae->guest_regs[i];
    }
}

/*
 * KVM can neither read nor write an MSR that is the guest's own, and to write
 * it is an error of KVM_RUN: sev_es_prevent_msr_access() and
 * kvm_emulate_wrmsr() of Linux 6.12.  SEV_STATUS is unknown to it.
 */
static bool write_ends(uint32_t index)
{
    return snp_msr_is_direct(index) && index != MSR_SEV_STATUS &&
           !snp_guest()->rules.specification;
}

static void refuse_msr(CPUX86State *env, SnpNae *nae, uint32_t index)
{
    if (nae->info1 && write_ends(index)) {
        snp_nae_stop(env, nae, "WRMSR of what the hypervisor cannot write");
    }
    snp_nae_exception(nae, EXCP0D_GPF);
}

void snp_nae_msr(CPUX86State *env, SnpNae *nae)
{
    uint32_t index = nae->regs[R_ECX];

    if (!snp_msr_is_served(env, index, nae->info1)) {
        refuse_msr(env, nae, index);
        return;
    }
    swap_in(env, nae);
    if (nae->info1) {
        helper_wrmsr(env);
    } else {
        helper_rdmsr(env);
        nae->regs[R_EAX] = env->regs[R_EAX];
        nae->regs[R_EDX] = env->regs[R_EDX];
    }
    swap_out(env, nae);
}

void snp_serve_exception(CPUX86State *env, int vector, int error_code)
{
    SnpNae *nae = snp_vcpu(env)->nae;

    swap_out(env, nae);
    snp_nae_exception(nae, vector);
    snp_nae_finish(env, nae);
}

/* No counters, as on KVM without a virtual PMU */
void snp_nae_rdpmc(CPUX86State *env, SnpNae *nae)
{
    snp_nae_raise(env, nae, EXCP0D_GPF);
}

/* Valid for sev_es_validate_vmgexit() of Linux 6.12, which has no handler. */
void snp_nae_rdtsc(CPUX86State *env, SnpNae *nae)
{
    uint64_t tsc;

    if (!snp_guest()->rules.specification) {
        snp_nae_stop(env, nae, "RDTSC is not intercepted");
    }
    tsc = cpu_get_tsc(env) + env->tsc_offset;
    nae->regs[R_EAX] = (uint32_t)tsc;
    nae->regs[R_EDX] = tsc >> 32;
}

/* Not intercepted, so no guest has a reason to ask for it. */
void snp_nae_undefined(CPUX86State *env, SnpNae *nae)
{
    snp_nae_raise(env, nae, EXCP06_ILLOP);
}

/*
 * KVM takes the registers for 64 bits wide.  An SNP guest sees no hypervisor
 * that would offer any hypercall.
 */
void snp_nae_vmmcall(CPUX86State *env, SnpNae *nae)
{
    const uint64_t args[3] = {
        nae->regs[R_EBX], nae->regs[R_ECX], nae->regs[R_EDX],
    };
    bool user = nae->save[GHCB_CPL];

    if (!(env->svm.sev & SVM_SEV_SNP)) {
        nae->regs[R_EAX] = snp_hypercall(env, nae->regs[R_EAX], args, true,
                                         user);
        return;
    }
    nae->regs[R_EAX] = user ? HYPERCALL_NOT_PERMITTED : HYPERCALL_UNKNOWN;
}

/*
 * Caches are coherent, and MONITOR and MWAIT may do nothing.  DR7 is the
 * VMSA's, where the hypervisor cannot change it: no breakpoint gets armed.
 */
void snp_nae_nothing(CPUX86State *env, SnpNae *nae)
{
}

/*
 * KVM cannot see an encrypted guest's IRET: svm_inject_nmi() and
 * svm_enable_nmi_window() of Linux 6.12.
 */
bool snp_guest_holds_nmi(CPUX86State *env)
{
    return !snp_guest()->rules.vnmi;
}

void snp_nae_nmi_complete(CPUX86State *env, SnpNae *nae)
{
    if (snp_guest_holds_nmi(env)) {
        env->hflags2 &= ~HF2_NMI_MASK;
    }
}
