/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What KVM intercepts of an SEV-SNP guest
 *
 * The intercepts are those that KVM sets for an SEV-ES guest and that are
 * not automatic exits (APM volume 2, 15.35.5), no others.  Nothing exits by
 * itself: HLT and PAUSE run natively.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "svm.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/guest.h"

/* The hypervisor's own helper, at work for the guest, has raised it. */
static void end_serving(CPUX86State *env, int vector, int error_code)
{
    if (!snp_vcpu(env)->serving) {
        return;
    }
    snp_serve_exception(env, vector, error_code);
    snp_leave(env);
}

/* Without DebugSwap: sev_es_init_vmcb() of Linux 6.12 */
static bool keeps_debug(void)
{
    return !(snp_guest()->rules.vmsa.features & SEV_FEATURES_DEBUG_SWAP);
}

bool snp_guest_intercepted(CPUX86State *env, uint32_t type, uint64_t param,
                           uintptr_t ra)
{
    if (type >= SVM_EXIT_EXCP_BASE && type < SVM_EXIT_EXCP_BASE + 32) {
        end_serving(env, type - SVM_EXIT_EXCP_BASE, param);
        return type == SVM_EXIT_EXCP_BASE + EXCP01_DB && keeps_debug();
    }
    if (snp_vcpu(env)->serving) {
        return false;
    }
    switch (type) {
    case SVM_EXIT_HLT:
        snp_vcpu(env)->sleep = SNP_SLEEP_HLT;
        snp_vcpu(env)->sleep_rip = env->eip;
        snp_vmsa_halts(env);
        return false;
    case SVM_EXIT_MSR:
        return !snp_msr_is_direct(env->regs[R_ECX]);
    case SVM_EXIT_READ_DR0 + 7:
    case SVM_EXIT_WRITE_DR0 + 7:
        return keeps_debug();
    case SVM_EXIT_CPUID:
    case SVM_EXIT_INVD:
    case SVM_EXIT_WBINVD:
    case SVM_EXIT_RDPMC:
    case SVM_EXIT_MONITOR:
    case SVM_EXIT_MWAIT:
    case SVM_EXIT_VMRUN:
    case SVM_EXIT_VMMCALL:
    case SVM_EXIT_VMLOAD:
    case SVM_EXIT_VMSAVE:
    case SVM_EXIT_SKINIT:
    case SVM_EXIT_INVLPGA:
    case SVM_EXIT_TASK_SWITCH:
        return true;
    default:
        return false;
    }
}

bool snp_guest_io_intercepted(CPUX86State *env, uint32_t port, uint32_t param,
                              uintptr_t ra)
{
    return true;
}
