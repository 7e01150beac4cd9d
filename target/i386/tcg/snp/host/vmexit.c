/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * #VMEXIT of guests with SEV-ES and SEV-SNP
 *
 * The guest's state goes into its VMSA.  Of the host's QEMU restores what
 * VMRUN has saved (type A); the rest comes from the host's save area, where
 * the hypervisor has put it (type B), or is as after INIT (type C).
 *
 * APM volume 2, 15.35.8 and table B-4.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "svm.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/host/vmrun-hooks.h"
#include "tcg/snp/host/vmrun.h"

/* Of HSAVE; as in a VMCB, the save area has the layout of a VMSA. */
#define SAVE_AREA offsetof(struct vmcb, save)

/*
 * Saving
 */

static void save_interrupt_control(CPUX86State *env)
{
    hwaddr state = env->vm_vmcb + offsetof(struct vmcb, control.int_state);
    CPUState *cs = env_cpu(env);

    x86_stl_phys(cs, env->vm_vmcb + offsetof(struct vmcb, control.int_ctl),
                 env->int_ctl);
    /* The hypervisor has no RFLAGS to look at. */
    if (env->eflags & IF_MASK) {
        x86_stl_phys(cs, state, x86_ldl_phys(cs, state) | INT_STATE_GUEST_IF);
    }
}

static void save_registers(CPUX86State *env)
{
    bool snp = env->svm.sev & SVM_SEV_SNP;
    SevVmsa vmsa;

    /* What is no register stays as it is. */
    if (snp_host_vmsa_read(env, env->svm.vmsa, &vmsa)) {
        snp_vmsa_store(env, &vmsa, snp_host_vmsa_rules(snp));
        snp_host_vmsa_write(env, env->svm.vmsa, &vmsa);
    }
}

bool snp_host_save(CPUX86State *env)
{
    if (!env->svm.vmsa) {
        return false;
    }
    save_interrupt_control(env);
    save_registers(env);
    snp_host_vmsa_release(env);
    env->hflags &= ~HF_SNP_MASK;
    return true;
}

/*
 * Restoring
 */

static uint32_t segment_flags(const SevVmsaSegment *seg)
{
    uint32_t attributes = le16_to_cpu(seg->attributes);

    return (attributes & 0xff) << 8 | (attributes & 0xf00) << 12;
}

static void restore_segment(CPUX86State *env, X86Seg reg,
                            const SevVmsaSegment *seg)
{
    cpu_x86_load_seg_cache(env, reg, le16_to_cpu(seg->selector),
                           le64_to_cpu(seg->base), le32_to_cpu(seg->limit),
                           segment_flags(seg));
}

static void restore_table(SegmentCache *table, const SevVmsaSegment *seg)
{
    table->selector = le16_to_cpu(seg->selector);
    table->base = le64_to_cpu(seg->base);
    table->limit = le32_to_cpu(seg->limit);
    table->flags = segment_flags(seg);
}

static void restore_msrs(CPUX86State *env, const SevVmsa *area)
{
    env->kernelgsbase = le64_to_cpu(area->kernel_gs_base);
    env->star = le64_to_cpu(area->star);
    env->lstar = le64_to_cpu(area->lstar);
    env->cstar = le64_to_cpu(area->cstar);
    env->fmask = le64_to_cpu(area->sfmask);
    env->sysenter_cs = le64_to_cpu(area->sysenter_cs);
    env->sysenter_esp = le64_to_cpu(area->sysenter_esp);
    env->sysenter_eip = le64_to_cpu(area->sysenter_eip);
}

static void restore_general(CPUX86State *env, const SevVmsa *area)
{
    env->regs[R_ECX] = le64_to_cpu(area->rcx);
    env->regs[R_EDX] = le64_to_cpu(area->rdx);
    env->regs[R_EBX] = le64_to_cpu(area->rbx);
    env->regs[R_EBP] = le64_to_cpu(area->rbp);
    env->regs[R_ESI] = le64_to_cpu(area->rsi);
    env->regs[R_EDI] = le64_to_cpu(area->rdi);
    for (int i = 0; i < ARRAY_SIZE(area->r8_to_r15); i++) {
        env->regs[R_R8 + i] = le64_to_cpu(area->r8_to_r15[i]);
    }
}

static void restore_extended(CPUX86State *env, const SevVmsa *area)
{
    uint64_t xcr0 = env->features[FEAT_XSAVE_XCR0_LO] |
                    (uint64_t)env->features[FEAT_XSAVE_XCR0_HI] << 32;
    uint64_t xss = env->features[FEAT_XSAVE_XSS_LO] |
                   (uint64_t)env->features[FEAT_XSAVE_XSS_HI] << 32;

    env->xcr0 = (le64_to_cpu(area->xcr0) & xcr0) | XSTATE_FP_MASK;
    env->xss = le64_to_cpu(area->xss) & xss;
    env->pkru = le32_to_cpu(area->pkru);
    cpu_sync_avx_hflag(env);
    cpu_sync_bndcs_hflags(env);
}

/* Type C */
static void reset_units(CPUX86State *env)
{
    env->cr[2] = 0;
    env->fpstt = 0;
    env->fpus = 0;
    cpu_set_fpuc(env, 0x37f);
    memset(env->fptags, 1, sizeof(env->fptags));
    memset(env->fpregs, 0, sizeof(env->fpregs));
    env->fpop = env->fpcs = env->fpds = 0;
    env->fpip = env->fpdp = 0;
    memset(env->xmm_regs, 0, sizeof(env->xmm_regs));
    cpu_set_mxcsr(env, 0x1f80);
}

void snp_host_restore(CPUX86State *env)
{
    SevVmsa area = {};

    if (!env->svm.vmsa) {
        return;
    }
    address_space_read(&address_space_memory, env->vm_hsave + SAVE_AREA,
                       MEMTXATTRS_UNSPECIFIED, &area,
                       SEV_VMSA_PAGE_SIZE - SAVE_AREA);
    restore_segment(env, R_FS, &area.fs);
    restore_segment(env, R_GS, &area.gs);
    restore_table(&env->ldt, &area.ldtr);
    restore_table(&env->tr, &area.tr);
    restore_msrs(env, &area);
    restore_general(env, &area);
    restore_extended(env, &area);
    reset_units(env);
    env->svm.vmsa = 0;
}
