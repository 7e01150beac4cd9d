/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guests ask of the firmware: reports, derived keys, TSC information
 *
 * SEV-SNP Firmware ABI (56860), chapter 7.  Version 3 of the report goes with
 * the ABI version that the firmware says it has.
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

/* There is no VLEK, and a guest's owner may have ruled out the VCEK. */
static bool has_key(const PspGuest *guest, unsigned select)
{
    return select != PSP_KEY_VLEK && !guest->vcek_disabled;
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
    return has_key(guest, select) ? PSP_MSG_SUCCESS : PSP_MSG_INVALID_KEY;
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

/* Firmware and chip never change, so current, committed and all are one. */
static void fill_platform(PspReport *report, const PspGuest *guest,
                          const PspChip *chip)
{
    report->current_tcb = PSP_CHIP_TCB;
    stq_le_p(&report->reported_tcb, psp_reported_tcb(guest->platform));
    report->committed_tcb = PSP_CHIP_TCB;
    report->launch_tcb = PSP_CHIP_TCB;
    report->cpuid_family = PSP_CHIP_FAMILY;
    report->cpuid_model = PSP_CHIP_MODEL;
    report->cpuid_stepping = PSP_CHIP_STEPPING;
    report->current_build = report->committed_build = PSP_BUILD;
    report->current_minor = report->committed_minor = PSP_API_MINOR;
    report->current_major = report->committed_major = PSP_API_MAJOR;
    if (!masks(guest, PSP_CONFIG_MASK_CHIP_ID)) {
        memcpy(report->chip_id, psp_chip_id(chip), sizeof(report->chip_id));
    }
}

/* Without its key the chip signs nothing, and says so. */
static bool sign(PspReport *report, const PspGuest *guest,
                 const PspChip *chip, Error **errp)
{
    if (masks(guest, PSP_CONFIG_MASK_CHIP_KEY)) {
        report->flags |= cpu_to_le32(PSP_REPORT_MASK_CHIP |
                                     PSP_REPORT_SIGNER_NONE);
        return true;
    }
    return psp_chip_sign(chip, report, offsetof(PspReport, signature),
                         &report->signature, errp);
}

static void fill_guest(PspReport *report, const PspGuest *guest)
{
    report->policy = cpu_to_le64(guest->policy);
    report->platform_info = cpu_to_le64(guest->platform->platform_info);
    memcpy(report->measurement, guest->digest, sizeof(report->measurement));
    memcpy(report->host_data, guest->host_data, sizeof(report->host_data));
    memcpy(report->report_id, guest->report_id, sizeof(report->report_id));
    /* All ones: no migration agent */
    memset(report->report_id_ma, 0xff, sizeof(report->report_id_ma));
}

int psp_answer_report(PspGuest *guest, unsigned vmpl, const void *data,
                      void *answer)
{
    const PspReportRequest *request = data;
    PspReportResponse *response = answer;
    PspReport *report = &response->report;
    Error *err = NULL;
    bool good;
    PspChip *chip;
    int ret;

    chip = begin(guest, check_report(guest, vmpl, request), &response->status,
                 &ret);
    if (!chip) {
        return ret;
    }
    response->size = cpu_to_le32(sizeof(*report));
    report->version = cpu_to_le32(PSP_REPORT_VERSION);
    report->vmpl = request->vmpl;
    report->signature_algorithm =
        cpu_to_le32(PSP_SIGNATURE_ECDSA_P384_SHA384);
    memcpy(report->report_data, request->report_data,
           sizeof(report->report_data));
    fill_identity(report, &guest->identity);
    fill_platform(report, guest, chip);
    fill_guest(report, guest);
    good = sign(report, guest, chip, &err);
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
    PspTcb tcb;
    uint64_t policy;
    uint8_t image_id[16];
    uint8_t family_id[16];
    uint8_t measurement[PSP_DIGEST_SIZE];
    uint8_t host_data[PSP_HOST_DATA_SIZE];
    uint8_t id_key_digest[PSP_DIGEST_SIZE];
    uint8_t author_key_digest[PSP_DIGEST_SIZE];
} KeyContext;

static bool tcb_at_most(const PspTcb *tcb, const PspTcb *limit)
{
    return tcb->boot_loader <= limit->boot_loader && tcb->tee <= limit->tee &&
           tcb->snp <= limit->snp && tcb->microcode <= limit->microcode &&
           is_zero(tcb->reserved, sizeof(tcb->reserved));
}

static uint32_t check_key(const PspGuest *guest, unsigned vmpl,
                          const PspKeyRequest *request)
{
    uint32_t root = le32_to_cpu(request->root_key_select);
    unsigned select = root >> 1 & KEY_SELECT_MASK;

    if (root & ~(PSP_ROOT_KEY_VMRK | KEY_SELECT_MASK << 1) ||
        select > PSP_KEY_VLEK || request->reserved_04 ||
        le64_to_cpu(request->fields) & ~(uint64_t)FIELDS_KNOWN ||
        !may_speak_for(vmpl, le32_to_cpu(request->vmpl)) ||
        le32_to_cpu(request->guest_svn) > guest->identity.guest_svn ||
        !tcb_at_most(&request->tcb, &PSP_CHIP_TCB)) {
        return PSP_MSG_INVALID_PARAM;
    }
    /* Only a migration agent brings a VMRK. */
    if (root & PSP_ROOT_KEY_VMRK) {
        return PSP_MSG_INVALID_PARAM;
    }
    if (masks(guest, PSP_CONFIG_MASK_CHIP_KEY)) {
        return PSP_MSG_INVALID_KEY;
    }
    return has_key(guest, select) ? PSP_MSG_SUCCESS : PSP_MSG_INVALID_KEY;
}

static KeyContext key_context(const PspGuest *guest,
                              const PspKeyRequest *request)
{
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
    return context;
}

int psp_answer_key(PspGuest *guest, unsigned vmpl, const void *data,
                   void *answer)
{
    const PspKeyRequest *request = data;
    PspKeyResponse *response = answer;
    KeyContext context;
    Error *err = NULL;
    bool derived;
    PspChip *chip;
    int ret;

    chip = begin(guest, check_key(guest, vmpl, request), &response->status,
                 &ret);
    if (!chip) {
        return ret;
    }
    context = key_context(guest, request);
    derived = psp_chip_derive(chip, &context, sizeof(context), response->key,
                              &err);
    return result(derived, err);
}

/*
 * MSG_TSC_INFO_REQ.  Secure TSC is not among the SEV features offered, so
 * scale, offset and factor are what the VMSA has: 0.
 */
int psp_answer_tsc(PspGuest *guest, unsigned vmpl, const void *data,
                   void *answer)
{
    const PspTscRequest *request = data;
    PspTscResponse *response = answer;

    if (!is_zero(request->reserved, sizeof(request->reserved))) {
        response->status = cpu_to_le32(PSP_MSG_INVALID_PARAM);
    }
    return SEV_RET_SUCCESS;
}
