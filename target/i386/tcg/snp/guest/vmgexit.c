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
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/ghcb.h"
#include "trace.h"

/* Returns: false where it is to be asked for again. */
static bool serve_page(CPUX86State *env, uint64_t gpa)
{
    int cpu = env_cpu(env)->cpu_index;
    SnpNae nae = { };

    /* Nowhere to put an error: the guest goes on, as with KVM. */
    if (!gpa || !snp_ghcb_map(&nae, gpa)) {
        trace_snp_ghcb_unusable(cpu, gpa);
        return true;
    }
    snp_nae_read(&nae);
    trace_snp_nae(cpu, nae.code, nae.info1, nae.info2);
    snp_nae_serve(env, &nae);
    if (nae.again) {
        snp_nae_unread(&nae);
        return false;
    }
    snp_nae_finish(env, &nae);
    if (nae.raises) {
        raise_exception(env, nae.vector);
    }
    return true;
}

bool snp_vmgexit(CPUX86State *env)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    SnpVmpl *vmpl = snp_vmpl(env);
    uint64_t request = vmpl->ghcb_msr;

    vcpu->sleep = SNP_SLEEP_NONE;
    if (snp_ghcb_is_request(request)) {
        vmpl->ghcb_msr = snp_ghcb_msr_serve(env, request);
        trace_snp_ghcb_msr(env_cpu(env)->cpu_index, request, vmpl->ghcb_msr);
    } else if (!serve_page(env, request)) {
        return false;
    }
    if (vcpu->switched) {
        snp_vmpl_go_on(env);
    }
    if (vcpu->sleep != SNP_SLEEP_NONE) {
        snp_reset_hold_enter(env);
    }
    return true;
}
