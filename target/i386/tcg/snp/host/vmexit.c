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
#include "tcg/snp/host/internal.h"
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
    if (snp_host_vmsa_read(env->svm.vmsa, &vmsa)) {
        snp_vmsa_store(env, &vmsa, snp_host_vmsa_rules(snp));
        snp_host_vmsa_write(env->svm.vmsa, &vmsa);
    }
}

bool snp_host_save(CPUX86State *env)
{
    if (!(env->svm.sev & SVM_SEV_ES)) {
        return false;
    }
    save_interrupt_control(env);
    save_registers(env);
    env->hflags &= ~HF_SNP_MASK;
    return true;
}

/*
 * Restoring
 */

/* Nothing ends where it has bits that this CPU lacks: they are left out. */
static void restore_xcr0(CPUX86State *env, const SevVmsa *area)
{
    env->xcr0 = (le64_to_cpu(area->xcr0) & snp_xcr0_supported(env)) |
                XSTATE_FP_MASK;
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

    if (snp_host()) {
        snp_host_release(env);
    }
    if (!(env->svm.sev & SVM_SEV_ES)) {
        return;
    }
    address_space_read(&address_space_memory, env->vm_hsave + SAVE_AREA,
                       MEMTXATTRS_UNSPECIFIED, &area,
                       SEV_VMSA_PAGE_SIZE - SAVE_AREA);
    snp_vmsa_load_swapped(env, &area);
    restore_xcr0(env, &area);
    reset_units(env);
}
