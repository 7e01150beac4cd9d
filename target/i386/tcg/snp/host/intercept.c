/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the hypervisor of an encrypted guest intercepts: its VMCB says so
 *
 * APM volume 2, 15.35.4 (automatic exits), 15.35.5 (#VC), 15.11 (IOPM and
 * MSRPM).
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "svm.h"
#include "tcg/helper-tcg.h"
#include "tcg/svm-assist.h"
#include "tcg/snp/host/internal.h"
#include "tcg/snp/host/vmrun-hooks.h"
#include "tcg/snp/host/vmrun.h"

static bool has_es(CPUX86State *env)
{
    return env->svm.sev & SVM_SEV_ES;
}

/* MSRPM: two bits for each MSR of three ranges, 2 KiB each */
static bool msr_is_intercepted(CPUX86State *env, bool is_write)
{
    static const uint32_t ranges[] = { 0, 0xc0000000, 0xc0010000 };
    CPUState *cs = env_cpu(env);
    uint64_t msrpm = snp_host_vcpu_of(env)->msrpm;
    uint32_t msr = env->regs[R_ECX];

    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
        uint32_t bit = (msr - ranges[i]) * 2 + is_write;

        if (msr - ranges[i] <= 0x1fff) {
            return x86_ldub_phys(cs, msrpm + i * 0x800 + bit / 8) &
                   1 << bit % 8;
        }
    }
    return true;
}

bool snp_host_intercepted(CPUX86State *env, uint32_t type, uint64_t param,
                          uintptr_t ra)
{
    /* #VC itself would be the reason for another one, and so on. */
    if (type == SVM_EXIT_EXCP_BASE + EXCP1D_VC) {
        return false;
    }
    return cpu_svm_has_intercept(env, type) &&
           (type != SVM_EXIT_MSR || msr_is_intercepted(env, param));
}

bool snp_host_io_intercepted(CPUX86State *env, uint32_t port, uint32_t param,
                             uintptr_t ra)
{
    uint64_t iopm = snp_host_vcpu_of(env)->iopm;
    uint32_t size = (param >> SVM_IOIO_SIZE_SHIFT) & 7;

    if (!cpu_svm_has_intercept(env, SVM_EXIT_IOIO)) {
        return false;
    }
    return x86_lduw_phys(env_cpu(env), iopm + port / 8) &
           ((1 << size) - 1) << (port & 7);
}

/*
 * Exits
 */

/* An interrupt shadow ends with the instruction that had it. */
static void skip_instruction(CPUX86State *env, unsigned unknown)
{
    env->hflags &= ~HF_INHIBIT_IRQ_MASK;
    env->eip = svm_rip_after(env, svm_insn_length(env) ?: unknown);
}

void snp_host_exit(CPUX86State *env, uint64_t code, uint64_t info1,
                   uintptr_t ra)
{
    cpu_restore_state(env_cpu(env), ra);
    /* Traps: the hypervisor cannot step over them. */
    if (code == SVM_EXIT_HLT) {
        skip_instruction(env, 1);
    } else if (code == SVM_EXIT_PAUSE) {
        skip_instruction(env, 2);
    }
    cpu_vmexit(env, code, info1, 0);
}

bool snp_host_vmgexit(CPUX86State *env)
{
    env->hflags &= ~HF_INHIBIT_IRQ_MASK;
    cpu_vmexit(env, SVM_EXIT_VMGEXIT, 0, 0);
    return true;
}

static void trap_write(CPUX86State *env, uint64_t code, uint64_t value,
                       uintptr_t ra)
{
    if (!has_es(env) || !cpu_svm_has_intercept(env, code)) {
        return;
    }
    cpu_restore_state(env_cpu(env), ra);
    skip_instruction(env, code == SVM_EXIT_EFER_WRITE_TRAP ? 2 : 3);
    cpu_vmexit(env, code, value, 0);
}

void snp_host_cr_written(CPUX86State *env, unsigned cr, uint64_t value,
                         uintptr_t ra)
{
    trap_write(env, SVM_EXIT_CR0_WRITE_TRAP + cr, value, ra);
}

void snp_host_efer_written(CPUX86State *env, uintptr_t ra)
{
    trap_write(env, SVM_EXIT_EFER_WRITE_TRAP, env->efer, ra);
}

/*
 * MSRs that are the guest's own, whatever the MSRPM says
 */

bool snp_host_own_msr(CPUX86State *env, uint32_t type)
{
    return type == SVM_EXIT_MSR && env->svm.sev &&
           (uint32_t)env->regs[R_ECX] == MSR_SEV_STATUS;
}

/* The hypervisor reads and writes it in the VMCB. */
bool snp_host_guest_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value)
{
    if (!has_es(env) || index != MSR_SEV_ES_GHCB) {
        return false;
    }
    *value = x86_ldq_phys(env_cpu(env), env->vm_vmcb + VMCB_GHCB_MSR);
    return true;
}

bool snp_host_guest_wrmsr(CPUX86State *env, uint32_t index, uint64_t value)
{
    if (!has_es(env) || index != MSR_SEV_ES_GHCB) {
        return false;
    }
    x86_stq_phys(env_cpu(env), env->vm_vmcb + VMCB_GHCB_MSR, value);
    return true;
}
