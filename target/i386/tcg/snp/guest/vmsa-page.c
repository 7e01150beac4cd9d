/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMSA in use: what VMRUN and #VMEXIT do with its page
 *
 * AMD64 APM volume 2, 15.36.12.  From where a vCPU enters it to where it
 * leaves it nobody else can use the page, and the vCPU's state is written
 * there at the end.  Hardware leaves it at each #VMEXIT, and so for as long as
 * a vCPU is halted; here a halted vCPU leaves it when somebody else comes, and
 * enters it again before it goes on.  So a vCPU that runs is in its VMSA.
 *
 * The VMSA that the launch has made is the hypervisor's own: it has no
 * guest-physical address, and nobody can look at it.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "hw/core/cpu.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/snp/guest/entry.h"
#include "tcg/snp/guest/guest.h"

/*
 * Pages
 */

/* Returns: why the page cannot be entered, or NULL, and nobody else can. */
static const char *take(hwaddr gpa, SnpFrame *frame)
{
    if (gpa == SNP_NO_VMSA) {
        return "destroyed by the guest";
    }
    if (!snp_frame_find(gpa, frame)) {
        return "not a VMSA page";
    }
    return snp_entry_take(frame->rmp);
}

static void release(hwaddr gpa)
{
    SnpFrame frame;

    if (gpa != SNP_LAUNCH_VMSA && snp_frame_find(gpa, &frame)) {
        snp_entry_release(frame.rmp);
    }
}

/* There may be code in the page, as in any other. */
static void page_written(const SnpFrame *frame)
{
    SnpBlock *snp = frame->extent.block->provider_data;
    ram_addr_t start = memory_region_get_ram_addr(&snp->region) +
                       frame->extent.offset;

    upm_invalidate_code(start, start + UPM_FRAME_SIZE - 1);
}

/*
 * State
 */

/* TF is one of its flags, wherever it is kept. */
static void store(CPUX86State *env, SevVmsa *vmsa, uint64_t code)
{
    target_ulong flags = env->eflags;

    env->eflags |= snp_vcpu(env)->steps ? TF_MASK : 0;
    snp_vmsa_store(env, vmsa, &snp_guest()->rules.vmsa);
    env->eflags = flags;
    vmsa->exit_code = cpu_to_le64(code);
}

/* In the VMSA that it is in, and stays in */
static void save(CPUX86State *env, uint64_t code)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    hwaddr gpa = snp_vmpl(env)->vmsa;
    SnpFrame frame;

    if (gpa != SNP_LAUNCH_VMSA) {
        if (snp_frame_find(gpa, &frame)) {
            store(env, (SevVmsa *)frame.private_host, code);
            page_written(&frame);
        }
    } else if (vcpu->launch_vmsa) {
        store(env, vcpu->launch_vmsa, code);
    }
}

/*
 * What woke it may be gone by the time that the execution loop looks: with
 * this one it does look, and asks snp_ap_wake().
 */
static void make_loop_look(CPUState *cs)
{
    BQL_LOCK_GUARD();
    upm_set_interrupt(cs, CPU_INTERRUPT_EXITTB);
}

/*
 * QEMU would raise #DB where a vCPU wakes that has halted with TF set, before
 * it can be in its VMSA again, and where no exception may be raised yet.
 */
void snp_vmsa_halts(CPUX86State *env)
{
    if (env->eflags & TF_MASK) {
        env->eflags &= ~TF_MASK;
        snp_vcpu(env)->steps = true;
        make_loop_look(env_cpu(env));
    }
}

void snp_vmsa_step_again(CPUX86State *env)
{
    SnpVcpu *vcpu = snp_vcpu(env);

    env->eflags |= vcpu->steps ? TF_MASK : 0;
    vcpu->steps = false;
}

/*
 * DR0 to DR3 belong to the VMSA of before, which had DebugSwap, and not to the
 * one that has been loaded, which has not: another VMPL must not see them.
 */
static void clear_debug(CPUX86State *env)
{
    target_ulong dr7 = env->dr[7];

    /* What is armed is so with the addresses of before. */
    cpu_x86_update_dr7(env, DR7_FIXED_1);
    memset(env->dr, 0, 4 * sizeof(env->dr[0]));
    cpu_x86_update_dr7(env, dr7);
}

/* Translations are of a VMPL's rights, and so are those of page tables. */
static void set_vmpl(CPUX86State *env, unsigned vmpl)
{
    if (env->svm.vmpl == vmpl) {
        return;
    }
    env->svm.vmpl = vmpl;
    tlb_flush(env_cpu(env));
}

/*
 * Each VMPL that the hypervisor offers has VMSAs of its own.  Without others
 * it does not look which one a VMSA is for.
 */
static const char *load(CPUX86State *env, const SevVmsa *vmsa, unsigned vmpl)
{
    uint64_t before = snp_vcpu(env)->sev_features;
    const char *why;

    if (snp_guest()->rules.vmpls > 1 && vmsa->vmpl != vmpl) {
        return "for another VMPL";
    }
    why = snp_vmsa_load(env, vmsa, &snp_guest()->rules.vmsa);
    if (why) {
        return why;
    }
    if (before & SEV_FEATURES_DEBUG_SWAP && !snp_vmsa_has_debug(vmsa)) {
        clear_debug(env);
    }
    snp_vcpu(env)->steps = false;
    set_vmpl(env, vmsa->vmpl);
    snp_vcpu(env)->sev_features = le64_to_cpu(vmsa->sev_features);
    return NULL;
}

/*
 * Loads from a copy: nothing may change between check and use.  The request
 * for this page has said how interrupts are to come; what the guest has
 * written into it can be something else.
 */
static const char *load_page(CPUX86State *env, hwaddr gpa, unsigned vmpl)
{
    g_autofree SevVmsa *copy = NULL;
    const char *why;
    SnpFrame frame;

    why = take(gpa, &frame);
    if (why) {
        return why;
    }
    copy = g_memdup2(frame.private_host, SEV_VMSA_PAGE_SIZE);
    if (snp_ap_injects_so(vmpl, le64_to_cpu(copy->sev_features))) {
        why = load(env, copy, vmpl);
    } else {
        why = "SEV_FEATURES inject interrupts in another way";
    }
    if (why) {
        release(gpa);
    }
    return why;
}

static const char *load_any(CPUX86State *env, hwaddr gpa, unsigned vmpl)
{
    const SevVmsa *launch_vmsa = snp_vcpu(env)->launch_vmsa;

    if (gpa != SNP_LAUNCH_VMSA) {
        return load_page(env, gpa, vmpl);
    }
    if (launch_vmsa) {
        return load(env, launch_vmsa, vmpl);
    }
    /* Who has no other VMPL still has it in registers. */
    snp_vmsa_step_again(env);
    return NULL;
}

static void set_current(CPUX86State *env, hwaddr gpa, unsigned vmpl)
{
    SnpVcpu *vcpu = snp_vcpu(env);

    vcpu->vmpl = vmpl;
    vcpu->in_vmsa = true;
    snp_vmpl(env)->vmsa = gpa;
}

/*
 * What VMRUN and #VMEXIT do
 */

const char *snp_vmsa_enter(CPUX86State *env, hwaddr gpa, unsigned vmpl)
{
    const char *why = load_any(env, gpa, vmpl);

    if (!why) {
        set_current(env, gpa, vmpl);
    }
    return why;
}

void snp_vmsa_leave(CPUX86State *env, uint64_t code)
{
    SnpVcpu *vcpu = snp_vcpu(env);

    if (vcpu->in_vmsa) {
        save(env, code);
        release(snp_vmpl(env)->vmsa);
        vcpu->in_vmsa = false;
    }
}

/* The old one is only left once nothing can go wrong any more. */
const char *snp_vmsa_switch(CPUX86State *env, hwaddr gpa, unsigned vmpl,
                            uint64_t code)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    hwaddr old = snp_vmpl(env)->vmsa;
    const char *why;

    /* One that is halted may have left it, and its page is another's now. */
    if (vcpu->in_vmsa) {
        save(env, code);
    }
    why = load_any(env, gpa, vmpl);
    if (why) {
        return why;
    }
    if (vcpu->in_vmsa) {
        release(old);
    }
    set_current(env, gpa, vmpl);
    return NULL;
}

void snp_vmsa_launched(CPUX86State *env, const SevVmsa *vmsa)
{
    SnpVcpu *vcpu = snp_vcpu(env);

    g_clear_pointer(&vcpu->launch_vmsa, g_free);
    if (snp_guest()->rules.vmpls > 1) {
        vcpu->launch_vmsa = g_memdup2(vmsa, SEV_VMSA_PAGE_SIZE);
    }
    vcpu->sev_features = le64_to_cpu(vmsa->sev_features);
    set_current(env, SNP_LAUNCH_VMSA, 0);
}

/* Plain reads: who asks has asked for it himself, or tries again. */
static CPUState *user_of(hwaddr gpa)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        CPUX86State *env = cpu_env(cs);

        if (snp_vcpu(env)->in_vmsa && snp_vmpl(env)->vmsa == gpa) {
            return cs;
        }
    }
    return NULL;
}

bool snp_vmsa_is_leaving(hwaddr gpa)
{
    CPUState *cs = user_of(gpa);

    return cs && (cs->halted || snp_ap_is_leaving(cpu_env(cs)));
}

bool snp_vmsa_is_idle(hwaddr gpa)
{
    CPUState *cs = user_of(gpa);

    return cs && cs->halted;
}

bool snp_vmsa_evict(hwaddr gpa)
{
    CPUState *cs = user_of(gpa);

    if (!cs || !cs->halted) {
        return false;
    }
    snp_vmsa_leave(cpu_env(cs), SVM_EXIT_HLT);
    make_loop_look(cs);
    return true;
}
