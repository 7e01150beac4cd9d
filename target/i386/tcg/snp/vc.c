/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an encrypted guest's processor makes of an intercept: #VC or an exit
 *
 * AMD64 APM volume 2, 15.35.4 and 15.35.5.  Who intercepts what is the
 * world's to say.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/processor.h"
#include "trace.h"

G_NORETURN void snp_raise_vc(CPUX86State *env, int code, uintptr_t ra)
{
    trace_snp_vc(env_cpu(env)->cpu_index, code);
    raise_exception_err_ra(env, EXCP1D_VC, code, ra);
}

bool snp_exit_is_automatic(uint64_t code)
{
    switch (code) {
    case SVM_EXIT_EXCP_BASE + EXCP12_MCHK:
    case SVM_EXIT_INTR:
    case SVM_EXIT_NMI:
    case SVM_EXIT_SMI:
    case SVM_EXIT_INIT:
    case SVM_EXIT_VINTR:
    case SVM_EXIT_PAUSE:
    case SVM_EXIT_HLT:
    case SVM_EXIT_SHUTDOWN:
    case SVM_EXIT_EFER_WRITE_TRAP:
    case SVM_EXIT_CR0_WRITE_TRAP ... SVM_EXIT_CR15_WRITE_TRAP:
    case SVM_EXIT_NPF:
    case SVM_EXIT_AVIC_IPI:
    case SVM_EXIT_AVIC_NOACCEL:
    case SVM_EXIT_VMGEXIT:
        return true;
    default:
        return false;
    }
}

/* In the VMSA, out of the hypervisor's reach: its MSR bitmap has no say. */
static bool is_never_intercepted(uint32_t msr)
{
    return msr == MSR_SEV_ES_GHCB || msr == MSR_SEV_STATUS;
}

/*
 * No hypervisor runs in an encrypted guest, and VMMCALL is nothing to who does
 * not intercept it.
 */
static bool is_svm_instruction(uint32_t type)
{
    switch (type) {
    case SVM_EXIT_VMRUN ... SVM_EXIT_SKINIT:
    case SVM_EXIT_INVLPGA:
        return true;
    default:
        return false;
    }
}

void snp_intercept(CPUX86State *env, uint32_t type, uint64_t param,
                   uintptr_t retaddr)
{
    const SnpWorldOps *world = snp_world();

    if (type == SVM_EXIT_MSR && is_never_intercepted(env->regs[R_ECX])) {
        return;
    }
    if (!world->intercepted(env, type, param, retaddr)) {
        if (is_svm_instruction(type)) {
            raise_exception_ra(env, EXCP06_ILLOP, retaddr);
        }
        return;
    }
    if (world->exit && snp_exit_is_automatic(type)) {
        world->exit(env, type, param, retaddr);
    }
    snp_raise_vc(env, type, retaddr);
}

void snp_task_switch(CPUX86State *env, uintptr_t retaddr)
{
    if (env->hflags & HF_SNP_MASK) {
        snp_intercept(env, SVM_EXIT_TASK_SWITCH, 0, retaddr);
    }
}

void snp_intercept_io(CPUX86State *env, uint32_t port, uint32_t param,
                      uintptr_t retaddr)
{
    if (snp_world()->io_intercepted(env, port, param, retaddr)) {
        snp_raise_vc(env, SVM_EXIT_IOIO, retaddr);
    }
}

void snp_check_vmexit(CPUX86State *env, uint64_t code, uintptr_t retaddr)
{
    if (!(env->hflags & HF_SNP_MASK)) {
        if (snp_world() && !snp_world()->is_host) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
        }
        return;
    }
    if (code == (uint64_t)SVM_EXIT_ERR || !snp_world()->exit) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    if (!snp_exit_is_automatic(code)) {
        snp_raise_vc(env, code, retaddr);
    }
}
