/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guests ask of the firmware: reports, derived keys, TSC information
 *
 * SEV-SNP Firmware ABI (56860), chapter 7.  The version of the report goes
 * with the ABI version that the firmware says it has.
 */
#include "qemu/osdep.h"
#include <gnutls/gnutls.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "target/i386/sev-certs.h"
#include "attest.h"

#define VMPL_MAX    3
#define KEY_SELECT_MASK 3U
#define FIELDS_KNOWN (PSP_FIELD_POLICY | PSP_FIELD_IMAGE_ID | \
                      PSP_FIELD_FAMILY_ID | PSP_FIELD_MEASUREMENT | \
                      PSP_FIELD_GUEST_SVN | PSP_FIELD_TCB)

QEMU_BUILD_BUG_ON(offsetof(PspReport, report_data) != 0x50);
QEMU_BUILD_BUG_ON(offsetof(PspReport, reported_tcb) != 0x180);
QEMU_BUILD_BUG_ON(offsetof(PspReport, chip_id) != 0x1a0);
QEMU_BUILD_BUG_ON(offsetof(PspReport, launch_tcb) != 0x1f0);
QEMU_BUILD_BUG_ON(offsetof(PspReport, current_mit_vector) != 0x200);
QEMU_BUILD_BUG_ON(offsetof(PspReport, signature) != 0x2a0);

static bool is_zero(const void *data, size_t size)
{
    return buffer_is_zero(data, size);
}

/* A VMPL speaks for itself and for those that it rules over. */
static bool may_speak_for(unsigned vmpl, uint32_t other)
{
    return other >= vmpl && other <= VMPL_MAX;
}

/*
 * Which key a request selects, PSP_KEY_*: a VLEK that is loaded goes first, and
 * a guest's owner may have ruled out the VCEK.  Returns: PSP_SIGNER_NONE where
 * there is no such key.
 */
static PspSigner signer_of(const PspGuest *guest, unsigned select)
{
    if (select != PSP_KEY_VCEK && guest->platform->vlek) {
        return PSP_SIGNER_VLEK;
    }
    return select == PSP_KEY_VLEK || guest->vcek_disabled ? PSP_SIGNER_NONE
                                                          : PSP_SIGNER_VCEK;
}

/* SNP_CONFIG can hide who the chip is. */
static bool masks(const PspGuest *guest, uint32_t what)
{
    return guest->platform->config.mask & what;
}

/* What a handler returns where the chip has, or has not, done its part */
static int result(bool done, Error *err)
{
    if (done) {
        return SEV_RET_SUCCESS;
    }
    sev_certs_report(err);
    return SEV_RET_HWSEV_RET_PLATFORM;
}

/*
 * Begins a response with its status.  Returns: the chip that the rest takes,
 * or NULL with what the handler returns in @ret: there is no rest, or no chip.
 */
static PspChip *begin(const PspGuest *guest, uint32_t status, uint32_t *field,
                      int *ret)
{
    Error *err = NULL;
    PspChip *chip;

    *field = cpu_to_le32(status);
    *ret = SEV_RET_SUCCESS;
    if (status != PSP_MSG_SUCCESS) {
        return NULL;
    }
    chip = psp_platform_chip(guest->platform, &err);
    *ret = result(chip, err);
    return chip;
}

/*
 * MSG_REPORT_REQ
 */

static uint32_t check_report(const PspGuest *guest, unsigned vmpl,
                             const PspReportRequest *request)
{
    uint32_t select = le32_to_cpu(request->key_select);

    if (!may_speak_for(vmpl, le32_to_cpu(request->vmpl)) ||
        select > PSP_KEY_VLEK ||
        !is_zero(request->reserved_48, sizeof(request->reserved_48))) {
        return PSP_MSG_INVALID_PARAM;
    }
    return signer_of(guest, select) != PSP_SIGNER_NONE ? PSP_MSG_SUCCESS
                                                       : PSP_MSG_INVALID_KEY;
}

static void fill_identity(PspReport *report, const PspIdentity *identity)
{
    report->guest_svn = cpu_to_le32(identity->guest_svn);
    report->flags = cpu_to_le32(identity->author_key_en ?
                                PSP_REPORT_AUTHOR_KEY : 0);
    memcpy(report->family_id, identity->family_id, sizeof(report->family_id));
    memcpy(report->image_id, identity->image_id, sizeof(report->image_id));
    memcpy(report->id_key_digest, identity->id_key_digest,
           sizeof(report->id_key_digest));
    memcpy(report->author_key_digest, identity->author_key_digest,
           sizeof(report->author_key_digest));
}

/* What only some versions of the report have */
static void fill_version(PspReport *report, const PspPlatform *platform)
{
    const PspProduct *product = psp_product(platform->product);
    unsigned version = psp_report_version(platform);
    uint64_t info = platform->platform_info;

    report->version = cpu_to_le32(version);
    if (version < PSP_REPORT_CPUID) {
        report->platform_info = cpu_to_le64(info & ~PSP_PLATFORM_ALIAS_CHECK);
        return;
    }
    report->platform_info = cpu_to_le64(info);
    report->cpuid_family = psp_product_family(product);
    report->cpuid_model = psp_product_model(product);
    report->cpuid_stepping = psp_product_stepping(product);
    if (version >= PSP_REPORT_MITIGATIONS) {
        report->launch_mit_vector = cpu_to_le64(platform->mitigations);
        report->current_mit_vector = cpu_to_le64(platform->mitigations);
    }
}

/* Firmware and chip never change, so current, committed and all are one. */
static void fill_platform(PspReport *report, const PspGuest *guest,
                          const PspChip *chip)
{
    const PspPlatform *platform = guest->platform;
    uint64_t tcb = cpu_to_le64(psp_chip_tcb(platform));

    report->current_tcb = tcb;
    report->reported_tcb = cpu_to_le64(psp_reported_tcb(platform));
    report->committed_tcb = tcb;
    report->launch_tcb = tcb;
    report->current_build = report->committed_build = PSP_BUILD;
    report->current_minor = psp_api_minor(platform);
    report->committed_minor = psp_api_minor(platform);
    report->current_major = report->committed_major = PSP_API_MAJOR;
    if (!masks(guest, PSP_CONFIG_MASK_CHIP_ID)) {
        memcpy(report->chip_id, psp_chip_id(chip), sizeof(report->chip_id));
    }
}

/*
 * Without its key the chip signs nothing, and says so.  A VLEK is not the
 * chip's.
 */
static bool sign(PspReport *report, const PspGuest *guest,
                 const PspChip *chip, PspSigner signer, Error **errp)
{
    if (masks(guest, PSP_CONFIG_MASK_CHIP_KEY)) {
        report->flags |= cpu_to_le32(PSP_REPORT_MASK_CHIP);
        signer = signer == PSP_SIGNER_VCEK ? PSP_SIGNER_NONE : signer;
    }
    report->flags |= cpu_to_le32(signer << PSP_REPORT_SIGNER_SHIFT);
    return signer == PSP_SIGNER_NONE ||
           psp_chip_sign(chip, signer, report, offsetof(PspReport, signature),
                         &report->signature, errp);
}

static void fill_guest(PspReport *report, const PspGuest *guest)
{
    report->policy = cpu_to_le64(guest->policy);
    memcpy(report->measurement, guest->digest, sizeof(report->measurement));
    memcpy(report->host_data, guest->host_data, sizeof(report->host_data));
    memcpy(report->report_id, guest->report_id, sizeof(report->report_id));
    /* All ones: no migration agent */
    memset(report->report_id_ma, 0xff, sizeof(report->report_id_ma));
}

int psp_answer_report(PspGuest *guest, const PspMessage *message, void *answer)
{
    const PspReportRequest *request = (void *)message->payload;
    PspReportResponse *response = answer;
    PspReport *report = &response->report;
    Error *err = NULL;
    bool good;
    PspChip *chip;
    int ret;

    chip = begin(guest, check_report(guest, message->header.vmpck, request),
                 &response->status, &ret);
    if (!chip) {
        return ret;
    }
    response->size = cpu_to_le32(sizeof(*report));
    report->vmpl = request->vmpl;
    report->signature_algorithm =
        cpu_to_le32(PSP_SIGNATURE_ECDSA_P384_SHA384);
    memcpy(report->report_data, request->report_data,
           sizeof(report->report_data));
    fill_identity(report, &guest->identity);
    fill_platform(report, guest, chip);
    fill_version(report, guest->platform);
    fill_guest(report, guest);
    good = sign(report, guest, chip,
                signer_of(guest, le32_to_cpu(request->key_select)), &err);
    return result(good, err);
}

/*
 * MSG_KEY_REQ
 */

/* What the specification lets be mixed in; what is not selected stays 0. */
typedef struct QEMU_PACKED KeyContext {
    char label[16];
    uint64_t fields;
    uint32_t vmpl;
    uint32_t guest_svn;
    uint64_t tcb;
    uint64_t policy;
    uint8_t image_id[16];
    uint8_t family_id[16];
    uint8_t measurement[PSP_DIGEST_SIZE];
    uint8_t host_data[PSP_HOST_DATA_SIZE];
    uint8_t id_key_digest[PSP_DIGEST_SIZE];
    uint8_t author_key_digest[PSP_DIGEST_SIZE];
    uint64_t launch_mit_vector;
} KeyContext;

/* A key without the vector is the one that version 1 gives. */
static size_t context_size(const KeyContext *context)
{
    return le64_to_cpu(context->fields) & PSP_FIELD_MITIGATIONS
           ? sizeof(*context) : offsetof(KeyContext, launch_mit_vector);
}

static unsigned key_select(const PspKeyRequest *request)
{
    return le32_to_cpu(request->root_key_select) >> 1 & KEY_SELECT_MASK;
}

/* What a request of version 1 has no room for is 0. */
static uint64_t mitigations(const PspMessage *message)
{
    const PspKeyRequest2 *request = (void *)message->payload;

    return message->header.version < 2 ? 0
           : le64_to_cpu(request->launch_mit_vector);
}

static uint32_t check_key(const PspGuest *guest, const PspMessage *message)
{
    const PspKeyRequest *request = (void *)message->payload;
    const PspProduct *product = psp_product(guest->platform->product);
    uint32_t root = le32_to_cpu(request->root_key_select);
    unsigned select = key_select(request), vmpl = message->header.vmpck;
    uint64_t known = FIELDS_KNOWN | (message->header.version < 2 ? 0 :
                                     PSP_FIELD_MITIGATIONS);

    if (root & ~(PSP_ROOT_KEY_VMRK | KEY_SELECT_MASK << 1) ||
        select > PSP_KEY_VLEK || request->reserved_04 ||
        le64_to_cpu(request->fields) & ~known ||
        !may_speak_for(vmpl, le32_to_cpu(request->vmpl)) ||
        le32_to_cpu(request->guest_svn) > guest->identity.guest_svn ||
        !psp_tcb_at_most(product, le64_to_cpu(request->tcb)) ||
        mitigations(message) & ~guest->platform->mitigations) {
        return PSP_MSG_INVALID_PARAM;
    }
    /* Only a migration agent brings a VMRK. */
    if (root & PSP_ROOT_KEY_VMRK) {
        return PSP_MSG_INVALID_PARAM;
    }
    if (masks(guest, PSP_CONFIG_MASK_CHIP_KEY)) {
        return PSP_MSG_INVALID_KEY;
    }
    return signer_of(guest, select) != PSP_SIGNER_NONE ? PSP_MSG_SUCCESS
                                                       : PSP_MSG_INVALID_KEY;
}

static KeyContext key_context(const PspGuest *guest,
                              const PspMessage *message)
{
    const PspKeyRequest *request = (void *)message->payload;
    uint64_t fields = le64_to_cpu(request->fields);
    const PspIdentity *identity = &guest->identity;
    KeyContext context = {
        .label = "SNP derived key",
        .fields = request->fields,
        .vmpl = request->vmpl,
    };

    /* Owner and host data are always part of it. */
    memcpy(context.host_data, guest->host_data, sizeof(context.host_data));
    memcpy(context.id_key_digest, identity->id_key_digest,
           sizeof(context.id_key_digest));
    memcpy(context.author_key_digest, identity->author_key_digest,
           sizeof(context.author_key_digest));
    if (fields & PSP_FIELD_POLICY) {
        context.policy = cpu_to_le64(guest->policy);
    }
    if (fields & PSP_FIELD_IMAGE_ID) {
        memcpy(context.image_id, identity->image_id, sizeof(context.image_id));
    }
    if (fields & PSP_FIELD_FAMILY_ID) {
        memcpy(context.family_id, identity->family_id,
               sizeof(context.family_id));
    }
    if (fields & PSP_FIELD_MEASUREMENT) {
        memcpy(context.measurement, guest->digest,
               sizeof(context.measurement));
    }
    if (fields & PSP_FIELD_GUEST_SVN) {
        context.guest_svn = request->guest_svn;
    }
    if (fields & PSP_FIELD_TCB) {
        context.tcb = request->tcb;
    }
    if (fields & PSP_FIELD_MITIGATIONS) {
        context.launch_mit_vector = cpu_to_le64(mitigations(message));
    }
    return context;
}

int psp_answer_key(PspGuest *guest, const PspMessage *message, void *answer)
{
    const PspKeyRequest *request = (void *)message->payload;
    PspKeyResponse *response = answer;
    KeyContext context;
    Error *err = NULL;
    bool derived;
    PspChip *chip;
    int ret;

    chip = begin(guest, check_key(guest, message), &response->status, &ret);
    if (!chip) {
        return ret;
    }
    context = key_context(guest, message);
    derived = psp_chip_derive(chip, signer_of(guest, key_select(request)),
                              &context, context_size(&context), response->key,
                              &err);
    return result(derived, err);
}

/*
 * MSG_CPUID_REQ: does the processor have what the hypervisor says of it?  What
 * it has not is corrected, as in the CPUID page at launch.
 */
int psp_answer_cpuid(PspGuest *guest, const PspMessage *message, void *answer)
{
    const PspCpuidRequest *request = (void *)message->payload;
    PspCpuidResponse *response = answer;
    uint32_t count = le32_to_cpu(request->count);
    size_t size = le16_to_cpu(message->header.size);
    g_autofree PspCpuidPage *page = g_new0(PspCpuidPage, 1);

    if (request->reserved_04 || request->reserved_08 ||
        count > PSP_CPUID_MAX ||
        offsetof(PspCpuidRequest, entries[count]) > size) {
        response->status = cpu_to_le32(PSP_MSG_INVALID_PARAM);
        return SEV_RET_SUCCESS;
    }
    page->count = request->count;
    memcpy(page->entries, request->entries, count * sizeof(PspCpuidEntry));
    if (psp_platform_cpuid(guest->platform, page)) {
        response->status = cpu_to_le32(PSP_MSG_INVALID_PARAM);
    }
    response->count = request->count;
    memcpy(response->entries, page->entries, count * sizeof(PspCpuidEntry));
    return SEV_RET_SUCCESS;
}

/*
 * MSG_TSC_INFO_REQ.  Secure TSC is not among the SEV features offered, so
 * scale, offset and factor are what the VMSA has: 0.
 */
int psp_answer_tsc(PspGuest *guest, const PspMessage *message, void *answer)
{
    const PspTscRequest *request = (void *)message->payload;
    PspTscResponse *response = answer;

    if (!is_zero(request->reserved, sizeof(request->reserved))) {
        response->status = cpu_to_le32(PSP_MSG_INVALID_PARAM);
    }
    return SEV_RET_SUCCESS;
}
