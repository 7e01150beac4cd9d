/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated SEV-SNP processor: its place in the machine, and a vCPU's life
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "cpu.h"
#include "system/upm/compat.h"
#include "tcg/svm-assist.h"
#include "tcg/snp/processor.h"

/* Set once, before there is a vCPU */
static struct {
    const SnpWorldOps *world;
    void *opaque;
    uint64_t cbit_mask;
    SnpCpu *cpus;
} processor;

bool snp_world_enter(const SnpWorldOps *ops, void *opaque, uint32_t cbitpos,
                     Error **errp)
{
    if (processor.world) {
        error_setg(errp, "the machine's processor emulates SEV-SNP for %s"
                   " already, and cannot for %s at the same time",
                   processor.world->name, ops->name);
        return false;
    }
    processor.opaque = opaque;
    processor.cbit_mask = 1ULL << cbitpos;
    processor.cpus = g_new0(SnpCpu,
                            MACHINE(qdev_get_machine())->smp.max_cpus);
    processor.world = ops;
    return true;
}

const SnpWorldOps *snp_world(void)
{
    return processor.world;
}

void *snp_world_opaque(void)
{
    return processor.opaque;
}

uint64_t snp_cbit_mask(void)
{
    return processor.cbit_mask;
}

SnpCpu *snp_cpu(CPUX86State *env)
{
    return &processor.cpus[env_cpu(env)->cpu_index];
}

/*
 * Hooks that run on any machine
 */

MemoryRegion *snp_cpu_memory(CPUState *cs)
{
    const SnpWorldOps *world = snp_world();

    return world && world->memory ? world->memory(cs) : cs->memory;
}

void snp_cpu_realize(CPUState *cs)
{
    const SnpWorldOps *world = snp_world();

    if (world) {
        snp_cpu_tell_missing(X86_CPU(cs));
        world->realize(cs);
    }
}

void snp_cpu_reset(X86CPU *cpu)
{
    const SnpWorldOps *world = snp_world();

    if (world) {
        *snp_cpu(&cpu->env) = (SnpCpu) { };
        world->reset(cpu);
    }
}

bool snp_init_signal(X86CPU *cpu)
{
    const SnpWorldOps *world = snp_world();

    return world && world->init_signal && world->init_signal(cpu);
}

bool snp_sipi_signal(X86CPU *cpu)
{
    const SnpWorldOps *world = snp_world();

    return world && world->sipi_signal && world->sipi_signal(cpu);
}

bool snp_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value)
{
    const SnpWorldOps *world = snp_world();

    return world && world->rdmsr(env, index, value);
}

bool snp_wrmsr(CPUX86State *env, uint32_t index, uint64_t *value,
               uintptr_t retaddr)
{
    const SnpWorldOps *world = snp_world();

    /* A guest whose state is encrypted cannot clear it: APM volume 2, 15.35 */
    if (index == MSR_EFER && env->hflags & HF_SNP_MASK) {
        *value |= MSR_EFER_SVME;
    }
    return world && world->wrmsr(env, index, *value, retaddr);
}

uint32_t snp_iret_clears(CPUX86State *env, uint32_t flags)
{
    const SnpWorldOps *world = snp_world();

    if (env->hflags & HF_SNP_MASK && world->holds_nmi &&
        world->holds_nmi(env)) {
        flags &= ~HF2_NMI_MASK;
    }
    return flags;
}

/* What the machine does to a vCPU is not injected into its guest. */
#define NOT_INJECTED (CPU_INTERRUPT_POLL | CPU_INTERRUPT_SIPI)

static bool is_restricted(CPUX86State *env)
{
    const SnpWorldOps *world = snp_world();

    return env->hflags & HF_SNP_MASK && world->restricted &&
           world->restricted(env);
}

static void wake(CPUX86State *env)
{
    const SnpWorldOps *world = snp_world();

    if (env->hflags & HF_SNP_MASK && world->wake) {
        world->wake(env);
    }
}

/*
 * A guest has no SMM, for which its registers and memory would have to be the
 * hypervisor's, but its local APIC and the chipset's port B2h send the
 * interrupt all the same.  Under KVM of Linux 6.12 the VM is over then; here
 * nothing happens.
 */
static void drop_smi(CPUX86State *env, int *request)
{
    const SnpWorldOps *world = snp_world();

    if (*request & CPU_INTERRUPT_SMI && world && !world->is_host) {
        cpu_reset_interrupt(env_cpu(env), CPU_INTERRUPT_SMI);
        *request &= ~CPU_INTERRUPT_SMI;
    }
}

/* The execution loop serves it before all others, but takes it for no work. */
static bool is_init_for_halted(CPUX86State *env, int request)
{
    const SnpWorldOps *world = snp_world();

    return request & CPU_INTERRUPT_INIT && env_cpu(env)->halted &&
           env->hflags & HF_SNP_MASK && world->init_signal;
}

/*
 * The execution loop also asks whether a halted vCPU has work.  Behind that it
 * asks again, to serve it, and what there was may have gone meanwhile: the vCPU
 * runs all the same.
 */
bool snp_pending(CPUX86State *env, int *request)
{
    drop_smi(env, request);
    if (!env_cpu(env)->halted) {
        wake(env);
    }
    if (is_init_for_halted(env, *request)) {
        *request = CPU_INTERRUPT_INIT;
        return true;
    }
    if (!is_restricted(env)) {
        return false;
    }
    *request = snp_world()->pending(env, *request);
    return true;
}

bool snp_inject(CPUX86State *env, int event)
{
    /* Not asked about by snp_pending() */
    if (event & CPU_INTERRUPT_POLL) {
        wake(env);
    }
    if (!is_restricted(env) || event & NOT_INJECTED) {
        return false;
    }
    snp_world()->inject(env, event);
    return true;
}

bool snp_debug_translate(CPUState *cs, vaddr addr, hwaddr *paddr)
{
    return cpu_env(cs)->svm.sev &&
           snp_world()->debug_translate &&
           snp_world()->debug_translate(cs, addr, paddr);
}

static void change_leaf(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
                        uint32_t *eax, uint32_t *ebx, uint32_t *ecx,
                        uint32_t *edx)
{
    uint32_t regs[4] = { *eax, *ebx, *ecx, *edx };

    snp_world()->cpuid(env, leaf, subleaf, regs);
    *eax = regs[0];
    *ebx = regs[1];
    *ecx = regs[2];
    *edx = regs[3];
}

void snp_change_cpuid(CPUX86State *env, uint32_t *eax, uint32_t *ebx,
                      uint32_t *ecx, uint32_t *edx)
{
    if (snp_world()) {
        change_leaf(env, env->regs[R_EAX], env->regs[R_ECX], eax, ebx, ecx,
                    edx);
    }
}

void snp_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
               uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    cpu_x86_cpuid(env, leaf, subleaf, eax, ebx, ecx, edx);
    change_leaf(env, leaf, subleaf, eax, ebx, ecx, edx);
}

/*
 * Page walks, where there are two dimensions of them
 */

static const SnpWalkOps *walk_ops(void)
{
    const SnpWorldOps *world = snp_world();

    return world ? world->walk : NULL;
}

uint64_t snp_walk_begin(CPUX86State *env, int ptw_idx, uint64_t reserved)
{
    const SnpWorldOps *world = snp_world();

    svm_walk_begin(env, ptw_idx);
    if (!world) {
        return reserved;
    }
    snp_cpu(env)->walk_outcome = SNP_ACCESS_OK;
    return world->reserved(env, ptw_idx, reserved);
}

hwaddr snp_walk_table(CPUX86State *env, int ptw_idx, hwaddr addr)
{
    const SnpWalkOps *ops = walk_ops();

    return ops ? ops->table(env, ptw_idx, addr) : addr;
}

bool snp_walk_leaf(CPUX86State *env, MMUAccessType type, int mmu_idx,
                   int ptw_idx, hwaddr *paddr, int *prot)
{
    const SnpWalkOps *ops = walk_ops();

    return !ops || ops->leaf(env, type, mmu_idx, ptw_idx, paddr, prot);
}

hwaddr snp_walk_nested(CPUX86State *env, hwaddr addr)
{
    const SnpWalkOps *ops = walk_ops();

    return ops ? ops->nested(env, addr) : addr;
}

void snp_nested_fault(CPUX86State *env, uint64_t *info1, target_ulong *gpa,
                      uintptr_t ra)
{
    const SnpWalkOps *ops = walk_ops();

    if (ops) {
        ops->nested_fault(env, info1, gpa, ra);
    }
}
