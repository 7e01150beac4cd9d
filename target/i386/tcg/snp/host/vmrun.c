/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMRUN of guests with SEV, SEV-ES and SEV-SNP
 *
 * What is the same for every guest stays with QEMU: it saves the host's state,
 * loads the intercepts and, at the end, looks at the TLB control and injects
 * an event.
 *
 * APM volume 2, 15.34.1, 15.35.6 to 15.35.8, 15.36.12 and table B-4.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/rcu.h"
#include "cpu.h"
#include "svm.h"
#include "exec/cputlb.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/host/internal.h"
#include "tcg/snp/host/rmp.h"
#include "tcg/snp/host/vmrun-hooks.h"
#include "tcg/snp/host/vmrun.h"

/*
 * The VMSA's page
 */

/* A device is not to be touched in passing. */
static bool is_ram(hwaddr spa)
{
    MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    hwaddr xlat, size = SEV_VMSA_PAGE_SIZE;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&address_space_memory, spa, &xlat, &size,
                                 true, attrs);
    return size == SEV_VMSA_PAGE_SIZE &&
           memory_access_is_direct(mr, true, attrs);
}

bool snp_host_vmsa_read(hwaddr spa, SevVmsa *vmsa)
{
    return is_ram(spa) &&
           address_space_read(&address_space_memory, spa,
                              MEMTXATTRS_UNSPECIFIED, vmsa,
                              sizeof(*vmsa)) == MEMTX_OK;
}

bool snp_host_vmsa_write(hwaddr spa, const SevVmsa *vmsa)
{
    return is_ram(spa) &&
           address_space_write(&address_space_memory, spa,
                               MEMTXATTRS_UNSPECIFIED, vmsa,
                               sizeof(*vmsa)) == MEMTX_OK;
}

const SnpVmsaRules *snp_host_vmsa_rules(bool snp)
{
    static const SnpVmsaRules es_rules = { .vmpls = 1 };
    static const SnpVmsaRules snp_rules = {
        .features_set = SEV_FEATURES_SNP_ACTIVE,
        .features = SEV_FEATURES_SNP_ACTIVE,
        .vmpls = SEV_RMP_VMPLS,
    };

    return snp ? &snp_rules : &es_rules;
}

/*
 * Pages in use: from VMRUN to #VMEXIT, which writes to them, RMPUPDATE leaves
 * them alone
 */

static bool snp_is_on(CPUX86State *env)
{
    return snp_host_vcpu_of(env)->syscfg & SYSCFG_SNP_EN;
}

/* Outside the table there is nobody to give a page to. */
static bool take(SnpHost *host, SnpHostPage *page, hwaddr spa)
{
    SevRmpEntry entry;

    page->in_use = snp_rmp_set_in_use(host, spa, true);
    page->spa = spa;
    return page->in_use || !snp_rmp_get(host, spa, &entry);
}

static void leave(SnpHost *host, SnpHostPage *page)
{
    if (page->in_use) {
        page->in_use = false;
        snp_rmp_set_in_use(host, page->spa, false);
    }
}

static bool take_vmcb(CPUX86State *env)
{
    SnpHost *host = snp_host();
    bool ok;

    if (!env->vm_hsave) {
        /* The firmware takes that for a processor without guests. */
        return false;
    }
    snp_rmp_lock(host);
    ok = snp_rmp_host_owns(host, env->vm_vmcb, false) &&
         snp_rmp_host_owns(host, env->vm_hsave, false) &&
         take(host, &snp_host_vcpu_of(env)->vmcb, env->vm_vmcb);
    snp_rmp_unlock(host);
    return ok;
}

static bool is_vmsa_of(SnpHost *host, hwaddr spa, uint32_t asid)
{
    uint64_t wanted = SEV_RMP_ASSIGNED | SEV_RMP_VMSA | SEV_RMP_VALIDATED;
    SevRmpEntry entry;

    return snp_rmp_get(host, spa, &entry) &&
           (entry.lo & (wanted | SEV_RMP_IMMUTABLE)) == wanted &&
           sev_rmp_asid(&entry) == asid;
}

/*
 * One of a guest with SEV-ES only has to be the hypervisor's.
 *
 * Returns: 0 for success, or the exit code that VMRUN ends with.
 */
static uint64_t take_vmsa(CPUX86State *env, hwaddr spa, uint32_t asid,
                          bool snp)
{
    SnpHostPage *page = &snp_host_vcpu_of(env)->vmsa;
    SnpHost *host = snp_host();
    uint64_t code = SVM_EXIT_ERR;

    if (!snp_is_on(env)) {
        return snp ? SVM_EXIT_ERR : 0;
    }
    snp_rmp_lock(host);
    if (snp ? is_vmsa_of(host, spa, asid)
            : snp_rmp_host_owns(host, spa, false)) {
        code = take(host, page, spa) ? 0 : SVM_EXIT_BUSY;
    }
    snp_rmp_unlock(host);
    return code;
}

void snp_host_release(CPUX86State *env)
{
    SnpHostVcpu *vcpu = snp_host_vcpu_of(env);
    SnpHost *host = snp_host();

    if (vcpu->vmcb.in_use || vcpu->vmsa.in_use) {
        snp_rmp_lock(host);
        leave(host, &vcpu->vmcb);
        leave(host, &vcpu->vmsa);
        snp_rmp_unlock(host);
    }
}

/*
 * Checks
 */

static bool asid_is_valid(uint8_t sev, uint32_t asid)
{
    if (sev & SVM_SEV_ES) {
        return asid < SNP_HOST_MIN_SEV_ASID;
    }
    return asid >= SNP_HOST_MIN_SEV_ASID && asid <= SNP_HOST_ASIDS;
}

static bool check_control(CPUX86State *env, uint64_t nested_ctl,
                          uint32_t asid)
{
    return nested_ctl & SVM_NPT_ENABLED && nested_ctl & SVM_SEV &&
           snp_host_vcpu_of(env)->syscfg & SYSCFG_MEM_ENCRYPT &&
           asid_is_valid(nested_ctl, asid);
}

/*
 * QEMU's own check comes when the guest's state is loaded, and a #VMEXIT would
 * be too late to be an error of VMRUN.
 */
static bool check_event(CPUX86State *env)
{
    uint32_t event = snp_host_vcpu_of(env)->event;
    uint8_t vector = event & SVM_EVTINJ_VEC_MASK;

    if (!(event & SVM_EVTINJ_VALID)) {
        return true;
    }
    switch (event & SVM_EVTINJ_TYPE_MASK) {
    case SVM_EVTINJ_TYPE_INTR:
    case SVM_EVTINJ_TYPE_NMI:
    case SVM_EVTINJ_TYPE_SOFT:
        return true;
    case SVM_EVTINJ_TYPE_EXEPT:
        return vector != EXCP02_NMI && vector < 31;
    default:
        return false;
    }
}

/*
 * Loading
 */

static void load_interrupt_control(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);

    env->int_ctl = x86_ldl_phys(cs, env->vm_vmcb +
                                offsetof(struct vmcb, control.int_ctl));
    env->hflags2 &= ~(HF2_HIF_MASK | HF2_VINTR_MASK);
    if (env->int_ctl & V_INTR_MASKING_MASK) {
        env->hflags2 |= HF2_VINTR_MASK;
        if (env->eflags & IF_MASK) {
            env->hflags2 |= HF2_HIF_MASK;
        }
    }
    x86_stq_phys(cs, env->vm_vmcb +
                 offsetof(struct vmcb, control.exit_info_2), 0);
}

static G_NORETURN void fail(CPUX86State *env, uint64_t code, const char *why,
                            uintptr_t ra)
{
    qemu_log_mask(LOG_GUEST_ERROR, "VMRUN of an encrypted guest with VMCB 0x%"
                  PRIx64 " fails: %s\n", env->vm_vmcb, why);
    cpu_vmexit(env, code, 0, ra);
}

/*
 * Another vCPU may have run the guest, and stored its state, between the first
 * look, which says whose page it is, and the taking.  What is checked is what
 * is loaded: the copy.
 */
static const char *read_taken(hwaddr spa, SevVmsa *vmsa)
{
    uint64_t features = vmsa->sev_features;

    return snp_host_vmsa_read(spa, vmsa) &&
           vmsa->sev_features == features
           ? NULL : "the VMSA changed meanwhile";
}

static void load_encrypted(CPUX86State *env, uint32_t asid, uintptr_t ra)
{
    hwaddr spa = x86_ldq_phys(env_cpu(env), env->vm_vmcb + VMCB_VMSA);
    const char *why;
    uint64_t code;
    SevVmsa vmsa;
    bool snp;

    if (spa & (SEV_VMSA_PAGE_SIZE - 1) ||
        !snp_host_vmsa_read(spa, &vmsa)) {
        fail(env, SVM_EXIT_ERR, "no RAM for a VMSA", ra);
    }
    snp = le64_to_cpu(vmsa.sev_features) & SEV_FEATURES_SNP_ACTIVE;
    code = take_vmsa(env, spa, asid, snp);
    if (code) {
        fail(env, code, code == SVM_EXIT_BUSY ? "the VMSA is in use"
                                              : "not the guest's VMSA", ra);
    }
    load_interrupt_control(env);
    why = read_taken(spa, &vmsa)
          ?: snp_vmsa_load(env, &vmsa, snp_host_vmsa_rules(snp));
    if (why) {
        fail(env, SVM_EXIT_ERR, why, ra);
    }
    env->svm.sev = SVM_SEV | SVM_SEV_ES | (snp ? SVM_SEV_SNP : 0);
    env->svm.vmpl = snp ? vmsa.vmpl : 0;
    env->svm.vmsa = spa;
    env->hflags |= HF_SNP_MASK;
}

void snp_host_check_switch(CPUX86State *env, uintptr_t ra)
{
    if (snp_host() && snp_is_on(env) && !take_vmcb(env)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
}

bool snp_host_vmrun(CPUX86State *env, uint64_t nested_ctl, uint32_t asid,
                    uint64_t msrpm, uint64_t iopm, uintptr_t ra)
{
    SnpHostVcpu *vcpu;

    if (!snp_host() || !(nested_ctl & (SVM_SEV | SVM_SEV_ES))) {
        return false;
    }
    vcpu = snp_host_vcpu_of(env);
    vcpu->msrpm = msrpm & ~0xfffULL;
    vcpu->iopm = iopm & ~0xfffULL;
    vcpu->event = x86_ldl_phys(env_cpu(env), env->vm_vmcb +
                               offsetof(struct vmcb, control.event_inj));
    if (!check_control(env, nested_ctl, asid) || !check_event(env)) {
        fail(env, SVM_EXIT_ERR, "its control area", ra);
    }
    env->svm.asid = asid;
    if (!(nested_ctl & SVM_SEV_ES)) {
        env->svm.sev = SVM_SEV;
        return false;
    }
    load_encrypted(env, asid, ra);
    return true;
}

uint32_t snp_host_event(CPUX86State *env, uint32_t event)
{
    return snp_host() && env->svm.sev ? snp_host_vcpu_of(env)->event : event;
}

uint64_t snp_cr3_reserved(CPUX86State *env)
{
    uint64_t bits = ~0ULL << env_archcpu(env)->phys_bits;

    return env->svm.sev ? bits & ~snp_cbit_mask() : bits;
}
