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

/* In bytes: APM volume 3, 1.1 */
#define MAX_INSN_LENGTH 15

/* With a SIPI that was kept it is over at once, like any other hold. */
G_NORETURN void snp_reset_hold_enter(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);
    SnpVcpu *vcpu = snp_vcpu(env);

    vcpu->sleep_rip = env->eip;
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

/*
 * Elsewhere, an interrupt has ended the hold; the guest was told 0.  What is
 * known of HLT is where it begins.
 */
static bool is_where_it_slept(CPUX86State *env)
{
    const SnpVcpu *vcpu = snp_vcpu(env);
    uint64_t behind = env->eip - vcpu->sleep_rip;

    return vcpu->sleep == SNP_SLEEP_HLT ? behind - 1 < MAX_INSN_LENGTH
                                        : !behind;
}

static void answer_by_nae(CPUX86State *env)
{
    SnpNae nae = { .code = NAE_RESET_HOLD };

    if (snp_ghcb_map(&nae, snp_vmpl(env)->ghcb_msr)) {
        snp_nae_answer(&nae, 1);
        snp_nae_finish_answer(&nae);
    }
}

void snp_reset_hold_sipi(CPUX86State *env)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    SnpSleep sleep = is_where_it_slept(env) ? vcpu->sleep : SNP_SLEEP_NONE;

    vcpu->sleep = SNP_SLEEP_NONE;
    switch (sleep) {
    case SNP_SLEEP_NONE:
        vcpu->sipi_kept = true;
        trace_snp_sipi_kept(env_cpu(env)->cpu_index);
        break;
    case SNP_SLEEP_HLT:
        /* It goes on behind it, and no hold is what this was for. */
        break;
    case SNP_SLEEP_HOLD_MSR:
        snp_vmpl(env)->ghcb_msr = snp_ghcb_msr_hold_response(true);
        break;
    case SNP_SLEEP_HOLD_NAE:
        answer_by_nae(env);
        break;
    }
}
