/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: RMPUPDATE, PSMASH and RMPREAD as instructions
 *
 * AMD64 APM volume 3, chapter 5.  No guest has them; that, 64-bit mode and
 * the opcodes are translate.c.inc's.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/host/internal.h"
#include "tcg/snp/host/marks.h"
#include "tcg/snp/host/rmp.h"
#include "trace.h"

static void check_mode(CPUX86State *env, uintptr_t ra)
{
    if (!(snp_host_vcpu_of(env)->syscfg & SYSCFG_SNP_EN)) {
        raise_exception_ra(env, EXCP06_ILLOP, ra);
    }
    if (env->hflags & HF_CPL_MASK) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
}

/* CF stays as it is. */
static void set_result(CPUX86State *env, uint32_t eax)
{
    snp_set_result(env, eax, cpu_cc_compute_all(env) & CC_C);
}

void helper_snp_rmpupdate(CPUX86State *env)
{
    uint64_t spa = env->regs[R_EAX], at = env->regs[R_ECX];
    uint64_t flags;
    SnpRmpState state;
    uint32_t result;
    bool changed;

    check_mode(env, GETPC());
    state.gpa = cpu_ldq_le_data_ra(env, at, GETPC());
    flags = cpu_ldq_le_data_ra(env, at + 8, GETPC());
    state.assigned = extract64(flags, 0, 8);
    state.page_2m = extract64(flags, 8, 8);
    state.immutable = extract64(flags, 16, 8);
    state.asid = extract64(flags, 32, 32);
    result = snp_rmpupdate(snp_host(), spa, &state, &changed);
    trace_snp_host_rmpupdate(spa, state.gpa, flags, result);
    set_result(env, result);
    if (!changed) {
        return;
    }
    if (state.page_2m & 1) {
        snp_rmp_flush(snp_host());
    } else {
        snp_end_translations(snp_host(), env_cpu(env), spa);
    }
}

void helper_snp_psmash(CPUX86State *env)
{
    uint64_t spa = env->regs[R_EAX];
    uint32_t result;
    bool changed;

    check_mode(env, GETPC());
    result = snp_psmash(snp_host(), spa, &changed);
    trace_snp_host_psmash(spa, result);
    set_result(env, result);
    if (changed) {
        snp_rmp_flush(snp_host());
    }
}

/*
 * A fault of the second store leaves the first one done: it is done again
 * when the instruction is.
 */
void helper_snp_rmpread(CPUX86State *env)
{
    uint64_t spa = env->regs[R_EAX], at = env->regs[R_ECX];
    SnpRmpState state;
    uint32_t result;

    if (!snp_host_has_rmpread(env)) {
        raise_exception_ra(env, EXCP06_ILLOP, GETPC());
    }
    check_mode(env, GETPC());
    result = snp_rmpread(snp_host(), spa, &state);
    if (result == SNP_RMP_SUCCESS) {
        cpu_stq_le_data_ra(env, at, state.gpa, GETPC());
        cpu_stq_le_data_ra(env, at + 8, state.assigned | state.page_2m << 8 |
                           state.immutable << 16 | (uint64_t)state.asid << 32,
                           GETPC());
    }
    trace_snp_host_rmpread(spa, result);
    set_result(env, result);
}
