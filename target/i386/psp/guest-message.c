/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest messages: a channel from the guest to the firmware that the
 * hypervisor carries but cannot read, change or replay
 *
 * SEV-SNP Firmware ABI (56860), section 8.26 SNP_GUEST_REQUEST.
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include <linux/psp-sev.h>
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "attest.h"
#include "trace.h"

#define IV_SIZE 12

/* What is authenticated though not encrypted */
#define AAD_OFFSET  offsetof(PspMessageHeader, algorithm)
#define AAD_SIZE    (sizeof(PspMessageHeader) - AAD_OFFSET)

QEMU_BUILD_BUG_ON(offsetof(PspMessageHeader, seqno) != 0x20);
QEMU_BUILD_BUG_ON(AAD_OFFSET != 0x30);
QEMU_BUILD_BUG_ON(offsetof(PspMessageHeader, vmpck) != 0x3c);

/*
 * @element_size: not 0: any number of these, up to those that @request_size
 *     has room for, may be missing in a request; the response then has its size
 * @since: version of the report that the firmware makes that knows of it
 */
typedef struct MessageKind {
    PspMessageType type;
    uint8_t version;
    uint16_t request_size;
    uint16_t response_size;
    PspMessageHandler *handler;
    uint16_t element_size;
    unsigned since;
} MessageKind;

/*
 * Export, import, absorb and VMRK are for migration agents, which no guest
 * here has: launch policies that allow them are refused.
 */
static const MessageKind kinds[] = {
    { PSP_MSG_CPUID_REQ, 1, sizeof(PspCpuidRequest), sizeof(PspCpuidResponse),
      psp_answer_cpuid, sizeof(PspCpuidEntry) },
    { PSP_MSG_KEY_REQ, 1, sizeof(PspKeyRequest), sizeof(PspKeyResponse),
      psp_answer_key },
    { PSP_MSG_KEY_REQ, 2, sizeof(PspKeyRequest2), sizeof(PspKeyResponse),
      psp_answer_key, .since = PSP_REPORT_MITIGATIONS },
    { PSP_MSG_REPORT_REQ, 1, sizeof(PspReportRequest),
      sizeof(PspReportResponse), psp_answer_report },
    { PSP_MSG_TSC_INFO_REQ, 1, sizeof(PspTscRequest), sizeof(PspTscResponse),
      psp_answer_tsc },
};

QEMU_BUILD_BUG_ON(sizeof(PspReportResponse) > PSP_PAYLOAD_MAX);

static bool has_size(const MessageKind *kind, uint16_t size)
{
    unsigned missing = kind->request_size - size;

    if (!kind->element_size || size >= kind->request_size) {
        return size == kind->request_size;
    }
    return missing % kind->element_size == 0 &&
           size >= kind->request_size % kind->element_size;
}

static bool is_kind(const MessageKind *kind, const PspGuest *guest,
                    const PspMessageHeader *header)
{
    return kind->type == header->type && kind->version == header->version &&
           has_size(kind, le16_to_cpu(header->size)) &&
           psp_report_version(guest->platform) >= kind->since;
}

static const MessageKind *check_header(const PspGuest *guest,
                                       const PspMessageHeader *header)
{
    if (header->algorithm != PSP_MESSAGE_AES_256_GCM ||
        header->header_version != PSP_MESSAGE_HEADER_VERSION ||
        le16_to_cpu(header->header_size) != sizeof(*header) ||
        header->vmpck >= PSP_VMPCKS) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (is_kind(&kinds[i], guest, header)) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* AES-256-GCM over a payload of @size bytes, in place */
static int crypt_payload(const PspGuest *guest, PspMessage *message,
                         size_t size, bool encrypt)
{
    const PspMessageHeader *header = &message->header;
    gnutls_datum_t key = {
        .data = (void *)guest->vmpck[header->vmpck],
        .size = PSP_VMPCK_SIZE,
    };
    uint8_t iv[IV_SIZE] = { 0 };
    size_t tag_size = PSP_AUTHTAG_SIZE;
    giovec_t aad = { (uint8_t *)header + AAD_OFFSET, AAD_SIZE };
    giovec_t payload = { message->payload, size };
    gnutls_aead_cipher_hd_t cipher;
    int ret;

    stq_le_p(iv, le64_to_cpu(header->seqno));
    ret = gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_GCM, &key);
    if (ret < 0) {
        return ret;
    }
    if (encrypt) {
        ret = gnutls_aead_cipher_encryptv2(cipher, iv, sizeof(iv), &aad, 1,
                                           &payload, 1,
                                           message->header.authtag, &tag_size);
    } else {
        ret = gnutls_aead_cipher_decryptv2(cipher, iv, sizeof(iv), &aad, 1,
                                           &payload, 1,
                                           message->header.authtag, tag_size);
    }
    gnutls_aead_cipher_deinit(cipher);
    return ret;
}

static int respond(PspGuest *guest, const MessageKind *kind,
                   const PspMessage *request, PspMessage *response)
{
    const PspMessageHeader *header = &request->header;
    uint16_t size = kind->element_size ? le16_to_cpu(header->size)
                                       : kind->response_size;
    int ret;

    memset(response, 0, sizeof(*response));
    response->header = (PspMessageHeader) {
        .seqno = cpu_to_le64(le64_to_cpu(header->seqno) + 1),
        .algorithm = PSP_MESSAGE_AES_256_GCM,
        .header_version = PSP_MESSAGE_HEADER_VERSION,
        .header_size = cpu_to_le16(sizeof(*header)),
        .type = kind->type + 1,
        .version = kind->version,
        .size = cpu_to_le16(size),
        .vmpck = header->vmpck,
    };
    ret = kind->handler(guest, request, response->payload);
    if (ret != SEV_RET_SUCCESS) {
        return ret;
    }
    if (crypt_payload(guest, response, size, true) < 0) {
        return SEV_RET_HWSEV_RET_PLATFORM;
    }
    return SEV_RET_SUCCESS;
}

static int answer(PspGuest *guest, const PspMessage *request,
                  PspMessage *response)
{
    const PspMessageHeader *header = &request->header;
    const MessageKind *kind = check_header(guest, header);
    PspMessage clear, reply;
    uint64_t *count;
    int ret;

    if (guest->state != PSP_STATE_RUNNING) {
        return SEV_RET_INVALID_GUEST_STATE;
    }
    if (!kind) {
        return SEV_RET_INVALID_PARAM;
    }
    count = &guest->message_count[header->vmpck];
    if (*count > UINT64_MAX - 2 ||
        le64_to_cpu(header->seqno) != *count + 1) {
        return PSP_STATUS_AEAD_OFLOW;
    }
    clear = *request;
    if (crypt_payload(guest, &clear, le16_to_cpu(header->size), false) < 0) {
        return SEV_RET_BAD_MEASUREMENT;
    }
    ret = respond(guest, kind, &clear, &reply);
    if (ret == SEV_RET_SUCCESS) {
        *response = reply;
        *count += 2;
    }
    /* Where it was not encrypted, a derived key may be in it. */
    gnutls_memset(&reply, 0, sizeof(reply));
    gnutls_memset(&clear, 0, sizeof(clear));
    return ret;
}

int psp_guest_request(PspGuest *guest, const PspMessage *request,
                      PspMessage *response)
{
    int ret = answer(guest, request, response);

    trace_psp_guest_request(request->header.type, request->header.vmpck,
                            le64_to_cpu(request->header.seqno), ret);
    return ret;
}
