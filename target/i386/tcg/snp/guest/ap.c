/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a vCPU: SNP AP creation, INIT and SIPI
 *
 * The hypervisor of an encrypted guest cannot set registers.  A vCPU starts
 * with the VMSA that the launch has measured, or with one that the guest has
 * made of a page of its own (GHCB specification, 4.1.9).  INIT and SIPI
 * only say when.  What KVM does with them is followed, step by step.
 *
 * A vCPU that waits for a signal, or has no usable VMSA, is kept halted with
 * GIF clear, so that neither interrupt nor NMI wakes it.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "hw/i386/apic.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/guest.h"
#include "tcg/snp/guest/launch.h"
#include "trace.h"

/* Which VMPL a request is for, in SW_EXITINFO1 */
#define VMPL_SHIFT  16
#define VMPL_BITS   4

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
 * AP creation
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
    vcpu->reset_hold = SNP_RESET_HOLD_NONE;
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
    snp_vcpu(env)->reset_hold = SNP_RESET_HOLD_NONE;
    start(cpu);
    tlb_flush(CPU(cpu));
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

/*
 * How interrupts come is the hypervisor's to know.  At VMPL0 they come as the
 * guest was launched for; an SVSM leaves restricted injection to itself, and
 * another VMPL without.
 */
bool snp_ap_injects_so(unsigned vmpl, uint64_t sev_features)
{
    uint64_t features = snp_guest()->rules.vmsa.features;

    features &= SEV_FEATURES_INJECTION;
    sev_features &= SEV_FEATURES_INJECTION;
    return sev_features == features || (vmpl && !sev_features);
}

/*
 * NULL, or why the guest may not ask for that; the page itself is looked at
 * where its vCPU enters the guest.  After sev_snp_ap_creation() of Linux 6.12.
 */
static const char *check_creation(CPUX86State *env, unsigned vmpl,
                                  uint64_t vmsa_gpa, uint64_t sev_features)
{
    unsigned phys_bits = snp_guest()->phys_bits ?: env_archcpu(env)->phys_bits;

    /* What it says here, the page may not: see load_page(). */
    if (!snp_ap_injects_so(vmpl, sev_features)) {
        return "interrupts are not injected like that";
    }
    if (vmsa_gpa % SEV_VMSA_PAGE_SIZE || vmsa_gpa >> phys_bits) {
        return "VMSA address is not that of a page";
    }
    /*
     * Hardware may take an access to the large page around it for an RMP
     * violation, so KVM refuses it.
     */
    if (vmsa_gpa % SNP_PAGE_2M == 0) {
        return "VMSA address is a multiple of 2 MiB";
    }
    return NULL;
}

/* As AMD has it for KVM: only VMPL0 of another vCPU may ask for a VMPL0. */
static const char *check_vmpl(CPUX86State *env, CPUState *target,
                              unsigned vmpl)
{
    if (vmpl >= snp_guest()->rules.vmpls) {
        return "there is no such VMPL";
    }
    if (snp_guest()->rules.vmpls > 1 && !vmpl &&
        (target == env_cpu(env) || snp_vcpu(env)->vmpl)) {
        return "VMPL0 is made by VMPL0 of another vCPU";
    }
    return NULL;
}

static const char *check_request(CPUX86State *env, CPUState *target,
                                 unsigned vmpl, uint32_t request,
                                 uint64_t vmsa_gpa, uint64_t sev_features)
{
    const char *why;

    if (!target) {
        return "no vCPU with that APIC ID";
    }
    why = check_vmpl(env, target, vmpl);
    if (why) {
        return why;
    }
    switch (request) {
    case SNP_AP_CREATE_ON_INIT:
    case SNP_AP_CREATE:
        return check_creation(cpu_env(target), vmpl, vmsa_gpa, sev_features);
    case SNP_AP_DESTROY:
        return NULL;
    default:
        return "unknown request";
    }
}

/* One that is being unplugged, which lets the BQL go, takes no more work. */
static CPUState *find_target(uint32_t apic_id)
{
    CPUState *target = cpu_by_arch_id(apic_id);

    return target && !target->unplug ? target : NULL;
}

static void create(CPUState *target, unsigned vmpl, uint32_t request,
                   uint64_t vmsa_gpa)
{
    SnpVcpu *vcpu = snp_vcpu(cpu_env(target));

    vcpu->vmpls[vmpl].pending_vmsa = request == SNP_AP_DESTROY
                                     ? SNP_NO_VMSA : vmsa_gpa;
    vcpu->vmpls[vmpl].pending = true;
    vcpu->vmpls[vmpl].on_init = request == SNP_AP_CREATE_ON_INIT;
    if (request != SNP_AP_DESTROY) {
        vcpu->target_vmpl = vmpl;
    }
    /* However often the guest asks, there is one in the queue. */
    if (request != SNP_AP_CREATE_ON_INIT &&
        !qatomic_xchg(&vcpu->replace_queued, true)) {
        async_safe_run_on_cpu(target, replace_vmsa_work, RUN_ON_CPU_NULL);
    }
}

static unsigned vmpl_of(uint64_t info1)
{
    return snp_guest()->rules.vmpls > 1
           ? extract64(info1, VMPL_SHIFT, VMPL_BITS) : 0;
}

uint32_t snp_ap_request(uint64_t info1)
{
    return snp_guest()->rules.vmpls > 1
           ? deposit32(info1, VMPL_SHIFT, VMPL_BITS, 0) : info1;
}

bool snp_ap_create(CPUX86State *env, uint64_t info1, uint64_t vmsa_gpa,
                   uint64_t sev_features)
{
    uint32_t request = snp_ap_request(info1), apic_id = info1 >> 32;
    unsigned vmpl = vmpl_of(info1);
    CPUState *target;
    const char *why;

    /* Nobody is unplugged meanwhile. */
    BQL_LOCK_GUARD();
    target = find_target(apic_id);
    why = check_request(env, target, vmpl, request, vmsa_gpa, sev_features);
    trace_snp_ap_create(env_cpu(env)->cpu_index, apic_id, vmpl, request,
                        vmsa_gpa, why ?: "done");
    if (!why) {
        create(target, vmpl, request, vmsa_gpa);
    }
    return !why;
}

/*
 * INIT and SIPI, in the vCPU's thread and with the BQL
 */

/* The execution loop has woken the vCPU to look at a signal. */
static G_NORETURN void stay_halted(CPUState *cs)
{
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
    cpu_reset_interrupt(cs, ~CPU_INTERRUPT_SIPI);
    apic_init_reset(cpu->apic_state);
    if (vcpu->vmpls[vcpu->target_vmpl].pending) {
        replace_vmsa(cpu, vcpu->target_vmpl);
    }
    /* Registers are the guest's: it goes on where it was after a SIPI. */
    if (vcpu->run_state != SNP_RUN_OFFLINE && !cpu_is_bsp(cpu)) {
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
    if (vcpu->first_sipi_done) {
        snp_reset_hold_release(env);
    }
    vcpu->first_sipi_done = true;
}

bool snp_guest_sipi_signal(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    CPUState *cs = CPU(cpu);
    SnpVcpu *vcpu = snp_vcpu(env);

    trace_snp_sipi_signal(cs->cpu_index, vcpu->run_state, vcpu->reset_hold);
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
