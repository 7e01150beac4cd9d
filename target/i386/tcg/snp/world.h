/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lies under the emulated SEV-SNP processor
 *
 * The processor of this folder is the same wherever an encrypted guest runs.
 * Who its hypervisor is, where the RMP lies and what is intercepted differs
 * between two worlds: in the guest world QEMU itself is the hypervisor
 * (guest/), in the host world software inside the machine is (host/).  All of
 * that difference goes through this table, and nothing else does.
 *
 * HF_SNP_MASK means "this vCPU executes as an encrypted guest now": always in
 * the guest world, between VMRUN and #VMEXIT in the host world.
 *
 * This header depends on no file of either world, and neither world on the
 * other's.  What the processor offers the worlds is in processor.h.
 */
#ifndef TARGET_I386_TCG_SNP_WORLD_H
#define TARGET_I386_TCG_SNP_WORLD_H

#include "cpu.h"
#include "exec/mmu-access-type.h"
#include "tcg/snp/rmp-word.h"

typedef struct MemoryRegion MemoryRegion;

/*
 * Memory
 */

/**
 * SnpAccess: one translation that is about to enter a TLB
 *
 * Given by the processor:
 * @addr: what was translated: a virtual address; with MMU_NESTED_IDX a
 *     guest-physical one, in which the C-bit travels; with MMU_PHYS_IDX
 *     a physical one (guest-physical in the guest world)
 * @type, @mmu_idx: of the access
 * @page_size: bytes that the page tables map at once there; 4 KiB without
 *     paging
 *
 * Given by the processor, changed by SnpWorldOps.access():
 * @paddr: the outcome; in the guest world guest-physical with the C-bit
 * @prot: PAGE_READ and so on; can only shrink
 *
 * Given by SnpWorldOps.access():
 * @gpa: guest-physical address without the C-bit, for what is remembered and
 *     for SnpWorldOps.fault()
 * @private: the C-bit
 * @bits: the RMP's part of a nested page fault's error code, bits 36:31, with
 *     SNP_ACCESS_FAULT; SNP_FAULT_*
 */
typedef struct SnpAccess {
    vaddr addr;
    MMUAccessType type;
    int mmu_idx;
    uint64_t page_size;
    hwaddr paddr;
    int prot;
    hwaddr gpa;
    bool private;
    uint64_t bits;
} SnpAccess;

/* Error code of #NPF, APM volume 2, 15.36.10 and 15.25.6 */
#define SNP_FAULT_RMP       (1ULL << 31)
#define SNP_FAULT_GPA       (1ULL << 32)
#define SNP_FAULT_GPT       (1ULL << 33)
#define SNP_FAULT_ENC       (1ULL << 34)
#define SNP_FAULT_SIZEM     (1ULL << 35)
#define SNP_FAULT_VMPL      (1ULL << 36)

/**
 * SnpOutcome: what the check of a translation comes to
 * @SNP_ACCESS_OK: it may enter the TLB, also where nothing was to be checked
 * @SNP_ACCESS_RESOLVED: only its address was wanted, see snp_stage1()
 * @SNP_ACCESS_MMIO: #VC 400h
 * @SNP_ACCESS_NOT_VALIDATED: #VC 404h
 * @SNP_ACCESS_FAULT: the hypervisor's, see SnpWorldOps.fault()
 */
typedef enum SnpOutcome {
    SNP_ACCESS_OK,
    SNP_ACCESS_RESOLVED,
    SNP_ACCESS_MMIO,
    SNP_ACCESS_NOT_VALIDATED,
    SNP_ACCESS_FAULT,
} SnpOutcome;

/**
 * SnpWalkOps: page walks of a world that has two dimensions of them
 *
 * A guest's page tables are walked with @ptw_idx MMU_NESTED_IDX, the nested
 * ones and a host's own with MMU_PHYS_IDX.
 *
 * @table: address of a page table, as it is to be read
 * @leaf: the outcome of a walk, as it goes on to the nested tables or to
 *     memory; @prot can only shrink.  False where only this address was
 *     wanted, see snp_stage1()
 * @nested: an address of the nested TLB, as the nested tables are walked for
 *     it
 * @nested_fault: a nested page fault is about to be told to the hypervisor:
 *     @info1 is its error code, @gpa what the nested TLB was asked for; both
 *     may change.  May leave.
 */
typedef struct SnpWalkOps {
    hwaddr (*table)(CPUX86State *env, int ptw_idx, hwaddr addr);
    bool (*leaf)(CPUX86State *env, MMUAccessType type, int mmu_idx,
                 int ptw_idx, hwaddr *paddr, int *prot);
    hwaddr (*nested)(CPUX86State *env, hwaddr addr);
    void (*nested_fault)(CPUX86State *env, uint64_t *info1, target_ulong *gpa,
                         uintptr_t ra);
} SnpWalkOps;

/*
 * The RMP as the guest's instructions see it
 */

/**
 * SnpOperand: the page that PVALIDATE, RMPADJUST or RMPQUERY names
 * @gva: RAX
 * @gpa: guest-physical address, without C-bit; any byte of the page
 * @rmp: its RMP entry, SNP_RMP_*, when it was found
 * @required: bits of it that the instruction was let go on for:
 *     SnpWorldOps.set() changes no entry that has lost one
 * @entry: where the world keeps that: a host address, or a system-physical
 *     one (the world's own)
 * @count: 4 KiB entries that SnpWorldOps.set() changes: 1, or 512 once
 *     SnpWorldOps.fit() has said so
 * @flushed: SnpWorldOps.set() has flushed translations: the instruction must
 *     not return to its translation block
 */
typedef struct SnpOperand {
    uint64_t gva;
    hwaddr gpa;
    uint32_t rmp;
    uint32_t required;
    union {
        void *host;
        hwaddr spa;
    } entry;
    size_t count;
    bool flushed;
} SnpOperand;

/**
 * SnpWorldOps: the differences between the worlds
 *
 * All are called in the vCPU's thread.  @ra is the helper's return address,
 * or 0 where env is up to date.  "May leave" means: may end with
 * cpu_loop_exit() or an exception instead of returning.
 *
 * Without HF_SNP_MASK only @access, @fault, @walk, @rdmsr, @wrmsr, @cpuid,
 * @hypercall and the functions of a vCPU's life are called; the others may be
 * NULL where no vCPU ever has it.  None is called with the RCU read section of
 * the caller's own open, nor with the BQL unless said.
 *
 * @name: for messages
 * @is_host: software inside the machine is a host with an RMP, and has the
 *     instructions RMPUPDATE, PSMASH and RMPREAD; elsewhere it is a guest, and
 *     has neither SVM nor SMM
 *
 * @intercepted: does the hypervisor intercept this?  @type is SVM_EXIT_*,
 *     @param what QEMU knows of EXITINFO1.  If it does, the processor raises
 *     #VC or, for an automatic exit, calls @exit.  May leave.
 * @io_intercepted: the same for IN, OUT, INS and OUTS; @param is EXITINFO1
 *     without the port
 * @exit: an automatic exit (APM volume 2, 15.35.4) that @intercepted has
 *     asked for, or what QEMU makes a #VMEXIT of by itself.  env->eip is at
 *     the instruction once the state is restored from @ra; exits that are
 *     traps on hardware (HLT, PAUSE) are moved on by the world.  NULL where
 *     nothing exits.
 * @vmgexit: VMGEXIT; env is up to date and env->eip behind the instruction.
 *     The processor leaves afterwards.  May leave.  False: not now, and nothing
 *     has changed; the instruction begins again once others had their turn.
 * @hypercall: VMMCALL of an encrypted guest whose registers are not; env is
 *     up to date, env->eip at the instruction, and RAX is set afterwards.
 *     False: #UD, as where it is NULL.  May leave, behind the instruction.
 *
 * @holds_nmi: is it the hypervisor, and not IRET, that ends the mask of an NMI?
 *     NULL: IRET does.
 *
 * @wake: the vCPU is about to take an event, or has just found none to take; it
 *     may have been halted until now.  BQL.  May leave: then it looks again.
 *     NULL: nothing to be done.
 * @restricted: does the vCPU run with restricted injection?  NULL: none does.
 *     In its thread or while that sleeps, as the one that follows.
 * @pending: which one of CPU_INTERRUPT_NMI, MCE and HARD in @request can be
 *     injected now; 0: none
 * @inject: inject it.  BQL.  May leave.
 *
 * @rdmsr, @wrmsr: MSRs that QEMU does not know; false if the world does not
 *     know it either.  @wrmsr may raise #GP.
 * @cpuid: change what the CPU model says of a leaf.  @regs: EAX, EBX, ECX,
 *     EDX.  Outside of guest code as well.
 *
 * @access: the RMP check of one translation; for every vCPU, with or without
 *     HF_SNP_MASK.  Must not leave: a page walk may be under way.
 * @fault: the access at hand is not possible as the hypervisor has it now.
 *     May leave; if it returns, @access is asked again.  @is_walk: it was a
 *     page table's.
 * @reserved: what an entry of page tables may not have set, given what QEMU
 *     knows of, @mask.  @ptw_idx: as in SnpWalkOps
 * @walk: NULL where there is one dimension of page tables
 *
 * @operand: find the page at @operand->gpa, which has the C-bit set, and
 *     its entry.  False where there is no memory that could be private:
 *     the processor raises #PF.  Where the hypervisor has to do something
 *     first, leaves as @fault would.
 * @fit: make the entry fit an instruction of 2 MiB (@large) or 4 KiB.  False:
 *     FAIL_SIZEMISMATCH.  A small instruction in a large page is no mismatch:
 *     the hypervisor splits it.  May leave, as if the instruction had not
 *     begun.
 * @set: give the bits of @mask in the entry the values in @value, in one go
 *     as far as others can see, where it has @required; and end translations
 *     with rights that are taken away on all vCPUs; those of a page that is
 *     validated no more may stay until it is converted, or the guest has ended
 *     them.  Must not leave, see @flushed.
 *
 * @memory: root of a vCPU's physical memory; NULL: as without a world
 * @realize: finish a vCPU's set-up.  BQL.
 * @reset: finish a vCPU's reset.  BQL.
 * @init_signal, @sipi_signal: true if INIT or SIPI was taken over.  BQL.
 *     Optional.
 * @debug_translate: what a debugger sees of an encrypted guest's virtual
 *     address; true if the answer, -1 for "cannot be seen", is in @paddr.
 *     NULL where it sees what the host does.
 */
typedef struct SnpWorldOps {
    const char *name;
    bool is_host;

    bool (*intercepted)(CPUX86State *env, uint32_t type, uint64_t param,
                        uintptr_t ra);
    bool (*io_intercepted)(CPUX86State *env, uint32_t port, uint32_t param,
                           uintptr_t ra);
    G_NORETURN void (*exit)(CPUX86State *env, uint64_t code, uint64_t info1,
                            uintptr_t ra);
    bool (*vmgexit)(CPUX86State *env);
    bool (*hypercall)(CPUX86State *env);
    bool (*holds_nmi)(CPUX86State *env);
    void (*wake)(CPUX86State *env);
    bool (*restricted)(CPUX86State *env);
    int (*pending)(CPUX86State *env, int request);
    void (*inject)(CPUX86State *env, int event);

    bool (*rdmsr)(CPUX86State *env, uint32_t index, uint64_t *value);
    bool (*wrmsr)(CPUX86State *env, uint32_t index, uint64_t value,
                  uintptr_t ra);
    void (*cpuid)(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
                  uint32_t regs[4]);

    SnpOutcome (*access)(CPUX86State *env, SnpAccess *access);
    void (*fault)(CPUX86State *env, const SnpAccess *access, bool is_walk,
                  uintptr_t ra);

    uint64_t (*reserved)(CPUX86State *env, int ptw_idx, uint64_t mask);
    const SnpWalkOps *walk;

    bool (*operand)(CPUX86State *env, SnpOperand *operand, uintptr_t ra);
    bool (*fit)(CPUX86State *env, SnpOperand *operand, bool large,
                uintptr_t ra);
    SnpChange (*set)(CPUX86State *env, SnpOperand *operand, uint32_t mask,
                     uint32_t value);

    MemoryRegion *(*memory)(CPUState *cs);
    void (*realize)(CPUState *cs);
    void (*reset)(X86CPU *cpu);
    bool (*init_signal)(X86CPU *cpu);
    bool (*sipi_signal)(X86CPU *cpu);
    bool (*debug_translate)(CPUState *cs, vaddr addr, hwaddr *paddr);
} SnpWorldOps;

/**
 * snp_world_enter: give this machine's processor a world, for good
 * @opaque: the world's own object, see snp_world_opaque()
 * @cbitpos: position of the C-bit in guests' page tables
 *
 * When the machine is set up, before there is a vCPU.
 *
 * Returns: false with @errp set where there is one already.
 */
bool snp_world_enter(const SnpWorldOps *ops, void *opaque, uint32_t cbitpos,
                     Error **errp);

/** snp_cpu_tell_missing: features that TCG lacks, once, where asked for */
void snp_cpu_tell_missing(X86CPU *cpu);

/** snp_world: the table, NULL on an ordinary machine; anywhere, anytime */
const SnpWorldOps *snp_world(void);

/** snp_world_opaque: what was given to snp_world_enter() */
void *snp_world_opaque(void);

#endif
