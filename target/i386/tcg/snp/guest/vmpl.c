/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SNP Run VMPL: a vCPU goes on at another VMPL, as its guest asks for
 *
 * GHCB specification (56421), MSR protocol 016h and NAE event 80000018h.  The
 * VMSA is all that is exchanged: APIC, interrupts and what else is the
 * hypervisor's belongs to the vCPU.  Linux 6.12 has none of it; AMD's patches
 * of June 2026 for KVM are followed.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/ghcb.h"
#include "trace.h"

uint64_t snp_hypervisor_features(void)
{
    return GHCB_FEATURES_SNP |
           (snp_offers_doorbell() ? GHCB_FEATURES_DOORBELL : 0) |
           (snp_guest()->rules.vmpls > 1 ? GHCB_FEATURES_MULTI_VMPL : 0);
}

/* A VMSA that was created waits for an INIT, or for this. */
static const char *switch_to(CPUX86State *env, unsigned vmpl)
{
    SnpVmpl *target = &snp_vcpu(env)->vmpls[vmpl];
    const char *why;

    why = snp_vmsa_switch(env, target->pending ? target->pending_vmsa
                                               : target->vmsa,
                          vmpl, SVM_EXIT_VMGEXIT);
    if (!why) {
        target->pending = false;
    }
    return why;
}

bool snp_run_vmpl(CPUX86State *env, uint64_t vmpl)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    unsigned from = vcpu->vmpl;
    const char *why;

    if (vmpl == from) {
        return true;
    }
    if (vmpl >= snp_guest()->rules.vmpls) {
        why = "there is no such VMPL";
    } else {
        /* Of the instruction that leaves nothing is to stay behind. */
        do_end_instruction(env);
        bql_lock();
        why = switch_to(env, vmpl);
        bql_unlock();
    }
    trace_snp_run_vmpl(env_cpu(env)->cpu_index, from, vmpl, why ?: "done");
    vcpu->switched = !why;
    return !why;
}

G_NORETURN void snp_vmpl_go_on(CPUX86State *env)
{
    snp_vcpu(env)->switched = false;
    cpu_loop_exit_noexc(env_cpu(env));
}
