/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AP reset hold: a vCPU sleeps until a SIPI or an interrupt
 *
 * GHCB specification (56421).
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/ghcb.h"

G_NORETURN void snp_reset_hold_enter(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);

    snp_vcpu(env)->hold_rip = env->eip;
    do_end_instruction(env);
    snp_vmsa_halts(env);
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
        snp_vmpl(env)->ghcb_msr = snp_ghcb_msr_hold_response(true);
    } else if (hold == SNP_RESET_HOLD_NAE &&
               snp_ghcb_map(&nae, snp_vmpl(env)->ghcb_msr)) {
        snp_nae_answer(&nae, 1);
        snp_nae_finish_answer(&nae);
    }
}
