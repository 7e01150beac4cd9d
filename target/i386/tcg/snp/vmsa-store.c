/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Storing a VMSA, as #VMEXIT does
 *
 * AMD64 APM volume 2, table B-4.  The mirror of vmsa.c: each function here
 * has its counterpart there.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/processor.h"

static SevVmsaSegment segment(const SegmentCache *seg)
{
    uint32_t flags = seg->flags;

    return (SevVmsaSegment) {
        .selector = cpu_to_le16(seg->selector),
        .attributes = cpu_to_le16(((flags >> DESC_TYPE_SHIFT) & 0xff) |
                                  ((flags >> (20 - 8)) & 0xf00)),
        .limit = cpu_to_le32(seg->limit),
        .base = cpu_to_le64(seg->base),
    };
}

static void store_segments(const CPUX86State *env, SevVmsa *vmsa)
{
    vmsa->cs = segment(&env->segs[R_CS]);
    vmsa->ss = segment(&env->segs[R_SS]);
    vmsa->ds = segment(&env->segs[R_DS]);
    vmsa->es = segment(&env->segs[R_ES]);
    vmsa->fs = segment(&env->segs[R_FS]);
    vmsa->gs = segment(&env->segs[R_GS]);
    vmsa->gdtr = segment(&env->gdt);
    vmsa->idtr = segment(&env->idt);
    vmsa->ldtr = segment(&env->ldt);
    vmsa->tr = segment(&env->tr);
    vmsa->cpl = env->hflags & HF_CPL_MASK;
}

static void store_control(const CPUX86State *env, SevVmsa *vmsa)
{
    vmsa->efer = cpu_to_le64(env->efer);
    vmsa->cr0 = cpu_to_le64(env->cr[0]);
    vmsa->cr2 = cpu_to_le64(env->cr[2]);
    vmsa->cr3 = cpu_to_le64(env->cr[3]);
    vmsa->cr4 = cpu_to_le64(env->cr[4]);
    vmsa->xcr0 = cpu_to_le64(env->xcr0);
}

static void store_debug(const CPUX86State *env, SevVmsa *vmsa)
{
    if (snp_vmsa_has_debug(vmsa)) {
        for (int i = 0; i < ARRAY_SIZE(vmsa->dr); i++) {
            vmsa->dr[i] = cpu_to_le64(env->dr[i]);
        }
    }
    vmsa->dr6 = cpu_to_le64(env->dr[6]);
    vmsa->dr7 = cpu_to_le64(env->dr[7]);
}

static void store_general(CPUX86State *env, SevVmsa *vmsa)
{
    vmsa->rax = cpu_to_le64(env->regs[R_EAX]);
    vmsa->rcx = cpu_to_le64(env->regs[R_ECX]);
    vmsa->rdx = cpu_to_le64(env->regs[R_EDX]);
    vmsa->rbx = cpu_to_le64(env->regs[R_EBX]);
    vmsa->rsp = cpu_to_le64(env->regs[R_ESP]);
    vmsa->rbp = cpu_to_le64(env->regs[R_EBP]);
    vmsa->rsi = cpu_to_le64(env->regs[R_ESI]);
    vmsa->rdi = cpu_to_le64(env->regs[R_EDI]);
    for (int i = 0; i < ARRAY_SIZE(vmsa->r8_to_r15); i++) {
        vmsa->r8_to_r15[i] = cpu_to_le64(env->regs[R_R8 + i]);
    }
    vmsa->rip = cpu_to_le64(env->eip);
    vmsa->rflags = cpu_to_le64(cpu_compute_eflags(env));
}

static void store_msrs(const CPUX86State *env, SevVmsa *vmsa,
                       const SnpVmsaRules *rules)
{
    vmsa->star = cpu_to_le64(env->star);
    vmsa->lstar = cpu_to_le64(env->lstar);
    vmsa->cstar = cpu_to_le64(env->cstar);
    vmsa->sfmask = cpu_to_le64(env->fmask);
    vmsa->kernel_gs_base = cpu_to_le64(env->kernelgsbase);
    vmsa->sysenter_cs = cpu_to_le64(env->sysenter_cs);
    vmsa->sysenter_esp = cpu_to_le64(env->sysenter_esp);
    vmsa->sysenter_eip = cpu_to_le64(env->sysenter_eip);
    vmsa->g_pat = cpu_to_le64(env->pat);
    vmsa->pkru = cpu_to_le32(env->pkru);
    vmsa->xss = cpu_to_le64(env->xss);
    if (rules->tsc_aux) {
        vmsa->tsc_aux = cpu_to_le32(env->tsc_aux);
    }
}

static void store_x87(const CPUX86State *env, SevVmsa *vmsa)
{
    uint16_t status = deposit32(env->fpus, 11, 3, env->fpstt), tags = 0;

    for (int i = 0; i < 8; i++) {
        const floatx80 *reg = &env->fpregs[(env->fpstt + i) & 7].d;

        tags |= !env->fptags[i] << i;
        vmsa->x87_low[i] = cpu_to_le64(reg->low);
        vmsa->x87_high[i] = cpu_to_le16(reg->high);
    }
    vmsa->x87_fcw = cpu_to_le16(env->fpuc);
    vmsa->x87_fsw = cpu_to_le16(status);
    vmsa->x87_ftw = cpu_to_le16(tags);
    vmsa->x87_fop = cpu_to_le16(env->fpop);
    vmsa->x87_cs = cpu_to_le16(env->fpcs);
    vmsa->x87_ds = cpu_to_le16(env->fpds);
    vmsa->x87_rip = cpu_to_le64(env->fpip);
    vmsa->x87_dp = cpu_to_le64(env->fpdp);
}

static void store_vectors(CPUX86State *env, SevVmsa *vmsa)
{
    /* Exceptions that have happened are kept apart until somebody looks. */
    update_mxcsr_from_sse_status(env);
    vmsa->mxcsr = cpu_to_le32(env->mxcsr);
    for (int i = 0; i < ARRAY_SIZE(vmsa->xmm); i++) {
        const ZMMReg *reg = &env->xmm_regs[i];

        vmsa->xmm[i][0] = cpu_to_le64(reg->ZMM_Q(0));
        vmsa->xmm[i][1] = cpu_to_le64(reg->ZMM_Q(1));
        vmsa->ymm_high[i][0] = cpu_to_le64(reg->ZMM_Q(2));
        vmsa->ymm_high[i][1] = cpu_to_le64(reg->ZMM_Q(3));
    }
}

void snp_vmsa_store(CPUX86State *env, SevVmsa *vmsa,
                    const SnpVmsaRules *rules)
{
    store_control(env, vmsa);
    store_debug(env, vmsa);
    store_segments(env, vmsa);
    store_general(env, vmsa);
    store_msrs(env, vmsa, rules);
    store_x87(env, vmsa);
    store_vectors(env, vmsa);
}
