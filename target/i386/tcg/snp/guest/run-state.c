/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a vCPU runs, and with which VMSA: INIT, SIPI and creation
 *
 * The hypervisor of an encrypted guest cannot set registers.  A vCPU starts
 * with the VMSA that the launch has measured, or with one that the guest has
 * made of a page of its own, see ap.c.  INIT and SIPI only say when.  What KVM
 * does with them is followed, step by step.
 *
 * A vCPU that waits for a signal, or has no usable VMSA, is kept halted with
 * GIF clear, so that neither interrupt nor NMI wakes it.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "hw/i386/apic.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/guest.h"
#include "tcg/snp/guest/launch.h"
#include "trace.h"

const char *snp_launch_vcpu(CPUX86State *env, const SevVmsa *vmsa)
{
    const char *why = snp_vmsa_load(env, vmsa, &snp_guest()->rules.vmsa);

    if (!why) {
        snp_vmsa_launched(env, vmsa);
    }
    return why;
}

/*
 * Whether a vCPU runs: in its thread outside of guest code, with the BQL, or
 * before the machine runs
 */

static void wait_in(X86CPU *cpu, SnpRunState state)
{
    snp_vcpu(&cpu->env)->run_state = state;
    cpu->env.hflags2 &= ~HF2_GIF_MASK;
    snp_vmsa_halts(&cpu->env);
    CPU(cpu)->halted = 1;
}

static void start(X86CPU *cpu)
{
    snp_vcpu(&cpu->env)->run_state = SNP_RUN_STARTED;
    cpu->env.hflags2 |= HF2_GIF_MASK;
    CPU(cpu)->halted = 0;
}

void snp_launch_hold_vcpus(void)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        wait_in(X86_CPU(cs), SNP_RUN_OFFLINE);
    }
}

void snp_wait_for_init(X86CPU *cpu)
{
    if (!cpu_is_bsp(cpu)) {
        wait_in(cpu, SNP_RUN_RESET);
    }
}

/*
 * Another VMSA
 */

/*
 * KVM_EXIT_FAIL_ENTRY where VMRUN refuses a VMSA: svm_handle_exit() of Linux
 * 6.12.  It fails where there is no page, too.
 */
static void tell_unusable(X86CPU *cpu, uint64_t vmsa_gpa, const char *why)
{
    int index = CPU(cpu)->cpu_index;

    if (!snp_guest()->rules.specification) {
        snp_stop(&cpu->env, "the VMSA at 0x%" PRIx64 " is not usable: %s",
                 vmsa_gpa, why);
        return;
    }
    warn_report_once("SEV-SNP: vCPU %d does not start, its VMSA is not "
                     "usable: %s", index, why);
    qemu_log_mask(LOG_GUEST_ERROR, "SEV-SNP: vCPU %d cannot start with "
                  "the VMSA at 0x%" PRIx64 ": %s\n", index, vmsa_gpa, why);
}

static void go_offline(X86CPU *cpu, uint64_t vmsa_gpa, const char *why)
{
    trace_snp_ap_offline(CPU(cpu)->cpu_index, vmsa_gpa, why);
    if (vmsa_gpa != SNP_NO_VMSA) {
        tell_unusable(cpu, vmsa_gpa, why);
    }
    wait_in(cpu, SNP_RUN_OFFLINE);
}

/*
 * KVM keeps what is no part of a VMSA, such as a TSC_AUX that is not, and that
 * it holds an NMI back.
 */
static void reset_vcpu(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    SnpVcpu *vcpu = snp_vcpu(env);
    uint64_t tsc_aux = env->tsc_aux;
    uint32_t held = snp_guest_holds_nmi(env) ? env->hflags2 & HF2_NMI_MASK : 0;

    vcpu->resetting = true;
    do_cpu_init(cpu);
    vcpu->resetting = false;
    vcpu->sleep = SNP_SLEEP_NONE;
    vcpu->sipi_kept = false;
    vcpu->starts_anew = false;
    vcpu->steps = false;
    env->tsc_aux = tsc_aux;
    env->hflags2 |= held;
}

/*
 * In the vCPU's thread, outside of guest code, with the BQL, and no conversion
 * is under way.
 */
static void replace_vmsa(X86CPU *cpu, unsigned vmpl)
{
    CPUX86State *env = &cpu->env;
    SnpVcpu *vcpu = snp_vcpu(env);
    uint64_t gpa = vcpu->vmpls[vmpl].pending_vmsa;
    const char *why;

    vcpu->vmpls[vmpl].pending = false;
    snp_vmsa_leave(env, SVM_EXIT_INTR);
    vcpu->vmpls[vmpl].vmsa = SNP_NO_VMSA;
    reset_vcpu(cpu);
    why = snp_vmsa_enter(env, gpa, vmpl);
    if (why) {
        go_offline(cpu, gpa, why);
        return;
    }
    start(cpu);
    trace_snp_ap_start(CPU(cpu)->cpu_index, gpa, env->eip);
}

/* The same for a vCPU that runs at another VMPL: it goes on at this one. */
static void replace_other(X86CPU *cpu, unsigned vmpl)
{
    CPUX86State *env = &cpu->env;
    SnpVmpl *other = &snp_vcpu(env)->vmpls[vmpl];
    const char *why;

    other->pending = false;
    other->vmsa = other->pending_vmsa;
    if (other->vmsa == SNP_NO_VMSA) {
        return;
    }
    why = snp_vmsa_switch(env, other->vmsa, vmpl, SVM_EXIT_INTR);
    if (why) {
        snp_vmsa_leave(env, SVM_EXIT_INTR);
        go_offline(cpu, other->vmsa, why);
        return;
    }
    snp_vcpu(env)->sleep = SNP_SLEEP_NONE;
    snp_vcpu(env)->sipi_kept = false;
    start(cpu);
    trace_snp_ap_start(CPU(cpu)->cpu_index, other->vmsa, env->eip);
}

/*
 * KVM looks for a new VMSA where a vCPU is about to enter the guest.  One
 * that never had an INIT, or still waits for the SIPI behind it, is not: who
 * creates such a vCPU has to send both.
 */
static bool waits_for_signal(X86CPU *cpu)
{
    SnpRunState state = snp_vcpu(&cpu->env)->run_state;

    return state == SNP_RUN_WAIT_SIPI ||
           (state == SNP_RUN_RESET && !cpu_is_bsp(cpu));
}

static bool is_created(const SnpVmpl *vmpl)
{
    return vmpl->pending && !vmpl->on_init;
}

bool snp_ap_is_leaving(CPUX86State *env)
{
    const SnpVcpu *vcpu = snp_vcpu(env);

    return is_created(&vcpu->vmpls[vcpu->vmpl]) ||
           is_created(&vcpu->vmpls[vcpu->target_vmpl]);
}

/* An INIT may have come first, or another request that waits for one. */
static void replace_created(X86CPU *cpu, unsigned vmpl)
{
    SnpVcpu *vcpu = snp_vcpu(&cpu->env);

    if (!is_created(&vcpu->vmpls[vmpl]) || waits_for_signal(cpu)) {
        return;
    }
    if (vmpl == vcpu->vmpl || vcpu->run_state == SNP_RUN_OFFLINE) {
        replace_vmsa(cpu, vmpl);
    } else {
        replace_other(cpu, vmpl);
    }
}

/*
 * In an exclusive section: the page cannot be converted meanwhile.  What was
 * created last is what goes on.
 */
static void replace_vmsa_work(CPUState *cs, run_on_cpu_data data)
{
    X86CPU *cpu = X86_CPU(cs);
    SnpVcpu *vcpu = snp_vcpu(&cpu->env);

    BQL_LOCK_GUARD();
    qatomic_set(&vcpu->replace_queued, false);
    for (unsigned vmpl = 0; vmpl < SNP_VMPLS; vmpl++) {
        if (vmpl != vcpu->target_vmpl) {
            replace_created(cpu, vmpl);
        }
    }
    replace_created(cpu, vcpu->target_vmpl);
    /* Outside of the execution loop, which takes all flags from here */
    cpu->env.eflags = cpu_compute_eflags(&cpu->env);
}

/* However often the guest asks, there is one in the queue. */
void snp_run_created(CPUState *cs)
{
    if (!qatomic_xchg(&snp_vcpu(cpu_env(cs))->replace_queued, true)) {
        async_safe_run_on_cpu(cs, replace_vmsa_work, RUN_ON_CPU_NULL);
    }
}

/*
 * INIT and SIPI, in the vCPU's thread and with the BQL
 */

/* The execution loop has woken the vCPU to look at a signal. */
static G_NORETURN void stay_halted(CPUState *cs)
{
    snp_vmsa_halts(cpu_env(cs));
    cs->halted = 1;
    cs->exception_index = EXCP_HLT;
    cpu_loop_exit(cs);
}

void snp_ap_wake(CPUX86State *env)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    hwaddr gpa = snp_vmpl(env)->vmsa;
    const char *why;

    /* It waits for a signal, and was only asked to look at its APIC. */
    if (!(env->hflags2 & HF2_GIF_MASK)) {
        stay_halted(env_cpu(env));
    }
    if (vcpu->in_vmsa) {
        snp_vmsa_step_again(env);
        return;
    }
    /* Its page may be an ordinary one by now: what is queued has another. */
    if (snp_ap_is_leaving(env)) {
        stay_halted(env_cpu(env));
    }
    /* VMRUN: what is there now may have interrupts disabled, for one. */
    why = snp_vmsa_enter(env, gpa, vcpu->vmpl);
    if (why) {
        go_offline(env_archcpu(env), gpa, why);
        stay_halted(env_cpu(env));
    }
    cpu_loop_exit_noexc(env_cpu(env));
}

bool snp_guest_init_signal(X86CPU *cpu)
{
    CPUState *cs = CPU(cpu);
    SnpVcpu *vcpu = snp_vcpu(&cpu->env);

    if (vcpu->resetting) {
        return false;
    }
    trace_snp_init_signal(cs->cpu_index, vcpu->run_state);
    cpu_reset_interrupt(cs, ~(CPU_INTERRUPT_SIPI | CPU_INTERRUPT_EXITTB));
    apic_init_reset(cpu->apic_state);
    if (vcpu->vmpls[vcpu->target_vmpl].pending) {
        replace_vmsa(cpu, vcpu->target_vmpl);
        vcpu->starts_anew = true;
    }
    /*
     * Registers are the guest's: it goes on where it was, after a SIPI; the
     * boot processor at once, see snp_ap_wake().
     */
    if (vcpu->run_state == SNP_RUN_OFFLINE) {
        wait_in(cpu, SNP_RUN_OFFLINE);
    } else if (!cpu_is_bsp(cpu)) {
        snp_vmsa_leave(&cpu->env, SVM_EXIT_INTR);
        wait_in(cpu, SNP_RUN_WAIT_SIPI);
    }
    return true;
}

/* Where it was, in its VMSA: the guest may have made that another one. */
static void go_on(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    SnpVcpu *vcpu = snp_vcpu(env);
    const char *why = snp_vmsa_enter(env, snp_vmpl(env)->vmsa, vcpu->vmpl);

    if (why) {
        go_offline(cpu, snp_vmpl(env)->vmsa, why);
        return;
    }
    start(cpu);
    if (vcpu->first_sipi_done && !vcpu->starts_anew) {
        snp_reset_hold_sipi(env);
    }
    vcpu->first_sipi_done = true;
    vcpu->starts_anew = false;
}

bool snp_guest_sipi_signal(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    CPUState *cs = CPU(cpu);
    SnpVcpu *vcpu = snp_vcpu(env);

    trace_snp_sipi_signal(cs->cpu_index, vcpu->run_state, vcpu->sleep);
    if (vcpu->run_state == SNP_RUN_OFFLINE ||
        (vcpu->run_state == SNP_RUN_RESET && !cpu_is_bsp(cpu))) {
        stay_halted(cs);
    }
    /* Only after an INIT, and whatever its vector */
    if (vcpu->run_state != SNP_RUN_WAIT_SIPI) {
        snp_ap_wake(env);
        return true;
    }
    if (is_created(&vcpu->vmpls[vcpu->target_vmpl])) {
        vcpu->first_sipi_done = true;
        replace_vmsa(cpu, vcpu->target_vmpl);
    } else {
        go_on(cpu);
    }
    /* The execution loop would not look a second time. */
    if (cs->halted) {
        stay_halted(cs);
    }
    return true;
}
