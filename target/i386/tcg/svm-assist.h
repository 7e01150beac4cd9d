/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What later processors added to SVM: next RIP, decode assists, translations
 * that survive a world switch
 *
 * APM volume 2, 15.7.1 (nRIP), 15.8 (decode assists), 15.16 (TLB control).
 */
#ifndef TARGET_I386_TCG_SVM_ASSIST_H
#define TARGET_I386_TCG_SVM_ASSIST_H

#include "exec/cputlb.h"

/* CPUID 8000_000A EDX.  LBRV: VMRUN takes the bit, there are no LBRs. */
#define SVM_ASSIST_FEATURES (CPUID_SVM_LBRV | CPUID_SVM_NRIPSAVE | \
                             CPUID_SVM_FLUSHASID | CPUID_SVM_DECODEASSIST)

/*
 * A guest has MMU indexes of its own, beside those of cpu.h, so that its
 * translations and the host's do not push out each other.
 */
#define SVM_MMU_GUEST 8
#define SVM_MMU_GUEST_MASK (0x3f << SVM_MMU_GUEST)

/** svm_mmu_index: an index of cpu.h, on the side that runs */
static inline int svm_mmu_index(const CPUX86State *env, int index)
{
    return env->hflags & HF_GUEST_MASK ? index + SVM_MMU_GUEST : index;
}

/** svm_mmu_base: the index of cpu.h that svm_mmu_index() was given */
static inline int svm_mmu_base(int index)
{
    return index & (SVM_MMU_GUEST - 1);
}

/**
 * svm_tlb_flush: CR0, CR3 or CR4 has changed
 *
 * Flushes the side that runs: the other one has control registers of its own.
 * Where QEMU is the hypervisor there are no two sides.  What page walks go by
 * then, MMU_PHYS_IDX, depends on no control register, and SMM, which sees other
 * memory, is not entered: see SvmState.walks_outdated.
 */
static inline void svm_tlb_flush(CPUX86State *env)
{
    int others = SVM_MMU_GUEST_MASK | 1 << MMU_NESTED_IDX;

    if (!(env->efer & MSR_EFER_SVME)) {
        tlb_flush(env_cpu(env));
        return;
    }
    if (env->svm.switching) {
        return;
    }
    if (env->hflags & HF_GUEST_MASK) {
        others = (1 << MMU_PHYS_IDX) - 1;
    } else if (env->hflags & HF_SNP_MASK &&
               !qatomic_xchg(&env->svm.walks_outdated, false)) {
        others |= 1 << MMU_PHYS_IDX;
    }
    tlb_flush_by_mmuidx(env_cpu(env), ((1 << 2 * SVM_MMU_GUEST) - 1) & ~others);
}

/** svm_vmrun_begin: VMRUN is about to save the host's state */
void svm_vmrun_begin(CPUX86State *env);

/**
 * svm_vmrun_loaded: VMRUN has loaded the guest's state
 *
 * Flushes the guest's translations where the VMCB asks for it, or where they
 * are another guest's.
 */
void svm_vmrun_loaded(CPUX86State *env, uint32_t asid);

/** svm_vmexit_begin, svm_vmexit_end: around saving and loading by #VMEXIT */
void svm_vmexit_begin(CPUX86State *env);
void svm_vmexit_end(CPUX86State *env);

/**
 * svm_walk_begin: a page walk begins, guest's or host's or nested
 * @ptw_idx: where its page tables lie
 */
void svm_walk_begin(CPUX86State *env, int ptw_idx);

/**
 * svm_assist: fill in what the VMCB says of an intercepted instruction
 * @code: the exit code
 * @info: EXITINFO1 without decode assists
 *
 * With env->eip on the instruction, before #VMEXIT.  Code that cannot be
 * read gives no bytes, and a next RIP of 0.
 *
 * Returns: EXITINFO1.
 */
uint64_t svm_assist(CPUX86State *env, uint64_t code, uint64_t info);

/** svm_rip_after: RIP behind an instruction of this length at env->eip */
static inline uint64_t svm_rip_after(const CPUX86State *env, unsigned length)
{
    uint64_t rip = env->eip + length;

    return env->hflags & HF_CS64_MASK ? rip : (uint32_t)rip;
}

/**
 * svm_insn_length: length of the intercepted instruction at env->eip
 *
 * Returns: 0 where it cannot be read, or is none that can be intercepted.
 */
unsigned svm_insn_length(CPUX86State *env);

/**
 * svm_soft_event: what intercepts a software interrupt: INTn itself, or the
 * exception that INT3 and INTO are
 *
 * Returns: an exit code.
 */
#ifndef CONFIG_USER_ONLY
uint32_t svm_soft_event(CPUX86State *env, int vector);
#else
static inline uint32_t svm_soft_event(CPUX86State *env, int vector)
{
    return 0;
}
#endif

/**
 * svm_inject_soft: take the return address of an injected software interrupt,
 * #BP or #OF from the VMCB's next RIP
 *
 * APM volume 2, 15.20.  Does nothing on a processor without next RIP.
 */
void svm_inject_soft(CPUX86State *env);

/** svm_event_type: EVENTINJ's type of an event that is being delivered */
uint32_t svm_event_type(int vector, bool is_int, bool is_hw);

#endif
