/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMGEXIT: a request in the MSR, or an event in the GHCB page
 *
 * Everything here runs inside a vCPU's execution loop, and so in its RCU
 * read section, which is what keeps the page mapped.  No read section of its
 * own may be open where cpu_loop_exit() can be reached.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/ghcb.h"
#include "trace.h"

static void serve_page(CPUX86State *env, uint64_t gpa)
{
    int cpu = env_cpu(env)->cpu_index;
    SnpNae nae = { };

    /* Nowhere to put an error: the guest goes on, as with KVM. */
    if (!gpa || !snp_ghcb_map(&nae, gpa)) {
        trace_snp_ghcb_unusable(cpu, gpa);
        return;
    }
    snp_nae_read(&nae);
    trace_snp_nae(cpu, nae.code, nae.info1, nae.info2);
    snp_nae_serve(env, &nae);
    snp_nae_finish(env, &nae);
}

/*
 * AP reset hold, 4.3.2
 */

static G_NORETURN void hold_until_sipi(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);

    snp_vcpu(env)->hold_rip = env->eip;
    do_end_instruction(env);
    cs->halted = 1;
    cs->exception_index = EXCP_HLT;
    cpu_loop_exit(cs);
}

void snp_reset_hold_release(CPUX86State *env)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    SnpResetHold hold = vcpu->reset_hold;
    SnpNae nae = { .code = NAE_RESET_HOLD };

    vcpu->reset_hold = SNP_RESET_HOLD_NONE;
    /* An interrupt has ended the hold; the guest was told 0. */
    if (env->eip != vcpu->hold_rip) {
        return;
    }
    if (hold == SNP_RESET_HOLD_MSR) {
        vcpu->ghcb_msr = snp_ghcb_msr_hold_response(true);
    } else if (hold == SNP_RESET_HOLD_NAE &&
               snp_ghcb_map(&nae, vcpu->ghcb_msr)) {
        snp_nae_answer(&nae, 1);
        snp_nae_finish_answer(&nae);
    }
}

void snp_vmgexit(CPUX86State *env)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    uint64_t request = vcpu->ghcb_msr;

    vcpu->reset_hold = SNP_RESET_HOLD_NONE;
    if (snp_ghcb_is_request(request)) {
        vcpu->ghcb_msr = snp_ghcb_msr_serve(env, request);
        trace_snp_ghcb_msr(env_cpu(env)->cpu_index, request, vcpu->ghcb_msr);
    } else {
        serve_page(env, request);
    }
    if (vcpu->reset_hold != SNP_RESET_HOLD_NONE) {
        hold_until_sipi(env);
    }
}
