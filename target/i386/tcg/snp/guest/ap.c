/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SNP AP Creation: what the guest may ask for
 *
 * GHCB specification (56421), NAE event 80000013h.  When a vCPU goes on with
 * what was created for it is run-state.c's.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "hw/i386/apic.h"
#include "tcg/snp/guest/guest.h"
#include "trace.h"

/* Which VMPL a request is for, in SW_EXITINFO1 */
#define VMPL_SHIFT  16
#define VMPL_BITS   4

/*
 * How interrupts come is the hypervisor's to know.  At VMPL0 they come as the
 * guest was launched for; an SVSM leaves restricted injection to itself, and
 * another VMPL without.
 */
bool snp_ap_injects_so(unsigned vmpl, uint64_t sev_features)
{
    uint64_t features = snp_guest()->rules.vmsa.features;

    features &= SEV_FEATURES_INJECTION;
    sev_features &= SEV_FEATURES_INJECTION;
    return sev_features == features || (vmpl && !sev_features);
}

/*
 * NULL, or why the guest may not ask for that; the page itself is looked at
 * where its vCPU enters the guest.  After sev_snp_ap_creation() of Linux 6.12.
 */
static const char *check_creation(CPUX86State *env, unsigned vmpl,
                                  uint64_t vmsa_gpa, uint64_t sev_features)
{
    unsigned phys_bits = snp_guest()->phys_bits ?: env_archcpu(env)->phys_bits;

    /* What it says here, the page may not: see load_page(). */
    if (!snp_ap_injects_so(vmpl, sev_features)) {
        return "interrupts are not injected like that";
    }
    if (vmsa_gpa % SEV_VMSA_PAGE_SIZE || vmsa_gpa >> phys_bits) {
        return "VMSA address is not that of a page";
    }
    /*
     * Hardware may take an access to the large page around it for an RMP
     * violation, so KVM refuses it.
     */
    if (vmsa_gpa % SNP_PAGE_2M == 0) {
        return "VMSA address is a multiple of 2 MiB";
    }
    return NULL;
}

/* As AMD has it for KVM: only VMPL0 of another vCPU may ask for a VMPL0. */
static const char *check_vmpl(CPUX86State *env, CPUState *target,
                              unsigned vmpl)
{
    if (vmpl >= snp_guest()->rules.vmpls) {
        return "there is no such VMPL";
    }
    if (snp_guest()->rules.vmpls > 1 && !vmpl &&
        (target == env_cpu(env) || snp_vcpu(env)->vmpl)) {
        return "VMPL0 is made by VMPL0 of another vCPU";
    }
    return NULL;
}

static const char *check_request(CPUX86State *env, CPUState *target,
                                 unsigned vmpl, uint32_t request,
                                 uint64_t vmsa_gpa, uint64_t sev_features)
{
    const char *why;

    if (!target) {
        return "no vCPU with that APIC ID";
    }
    why = check_vmpl(env, target, vmpl);
    if (why) {
        return why;
    }
    switch (request) {
    case SNP_AP_CREATE_ON_INIT:
    case SNP_AP_CREATE:
        return check_creation(cpu_env(target), vmpl, vmsa_gpa, sev_features);
    case SNP_AP_DESTROY:
        return NULL;
    default:
        return "unknown request";
    }
}

/* One that is being unplugged, which lets the BQL go, takes no more work. */
static CPUState *find_target(uint32_t apic_id)
{
    CPUState *target = cpu_by_arch_id(apic_id);

    return target && !target->unplug ? target : NULL;
}

static void create(CPUState *target, unsigned vmpl, uint32_t request,
                   uint64_t vmsa_gpa)
{
    SnpVcpu *vcpu = snp_vcpu(cpu_env(target));

    vcpu->vmpls[vmpl].pending_vmsa = request == SNP_AP_DESTROY
                                     ? SNP_NO_VMSA : vmsa_gpa;
    vcpu->vmpls[vmpl].pending = true;
    vcpu->vmpls[vmpl].on_init = request == SNP_AP_CREATE_ON_INIT;
    if (request != SNP_AP_DESTROY) {
        vcpu->target_vmpl = vmpl;
    }
    if (request != SNP_AP_CREATE_ON_INIT) {
        snp_run_created(target);
    }
}

static unsigned vmpl_of(uint64_t info1)
{
    return snp_guest()->rules.vmpls > 1
           ? extract64(info1, VMPL_SHIFT, VMPL_BITS) : 0;
}

uint32_t snp_ap_request(uint64_t info1)
{
    return snp_guest()->rules.vmpls > 1
           ? deposit32(info1, VMPL_SHIFT, VMPL_BITS, 0) : info1;
}

bool snp_ap_create(CPUX86State *env, uint64_t info1, uint64_t vmsa_gpa,
                   uint64_t sev_features)
{
    uint32_t request = snp_ap_request(info1), apic_id = info1 >> 32;
    unsigned vmpl = vmpl_of(info1);
    CPUState *target;
    const char *why;

    /* Nobody is unplugged meanwhile. */
    BQL_LOCK_GUARD();
    target = find_target(apic_id);
    why = check_request(env, target, vmpl, request, vmsa_gpa, sev_features);
    trace_snp_ap_create(env_cpu(env)->cpu_index, apic_id, vmpl, request,
                        vmsa_gpa, why ?: "done");
    if (!why) {
        create(target, vmpl, request, vmsa_gpa);
    }
    return !why;
}
