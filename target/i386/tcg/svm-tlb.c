/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translations that survive a world switch
 *
 * Hardware tags them with an ASID.  Here the host and its guest have MMU
 * indexes of their own, so that neither side's have to go when the other
 * runs.  There is one set for guests: another guest, or another vCPU of the
 * same one, finds it empty.  Whoever changes what translations depend on,
 * other than by VMRUN's or #VMEXIT's loading of it, flushes as ever.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "svm.h"
#include "tcg/helper-tcg.h"
#include "tcg/svm-assist.h"

static SvmTlbKey make_key(CPUX86State *env)
{
    bool is_nested = env->hflags2 & HF2_NPT_MASK;

    return (SvmTlbKey) {
        .asid = env->svm.asid,
        .sev = env->svm.sev,
        .vmpl = env->svm.vmpl,
        .is_smm = !!(env->hflags & HF_SMM_MASK),
        .cr0 = env->cr[0],
        .cr3 = env->cr[3],
        .cr4 = env->cr[4],
        .efer = env->efer,
        .pkru = env->pkru,
        .pkrs = env->pkrs,
        .is_nested = is_nested,
        .nested_cr3 = is_nested ? env->nested_cr3 : 0,
        .nested_pg_mode = is_nested ? env->nested_pg_mode : 0,
    };
}

/* All of a key is uint64_t: there is no padding. */
static bool same_key(const SvmTlbKey *a, const SvmTlbKey *b)
{
    return !memcmp(a, b, sizeof(*a));
}

void svm_vmrun_begin(CPUX86State *env)
{
    env->svm.host = make_key(env);
    env->svm.switching = true;
}

void svm_vmrun_loaded(CPUX86State *env, uint32_t asid)
{
    CPUState *cs = env_cpu(env);
    uint8_t control = x86_ldub_phys(cs, env->vm_vmcb +
                                    offsetof(struct vmcb, control.tlb_ctl));
    SvmTlbKey key;

    env->svm.asid = asid;
    env->svm.switching = false;
    key = make_key(env);
    /* 1: all ASIDs; 3: this one; 7: this one but global pages */
    if (control == TLB_CONTROL_DO_NOTHING && same_key(&key, &env->svm.guest)) {
        return;
    }
    tlb_flush_by_mmuidx(cs, SVM_MMU_GUEST_MASK | 1 << MMU_NESTED_IDX);
}

void svm_vmexit_begin(CPUX86State *env)
{
    /* A VMRUN that failed half way has run nothing. */
    if (!env->svm.switching) {
        env->svm.guest = make_key(env);
    }
    env->svm.switching = true;
}

void svm_vmexit_end(CPUX86State *env)
{
    SvmTlbKey key;

    env->svm.switching = false;
    env->svm.asid = 0;
    env->svm.sev = 0;
    env->svm.vmpl = 0;
    key = make_key(env);
    if (!same_key(&key, &env->svm.host)) {
        tlb_flush(env_cpu(env));
    }
}

/*
 * Nested page tables are walked from anywhere in a translation block, without
 * an address to return to.  Where one of them lies in a device, QEMU would ask
 * for that to make the access the block's last.  A device that is read as a
 * page table has nothing to tell to the rest of it.
 */
void svm_walk_begin(CPUX86State *env, int ptw_idx)
{
    if (env->hflags2 & HF2_NPT_MASK && ptw_idx == MMU_PHYS_IDX) {
        env_cpu(env)->neg.can_do_io = true;
    }
}
