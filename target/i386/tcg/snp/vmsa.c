/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading a VMSA, as VMRUN does
 *
 * AMD64 APM volume 2, table B-4 for the fields, 15.5.1 and 15.35.8 for the
 * checks.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/processor.h"

static bool long_mode(const SevVmsa *vmsa)
{
    return le64_to_cpu(vmsa->efer) & MSR_EFER_LME &&
           le64_to_cpu(vmsa->cr0) & CR0_PG_MASK;
}

uint64_t snp_xcr0_supported(CPUX86State *env)
{
    return env->features[FEAT_XSAVE_XCR0_LO] |
           (uint64_t)env->features[FEAT_XSAVE_XCR0_HI] << 32 | XSTATE_FP_MASK;
}

static uint64_t xss_supported(CPUX86State *env)
{
    return env->features[FEAT_XSAVE_XSS_LO] |
           (uint64_t)env->features[FEAT_XSAVE_XSS_HI] << 32;
}

static const char *check_sev(const SevVmsa *vmsa, const SnpVmsaRules *rules)
{
    uint64_t features = le64_to_cpu(vmsa->sev_features);

    if (features & ~rules->features ||
        (features & rules->features_set) != rules->features_set) {
        return "SEV_FEATURES are not the guest's";
    }
    if (vmsa->vmpl >= rules->vmpls) {
        return "VMPL is higher than the guest has";
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
    if (le64_to_cpu(vmsa->xcr0) & ~snp_xcr0_supported(env)) {
        return "XCR0 has bits that this CPU lacks";
    }
    if (!long_mode(vmsa)) {
        return NULL;
    }
    if (!(cr4 & CR4_PAE_MASK) || !(cr0 & CR0_PE_MASK)) {
        return "long mode without PAE or protection";
    }
    if (le64_to_cpu(vmsa->cr3) & ~snp_cbit_mask() &
        MAKE_64BIT_MASK(phys_bits, 64 - phys_bits)) {
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

static const char *vmsa_check(CPUX86State *env, const SevVmsa *vmsa,
                              const SnpVmsaRules *rules)
{
    const char *why = check_sev(vmsa, rules);

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
    load_stack_segment(env, vmsa);
    load_table(&env->gdt, &vmsa->gdtr);
    load_table(&env->idt, &vmsa->idtr);
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

/*
 * DR0 to DR3 are part of the VMSA with DebugSwap alone: APM volume 2, table
 * B-4.  Their address masks are there, too, but no CPU model of TCG has these
 * (CPUID 8000_0001 ECX[26], DataBkptExt).
 */
static void load_debug(CPUX86State *env, const SevVmsa *vmsa)
{
    /* What is armed is so with the addresses of before. */
    cpu_x86_update_dr7(env, DR7_FIXED_1);
    if (snp_vmsa_has_debug(vmsa)) {
        for (int i = 0; i < ARRAY_SIZE(vmsa->dr); i++) {
            env->dr[i] = le64_to_cpu(vmsa->dr[i]);
        }
    }
    env->dr[6] = le64_to_cpu(vmsa->dr6) | DR6_FIXED_1;
    cpu_x86_update_dr7(env, le64_to_cpu(vmsa->dr7));
}

/*
 * Setting CR0.PG is what enters long mode and clearing it what leaves it, so
 * that it is clear meanwhile, whatever the vCPU did before.
 */
static void load_control(CPUX86State *env, const SevVmsa *vmsa)
{
    uint64_t cr3 = le64_to_cpu(vmsa->cr3);

    cpu_x86_update_cr0(env, env->cr[0] & ~CR0_PG_MASK);
    env->xcr0 = le64_to_cpu(vmsa->xcr0) | XSTATE_FP_MASK;
    cpu_load_efer(env, le64_to_cpu(vmsa->efer) & ~MSR_EFER_LMA);
    cpu_x86_update_cr4(env, le64_to_cpu(vmsa->cr4));
    cpu_x86_update_cr0(env, le64_to_cpu(vmsa->cr0));
    cpu_x86_update_cr3(env, long_mode(vmsa) ? cr3 : (uint32_t)cr3);
    env->cr[2] = le64_to_cpu(vmsa->cr2);
}

static void load_pointers(CPUX86State *env, const SevVmsa *vmsa)
{
    uint64_t rip = le64_to_cpu(vmsa->rip);

    env->regs[R_EAX] = le64_to_cpu(vmsa->rax);
    env->regs[R_ESP] = le64_to_cpu(vmsa->rsp);
    env->eip = env->hflags & HF_CS64_MASK ? rip : (uint32_t)rip;
}

static void load_general(CPUX86State *env, const SevVmsa *vmsa)
{
    env->regs[R_ECX] = le64_to_cpu(vmsa->rcx);
    env->regs[R_EDX] = le64_to_cpu(vmsa->rdx);
    env->regs[R_EBX] = le64_to_cpu(vmsa->rbx);
    env->regs[R_EBP] = le64_to_cpu(vmsa->rbp);
    env->regs[R_ESI] = le64_to_cpu(vmsa->rsi);
    env->regs[R_EDI] = le64_to_cpu(vmsa->rdi);
    for (int i = 0; i < ARRAY_SIZE(vmsa->r8_to_r15); i++) {
        env->regs[R_R8 + i] = le64_to_cpu(vmsa->r8_to_r15[i]);
    }
}

static void load_msrs(CPUX86State *env, const SevVmsa *vmsa)
{
    env->star = le64_to_cpu(vmsa->star);
    env->lstar = canonical(le64_to_cpu(vmsa->lstar));
    env->cstar = canonical(le64_to_cpu(vmsa->cstar));
    env->fmask = le64_to_cpu(vmsa->sfmask);
    env->kernelgsbase = canonical(le64_to_cpu(vmsa->kernel_gs_base));
    env->sysenter_cs = le64_to_cpu(vmsa->sysenter_cs) & 0xffff;
    env->sysenter_esp = canonical(le64_to_cpu(vmsa->sysenter_esp));
    env->sysenter_eip = canonical(le64_to_cpu(vmsa->sysenter_eip));
    env->pkru = le32_to_cpu(vmsa->pkru);
    env->xss = le64_to_cpu(vmsa->xss) & xss_supported(env);
}

void snp_vmsa_load_swapped(CPUX86State *env, const SevVmsa *vmsa)
{
    load_segment(env, R_FS, &vmsa->fs);
    load_segment(env, R_GS, &vmsa->gs);
    load_table(&env->ldt, &vmsa->ldtr);
    load_table(&env->tr, &vmsa->tr);
    load_general(env, vmsa);
    load_msrs(env, vmsa);
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

const char *snp_vmsa_load(CPUX86State *env, const SevVmsa *vmsa,
                          const SnpVmsaRules *rules)
{
    const char *why = vmsa_check(env, vmsa, rules);

    if (why) {
        return why;
    }
    /* Each of these looks at what the ones before it have set. */
    load_control(env, vmsa);
    load_debug(env, vmsa);
    load_flags(env, vmsa);
    load_segments(env, vmsa);
    load_pointers(env, vmsa);
    snp_vmsa_load_swapped(env, vmsa);
    env->pat = le64_to_cpu(vmsa->g_pat);
    if (rules->tsc_aux) {
        env->tsc_aux = le32_to_cpu(vmsa->tsc_aux);
    }
    load_x87(env, vmsa);
    load_vectors(env, vmsa);
    return NULL;
}
