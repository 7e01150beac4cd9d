/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMGEXIT, VMMCALL, PVALIDATE, RMPADJUST and RMPQUERY
 *
 * AMD64 APM volume 3, chapter 4, and volume 2, 15.36 (SEV-SNP).  What the
 * instructions check and answer; where the RMP lies, and what the hypervisor
 * does before they can, is the world's.
 */
#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/svm-assist.h"
#include "tcg/snp/processor.h"
#include "trace.h"

/* Return codes in EAX */
enum {
    SNP_SUCCESS = 0,
    SNP_FAIL_INPUT = 1,
    SNP_FAIL_PERMISSION = 2,
    SNP_FAIL_INUSE = 3,
    SNP_FAIL_SIZEMISMATCH = 6,
};

/* RDX of RMPADJUST and RMPQUERY */
#define RMP_ATTR_VMPL(rdx)   ((rdx) & 0xff)
#define RMP_ATTR_PERM(rdx)   (((rdx) >> 8) & 0xff)
#define RMP_ATTR_VMSA        (1ULL << 16)
#define RMP_ATTR_RESERVED    (0xe000 | ~0x1ffffULL)

/* RF, the interrupt shadow and the trap flag */
G_NORETURN void snp_leave(CPUX86State *env)
{
    do_end_instruction(env);
    helper_rechecking_single_step(env);
    cpu_loop_exit_noexc(env_cpu(env));
}

/* No way back into a translation block that may not be there any more */
static void leave_if_flushed(CPUX86State *env, const SnpOperand *operand,
                             uint32_t length)
{
    if (operand->flushed) {
        env->eip = svm_rip_after(env, length);
        snp_leave(env);
    }
}

void snp_set_result(CPUX86State *env, uint32_t eax, bool carry)
{
    env->regs[R_EAX] = eax;
    CC_SRC = (eax ? 0 : CC_Z) | (eax >> 31 ? CC_S : 0) |
             (ctpop8(eax) & 1 ? 0 : CC_P) | (carry ? CC_C : 0);
    CC_OP = CC_OP_EFLAGS;
}

/*
 * In the RMP, behind all checks but those that only hold at that moment.  What
 * another vCPU has taken away meanwhile is met by an instruction that begins
 * again.
 */
static SnpChange set(CPUX86State *env, SnpOperand *operand, uint32_t mask,
                     uint32_t value)
{
    SnpChange change = snp_world()->set(env, operand, mask, value);

    /*
     * EIP and CC_OP are as the instruction began.  Its translation block may
     * be gone: an exclusive section lets others flush.
     */
    if (change == SNP_OUTDATED) {
        cpu_loop_exit_noexc(env_cpu(env));
    }
    return change;
}

static uint32_t result_of(SnpChange change)
{
    return change == SNP_IN_USE ? SNP_FAIL_INUSE : SNP_SUCCESS;
}

/* The low 12 bits are ignored: firmware names a page by any byte of it. */
static bool is_misaligned(uint64_t gva, bool large)
{
    return large && gva & (2 * MiB - 4 * KiB);
}

/* A guest with SEV-ES has no RMP entries. */
static void check_snp(CPUX86State *env, uintptr_t ra)
{
    if (!(env->svm.sev & SVM_SEV_SNP)) {
        raise_exception_ra(env, EXCP06_ILLOP, ra);
    }
}

/**
 * find_operand: the page that RAX names
 *
 * Raises #GP or #PF as a one-byte read does, #PF with RSVD for an address
 * that is not mapped private.
 */
static void find_operand(CPUX86State *env, SnpOperand *operand, uintptr_t ra)
{
    uint64_t gva = env->regs[R_EAX];
    hwaddr paddr;

    paddr = snp_resolve(env, gva, ra);
    *operand = (SnpOperand) {
        .gva = gva, .gpa = paddr & ~snp_cbit_mask(), .count = 1,
    };
    if (!(paddr & snp_cbit_mask()) ||
        !snp_world()->operand(env, operand, ra)) {
        env->cr[2] = gva;
        raise_exception_err_ra(env, EXCP0E_PAGE,
                               PG_ERROR_P_MASK | PG_ERROR_RSVD_MASK, ra);
    }
}

void helper_snp_pvalidate(CPUX86State *env, uint32_t length)
{
    bool large = env->regs[R_ECX] & 1, validate = env->regs[R_EDX] & 1;
    SnpOperand operand;
    SnpChange change;
    bool fits;

    check_snp(env, GETPC());
    if (is_misaligned(env->regs[R_EAX], large)) {
        snp_set_result(env, SNP_FAIL_INPUT, false);
        return;
    }
    if (env->svm.vmpl) {
        snp_set_result(env, SNP_FAIL_PERMISSION, false);
        return;
    }
    find_operand(env, &operand, GETPC());
    fits = snp_world()->fit(env, &operand, large, GETPC());
    trace_snp_pvalidate(operand.gpa, large, validate, !fits);
    if (!fits) {
        snp_set_result(env, SNP_FAIL_SIZEMISMATCH, false);
        return;
    }
    change = set(env, &operand, SNP_RMP_VALIDATED,
                 validate ? SNP_RMP_VALIDATED : 0);
    snp_set_result(env, result_of(change), change == SNP_UNCHANGED);
    leave_if_flushed(env, &operand, length);
}

/**
 * permission_operand: the page whose permissions are named by RAX and RDX
 *
 * Only those of a VMPL below the running one can be changed.  Returns: false
 * with EAX set where the instruction fails.
 */
static bool permission_operand(CPUX86State *env, bool large,
                               SnpOperand *operand, uintptr_t ra)
{
    uint8_t vmpl = RMP_ATTR_VMPL(env->regs[R_EDX]);

    check_snp(env, ra);
    if (is_misaligned(env->regs[R_EAX], large) || vmpl >= SNP_VMPLS) {
        snp_set_result(env, SNP_FAIL_INPUT, false);
        return false;
    }
    find_operand(env, operand, ra);
    if (!(operand->rmp & SNP_RMP_VALIDATED)) {
        snp_raise_vc(env, SNP_EXIT_NPF_NOT_VALIDATED, ra);
    }
    if (vmpl <= env->svm.vmpl) {
        snp_set_result(env, SNP_FAIL_PERMISSION, false);
        return false;
    }
    return true;
}

/* Whoever gives permissions has them, but VMPL0, which has all. */
static uint32_t required(CPUX86State *env, uint8_t permissions)
{
    unsigned vmpl = env->svm.vmpl;

    return SNP_RMP_VALIDATED |
           (vmpl ? (uint32_t)permissions << SNP_RMP_PERM_SHIFT(vmpl) : 0);
}

void helper_snp_rmpadjust(CPUX86State *env, uint32_t length)
{
    uint64_t rdx = env->regs[R_EDX];
    bool large = env->regs[R_ECX] & 1;
    unsigned shift = SNP_RMP_PERM_SHIFT(RMP_ATTR_VMPL(rdx));
    uint32_t mask, value;
    SnpOperand operand;
    SnpChange change;

    if (rdx & RMP_ATTR_RESERVED) {
        check_snp(env, GETPC());
        snp_set_result(env, SNP_FAIL_INPUT, false);
        return;
    }

    if (!permission_operand(env, large, &operand, GETPC())) {
        return;
    }
    operand.required = required(env, RMP_ATTR_PERM(rdx));
    if (operand.required & ~operand.rmp) {
        snp_set_result(env, SNP_FAIL_PERMISSION, false);
        return;
    }
    if (!snp_world()->fit(env, &operand, large, GETPC())) {
        snp_set_result(env, SNP_FAIL_SIZEMISMATCH, false);
        return;
    }
    trace_snp_rmpadjust(operand.gpa, large, rdx);
    /* For others than VMPL0 the VMSA bit does not exist. */
    mask = 0xffu << shift | (env->svm.vmpl ? 0 : SNP_RMP_VMSA);
    value = RMP_ATTR_PERM(rdx) << shift;
    value |= rdx & RMP_ATTR_VMSA ? SNP_RMP_VMSA : 0;
    change = set(env, &operand, mask, value & mask);
    snp_set_result(env, result_of(change), false);
    leave_if_flushed(env, &operand, length);
}

void helper_snp_rmpquery(CPUX86State *env)
{
    uint8_t vmpl = RMP_ATTR_VMPL(env->regs[R_EDX]);
    uint32_t permissions;
    SnpOperand operand;

    if (!permission_operand(env, false, &operand, GETPC())) {
        return;
    }
    permissions = (operand.rmp >> SNP_RMP_PERM_SHIFT(vmpl)) & 0xff;
    env->regs[R_EDX] = vmpl | permissions << 8 |
                       (operand.rmp & SNP_RMP_VMSA ? RMP_ATTR_VMSA : 0);
    env->regs[R_ECX] = !!(operand.rmp & SNP_RMP_PAGE_2M);
    snp_set_result(env, SNP_SUCCESS, false);
}

void helper_snp_vmgexit(CPUX86State *env, uint32_t length)
{
    uint64_t rip = env->eip;

    env->eip = svm_rip_after(env, length);
    if (!snp_world()->vmgexit(env)) {
        env->eip = rip;
        env_cpu(env)->exception_index = EXCP_INTERRUPT;
        cpu_loop_exit(env_cpu(env));
    }
    snp_leave(env);
}

/* Of a guest whose registers are its hypervisor's */
void helper_snp_vmmcall(CPUX86State *env, uint32_t length)
{
    if (!snp_world()->hypercall(env)) {
        raise_exception_ra(env, EXCP06_ILLOP, GETPC());
    }
    env->eip = svm_rip_after(env, length);
    snp_leave(env);
}
