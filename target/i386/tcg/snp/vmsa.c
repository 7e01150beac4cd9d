/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting vCPUs: VMSA pages, SNP AP creation, INIT and SIPI
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
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "hw/i386/apic.h"
#include "svm.h"
#include "target/i386/sev-vmsa.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/snp.h"
#include "trace.h"

/* The requests of SNP AP Creation, SW_EXITINFO1 bits 31:0 */
#define AP_CREATE_ON_INIT   0
#define AP_CREATE           1
#define AP_DESTROY          2

#define GHCB_ERROR_INVALID_INPUT 5

#define VMSA_RMP_FLAGS \
    (SNP_RMP_ASSIGNED | SNP_RMP_VALIDATED | SNP_RMP_VMSA)

#define PAGE_2M (2ULL << 20)

/*
 * Loading a VMSA
 */

static bool long_mode(const SevVmsa *vmsa)
{
    return le64_to_cpu(vmsa->efer) & MSR_EFER_LME &&
           le64_to_cpu(vmsa->cr0) & CR0_PG_MASK;
}

/* What this vCPU's XCR0 may hold; x87 state is always there. */
static uint64_t xcr0_supported(CPUX86State *env)
{
    return env->features[FEAT_XSAVE_XCR0_LO] |
           (uint64_t)env->features[FEAT_XSAVE_XCR0_HI] << 32 | XSTATE_FP_MASK;
}

static const char *check_sev(const SevVmsa *vmsa)
{
    if (le64_to_cpu(vmsa->sev_features) != snp_sev_features()) {
        return "SEV_FEATURES are not the guest's";
    }
    if (vmsa->vmpl) {
        return "VMPL is not 0";
    }
    if (vmsa->cpl > 3) {
        return "CPL is above 3";
    }
    return NULL;
}

static const char *check_efer(CPUX86State *env, const SevVmsa *vmsa)
{
    uint64_t efer = le64_to_cpu(vmsa->efer);

    if (!(efer & MSR_EFER_SVME)) {
        return "EFER.SVME is clear";
    }
    if (efer & MSR_EFER_RESERVED) {
        return "reserved bits of EFER are set";
    }
    if (efer & (MSR_EFER_LME | MSR_EFER_LMA) &&
        !(env->features[FEAT_8000_0001_EDX] & CPUID_EXT2_LM)) {
        return "EFER asks for long mode on a CPU without it";
    }
    return NULL;
}

static const char *check_control(CPUX86State *env, const SevVmsa *vmsa)
{
    uint64_t cr0 = le64_to_cpu(vmsa->cr0), cr4 = le64_to_cpu(vmsa->cr4);
    unsigned phys_bits = env_archcpu(env)->phys_bits;

    if (cr0 >> 32 || (cr0 & CR0_NW_MASK && !(cr0 & CR0_CD_MASK))) {
        return "CR0 is not valid";
    }
    if (cr4 & cr4_reserved_bits(env)) {
        return "reserved bits of CR4 are set";
    }
    if (le64_to_cpu(vmsa->xcr0) & ~xcr0_supported(env)) {
        return "XCR0 has bits that this CPU lacks";
    }
    if (!long_mode(vmsa)) {
        return NULL;
    }
    if (!(cr4 & CR4_PAE_MASK) || !(cr0 & CR0_PE_MASK)) {
        return "long mode without PAE or protection";
    }
    if (le64_to_cpu(vmsa->cr3) & MAKE_64BIT_MASK(phys_bits, 64 - phys_bits)) {
        return "reserved bits of CR3 are set";
    }
    return NULL;
}

static const char *check_rest(const SevVmsa *vmsa)
{
    uint16_t cs = le16_to_cpu(vmsa->cs.attributes);

    if (long_mode(vmsa) && cs & SEV_VMSA_ATTR_L && cs & SEV_VMSA_ATTR_DB) {
        return "CS is both 64-bit and 32-bit";
    }
    if (le64_to_cpu(vmsa->dr6) >> 32 || le64_to_cpu(vmsa->dr7) >> 32) {
        return "reserved bits of DR6 or DR7 are set";
    }
    if (le32_to_cpu(vmsa->mxcsr) >> 16) {
        return "reserved bits of MXCSR are set";
    }
    return NULL;
}

static const char *vmsa_check(CPUX86State *env, const SevVmsa *vmsa)
{
    const char *why = check_sev(vmsa);

    why = why ?: check_efer(env, vmsa);
    why = why ?: check_control(env, vmsa);
    return why ?: check_rest(vmsa);
}

static uint64_t canonical(uint64_t address)
{
    return sextract64(address, 0, 57);
}

/* Attributes are bits 15:8 and 23:20 of a descriptor's upper half. */
static uint32_t segment_flags(const SevVmsaSegment *seg)
{
    uint32_t attributes = le16_to_cpu(seg->attributes);

    return (attributes & 0xff) << DESC_TYPE_SHIFT |
           (attributes & 0xf00) << (20 - 8);
}

static void load_segment(CPUX86State *env, X86Seg reg,
                         const SevVmsaSegment *seg)
{
    uint64_t base = le64_to_cpu(seg->base);
    bool wide = reg == R_FS || reg == R_GS;

    cpu_x86_load_seg_cache(env, reg, le16_to_cpu(seg->selector),
                           wide ? canonical(base) : (uint32_t)base,
                           le32_to_cpu(seg->limit), segment_flags(seg));
}

/* CPL is a field of its own; here it is SS's DPL. */
static void load_stack_segment(CPUX86State *env, const SevVmsa *vmsa)
{
    uint32_t flags = segment_flags(&vmsa->ss) & ~DESC_DPL_MASK;
    int cpl = env->cr[0] & CR0_PE_MASK ? vmsa->cpl : 0;

    if (env->eflags & VM_MASK) {
        cpl = 3;
    }
    cpu_x86_load_seg_cache(env, R_SS, le16_to_cpu(vmsa->ss.selector),
                           (uint32_t)le64_to_cpu(vmsa->ss.base),
                           le32_to_cpu(vmsa->ss.limit),
                           flags | cpl << DESC_DPL_SHIFT);
}

static void load_table(SegmentCache *table, const SevVmsaSegment *seg)
{
    table->selector = le16_to_cpu(seg->selector);
    table->base = canonical(le64_to_cpu(seg->base));
    table->limit = le32_to_cpu(seg->limit);
    table->flags = segment_flags(seg);
}

static void load_segments(CPUX86State *env, const SevVmsa *vmsa)
{
    load_segment(env, R_CS, &vmsa->cs);
    load_segment(env, R_DS, &vmsa->ds);
    load_segment(env, R_ES, &vmsa->es);
    load_segment(env, R_FS, &vmsa->fs);
    load_segment(env, R_GS, &vmsa->gs);
    load_stack_segment(env, vmsa);
    load_table(&env->gdt, &vmsa->gdtr);
    load_table(&env->idt, &vmsa->idtr);
    load_table(&env->ldt, &vmsa->ldtr);
    load_table(&env->tr, &vmsa->tr);
}

static void load_flags(CPUX86State *env, const SevVmsa *vmsa)
{
    uint32_t mask = TF_MASK | IF_MASK | IOPL_MASK | NT_MASK | RF_MASK |
                    VM_MASK | AC_MASK | VIF_MASK | VIP_MASK | ID_MASK;

    /* There is no virtual-8086 mode in these. */
    if (env->efer & MSR_EFER_LMA || !(env->cr[0] & CR0_PE_MASK)) {
        mask &= ~VM_MASK;
    }
    env->eflags = 0;
    cpu_load_eflags(env, le64_to_cpu(vmsa->rflags), mask);
}

/* CR0 last but one: setting PG is what enters long mode. */
static void load_control(CPUX86State *env, const SevVmsa *vmsa)
{
    uint64_t cr3 = le64_to_cpu(vmsa->cr3);

    env->xcr0 = le64_to_cpu(vmsa->xcr0) | XSTATE_FP_MASK;
    cpu_load_efer(env, le64_to_cpu(vmsa->efer) & ~MSR_EFER_LMA);
    cpu_x86_update_cr4(env, le64_to_cpu(vmsa->cr4));
    cpu_x86_update_cr0(env, le64_to_cpu(vmsa->cr0));
    cpu_x86_update_cr3(env, long_mode(vmsa) ? cr3 : (uint32_t)cr3);
    env->cr[2] = le64_to_cpu(vmsa->cr2);
    env->dr[6] = le64_to_cpu(vmsa->dr6) | DR6_FIXED_1;
    cpu_x86_update_dr7(env, le64_to_cpu(vmsa->dr7));
}

static void load_general(CPUX86State *env, const SevVmsa *vmsa)
{
    uint64_t rip = le64_to_cpu(vmsa->rip);

    env->regs[R_EAX] = le64_to_cpu(vmsa->rax);
    env->regs[R_ECX] = le64_to_cpu(vmsa->rcx);
    env->regs[R_EDX] = le64_to_cpu(vmsa->rdx);
    env->regs[R_EBX] = le64_to_cpu(vmsa->rbx);
    env->regs[R_ESP] = le64_to_cpu(vmsa->rsp);
    env->regs[R_EBP] = le64_to_cpu(vmsa->rbp);
    env->regs[R_ESI] = le64_to_cpu(vmsa->rsi);
    env->regs[R_EDI] = le64_to_cpu(vmsa->rdi);
    for (int i = 0; i < ARRAY_SIZE(vmsa->r8_to_r15); i++) {
        env->regs[R_R8 + i] = le64_to_cpu(vmsa->r8_to_r15[i]);
    }
    env->eip = env->hflags & HF_CS64_MASK ? rip : (uint32_t)rip;
}

static void load_msrs(CPUX86State *env, const SevVmsa *vmsa)
{
    uint64_t xss = env->features[FEAT_XSAVE_XSS_LO] |
                   (uint64_t)env->features[FEAT_XSAVE_XSS_HI] << 32;

    env->star = le64_to_cpu(vmsa->star);
    env->lstar = canonical(le64_to_cpu(vmsa->lstar));
    env->cstar = canonical(le64_to_cpu(vmsa->cstar));
    env->fmask = le64_to_cpu(vmsa->sfmask);
    env->kernelgsbase = canonical(le64_to_cpu(vmsa->kernel_gs_base));
    env->sysenter_cs = le64_to_cpu(vmsa->sysenter_cs) & 0xffff;
    env->sysenter_esp = canonical(le64_to_cpu(vmsa->sysenter_esp));
    env->sysenter_eip = canonical(le64_to_cpu(vmsa->sysenter_eip));
    env->pat = le64_to_cpu(vmsa->g_pat);
    env->tsc_aux = le32_to_cpu(vmsa->tsc_aux);
    env->pkru = le32_to_cpu(vmsa->pkru);
    env->xss = le64_to_cpu(vmsa->xss) & xss;
}

/* Tags are one bit a register, as in FXSAVE: KVM fills them in like that. */
static void load_x87(CPUX86State *env, const SevVmsa *vmsa)
{
    uint16_t status = le16_to_cpu(vmsa->x87_fsw);
    uint16_t tags = le16_to_cpu(vmsa->x87_ftw);

    cpu_set_fpuc(env, le16_to_cpu(vmsa->x87_fcw));
    env->fpstt = extract32(status, 11, 3);
    env->fpus = deposit32(status, 11, 3, 0);
    for (int i = 0; i < 8; i++) {
        floatx80 *reg = &env->fpregs[(env->fpstt + i) & 7].d;

        env->fptags[i] = !(tags & (1 << i));
        reg->low = le64_to_cpu(vmsa->x87_low[i]);
        reg->high = le16_to_cpu(vmsa->x87_high[i]);
    }
    env->fpop = le16_to_cpu(vmsa->x87_fop);
    env->fpcs = le16_to_cpu(vmsa->x87_cs);
    env->fpds = le16_to_cpu(vmsa->x87_ds);
    env->fpip = le64_to_cpu(vmsa->x87_rip);
    env->fpdp = le64_to_cpu(vmsa->x87_dp);
}

static void load_vectors(CPUX86State *env, const SevVmsa *vmsa)
{
    cpu_set_mxcsr(env, le32_to_cpu(vmsa->mxcsr));
    for (int i = 0; i < ARRAY_SIZE(vmsa->xmm); i++) {
        ZMMReg *reg = &env->xmm_regs[i];

        reg->ZMM_Q(0) = le64_to_cpu(vmsa->xmm[i][0]);
        reg->ZMM_Q(1) = le64_to_cpu(vmsa->xmm[i][1]);
        reg->ZMM_Q(2) = le64_to_cpu(vmsa->ymm_high[i][0]);
        reg->ZMM_Q(3) = le64_to_cpu(vmsa->ymm_high[i][1]);
    }
}

const char *snp_vmsa_load(CPUX86State *env, const void *page)
{
    const SevVmsa *vmsa = page;
    const char *why = vmsa_check(env, vmsa);

    if (why) {
        return why;
    }
    /* Each of these looks at what the ones before it have set. */
    load_control(env, vmsa);
    load_flags(env, vmsa);
    load_segments(env, vmsa);
    load_general(env, vmsa);
    load_msrs(env, vmsa);
    load_x87(env, vmsa);
    load_vectors(env, vmsa);
    return NULL;
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

void snp_wait_for_init(X86CPU *cpu)
{
    if (!cpu_is_bsp(cpu)) {
        wait_in(cpu, SNP_RUN_RESET);
    }
}

/*
 * AP creation
 */

/* Loads from a copy: nothing may change between check and use. */
static const char *load_guest_vmsa(CPUX86State *env, uint64_t gpa)
{
    g_autofree void *copy = NULL;
    void *page;

    if (gpa == SNP_NO_VMSA) {
        return "destroyed by the guest";
    }
    page = snp_private_ptr(gpa, VMSA_RMP_FLAGS);
    if (!page) {
        return "not a VMSA page";
    }
    copy = g_memdup2(page, SEV_VMSA_PAGE_SIZE);
    return snp_vmsa_load(env, copy);
}

static void go_offline(X86CPU *cpu, uint64_t vmsa_gpa, const char *why)
{
    int index = CPU(cpu)->cpu_index;

    trace_snp_ap_offline(index, vmsa_gpa, why);
    if (vmsa_gpa != SNP_NO_VMSA) {
        qemu_log_mask(LOG_GUEST_ERROR, "SEV-SNP: vCPU %d cannot start with "
                      "the VMSA at 0x%" PRIx64 ": %s\n", index, vmsa_gpa, why);
    }
    wait_in(cpu, SNP_RUN_OFFLINE);
}

/*
 * In the vCPU's thread, outside of guest code, with the BQL.  KVM keeps the
 * GHCB's MSR and registration, which are no part of a VMSA.
 */
static void replace_vmsa(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    SnpVcpu *vcpu = snp_vcpu(env);
    uint64_t ghcb_msr = vcpu->ghcb_msr, ghcb_gpa = vcpu->ghcb_gpa;
    uint64_t vmsa_gpa = vcpu->vmsa_gpa;
    bool first_sipi_done = vcpu->first_sipi_done;
    const char *why;

    vcpu->resetting = true;
    do_cpu_init(cpu);
    vcpu->resetting = false;
    vcpu->vmsa_pending = false;
    vcpu->reset_hold = SNP_RESET_HOLD_NONE;
    vcpu->ghcb_msr = ghcb_msr;
    vcpu->ghcb_gpa = ghcb_gpa;
    vcpu->first_sipi_done = first_sipi_done;

    why = load_guest_vmsa(env, vmsa_gpa);
    if (why) {
        go_offline(cpu, vmsa_gpa, why);
        return;
    }
    start(cpu);
    trace_snp_ap_start(CPU(cpu)->cpu_index, vmsa_gpa, env->eip);
}

static void replace_vmsa_work(CPUState *cs, run_on_cpu_data data)
{
    X86CPU *cpu = X86_CPU(cs);
    SnpVcpu *vcpu = snp_vcpu(&cpu->env);

    /* An INIT may have come first, or another request that waits for one. */
    if (vcpu->vmsa_pending && !vcpu->vmsa_on_init) {
        replace_vmsa(cpu);
        /* Outside of the execution loop, which takes all flags from here */
        cpu->env.eflags = cpu_compute_eflags(&cpu->env);
    }
}

/* NULL, or why the guest may not start a vCPU like that */
static const char *check_creation(uint64_t vmsa_gpa, uint64_t sev_features)
{
    uint32_t rmp;

    if (sev_features != snp_sev_features()) {
        return "SEV_FEATURES are not the guest's";
    }
    if (vmsa_gpa % SEV_VMSA_PAGE_SIZE) {
        return "VMSA address is not that of a page";
    }
    /*
     * Hardware may take an access to the large page around it for an RMP
     * violation, so KVM refuses it.
     */
    if (vmsa_gpa % PAGE_2M == 0) {
        return "VMSA address is a multiple of 2 MiB";
    }
    if (!snp_rmp_read(vmsa_gpa, &rmp) ||
        (rmp & VMSA_RMP_FLAGS) != VMSA_RMP_FLAGS) {
        return "not a VMSA page";
    }
    return NULL;
}

static const char *create(CPUState *target, uint32_t request,
                          uint64_t vmsa_gpa, uint64_t sev_features)
{
    SnpVcpu *vcpu;
    const char *why;

    if (!target) {
        return "no vCPU with that APIC ID";
    }
    switch (request) {
    case AP_CREATE_ON_INIT:
    case AP_CREATE:
        why = check_creation(vmsa_gpa, sev_features);
        if (why) {
            return why;
        }
        break;
    case AP_DESTROY:
        vmsa_gpa = SNP_NO_VMSA;
        break;
    default:
        return "unknown request";
    }

    vcpu = snp_vcpu(cpu_env(target));
    bql_lock();
    vcpu->vmsa_gpa = vmsa_gpa;
    vcpu->vmsa_pending = true;
    vcpu->vmsa_on_init = request == AP_CREATE_ON_INIT;
    bql_unlock();
    if (request != AP_CREATE_ON_INIT) {
        async_run_on_cpu(target, replace_vmsa_work, RUN_ON_CPU_NULL);
    }
    return NULL;
}

uint64_t snp_ap_create(CPUX86State *env, uint64_t info1, uint64_t vmsa_gpa,
                       uint64_t sev_features)
{
    uint32_t request = info1, apic_id = info1 >> 32;
    const char *why = create(cpu_by_arch_id(apic_id), request, vmsa_gpa,
                             sev_features);

    trace_snp_ap_create(env_cpu(env)->cpu_index, apic_id, request, vmsa_gpa,
                        why ?: "done");
    return why ? GHCB_ERROR_INVALID_INPUT : 0;
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

bool snp_init_signal(X86CPU *cpu)
{
    CPUState *cs = CPU(cpu);
    SnpVcpu *vcpu;

    if (!snp_active()) {
        return false;
    }
    vcpu = snp_vcpu(&cpu->env);
    if (vcpu->resetting) {
        return false;
    }
    trace_snp_init_signal(cs->cpu_index, vcpu->run_state);
    cpu_reset_interrupt(cs, ~CPU_INTERRUPT_SIPI);
    apic_init_reset(cpu->apic_state);
    if (vcpu->vmsa_pending) {
        replace_vmsa(cpu);
    }
    /* Registers are the guest's: it goes on where it was after a SIPI. */
    if (vcpu->run_state != SNP_RUN_OFFLINE && !cpu_is_bsp(cpu)) {
        wait_in(cpu, SNP_RUN_WAIT_SIPI);
    }
    return true;
}

bool snp_sipi_signal(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    CPUState *cs = CPU(cpu);
    SnpVcpu *vcpu;

    if (!snp_active()) {
        return false;
    }
    vcpu = snp_vcpu(env);
    trace_snp_sipi_signal(cs->cpu_index, vcpu->run_state, vcpu->reset_hold);
    if (vcpu->run_state == SNP_RUN_OFFLINE ||
        (vcpu->run_state == SNP_RUN_RESET && !cpu_is_bsp(cpu))) {
        stay_halted(cs);
    }
    /* Only after an INIT, and whatever its vector */
    if (vcpu->run_state != SNP_RUN_WAIT_SIPI) {
        return true;
    }
    start(cpu);
    if (vcpu->first_sipi_done) {
        snp_reset_hold_release(env);
    }
    vcpu->first_sipi_done = true;
    return true;
}
