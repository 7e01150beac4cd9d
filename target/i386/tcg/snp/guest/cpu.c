/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU of an encrypted guest: set-up, reset and CPUID
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/rcu.h"
#include "qapi/error.h"
#include "cpu.h"
#include "hw/i386/apic_internal.h"
#include "qom/object.h"
#include "standard-headers/asm-x86/kvm_para.h"
#include "system/upm/compat.h"
#include "target/i386/confidential-guest.h"
#include "target/i386/cpuid-signature.h"
#include "target/i386/sev.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/guest.h"

/* Linux, Documentation/virt/kvm/x86/cpuid.rst */
#define KVM_LEAF                0x40000000
#define KVM_LEAF_FEATURES       0x40000001
/* Of the processors from EPYC to EPYC-Milan; a guest is told fewer. */
#define PROCESSOR_PHYS_BITS     48
#define CPUID_8000_001F_EBX_COHERENCY_SFW_NO (1U << 31)

enum { EAX, EBX, ECX, EDX };

MemoryRegion *snp_guest_memory(CPUState *cs)
{
    return &snp_guest()->mem.root;
}

static bool is_zen4_or_later(const CPUX86State *env)
{
    unsigned family = cpuid_family(env->cpuid_version);
    unsigned model = cpuid_model(env->cpuid_version);

    return IS_AMD_CPU(env) &&
           (family > 0x19 || (family == 0x19 && model >= 0x10));
}

/*
 * TscAuxVirtualization, CPUID 8000_001F EAX[9].  Without it TSC_AUX is no part
 * of a VMSA, and the hypervisor's to keep: sev_es_vcpu_after_set_cpuid() of
 * Linux 6.12.
 *
 * VNMI, CPUID 8000_000A EDX[25].  Without it the hypervisor holds NMIs back:
 * svm_inject_nmi().
 */
static void set_model_rules(SnpGuestRules *rules, const CPUX86State *env)
{
    rules->vmsa.tsc_aux = is_zen4_or_later(env);
    rules->vnmi = is_zen4_or_later(env);
}

/*
 * The processor takes the C-bit out of an address before it looks at the
 * reserved ones; here it is an address bit like the others, so the limit
 * must lie above it.
 */
void snp_guest_realize(CPUState *cs)
{
    X86CPU *cpu = X86_CPU(cs);
    uint32_t needed;

    /* CPUID alone would not keep a guest from being a host. */
    if (!(snp_guest()->kind.sev & SVM_SEV_ES)) {
        cpu->env.features[FEAT_8000_0001_ECX] &= ~CPUID_EXT3_SVM;
    }
    if (snp_guest()->kind.sev & SVM_SEV_SNP &&
        !(cpu->env.features[FEAT_XSAVE] & CPUID_XSAVE_XSAVEC)) {
        warn_report_once("this CPU model has no XSAVEC: OVMF and Linux refuse "
                         "it as an SEV-SNP guest's, use -cpu EPYC-v4");
    }
    set_model_rules(&snp_guest()->rules, &cpu->env);
    needed = ctz64(snp_cbit_mask()) + 1;
    if (cpu->phys_bits < needed) {
        snp_guest()->phys_bits = cpu->phys_bits ?: TCG_PHYS_ADDR_BITS;
        cpu->phys_bits = needed;
    }
    /* What monitor and gdbstub call physical memory is the shared half. */
    cs->as = &address_space_memory;
}

/* In an exclusive section: another vCPU could evict this one meanwhile. */
static void forget(void *opaque)
{
    CPUX86State *env = opaque;
    SnpVcpu *vcpu = snp_vcpu(env);

    RCU_READ_LOCK_GUARD();
    snp_vmsa_leave(env, SVM_EXIT_INTR);
    g_free(vcpu->launch_vmsa);
    *vcpu = (SnpVcpu) { };
}

/*
 * A vCPU's APIC goes when its thread has ended, and before the vCPU loses its
 * number.  Another one may come in its place, for which nothing is on its way.
 *
 * It is the guest that ejects a vCPU, in the thread of another one.  One that
 * is in no VMSA is evicted by nobody: such are those of a guest that has none,
 * which goes on in the translation block that it is in, see snp_exclusive(),
 * and those that could not be made, in whatever thread.
 */
void snp_guest_unplugged(DeviceListener *listener, DeviceState *dev)
{
    CPUX86State *env;

    if (!object_dynamic_cast(OBJECT(dev), TYPE_APIC_COMMON)) {
        return;
    }
    env = &APIC_COMMON(dev)->cpu->env;
    if (snp_vcpu(env)->in_vmsa && current_cpu) {
        snp_exclusive(current_cpu, forget, env);
    } else {
        forget(env);
    }
}

/*
 * Where the C-bit lies above the processor's addresses, those between them are
 * none.
 */
uint64_t snp_guest_reserved(CPUX86State *env, int ptw_idx, uint64_t mask)
{
    unsigned cbitpos = ctz64(snp_cbit_mask());
    unsigned phys_bits = MAX(snp_guest()->phys_bits, PROCESSOR_PHYS_BITS);

    if (!snp_guest()->phys_bits || phys_bits >= cbitpos) {
        return mask;
    }
    return mask | MAKE_64BIT_MASK(phys_bits, cbitpos - phys_bits);
}

void snp_guest_reset(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    SnpVcpu *vcpu;

    /* Before the VMSA, which has SVME set: that is how hardware has it */
    env->hflags |= HF_SNP_MASK;
    env->svm.sev = snp_guest()->kind.sev;
    cpu_x86_update_cr0(env, CR0_ET_MASK);
    cpu_x86_update_cr4(env, CR4_MCE_MASK);
    cpu_load_efer(env, MSR_EFER_SVME);
    sev_es_set_reset_vector(CPU(cpu));

    vcpu = snp_vcpu(env);
    /* What a VMSA does not have stays when another one is loaded. */
    if (vcpu->resetting) {
        return;
    }
    *vcpu = (SnpVcpu) {
        .launch_vmsa = vcpu->launch_vmsa,
        .replace_queued = qatomic_read(&vcpu->replace_queued),
        .flush_queued = qatomic_read(&vcpu->flush_queued),
    };
    for (int i = 0; i < SNP_VMPLS; i++) {
        vcpu->vmpls[i] = (SnpVmpl) {
            .ghcb_msr = snp_ghcb_msr_reset_value(),
            .ghcb_gpa = SNP_NO_GHCB,
            .doorbell = SNP_NO_DOORBELL,
            .vmsa = SNP_NO_VMSA,
        };
    }
    snp_wait_for_init(cpu);
}

static uint32_t masked(uint32_t leaf, uint32_t subleaf, int reg,
                       uint32_t value)
{
    X86ConfidentialGuest *guest = X86_CONFIDENTIAL_GUEST(current_machine->cgs);

    return x86_confidential_guest_mask_cpuid_features(guest, leaf, subleaf,
                                                      reg, value);
}

/*
 * What makes Linux and OVMF tell their page states, and nothing that there
 * would have to be something behind.
 */
static void kvm_leaf(CPUX86State *env, uint32_t leaf, uint32_t regs[4])
{
    if (env->svm.sev & SVM_SEV_SNP || !env_archcpu(env)->expose_kvm) {
        return;
    }
    memset(regs, 0, 4 * sizeof(regs[0]));
    if (leaf == KVM_LEAF) {
        regs[EAX] = KVM_LEAF_FEATURES;
        memcpy(&regs[EBX], KVM_SIGNATURE, 3 * sizeof(regs[0]));
        return;
    }
    regs[EAX] = 1u << KVM_FEATURE_HC_MAP_GPA_RANGE |
                1u << KVM_FEATURE_MIGRATION_CONTROL;
}

/* What CPUID says to this guest, as KVM would filter it */
void snp_guest_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
                     uint32_t regs[4])
{
    static const int order[4] = { R_EAX, R_EBX, R_ECX, R_EDX };

    for (int i = 0; i < 4; i++) {
        regs[i] = masked(leaf, subleaf, order[i], regs[i]);
    }
    switch (leaf) {
    case 1:
        /* KVM offers MONITOR to no guest unless asked to. */
        regs[ECX] &= ~CPUID_EXT_MONITOR;
        break;
    case KVM_LEAF:
    case KVM_LEAF_FEATURES:
        kvm_leaf(env, leaf, regs);
        break;
    case 0x80000001:
        /* No nested virtualization below an encrypted guest */
        regs[ECX] &= ~(CPUID_EXT3_SVM | CPUID_EXT3_SKINIT);
        break;
    case 0x80000008:
        if (snp_guest()->phys_bits) {
            regs[EAX] = (regs[EAX] & ~0xff) | snp_guest()->phys_bits;
        }
        break;
    case 0x8000000a:
        memset(regs, 0, 4 * sizeof(regs[0]));
        break;
    case 0x8000001f:
        /* Memory is coherent whatever the C-bit: no cache eviction needed */
        regs[EBX] |= CPUID_8000_001F_EBX_COHERENCY_SFW_NO;
        break;
    }
}
