/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AP reset hold: a vCPU sleeps until a SIPI or an interrupt
 *
 * GHCB specification (56421).  KVM forgets a SIPI for a vCPU that has not come
 * to its hold yet: sev_vcpu_deliver_sipi_vector() of Linux 6.12.  Firmware
 * sends each once and waits for what the vCPU does then.  Where threads stand
 * in for processors, whoever is late in that window may be so by milliseconds,
 * and the guest would hang: such a SIPI is kept for the next hold.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/ghcb.h"
#include "trace.h"

/* With a SIPI that was kept it is over at once, like any other hold. */
G_NORETURN void snp_reset_hold_enter(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);
    SnpVcpu *vcpu = snp_vcpu(env);

    vcpu->hold_rip = env->eip;
    do_end_instruction(env);
    snp_vmsa_halts(env);
    if (vcpu->sipi_kept) {
        vcpu->sipi_kept = false;
        snp_reset_hold_sipi(env);
        cpu_loop_exit_noexc(cs);
    }
    cs->halted = 1;
    cs->exception_index = EXCP_HLT;
    cpu_loop_exit(cs);
}

void snp_reset_hold_sipi(CPUX86State *env)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    SnpResetHold hold = vcpu->reset_hold;
    SnpNae nae = { .code = NAE_RESET_HOLD };

    vcpu->reset_hold = SNP_RESET_HOLD_NONE;
    /* Elsewhere, an interrupt has ended the hold; the guest was told 0. */
    if (hold == SNP_RESET_HOLD_NONE || env->eip != vcpu->hold_rip) {
        vcpu->sipi_kept = true;
        trace_snp_sipi_kept(env_cpu(env)->cpu_index);
        return;
    }
    if (hold == SNP_RESET_HOLD_MSR) {
        snp_vmpl(env)->ghcb_msr = snp_ghcb_msr_hold_response(true);
    } else if (snp_ghcb_map(&nae, snp_vmpl(env)->ghcb_msr)) {
        snp_nae_answer(&nae, 1);
        snp_nae_finish_answer(&nae);
    }
}
