/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NAE events: code, input, and who serves it
 *
 * GHCB specification (56421), 4.1.  Where it leaves a choice this does what
 * KVM does, in KVM's order, so that a guest that works here works there.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/snp/guest/ghcb.h"

/* The fields that an event can want valid, besides code and information */
typedef enum Field {
    RAX = 1 << 0,
    RCX = 1 << 1,
    RDX = 1 << 2,
    CPL = 1 << 3,
    XCR0 = 1 << 4,
    SCRATCH = 1 << 5,
} Field;

static const unsigned field_offset[] = {
    GHCB_RAX, GHCB_RCX, GHCB_RDX, GHCB_CPL, GHCB_XCR0, GHCB_SCRATCH,
};

/**
 * Event: an NAE event
 * @code: SW_EXITCODE
 * @fields: what must be marked valid, always
 * @more_fields: what else must, depending on the input; may be NULL
 * @snp_only: for guests with SEV-SNP; of others KVM takes it for an event whose
 *     input is missing
 * @serve: does it; the event is done with 0 where that gives no answer
 */
typedef struct Event {
    uint64_t code;
    unsigned fields;
    unsigned (*more_fields)(const SnpNae *nae);
    void (*serve)(CPUX86State *env, SnpNae *nae);
    bool snp_only;
} Event;

static unsigned ioio_fields(const SnpNae *nae)
{
    if (nae->info1 & SVM_IOIO_STR_MASK) {
        return SCRATCH;
    }
    return nae->info1 & SVM_IOIO_TYPE_MASK ? 0 : RAX;
}

/* Sizes of leaf 0Dh follow XCR0, which the hypervisor cannot see. */
static unsigned cpuid_fields(const SnpNae *nae)
{
    return nae->regs[R_EAX] == 0xd ? XCR0 : 0;
}

static unsigned msr_fields(const SnpNae *nae)
{
    return nae->info1 ? RAX | RDX : 0;
}

/* SEV_FEATURES of the new VMSA, unless there is none */
static unsigned ap_creation_fields(const SnpNae *nae)
{
    return snp_ap_request(nae->info1) == SNP_AP_DESTROY ? 0 : RAX;
}

static const Event events[] = {
    { SVM_EXIT_IOIO, 0, ioio_fields, snp_nae_ioio },
    { SVM_EXIT_CPUID, RAX | RCX, cpuid_fields, snp_nae_cpuid },
    { SVM_EXIT_MSR, RCX, msr_fields, snp_nae_msr },
    { NAE_MMIO_READ, SCRATCH, NULL, snp_nae_mmio },
    { NAE_MMIO_WRITE, SCRATCH, NULL, snp_nae_mmio },
    { NAE_PAGE_STATE, SCRATCH, NULL, snp_nae_page_state, true },
    { NAE_READ_DR7, 0, NULL, snp_nae_nothing },
    { NAE_WRITE_DR7, RAX, NULL, snp_nae_nothing },
    { SVM_EXIT_RDTSC, 0, NULL, snp_nae_rdtsc },
    { SVM_EXIT_RDPMC, RCX, NULL, snp_nae_rdpmc },
    { SVM_EXIT_RDTSCP, 0, NULL, snp_nae_undefined },
    { SVM_EXIT_VMMCALL, RAX | CPL, NULL, snp_nae_vmmcall },
    { SVM_EXIT_INVD, 0, NULL, snp_nae_nothing },
    { SVM_EXIT_WBINVD, 0, NULL, snp_nae_nothing },
    { SVM_EXIT_MONITOR, RAX | RCX | RDX, NULL, snp_nae_nothing },
    { SVM_EXIT_MWAIT, RAX | RCX, NULL, snp_nae_nothing },
    { NAE_NMI_COMPLETE, 0, NULL, snp_nae_nmi_complete },
    { NAE_RESET_HOLD, 0, NULL, snp_nae_reset_hold },
    { NAE_JUMP_TABLE, 0, NULL, snp_nae_jump_table },
    { NAE_GUEST_REQUEST, 0, NULL, snp_nae_guest_request, true },
    { NAE_EXT_GUEST_REQUEST, 0, NULL, snp_nae_guest_request, true },
    { NAE_AP_CREATION, 0, ap_creation_fields, snp_nae_ap_creation, true },
    { NAE_DOORBELL, 0, NULL, snp_nae_doorbell, true },
    { NAE_HV_IPI, 0, NULL, snp_nae_hv_ipi, true },
    { NAE_RUN_VMPL, 0, NULL, snp_nae_run_vmpl, true },
    { NAE_FEATURES, 0, NULL, snp_nae_features },
    { NAE_TERMINATE, 0, NULL, snp_nae_terminate },
    { NAE_UNSUPPORTED, 0, NULL, snp_nae_unsupported },
};

/* What is not offered is as unknown as all other events. */
static bool is_offered(uint64_t code)
{
    switch (code) {
    case NAE_RUN_VMPL:
        return snp_guest()->rules.vmpls > 1;
    case NAE_DOORBELL:
    case NAE_HV_IPI:
        return snp_offers_doorbell();
    default:
        return true;
    }
}

static const Event *find_event(uint64_t code)
{
    if (!is_offered(code)) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
        if (events[i].code == code) {
            return &events[i];
        }
    }
    return NULL;
}

static bool has_fields(const SnpNae *nae, unsigned fields)
{
    for (size_t i = 0; i < ARRAY_SIZE(field_offset); i++) {
        if (fields & 1 << i && !snp_nae_has(nae, field_offset[i])) {
            return false;
        }
    }
    return true;
}

/* Of an event that is not known only code and information are looked at. */
static bool is_complete(const SnpNae *nae, const Event *event)
{
    return snp_nae_has(nae, GHCB_CODE) && snp_nae_has(nae, GHCB_INFO1) &&
           snp_nae_has(nae, GHCB_INFO2) &&
           (!event || has_fields(nae, event->fields)) &&
           (!event || !event->more_fields ||
            has_fields(nae, event->more_fields(nae)));
}

void snp_nae_serve(CPUX86State *env, SnpNae *nae)
{
    const Event *event = find_event(nae->code);
    bool snp = env->svm.sev & SVM_SEV_SNP;

    if (snp && nae->gpa != snp_vmpl(env)->ghcb_gpa) {
        snp_nae_refuse(env, nae, GHCB_ERROR_NOT_REGISTERED,
                       "GHCB is not registered");
    } else if (snp_ghcb_usage(nae)) {
        snp_nae_error(nae, GHCB_ERROR_USAGE, "unknown usage of the GHCB");
    } else if (!is_complete(nae, event) || (event && event->snp_only && !snp)) {
        snp_nae_error(nae, GHCB_ERROR_MISSING_INPUT,
                      "input is not marked valid");
    } else if (!event) {
        snp_nae_error(nae, GHCB_ERROR_INVALID_EVENT, "unknown event");
    } else {
        event->serve(env, nae);
    }
}
