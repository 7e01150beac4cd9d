/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launching a guest: KVM's SEV commands, run by the emulated firmware
 *
 * SEV-SNP Firmware ABI (56860), sections 8.16 SNP_LAUNCH_START, 8.17
 * SNP_LAUNCH_UPDATE and 8.18 SNP_LAUNCH_FINISH; the structures and what KVM
 * itself refuses: linux/Documentation/virt/kvm/x86/amd-memory-encryption.rst.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "crypto/random.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "psp.h"
#include "trace.h"

/* What a firmware of our ABI version knows, less what KVM keeps to itself */
#define POLICY_KNOWN (MAKE_64BIT_MASK(0, 25) & ~PSP_POLICY_MIGRATE_MA)

/* Guest pages go by no other page size. */
QEMU_BUILD_BUG_ON(PSP_PAGE_SIZE != 1 << PSP_PAGE_BITS);

static const char *state_name(PspState state)
{
    static const char *const names[] = {
        [PSP_STATE_UNINIT] = "uninitialised",
        [PSP_STATE_INIT] = "init",
        [PSP_STATE_LAUNCH] = "launch",
        [PSP_STATE_RUNNING] = "running",
    };

    return names[state];
}

static const char *page_type_name(int type)
{
    switch (type) {
    case PSP_PAGE_NORMAL:
        return "normal";
    case PSP_PAGE_ZERO:
        return "zero";
    case PSP_PAGE_UNMEASURED:
        return "unmeasured";
    case PSP_PAGE_SECRETS:
        return "secrets";
    case PSP_PAGE_CPUID:
        return "CPUID";
    default:
        return NULL;
    }
}

static void G_GNUC_PRINTF(1, 0) tell(const char *fmt, va_list args)
{
    g_autofree char *reason = g_strdup_vprintf(fmt, args);

    error_report("emulated SEV-SNP firmware: %s", reason);
}

/* KVM sends the command back, the firmware has not seen it. */
static int G_GNUC_PRINTF(2, 3) refuse(int ret, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    tell(fmt, args);
    va_end(args);
    return ret;
}

/* The firmware ends the command with a status of its own. */
static int G_GNUC_PRINTF(3, 4) fail(int *fw_error, int status,
                                    const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    tell(fmt, args);
    va_end(args);
    *fw_error = status;
    return -EIO;
}

static int init2(PspGuest *guest, const struct kvm_sev_init *init)
{
    if (init->flags) {
        return refuse(-EINVAL, "INIT2: flags 0x%x must be 0",
                      (unsigned)init->flags);
    }
    if (init->vmsa_features) {
        return refuse(-EINVAL, "INIT2: SEV features 0x%" PRIx64 " of the VMSA"
                      " are not among those offered (0)",
                      (uint64_t)init->vmsa_features);
    }
    if (init->ghcb_version && init->ghcb_version != 2) {
        return refuse(-EINVAL, "INIT2: GHCB version %u, SEV-SNP needs 2",
                      (unsigned)init->ghcb_version);
    }
    guest->sev_features = SEV_FEATURES_SNP_ACTIVE | init->vmsa_features;
    guest->state = PSP_STATE_INIT;
    return 0;
}

/*
 * What a policy wants of the platform.  There is one socket, and neither CXL
 * memory nor a cipher: a policy that asks for a certain one, or for
 * ciphertext to be hidden, is not met.
 */
static const char *unmet_policy(uint64_t policy, uint64_t platform)
{
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

static int check_policy(PspGuest *guest, uint64_t policy, int *fw_error)
{
    const char *unmet = unmet_policy(policy, guest->platform_info);
    unsigned major = policy >> PSP_POLICY_ABI_MAJOR_SHIFT & 0xff;
    unsigned minor = policy & PSP_POLICY_ABI_MINOR;

    if (!(policy & PSP_POLICY_ONE)) {
        return refuse(-EINVAL, "LAUNCH_START: policy 0x%" PRIx64 ": bit 17 is"
                      " reserved and must be one", policy);
    }
    if (policy & ~POLICY_KNOWN) {
        return refuse(-EINVAL, "LAUNCH_START: policy 0x%" PRIx64 ": bits 0x%"
                      PRIx64 " are not known", policy,
                      policy & ~(uint64_t)POLICY_KNOWN);
    }
    if (major > PSP_API_MAJOR ||
        (major == PSP_API_MAJOR && minor > PSP_API_MINOR)) {
        return fail(fw_error, SEV_RET_POLICY_FAILURE, "LAUNCH_START: policy"
                    " 0x%" PRIx64 " wants firmware ABI %u.%u, this is %u.%u",
                    policy, major, minor, PSP_API_MAJOR, PSP_API_MINOR);
    }
    if (unmet) {
        return fail(fw_error, SEV_RET_POLICY_FAILURE, "LAUNCH_START: policy"
                    " 0x%" PRIx64 " %s", policy, unmet);
    }
    return 0;
}

static int launch_start(PspGuest *guest,
                        const struct kvm_sev_snp_launch_start *start,
                        int *fw_error)
{
    Error *err = NULL;
    int ret;

    if (guest->state == PSP_STATE_UNINIT) {
        return refuse(-ENOTTY, "LAUNCH_START before INIT2");
    }
    if (guest->state != PSP_STATE_INIT) {
        return refuse(-EINVAL, "LAUNCH_START: the guest exists already");
    }
    if (start->flags) {
        return refuse(-EINVAL, "LAUNCH_START: flags 0x%x must be 0",
                      (unsigned)start->flags);
    }
    ret = check_policy(guest, start->policy, fw_error);
    if (ret) {
        return ret;
    }
    if (qcrypto_random_bytes(guest->vmpck, sizeof(guest->vmpck), &err) < 0 ||
        qcrypto_random_bytes(guest->report_id, sizeof(guest->report_id),
                             &err) < 0) {
        error_report_err(err);
        return fail(fw_error, SEV_RET_HWSEV_RET_PLATFORM,
                    "LAUNCH_START: no random numbers for the guest's keys and"
                    " report ID");
    }

    trace_psp_launch_start(start->policy);
    guest->policy = start->policy;
    memcpy(guest->gosvw, start->gosvw, sizeof(guest->gosvw));
    memset(guest->digest, 0, sizeof(guest->digest));
    memset(guest->message_count, 0, sizeof(guest->message_count));
    guest->state = PSP_STATE_LAUNCH;
    return 0;
}

static uint32_t processor_signature(PspGuest *guest)
{
    uint32_t regs[4];

    guest->processor->cpuid(1, 0, regs);
    return regs[0];
}

/*
 * As the firmware does: a table that promises too much is not taken, and the
 * caller finds in its place the one that would have been.
 */
static int put_cpuid(PspGuest *guest, uint64_t gpa, void *source,
                     PspCpuidPage *page, int *fw_error)
{
    unsigned corrections;

    memcpy(page, source, sizeof(*page));
    corrections = psp_cpuid_check(page, guest->processor->cpuid);
    if (!corrections) {
        return 0;
    }
    memcpy(source, page, sizeof(*page));
    return fail(fw_error, SEV_RET_INVALID_PARAM, "LAUNCH_UPDATE: CPUID page"
                " for GPA 0x%" PRIx64 ": %u fields differ from what the"
                " emulated processor can be, the corrected table was written"
                " back", gpa, corrections);
}

static int put_page(PspGuest *guest, PspPageType type, uint64_t gpa,
                    void *source, int *fw_error)
{
    Error *err = NULL;
    PspCpuidPage cpuid;
    void *page;
    int ret;

    /* Before the frame is touched: the caller may try again. */
    if (type == PSP_PAGE_CPUID) {
        ret = put_cpuid(guest, gpa, source, &cpuid, fw_error);
        if (ret) {
            return ret;
        }
    }

    page = guest->processor->page(gpa);
    if (!page) {
        return refuse(-EIO, "LAUNCH_UPDATE: %s page for GPA 0x%" PRIx64
                      ": not private memory, or populated before",
                      page_type_name(type), gpa);
    }

    switch (type) {
    case PSP_PAGE_ZERO:
        memset(page, 0, PSP_PAGE_SIZE);
        break;
    case PSP_PAGE_SECRETS:
        psp_secrets_fill(page, processor_signature(guest), guest->gosvw,
                         guest->vmpck);
        break;
    case PSP_PAGE_CPUID:
        memcpy(page, &cpuid, sizeof(cpuid));
        break;
    default:
        memcpy(page, source, PSP_PAGE_SIZE);
        break;
    }

    if (!psp_digest_extend(guest->digest, type, gpa, page, &err)) {
        error_report_err(err);
        return fail(fw_error, SEV_RET_HWSEV_RET_PLATFORM,
                    "LAUNCH_UPDATE: GPA 0x%" PRIx64 " can not be measured",
                    gpa);
    }
    guest->processor->page_done(gpa);
    guest->pages[type]++;
    return 0;
}

/* What KVM checks before it bothers the firmware */
static int check_update(PspGuest *guest,
                        const struct kvm_sev_snp_launch_update *update)
{
    uint64_t frames = update->len >> PSP_PAGE_BITS;

    if (guest->state == PSP_STATE_UNINIT || guest->state == PSP_STATE_INIT) {
        return refuse(-EINVAL, "LAUNCH_UPDATE before LAUNCH_START");
    }
    if (!page_type_name(update->type)) {
        return refuse(-EINVAL, "LAUNCH_UPDATE: there is no page type %u",
                      (unsigned)update->type);
    }
    if (update->flags) {
        return refuse(-EINVAL, "LAUNCH_UPDATE: flags 0x%x must be 0",
                      (unsigned)update->flags);
    }
    if (!frames || update->len & (PSP_PAGE_SIZE - 1) ||
        update->gfn_start > UINT64_MAX >> PSP_PAGE_BITS ||
        frames > (UINT64_MAX >> PSP_PAGE_BITS) - update->gfn_start) {
        return refuse(-EINVAL, "LAUNCH_UPDATE: frame 0x%" PRIx64 " and 0x%"
                      PRIx64 " bytes are not a range of pages",
                      (uint64_t)update->gfn_start, (uint64_t)update->len);
    }
    if (update->type != PSP_PAGE_ZERO &&
        (!update->uaddr || update->uaddr & (PSP_PAGE_SIZE - 1))) {
        return refuse(-EINVAL, "LAUNCH_UPDATE: source 0x%" PRIx64
                      " is not the address of a page",
                      (uint64_t)update->uaddr);
    }
    return 0;
}

/*
 * KVM returns 0 where at least one page was done, and leaves the rest in
 * @update; the caller comes again and learns of the error then.
 */
static int launch_update(PspGuest *guest,
                         struct kvm_sev_snp_launch_update *update,
                         int *fw_error)
{
    uint64_t begin = update->gfn_start;
    int ret = check_update(guest, update);

    if (ret) {
        return ret;
    }
    if (guest->state != PSP_STATE_LAUNCH) {
        return fail(fw_error, SEV_RET_INVALID_GUEST_STATE, "LAUNCH_UPDATE of"
                    " GPA 0x%" PRIx64 " after LAUNCH_FINISH",
                    (uint64_t)update->gfn_start << PSP_PAGE_BITS);
    }

    trace_psp_launch_update((uint64_t)update->gfn_start << PSP_PAGE_BITS,
                            update->len, page_type_name(update->type));
    while (update->len) {
        ret = put_page(guest, update->type,
                       (uint64_t)update->gfn_start << PSP_PAGE_BITS,
                       (void *)(uintptr_t)update->uaddr, fw_error);
        if (ret) {
            break;
        }
        update->gfn_start++;
        update->len -= PSP_PAGE_SIZE;
        if (update->type != PSP_PAGE_ZERO) {
            update->uaddr += PSP_PAGE_SIZE;
        }
    }
    return update->gfn_start != begin ? 0 : ret;
}

static bool measure_vcpus(PspGuest *guest, uint8_t digest[PSP_DIGEST_SIZE],
                          SevVmsa *vmsas, Error **errp)
{
    for (unsigned i = 0; i < guest->processor->vcpus(); i++) {
        PspVcpuReset reset;

        guest->processor->vcpu_reset(i, &reset);
        reset.sev_features = guest->sev_features;
        trace_psp_launch_vmsa(i, reset.cs_base, reset.rip);
        psp_vmsa_init(&vmsas[i], &reset);
        if (!psp_digest_extend(digest, PSP_PAGE_VMSA, PSP_VMSA_GPA,
                               &vmsas[i], errp)) {
            return false;
        }
    }
    return true;
}

/* KVM looks at none of the three unless there is an ID block. */
static int check_identity(PspGuest *guest, const uint8_t *digest,
                          const struct kvm_sev_snp_launch_finish *finish,
                          PspIdentity *identity, int *fw_error)
{
    const PspIdBlock *block = (void *)(uintptr_t)finish->id_block_uaddr;
    const PspIdAuth *auth = (void *)(uintptr_t)finish->id_auth_uaddr;
    Error *err = NULL;
    int status;

    if (!finish->id_block_en) {
        if (auth || finish->auth_key_en) {
            warn_report("emulated SEV-SNP firmware: LAUNCH_FINISH: id-auth and"
                        " author-key-enabled mean nothing without id-block");
        }
        return 0;
    }
    if (!block || !auth) {
        return refuse(-EINVAL, "LAUNCH_FINISH: an ID block needs id-auth, its"
                      " signature");
    }
    status = psp_identity_check(block, auth, finish->auth_key_en,
                                guest->policy, digest, identity, &err);
    if (status) {
        g_autofree char *why = g_strdup(error_get_pretty(err));

        error_free(err);
        return fail(fw_error, status, "LAUNCH_FINISH: %s", why);
    }
    return 0;
}

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

static int check_finish(const PspGuest *guest,
                        const struct kvm_sev_snp_launch_finish *finish,
                        int *fw_error)
{
    if (guest->state == PSP_STATE_UNINIT) {
        return refuse(-ENOTTY, "LAUNCH_FINISH before INIT2");
    }
    if (guest->state == PSP_STATE_INIT) {
        return refuse(-EINVAL, "LAUNCH_FINISH before LAUNCH_START");
    }
    if (finish->flags) {
        return refuse(-EINVAL, "LAUNCH_FINISH: flags 0x%x must be 0",
                      (unsigned)finish->flags);
    }
    if (guest->state != PSP_STATE_LAUNCH) {
        return fail(fw_error, SEV_RET_INVALID_GUEST_STATE,
                    "LAUNCH_FINISH: the launch is finished already");
    }
    return 0;
}

static int load_vcpus(PspGuest *guest, const SevVmsa *vmsas)
{
    for (unsigned i = 0; i < guest->processor->vcpus(); i++) {
        const char *why = guest->processor->vcpu_load(i, &vmsas[i]);

        if (why) {
            return refuse(-EIO, "LAUNCH_FINISH: vCPU %u can not start: %s",
                          i, why);
        }
        guest->pages[PSP_PAGE_VMSA]++;
    }
    return 0;
}

static int launch_finish(PspGuest *guest,
                         const struct kvm_sev_snp_launch_finish *finish,
                         int *fw_error)
{
    g_autofree SevVmsa *vmsas = NULL;
    uint8_t digest[PSP_DIGEST_SIZE];
    PspIdentity identity = { 0 };
    Error *err = NULL;
    int ret = check_finish(guest, finish, fw_error);

    if (ret) {
        return ret;
    }
    memcpy(digest, guest->digest, sizeof(digest));
    vmsas = g_new(SevVmsa, guest->processor->vcpus());
    if (!measure_vcpus(guest, digest, vmsas, &err)) {
        error_report_err(err);
        return fail(fw_error, SEV_RET_HWSEV_RET_PLATFORM,
                    "LAUNCH_FINISH: a VMSA can not be measured");
    }
    ret = check_identity(guest, digest, finish, &identity, fw_error) ?:
          load_vcpus(guest, vmsas);
    if (ret) {
        return ret;
    }
    memcpy(guest->digest, digest, sizeof(digest));
    memcpy(guest->host_data, finish->host_data, sizeof(guest->host_data));
    guest->identity = identity;
    guest->vcek_disabled = finish->vcek_disabled;
    guest->state = PSP_STATE_RUNNING;
    trace_digest(guest->digest);
    return 0;
}

static int run_command(PspGuest *guest, int command, void *data,
                       int *fw_error)
{
    /* On an SNP guest KVM does not run the commands of the older ones. */
    if (command < KVM_SEV_SNP_LAUNCH_START &&
        guest->state != PSP_STATE_UNINIT) {
        return refuse(-EPERM, "command %d is not for SEV-SNP guests, or came"
                      " twice", command);
    }
    switch (command) {
    case KVM_SEV_INIT2:
        return init2(guest, data);
    case KVM_SEV_SNP_LAUNCH_START:
        return launch_start(guest, data, fw_error);
    case KVM_SEV_SNP_LAUNCH_UPDATE:
        return launch_update(guest, data, fw_error);
    case KVM_SEV_SNP_LAUNCH_FINISH:
        return launch_finish(guest, data, fw_error);
    default:
        return refuse(-EINVAL, "command %d is not known; only SEV-SNP guests"
                      " are emulated", command);
    }
}

int psp_command(PspGuest *guest, int command, void *data, int *fw_error)
{
    int ret;

    *fw_error = SEV_RET_NO_FW_CALL;
    ret = run_command(guest, command, data, fw_error);
    if (!ret) {
        *fw_error = SEV_RET_SUCCESS;
    }
    trace_psp_command(command, state_name(guest->state), ret, *fw_error);
    return ret;
}
