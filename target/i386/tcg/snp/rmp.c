/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PVALIDATE, RMPADJUST and RMPQUERY
 *
 * AMD64 APM volume 3, chapter 4, and volume 2, 15.36 (SEV-SNP).  A frame
 * whose page state is shared makes the hypervisor convert it, as a nested
 * page fault would; a 2 MiB RMP entry that is addressed in parts is split by
 * the hypervisor (PSMASH), as KVM does.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/snp.h"
#include "trace.h"

/* Return codes in EAX */
enum {
    SNP_SUCCESS = 0,
    SNP_FAIL_INPUT = 1,
    SNP_FAIL_PERMISSION = 2,
    SNP_FAIL_SIZEMISMATCH = 6,
};

#define FRAMES_PER_2M (2 * MiB / UPM_FRAME_SIZE)

/* RDX of RMPADJUST and RMPQUERY */
#define RMP_ATTR_VMPL(rdx)   ((rdx) & 0xff)
#define RMP_ATTR_PERM(rdx)   (((rdx) >> 8) & 0xff)
#define RMP_ATTR_VMSA        (1ULL << 16)

/* The state is in env already; only the instruction is left behind. */
static void skip_instruction(CPUX86State *env, uint32_t length)
{
    env->eip += length;
    if (!(env->hflags & HF_CS64_MASK)) {
        env->eip = (uint32_t)env->eip;
    }
}

static void set_result(CPUX86State *env, uint32_t eax, bool carry)
{
    env->regs[R_EAX] = eax;
    CC_SRC = (cpu_cc_compute_all(env) & ~CC_C) | (carry ? CC_C : 0);
    CC_OP = CC_OP_EFLAGS;
}

/* The low 12 bits are ignored: firmware names a page by any byte of it. */
static bool is_misaligned(uint64_t gva, bool large)
{
    return large && gva & (2 * MiB - UPM_FRAME_SIZE);
}

/**
 * operand_frame: translate RAX and find its frame
 *
 * Raises #GP or #PF as a one-byte read does, #PF with RSVD for an address
 * that is not mapped private, and converts a shared frame.
 */
static void operand_frame(CPUX86State *env, uint64_t gva, SnpFrame *frame,
                          uintptr_t ra)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    CPUState *cs = env_cpu(env);
    int mmu_idx = cpu_mmu_index(cs, false);
    hwaddr gpa;

    vcpu->resolving = true;
    vcpu->resolved = false;
    x86_cpu_tlb_fill(cs, gva, 1, MMU_DATA_LOAD, mmu_idx, true, 0);
    vcpu->resolving = false;
    if (!vcpu->resolved) {
        /* An access raises what is wrong; if nothing is by now, once more. */
        vcpu->walk_faulted = false;
        x86_cpu_tlb_fill(cs, gva, 1, MMU_DATA_LOAD, mmu_idx, false, ra);
        cpu_loop_exit_restore(cs, ra);
    }
    gpa = vcpu->resolved_paddr & ~snp_cbit_mask();
    if (!(vcpu->resolved_paddr & snp_cbit_mask()) ||
        !snp_frame_find(gpa, frame)) {
        env->cr[2] = gva;
        raise_exception_err_ra(env, EXCP0E_PAGE,
                               PG_ERROR_P_MASK | PG_ERROR_RSVD_MASK, ra);
    }
    if (!snp_frame_is_private(frame)) {
        snp_convert_and_retry(env, gpa, true, ra);
    }
    snp_frame_assign(frame);
}

/* The 512 frames behind a 2 MiB operand, or NULL on a size mismatch */
static uint32_t *large_entry(const SnpFrame *frame)
{
    size_t i;

    if (frame->extent.gpa % (2 * MiB) || frame->extent.offset % (2 * MiB) ||
        frame->extent.offset + 2 * MiB > frame->extent.block->size) {
        return NULL;
    }
    for (i = 0; i < FRAMES_PER_2M; i++) {
        if (!(qatomic_read(&frame->rmp[i]) & SNP_RMP_PAGE_2M)) {
            return NULL;
        }
    }
    return frame->rmp;
}

typedef struct Validation {
    CPUState *cs;
    uint32_t *entry;
    size_t count;
    bool validate;
    bool changed;
} Validation;

static void validate_frames(void *opaque)
{
    Validation *v = opaque;
    size_t i;

    for (i = 0; i < v->count; i++) {
        uint32_t old = v->validate
            ? qatomic_fetch_or(&v->entry[i], SNP_RMP_VALIDATED)
            : qatomic_fetch_and(&v->entry[i], ~SNP_RMP_VALIDATED);

        v->changed |= !(old & SNP_RMP_VALIDATED) == v->validate;
    }
    if (v->changed && !v->validate) {
        snp_flush_others(v->cs);
    }
}

void helper_snp_pvalidate(CPUX86State *env, uint32_t length)
{
    uint64_t gva = env->regs[R_EAX];
    bool large = env->regs[R_ECX] & 1;
    Validation v = {
        .cs = env_cpu(env), .validate = env->regs[R_EDX] & 1, .count = 1,
    };
    SnpFrame frame;

    if (is_misaligned(gva, large)) {
        set_result(env, SNP_FAIL_INPUT, false);
        return;
    }
    operand_frame(env, gva, &frame, GETPC());
    v.entry = frame.rmp;
    if (large) {
        v.entry = large_entry(&frame);
        v.count = FRAMES_PER_2M;
    } else {
        snp_frame_split(&frame);
    }
    trace_snp_pvalidate(frame.extent.gpa, large, v.validate, !v.entry);
    if (!v.entry) {
        set_result(env, SNP_FAIL_SIZEMISMATCH, false);
        return;
    }
    if (v.validate || !(qatomic_read(v.entry) & SNP_RMP_VALIDATED)) {
        validate_frames(&v);
        set_result(env, SNP_SUCCESS, !v.changed);
        return;
    }
    snp_exclusive(v.cs, validate_frames, &v);
    set_result(env, SNP_SUCCESS, !v.changed);
    skip_instruction(env, length);
    cpu_loop_exit_noexc(v.cs);
}

/**
 * permission_operand: the frame whose permissions are named by RAX and RDX
 *
 * This processor runs everything at VMPL0: any other is below it.  Returns:
 * false with EAX set where the instruction fails.
 */
static bool permission_operand(CPUX86State *env, bool large, SnpFrame *frame,
                               uintptr_t ra)
{
    uint64_t gva = env->regs[R_EAX];
    uint8_t vmpl = RMP_ATTR_VMPL(env->regs[R_EDX]);

    if (is_misaligned(gva, large) || vmpl >= SNP_VMPLS) {
        set_result(env, SNP_FAIL_INPUT, false);
        return false;
    }
    operand_frame(env, gva, frame, ra);
    if (!(qatomic_read(frame->rmp) & SNP_RMP_VALIDATED)) {
        raise_exception_err_ra(env, EXCP1D_VC, SNP_EXIT_NPF_NOT_VALIDATED,
                               ra);
    }
    if (!vmpl) {
        set_result(env, SNP_FAIL_PERMISSION, false);
        return false;
    }
    return true;
}

void helper_snp_rmpadjust(CPUX86State *env)
{
    uint64_t rdx = env->regs[R_EDX];
    bool large = env->regs[R_ECX] & 1;
    uint8_t vmpl = RMP_ATTR_VMPL(rdx);
    uint32_t keep, set, *entry;
    size_t i, count = large ? FRAMES_PER_2M : 1;
    SnpFrame frame;

    if (!permission_operand(env, large, &frame, GETPC())) {
        return;
    }
    entry = large ? large_entry(&frame) : frame.rmp;
    if (!entry) {
        set_result(env, SNP_FAIL_SIZEMISMATCH, false);
        return;
    }
    if (!large) {
        snp_frame_split(&frame);
    }
    trace_snp_rmpadjust(frame.extent.gpa, large, rdx);
    keep = ~(SNP_RMP_VMSA | 0xffu << SNP_RMP_PERM_SHIFT(vmpl));
    set = RMP_ATTR_PERM(rdx) << SNP_RMP_PERM_SHIFT(vmpl);
    set |= rdx & RMP_ATTR_VMSA ? SNP_RMP_VMSA : 0;
    for (i = 0; i < count; i++) {
        /* another vCPU may be splitting the large page */
        qatomic_and(&entry[i], keep);
        qatomic_or(&entry[i], set);
    }
    set_result(env, SNP_SUCCESS, false);
}

void helper_snp_rmpquery(CPUX86State *env)
{
    uint8_t vmpl = RMP_ATTR_VMPL(env->regs[R_EDX]);
    uint32_t entry, permissions;
    SnpFrame frame;

    if (!permission_operand(env, false, &frame, GETPC())) {
        return;
    }
    entry = qatomic_read(frame.rmp);
    permissions = (entry >> SNP_RMP_PERM_SHIFT(vmpl)) & 0xff;
    env->regs[R_EDX] = vmpl | permissions << 8 |
                       (entry & SNP_RMP_VMSA ? RMP_ATTR_VMSA : 0);
    env->regs[R_ECX] = !!(entry & SNP_RMP_PAGE_2M);
    set_result(env, SNP_SUCCESS, false);
}

void helper_snp_vmgexit(CPUX86State *env, uint32_t length)
{
    skip_instruction(env, length);
    snp_vmgexit(env);
    cpu_loop_exit_noexc(env_cpu(env));
}
