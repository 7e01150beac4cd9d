/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GHCB MSR protocol: requests that fit into MSR C001_0130 itself
 *
 * GHCB specification (56421).
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "cpu.h"
#include "system/upm/events.h"
#include "tcg/snp/guest/ghcb.h"
#include "tcg/snp/guest/page-state.h"

/* What the MSR holds, in bits 11:0 */
#define MSR_SEV_INFO            0x001
#define MSR_SEV_INFO_REQUEST    0x002
#define MSR_CPUID_REQUEST       0x004
#define MSR_CPUID_RESPONSE      0x005
#define MSR_RESET_HOLD_REQUEST  0x006
#define MSR_RESET_HOLD_RESPONSE 0x007
#define MSR_PREFERRED_REQUEST   0x010
#define MSR_PREFERRED_RESPONSE  0x011
#define MSR_REGISTER_REQUEST    0x012
#define MSR_REGISTER_RESPONSE   0x013
#define MSR_PAGE_STATE_REQUEST  0x014
#define MSR_RUN_VMPL_REQUEST    0x016
#define MSR_RUN_VMPL_RESPONSE   0x017
#define MSR_FEATURES_REQUEST    0x080
#define MSR_FEATURES_RESPONSE   0x081
#define MSR_TERMINATE_REQUEST   0x100

#define MSR_CODE_BITS   12
#define MSR_CODE_MASK   ((1ULL << MSR_CODE_BITS) - 1)

static uint64_t with_data(uint64_t code, uint64_t data)
{
    return data << MSR_CODE_BITS | code;
}

uint64_t snp_ghcb_msr_reset_value(void)
{
    return (uint64_t)snp_guest()->kind.ghcb_version << 48 |
           GHCB_VERSION_MIN << 32 |
           (uint64_t)ctz64(snp_cbit_mask()) << 24 | MSR_SEV_INFO;
}

uint64_t snp_ghcb_msr_hold_response(bool by_sipi)
{
    return with_data(MSR_RESET_HOLD_RESPONSE, by_sipi);
}

bool snp_ghcb_is_request(uint64_t value)
{
    return value & MSR_CODE_MASK;
}

static void serve_terminate(CPUX86State *env, uint64_t request)
{
    unsigned int set, code;

    if (upm_termination_decode(request, &set, &code)) {
        snp_terminate_request(env, "by GHCB MSR", set, code);
    }
}

/* A guest that has no RMP has no use for these, and KVM ends it. */
static void refuse(CPUX86State *env, uint64_t request)
{
    g_autofree char *reason =
        g_strdup_printf("GHCB MSR request 0x%" PRIx64 " is for SEV-SNP guests "
                        "only", request);

    upm_tell_terminated_by(env_cpu(env)->cpu_index, reason);
    snp_terminate(env, "%s", reason);
}

static bool is_snp_only(uint64_t request)
{
    switch (request & MSR_CODE_MASK) {
    case MSR_PREFERRED_REQUEST:
    case MSR_REGISTER_REQUEST:
    case MSR_PAGE_STATE_REQUEST:
        return true;
    default:
        return false;
    }
}

static uint64_t serve_cpuid(CPUX86State *env, uint64_t request)
{
    static const int regs[4] = { R_EAX, R_EBX, R_ECX, R_EDX };
    uint32_t value[4];

    snp_cpuid(env, extract64(request, 32, 32), 0, &value[R_EAX],
              &value[R_EBX], &value[R_ECX], &value[R_EDX]);
    request = deposit64(request, 32, 32,
                        value[regs[extract64(request, 30, 2)]]);
    return deposit64(request, 0, MSR_CODE_BITS, MSR_CPUID_RESPONSE);
}

/*
 * The VMPL in bits 39:32, and an error in bits 63:32.  Where only one is
 * offered the request is as unknown as all others.
 */
static uint64_t serve_run_vmpl(CPUX86State *env, uint64_t request)
{
    if (snp_guest()->rules.vmpls == 1) {
        return request;
    }
    return MSR_RUN_VMPL_RESPONSE |
           (uint64_t)!snp_run_vmpl(env, extract64(request, 32, 8)) << 32;
}

uint64_t snp_ghcb_msr_serve(CPUX86State *env, uint64_t request)
{
    SnpVcpu *vcpu = snp_vcpu(env);

    if (is_snp_only(request) && !(env->svm.sev & SVM_SEV_SNP)) {
        refuse(env, request);
        return request;
    }
    switch (request & MSR_CODE_MASK) {
    case MSR_SEV_INFO_REQUEST:
        return snp_ghcb_msr_reset_value();
    case MSR_CPUID_REQUEST:
        return serve_cpuid(env, request);
    case MSR_RESET_HOLD_REQUEST:
        vcpu->sleep = SNP_SLEEP_HOLD_MSR;
        return snp_ghcb_msr_hold_response(false);
    case MSR_PREFERRED_REQUEST:
        return with_data(MSR_PREFERRED_RESPONSE, UINT64_MAX);
    case MSR_REGISTER_REQUEST:
        snp_vmpl(env)->ghcb_gpa = request & ~MSR_CODE_MASK;
        return (request & ~MSR_CODE_MASK) | MSR_REGISTER_RESPONSE;
    case MSR_PAGE_STATE_REQUEST:
        return snp_psc_msr(request, snp_page_state_convert, env);
    case MSR_RUN_VMPL_REQUEST:
        return serve_run_vmpl(env, request);
    case MSR_FEATURES_REQUEST:
        return with_data(MSR_FEATURES_RESPONSE, snp_hypervisor_features());
    case MSR_TERMINATE_REQUEST:
        serve_terminate(env, request);
        return request;
    default:
        return request;
    }
}
