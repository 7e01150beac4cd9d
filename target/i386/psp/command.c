/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launching a guest: what the firmware does with a guest context
 *
 * SEV-SNP Firmware ABI (56860), sections 8.16 SNP_LAUNCH_START, 8.17
 * SNP_LAUNCH_UPDATE and 8.18 SNP_LAUNCH_FINISH.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/random.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "command.h"
#include "trace.h"

/* What a firmware of our ABI version knows */
#define POLICY_KNOWN MAKE_64BIT_MASK(0, 25)

/* Guest pages go by no other page size. */
QEMU_BUILD_BUG_ON(PSP_PAGE_SIZE != 1 << PSP_PAGE_BITS);

const char *psp_page_type_name(int type)
{
    static const char *const names[] = {
        [PSP_PAGE_NORMAL] = "normal",
        [PSP_PAGE_VMSA] = "VMSA",
        [PSP_PAGE_ZERO] = "zero",
        [PSP_PAGE_UNMEASURED] = "unmeasured",
        [PSP_PAGE_SECRETS] = "secrets",
        [PSP_PAGE_CPUID] = "CPUID",
    };

    return type >= 0 && type < ARRAY_SIZE(names) ? names[type] : NULL;
}

void psp_guest_free(void *guest)
{
    /* Keys do not outlive the guest. */
    explicit_bzero(guest, sizeof(PspGuest));
    g_free(guest);
}

/*
 * LAUNCH_START
 */

/*
 * What a policy wants of the platform.  There is one socket, and neither CXL
 * memory nor a cipher: a policy that asks for a certain one, or for
 * ciphertext to be hidden, is not met.
 */
static const char *unmet_policy(uint64_t policy, uint64_t platform)
{
    if (!(policy & PSP_POLICY_ONE)) {
        return "has not bit 17, which is reserved and must be one";
    }
    if (policy & ~POLICY_KNOWN) {
        return "has bits that are not known";
    }
    if (!(policy & PSP_POLICY_SMT) && platform & PSP_PLATFORM_SMT) {
        return "does not allow SMT (bit 16), which is on";
    }
    if (policy & PSP_POLICY_RAPL_DIS && !(platform & PSP_PLATFORM_RAPL_DIS)) {
        return "wants RAPL disabled (bit 23), which is not";
    }
    if (policy & PSP_POLICY_AES_256_XTS) {
        return "wants AES-256-XTS (bit 22), emulated memory is not encrypted";
    }
    if (policy & PSP_POLICY_HIDE_CIPHERTEXT) {
        return "wants ciphertext hidden (bit 24), emulated memory has none";
    }
    return NULL;
}

static int check_policy(const PspGuest *guest, uint64_t policy, Error **errp)
{
    const char *unmet = unmet_policy(policy, guest->platform->platform_info);
    unsigned major = policy >> PSP_POLICY_ABI_MAJOR_SHIFT & 0xff;
    unsigned minor = policy & PSP_POLICY_ABI_MINOR;

    if (major > PSP_API_MAJOR ||
        (major == PSP_API_MAJOR && minor > psp_api_minor(guest->platform))) {
        error_setg(errp, "policy 0x%" PRIx64 " wants firmware ABI %u.%u, this"
                   " is %u.%u", policy, major, minor, PSP_API_MAJOR,
                   psp_api_minor(guest->platform));
        return SEV_RET_POLICY_FAILURE;
    }
    if (unmet) {
        error_setg(errp, "policy 0x%" PRIx64 " %s", policy, unmet);
        return SEV_RET_POLICY_FAILURE;
    }
    return SEV_RET_SUCCESS;
}

int psp_launch_start(PspGuest *guest, uint64_t policy,
                     const uint8_t gosvw[PSP_GOSVW_SIZE], Error **errp)
{
    ERRP_GUARD();
    int status;

    if (guest->state != PSP_STATE_INIT) {
        error_setg(errp, "the guest exists already");
        return SEV_RET_INVALID_GUEST_STATE;
    }
    status = check_policy(guest, policy, errp);
    if (status) {
        return status;
    }
    if (qcrypto_random_bytes(guest->vmpck, sizeof(guest->vmpck), errp) < 0 ||
        qcrypto_random_bytes(guest->report_id, sizeof(guest->report_id),
                             errp) < 0) {
        error_prepend(errp, "no random numbers for the guest's keys and"
                      " report ID: ");
        return SEV_RET_HWSEV_RET_PLATFORM;
    }

    trace_psp_launch_start(policy);
    guest->policy = policy;
    memcpy(guest->gosvw, gosvw, sizeof(guest->gosvw));
    memset(guest->digest, 0, sizeof(guest->digest));
    memset(guest->message_count, 0, sizeof(guest->message_count));
    guest->state = PSP_STATE_LAUNCH;
    return SEV_RET_SUCCESS;
}

/*
 * LAUNCH_UPDATE
 */

/* On a copy: whoever made the page might change it under the check. */
static unsigned check_cpuid(const PspPlatform *platform, void *content)
{
    g_autofree PspCpuidPage *page = g_memdup2(content, sizeof(*page));
    unsigned corrections = psp_platform_cpuid(platform, page);

    if (corrections) {
        memcpy(content, page, sizeof(*page));
    }
    return corrections;
}

int psp_launch_check(PspGuest *guest, const PspLaunchPage *page,
                     void *content, Error **errp)
{
    unsigned corrections;

    if (guest->state != PSP_STATE_LAUNCH) {
        error_setg(errp, "GPA 0x%" PRIx64 " %s", page->gpa,
                   guest->state == PSP_STATE_INIT ? "before LAUNCH_START"
                                                  : "after LAUNCH_FINISH");
        return SEV_RET_INVALID_GUEST_STATE;
    }
    if (page->type != PSP_PAGE_CPUID) {
        return SEV_RET_SUCCESS;
    }
    corrections = check_cpuid(guest->platform, content);
    if (!corrections) {
        return SEV_RET_SUCCESS;
    }
    error_setg(errp, "CPUID page for GPA 0x%" PRIx64 ": %u fields differ from"
               " what the emulated processor can be, the corrected table was"
               " written back", page->gpa, corrections);
    return SEV_RET_INVALID_PARAM;
}

static uint32_t signature(const PspPlatform *platform)
{
    uint32_t regs[4];

    if (!platform->ops->cpuid) {
        return platform->signature;
    }
    platform->ops->cpuid(1, 0, regs);
    return regs[0];
}

/* The firmware's own say in what is in the page */
static void fill(const PspGuest *guest, PspPageType type, void *content)
{
    if (type == PSP_PAGE_ZERO) {
        memset(content, 0, PSP_PAGE_SIZE);
    } else if (type == PSP_PAGE_SECRETS) {
        psp_secrets_fill(content, signature(guest->platform), guest->gosvw,
                         guest->vmpck);
    }
}

/* A VMSA is measured without the TSC's scale and offset, 56860 8.17. */
static bool measure(PspGuest *guest, const PspLaunchPage *page,
                    const void *content, Error **errp)
{
    bool hashed = page->type == PSP_PAGE_NORMAL || page->type == PSP_PAGE_VMSA;
    uint8_t contents[PSP_DIGEST_SIZE];
    g_autofree SevVmsa *vmsa = NULL;

    if (page->type == PSP_PAGE_VMSA) {
        vmsa = g_memdup2(content, sizeof(*vmsa));
        vmsa->tsc_scale = 0;
        vmsa->tsc_offset = 0;
        content = vmsa;
    }
    return (!hashed || psp_digest_contents(content, contents, errp)) &&
           psp_digest_chain(guest->digest, page->type, page->gpa,
                            page->vmpl_perms, hashed ? contents : NULL, errp);
}

int psp_launch_update(PspGuest *guest, const PspLaunchPage *page,
                      void *content, Error **errp)
{
    ERRP_GUARD();
    int status = psp_launch_check(guest, page, content, errp);

    if (status) {
        return status;
    }
    fill(guest, page->type, content);
    if (!measure(guest, page, content, errp)) {
        error_prepend(errp, "GPA 0x%" PRIx64 " can not be measured: ",
                      page->gpa);
        return SEV_RET_HWSEV_RET_PLATFORM;
    }
    guest->pages[page->type]++;
    return SEV_RET_SUCCESS;
}

/*
 * LAUNCH_FINISH
 */

static void trace_digest(const uint8_t digest[PSP_DIGEST_SIZE])
{
    char hex[2 * PSP_DIGEST_SIZE + 1];

    if (!trace_event_get_state_backends(TRACE_PSP_LAUNCH_FINISH)) {
        return;
    }
    for (size_t i = 0; i < PSP_DIGEST_SIZE; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    trace_psp_launch_finish(hex);
}

int psp_launch_finish(PspGuest *guest, const PspLaunchFinish *finish,
                      Error **errp)
{
    PspIdentity identity = { 0 };
    int status;

    if (guest->state != PSP_STATE_LAUNCH) {
        error_setg(errp, "the launch is %s", guest->state == PSP_STATE_INIT
                   ? "not started" : "finished already");
        return SEV_RET_INVALID_GUEST_STATE;
    }
    if (finish->block) {
        status = psp_identity_check(finish->block, finish->auth,
                                    finish->author_key, guest->policy,
                                    guest->digest, &identity, errp);
        if (status) {
            return status;
        }
    }
    memcpy(guest->host_data, finish->host_data, sizeof(guest->host_data));
    guest->identity = identity;
    guest->vcek_disabled = finish->vcek_disabled;
    guest->state = PSP_STATE_RUNNING;
    trace_digest(guest->digest);
    return SEV_RET_SUCCESS;
}
