/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: what CPUID says beyond the CPU model
 *
 * AMD64 APM volume 3, appendix E.4: a processor with its C-bit above the
 * physical addresses, as Milan's and Genoa's is.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "qemu/error-report.h"
#include "target/i386/cpuid-signature.h"
#include "tcg/snp/host/internal.h"

#define LAST_LEAF 0x80000021

/* CPUID 8000_001F EAX */
#define CAP_SME             (1U << 0)
#define CAP_SEV             (1U << 1)
#define CAP_PAGE_FLUSH      (1U << 2)
#define CAP_SEV_ES          (1U << 3)
#define CAP_SEV_SNP         (1U << 4)
#define CAP_VMPL            (1U << 5)
#define CAP_RMPQUERY        (1U << 6)
#define CAP_COHERENT        (1U << 10)
#define CAP_RMPREAD         (1U << 21)

/* Milan and Genoa: the last whose RMP software reads as it lies in memory */
#define LAST_FAMILY_WITHOUT_RMPREAD 0x19

bool snp_host_has_rmpread(CPUX86State *env)
{
    return cpuid_family(env->cpuid_version) > LAST_FAMILY_WITHOUT_RMPREAD;
}

void snp_host_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
                    uint32_t regs[4])
{
    switch (leaf) {
    case 0x80000008:
        regs[0] = (regs[0] & ~0xff) | SNP_HOST_PHYS_BITS;
        break;
    case 0x8000001f:
        regs[0] = CAP_SME | CAP_SEV | CAP_PAGE_FLUSH | CAP_SEV_ES |
                  CAP_SEV_SNP | CAP_VMPL | CAP_RMPQUERY | CAP_COHERENT |
                  (snp_host_has_rmpread(env) ? CAP_RMPREAD : 0);
        regs[1] = SNP_HOST_CBIT | SNP_HOST_REDUCTION << 6 |
                  SEV_RMP_VMPLS << 12;
        regs[2] = SNP_HOST_ASIDS;
        regs[3] = SNP_HOST_MIN_SEV_ASID;
        break;
    }
}

/*
 * Control registers and the VMCB hold addresses of guests with the C-bit in
 * them, so QEMU's own checks have to let it pass; what page tables may hold
 * is up to walk.c, and what software is told to snp_host_cpuid().
 */
void snp_host_realize(CPUState *cs)
{
    X86CPU *cpu = X86_CPU(cs);

    if (cpu->phys_bits && cpu->phys_bits != SNP_HOST_PHYS_BITS) {
        warn_report_once("snp-host=on has %d physical address bits, not %u:"
                         " leave phys-bits out", SNP_HOST_PHYS_BITS,
                         cpu->phys_bits);
    }
    cpu->phys_bits = SNP_HOST_CBIT + 1;
    cpu->env.cpuid_xlevel = MAX(cpu->env.cpuid_xlevel, LAST_LEAF);
}
