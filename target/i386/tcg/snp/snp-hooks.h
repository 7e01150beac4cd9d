/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated SEV-SNP processor: what QEMU's own files call
 *
 * Each function says in its first words whether it may only be called on an
 * SNP guest.
 */
#ifndef TARGET_I386_TCG_SNP_HOOKS_H
#define TARGET_I386_TCG_SNP_HOOKS_H

#include "exec/hwaddr.h"
#include "exec/mmu-access-type.h"

#define EXCP1D_VC 29
#define MSR_SEV_ES_GHCB 0xc0010130
#define MSR_SEV_STATUS 0xc0010131

typedef struct MemoryRegion MemoryRegion;

#if defined(CONFIG_TCG) && !defined(CONFIG_USER_ONLY)

/** snp_cpu_memory: root of @cs's physical memory, on any guest */
MemoryRegion *snp_cpu_memory(CPUState *cs);

/** snp_cpu_realize: finish a vCPU's set-up, on any guest */
void snp_cpu_realize(CPUState *cs);

/**
 * snp_cpu_tells_missing: that TCG lacks a feature is not told for each, on any
 * guest; snp_cpu_tell_missing() does
 * @why: what QEMU would say before the feature's name
 */
bool snp_cpu_tells_missing(X86CPU *cpu, const char *why);

/** snp_cpu_reset: finish a vCPU's reset, on any guest */
void snp_cpu_reset(X86CPU *cpu);

/** snp_init_signal, snp_sipi_signal: true if INIT or SIPI was taken over */
bool snp_init_signal(X86CPU *cpu);
bool snp_sipi_signal(X86CPU *cpu);

/**
 * snp_tlb_fill: the last step of a translation, on any guest
 * @page_size: bytes that page tables map at once there
 *
 * Applies the C-bit rules to @paddr and @prot and does the RMP check.  May
 * raise #VC or convert the page and start the instruction again.
 *
 * Returns: false when @probe and the access cannot be made.
 */
bool snp_tlb_fill(CPUX86State *env, vaddr addr, MMUAccessType access_type,
                  int mmu_idx, bool probe, uintptr_t retaddr, hwaddr *paddr,
                  int *prot, uint64_t page_size);

/**
 * snp_walk_begin: a page walk begins, on any machine
 * @ptw_idx: where its page tables lie
 * @reserved: what an entry may not have set, as QEMU knows it
 *
 * What an earlier walk has met is forgotten: this one may be part of another,
 * which has met nothing so far then.
 *
 * Returns: what an entry may not have set.
 */
uint64_t snp_walk_begin(CPUX86State *env, int ptw_idx, uint64_t reserved);

/** snp_walk_faulted: the page walk ended at a table it could not read */
bool snp_walk_faulted(CPUX86State *env);

/**
 * snp_walk_fault: raise what snp_walk_faulted() saw, on any guest
 * @addr, @access_type, @mmu_idx: of the access that the walk was for
 * @at_stage2: the walk has ended at such a table, and not at what it says
 *
 * Returns: true where the walk is to be made again, in the same place.
 */
bool snp_walk_fault(CPUX86State *env, vaddr addr, MMUAccessType access_type,
                    int mmu_idx, bool at_stage2, bool probe,
                    uintptr_t retaddr);

/*
 * What a page walk asks, on any machine: see SnpWalkOps in world.h, whose
 * functions answer where there are two dimensions
 */
hwaddr snp_walk_table(CPUX86State *env, int ptw_idx, hwaddr addr);
bool snp_walk_leaf(CPUX86State *env, MMUAccessType type, int mmu_idx,
                   int ptw_idx, hwaddr *paddr, int *prot);
hwaddr snp_walk_nested(CPUX86State *env, hwaddr addr);
void snp_nested_fault(CPUX86State *env, uint64_t *info1, target_ulong *gpa,
                      uintptr_t retaddr);

/**
 * snp_change_cpuid: what instruction CPUID says beyond the CPU model, on any
 * machine; EAX and ECX of @env say of which leaf
 */
void snp_change_cpuid(CPUX86State *env, uint32_t *eax, uint32_t *ebx,
                      uint32_t *ecx, uint32_t *edx);

/** snp_intercept: #VC or an exit for what is intercepted, on SNP guests */
void snp_intercept(CPUX86State *env, uint32_t type, uint64_t param,
                   uintptr_t retaddr);

/**
 * snp_task_switch: the same for a task switch, on any guest
 *
 * The new TSS was looked at, and nothing has changed.
 */
void snp_task_switch(CPUX86State *env, uintptr_t retaddr);

/** snp_intercept_io: the same for IN, OUT, INS and OUTS */
void snp_intercept_io(CPUX86State *env, uint32_t port, uint32_t param,
                      uintptr_t retaddr);

/**
 * snp_check_vmexit: may what TCG makes a #VMEXIT of be one, on any machine?
 *
 * Returns if it is, of an SNP guest if it is an automatic exit.  #GP for
 * reserved bits of CR3 and CR4, and for anything where there is no VMCB to
 * exit to; #VC for the rest.
 */
void snp_check_vmexit(CPUX86State *env, uint64_t code, uintptr_t retaddr);

/**
 * snp_rdmsr, snp_wrmsr: GHCB, SEV_STATUS and others; false if unknown here
 *
 * Of what is known elsewhere @value may be changed.
 */
bool snp_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value);
bool snp_wrmsr(CPUX86State *env, uint32_t index, uint64_t *value,
               uintptr_t retaddr);

/**
 * snp_iret_clears: what IRET clears in CPUX86State.hflags2, on any machine
 * @flags: what it clears where no encrypted guest runs
 */
uint32_t snp_iret_clears(CPUX86State *env, uint32_t flags);

/**
 * snp_pending: which of CPU_INTERRUPT_* in @request can be injected, on any
 * machine
 *
 * Returns: false where QEMU is to find out by itself.
 */
bool snp_pending(CPUX86State *env, int *request);

/** snp_inject: inject it; false where QEMU is to do so by itself */
bool snp_inject(CPUX86State *env, int event);

/**
 * snp_debug_translate: a debugger's view of a virtual address
 *
 * The guest's policy says whether a debugger may see private memory.
 * Returns: true if the answer, -1 for "cannot be seen", is in @paddr.
 */
bool snp_debug_translate(CPUState *cs, vaddr addr, hwaddr *paddr);

#else

static inline uint32_t snp_iret_clears(CPUX86State *env, uint32_t flags)
{
    return flags;
}

static inline bool snp_pending(CPUX86State *env, int *request)
{
    return false;
}

static inline void snp_task_switch(CPUX86State *env, uintptr_t retaddr)
{
}

static inline void snp_change_cpuid(CPUX86State *env, uint32_t *eax,
                                    uint32_t *ebx, uint32_t *ecx,
                                    uint32_t *edx)
{
}

static inline bool snp_cpu_tells_missing(X86CPU *cpu, const char *why)
{
    return false;
}

static inline void snp_cpu_reset(X86CPU *cpu)
{
}

static inline bool snp_init_signal(X86CPU *cpu)
{
    return false;
}

static inline bool snp_sipi_signal(X86CPU *cpu)
{
    return false;
}

static inline bool snp_debug_translate(CPUState *cs, vaddr addr,
                                       hwaddr *paddr)
{
    return false;
}

#endif

#endif
