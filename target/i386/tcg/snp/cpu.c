/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU of an SNP guest: set-up, reset, CPUID, and what a debugger sees
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "cpu.h"
#include "exec/target_page.h"
#include "hw/i386/apic_internal.h"
#include "qom/object.h"
#include "system/upm/compat.h"
#include "target/i386/confidential-guest.h"
#include "target/i386/sev.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/snp.h"

#define CPUID_8000_001F_EAX_RMPQUERY (1U << 6)
#define CPUID_8000_001F_EBX_COHERENCY_SFW_NO (1U << 31)

/* What a guest is told of physical address bits; without the C-bit's */
static uint32_t guest_phys_bits;

MemoryRegion *snp_cpu_memory(CPUState *cs)
{
    return snp_active() ? snp_memory_root() : cs->memory;
}

/*
 * The processor takes the C-bit out of an address before it looks at the
 * reserved ones; here it is an address bit like the others, so the limit
 * must lie above it.
 */
void snp_cpu_realize(CPUState *cs)
{
    X86CPU *cpu = X86_CPU(cs);
    uint32_t needed;

    if (!snp_active()) {
        return;
    }
    if (!(cpu->env.features[FEAT_XSAVE] & CPUID_XSAVE_XSAVEC)) {
        warn_report_once("this CPU model has no XSAVEC: OVMF and Linux refuse "
                         "it as an SEV-SNP guest's, use -cpu EPYC-v4");
    }
    needed = ctz64(snp_cbit_mask()) + 1;
    if (cpu->phys_bits < needed) {
        guest_phys_bits = cpu->phys_bits ?: TCG_PHYS_ADDR_BITS;
        cpu->phys_bits = needed;
    }
    /* What monitor and gdbstub call physical memory is the shared half. */
    cs->as = &address_space_memory;
}

void snp_cpu_reset(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    SnpVcpu *vcpu;

    if (!snp_active()) {
        return;
    }
    /* Before the VMSA, which has SVME set: that is how hardware has it */
    env->hflags |= HF_SNP_MASK;
    cpu_x86_update_cr0(env, CR0_ET_MASK);
    cpu_x86_update_cr4(env, CR4_MCE_MASK);
    cpu_load_efer(env, MSR_EFER_SVME);
    sev_es_set_reset_vector(CPU(cpu));

    vcpu = snp_vcpu(env);
    *vcpu = (SnpVcpu) {
        .ghcb_msr = snp_ghcb_msr_reset_value(),
        .ghcb_gpa = SNP_NO_GHCB,
        .flush_queued = qatomic_read(&vcpu->flush_queued),
    };
    snp_wait_for_init(cpu);
}

static uint32_t masked(uint32_t leaf, uint32_t subleaf, int reg,
                       uint32_t value)
{
    X86ConfidentialGuest *guest = X86_CONFIDENTIAL_GUEST(current_machine->cgs);

    return x86_confidential_guest_mask_cpuid_features(guest, leaf, subleaf,
                                                      reg, value);
}

void snp_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
               uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    cpu_x86_cpuid(env, leaf, subleaf, eax, ebx, ecx, edx);
    *eax = masked(leaf, subleaf, R_EAX, *eax);
    *ebx = masked(leaf, subleaf, R_EBX, *ebx);
    *ecx = masked(leaf, subleaf, R_ECX, *ecx);
    *edx = masked(leaf, subleaf, R_EDX, *edx);

    switch (leaf) {
    case 1:
        /* KVM offers MONITOR to no guest unless asked to. */
        *ecx &= ~CPUID_EXT_MONITOR;
        break;
    case 0x80000001:
        /* No nested virtualization below an encrypted guest */
        *ecx &= ~(CPUID_EXT3_SVM | CPUID_EXT3_SKINIT);
        break;
    case 0x80000008:
        if (guest_phys_bits) {
            *eax = (*eax & ~0xff) | guest_phys_bits;
        }
        break;
    case 0x8000000a:
        *eax = *ebx = *ecx = *edx = 0;
        break;
    case 0x8000001f:
        *eax |= CPUID_8000_001F_EAX_RMPQUERY;
        /* Memory is coherent whatever the C-bit: no cache eviction needed */
        *ebx |= CPUID_8000_001F_EBX_COHERENCY_SFW_NO;
        break;
    }
}

/*
 * Only a guest whose owner allowed debugging in its policy shows private
 * memory, as SNP_DBG_DECRYPT would; the others cannot be translated at all,
 * since their page tables are private.
 */
static bool debug_allowed(void)
{
    return object_property_get_uint(OBJECT(current_machine->cgs), "policy",
                                    NULL) & SEV_SNP_POLICY_DBG;
}

/* One level of a walk: false where the entry is not present */
static bool debug_entry(CPUState *cs, hwaddr table, unsigned index,
                        unsigned width, uint64_t *entry)
{
    hwaddr at = (table | snp_cbit_mask()) + index * width;

    *entry = width == 8 ? x86_ldq_phys(cs, at) : x86_ldl_phys(cs, at);
    return *entry & PG_PRESENT_MASK;
}

static hwaddr debug_walk(CPUState *cs, vaddr addr)
{
    CPUX86State *env = cpu_env(cs);
    bool pae = env->cr[4] & CR4_PAE_MASK;
    bool lma = env->hflags & HF_LMA_MASK;
    unsigned width = pae ? 8 : 4, bits = pae ? 9 : 10;
    int level = lma ? (env->cr[4] & CR4_LA57_MASK ? 5 : 4) : (pae ? 3 : 2);
    hwaddr table = env->cr[3] & (pae && !lma ? ~0x1fULL : ~0xfffULL);
    uint64_t entry, offset;

    for (;; level--) {
        unsigned shift = 12 + (level - 1) * bits;
        unsigned index = (addr >> shift) & ((1 << bits) - 1);
        bool leaf = level == 1;

        if (!debug_entry(cs, table & PG_ADDRESS_MASK, index, width, &entry)) {
            return -1;
        }
        leaf |= (level == 2 || (lma && level == 3)) && entry & PG_PSE_MASK;
        if (leaf) {
            offset = (1ULL << shift) - 1;
            entry &= PG_ADDRESS_MASK & ~offset;
            return (entry | (addr & offset & ~0xfffULL)) |
                   (pae ? 0 : snp_cbit_mask());
        }
        table = entry & PG_ADDRESS_MASK;
    }
}

bool snp_debug_translate(CPUState *cs, vaddr addr, hwaddr *paddr)
{
    CPUX86State *env = cpu_env(cs);

    if (!(env->hflags & HF_SNP_MASK)) {
        return false;
    }
    if (!debug_allowed()) {
        *paddr = -1;
    } else if (!(env->cr[0] & CR0_PG_MASK)) {
        *paddr = (addr & TARGET_PAGE_MASK) | snp_cbit_mask();
    } else {
        *paddr = debug_walk(cs, addr);
    }
    return true;
}
