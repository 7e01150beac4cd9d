/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: guest messages and attestation reports
 *
 * SEV-SNP Firmware ABI Specification (56860), chapter 7 and section 8.26.
 */
#ifndef TARGET_I386_PSP_ATTEST_H
#define TARGET_I386_PSP_ATTEST_H

#include "chip.h"
#include "command.h"
#include "status.h"

/*
 * guest-message.c: SNP_GUEST_REQUEST, 56860 section 8.26
 */

#define PSP_AUTHTAG_SIZE        16

#define PSP_MESSAGE_AES_256_GCM 1
#define PSP_MESSAGE_HEADER_VERSION 1

typedef enum PspMessageType {
    PSP_MSG_CPUID_REQ = 1,
    PSP_MSG_KEY_REQ = 3,
    PSP_MSG_REPORT_REQ = 5,
    PSP_MSG_EXPORT_REQ = 7,
    PSP_MSG_IMPORT_REQ = 9,
    PSP_MSG_ABSORB_REQ = 11,
    PSP_MSG_VMRK_REQ = 13,
    PSP_MSG_TSC_INFO_REQ = 17,
} PspMessageType;

/* Message header; what follows @authtag_rest and @seqno is authenticated */
typedef struct PspMessageHeader {
    uint8_t authtag[PSP_AUTHTAG_SIZE];
    uint8_t authtag_rest[16];
    uint64_t seqno;
    uint64_t reserved_28;
    uint8_t algorithm;
    uint8_t header_version;
    uint16_t header_size;
    uint8_t type;
    uint8_t version;
    uint16_t size;
    uint32_t reserved_38;
    uint8_t vmpck;
    uint8_t reserved_3d[35];
} PspMessageHeader;

#define PSP_PAYLOAD_MAX (PSP_PAGE_SIZE - sizeof(PspMessageHeader))

/* A guest message fills a page. */
typedef struct PspMessage {
    PspMessageHeader header;
    uint8_t payload[PSP_PAGE_SIZE - sizeof(PspMessageHeader)];
} PspMessage;

/**
 * psp_guest_request: answer a guest message
 * @request: a copy of the guest's page, which the guest cannot change
 * @response: written only where the result is SEV_RET_SUCCESS
 *
 * Each VMPCK has a message count: a request must have the next number, its
 * response gets the one after, and no number is accepted or used twice.  The
 * count moves on success only, so that a guest may repeat the same request.
 *
 * What a guest gets wrong inside an authentic message is told in the status
 * field of the response.
 *
 * Locking: one request at a time, the caller sees to it.
 *
 * Returns: SEV_RET_SUCCESS; INVALID_GUEST_STATE before the launch is finished;
 * INVALID_PARAM for a header that is not understood; PSP_STATUS_AEAD_OFLOW for
 * another sequence number than the next one; BAD_MEASUREMENT where the message
 * is not authentic; HWSEV_RET_PLATFORM where the chip has no keys.
 */
int psp_guest_request(PspGuest *guest, const PspMessage *request,
                      PspMessage *response);

/*
 * report.c: what is asked in the messages
 */

/* Status field of responses */
#define PSP_MSG_SUCCESS         0x00
#define PSP_MSG_INVALID_PARAM   0x16
#define PSP_MSG_INVALID_KEY     0x27

/* Versions of the report, which tell the firmware's ABI apart */
#define PSP_REPORT_PLAIN        2       /* up to 1.55 */
#define PSP_REPORT_CPUID        3       /* family, model, stepping; 1.55 */
#define PSP_REPORT_MITIGATIONS  5       /* mitigation vectors; 1.58 */

#define PSP_REPORT_DATA_SIZE    64

/* MSG_REPORT_REQ */
typedef struct PspReportRequest {
    uint8_t report_data[PSP_REPORT_DATA_SIZE];
    uint32_t vmpl;
    uint32_t key_select;            /* bits 1:0 */
    uint8_t reserved_48[24];
} PspReportRequest;

/* Which key is to be used: bits of key_select, or 2:1 of root_key_select */
#define PSP_KEY_ANY     0
#define PSP_KEY_VCEK    1
#define PSP_KEY_VLEK    2

/* ECDSA P-384 with SHA-384, 56860 appendix B */
#define PSP_SIGNATURE_ECDSA_P384_SHA384 1

/* ATTESTATION_REPORT; all before @signature is signed */
typedef struct PspReport {
    uint32_t version;
    uint32_t guest_svn;
    uint64_t policy;
    uint8_t family_id[16];
    uint8_t image_id[16];
    uint32_t vmpl;
    uint32_t signature_algorithm;
    uint64_t current_tcb;
    uint64_t platform_info;
    uint32_t flags;                 /* PSP_REPORT_* */
    uint32_t reserved_04c;
    uint8_t report_data[PSP_REPORT_DATA_SIZE];
    uint8_t measurement[PSP_DIGEST_SIZE];
    uint8_t host_data[PSP_HOST_DATA_SIZE];
    uint8_t id_key_digest[PSP_DIGEST_SIZE];
    uint8_t author_key_digest[PSP_DIGEST_SIZE];
    uint8_t report_id[PSP_REPORT_ID_SIZE];
    uint8_t report_id_ma[PSP_REPORT_ID_SIZE];
    uint64_t reported_tcb;
    uint8_t cpuid_family;           /* 0 before PSP_REPORT_CPUID */
    uint8_t cpuid_model;
    uint8_t cpuid_stepping;
    uint8_t reserved_18b[21];
    uint8_t chip_id[PSP_CHIP_ID_SIZE];
    uint64_t committed_tcb;
    uint8_t current_build;
    uint8_t current_minor;
    uint8_t current_major;
    uint8_t reserved_1eb;
    uint8_t committed_build;
    uint8_t committed_minor;
    uint8_t committed_major;
    uint8_t reserved_1ef;
    uint64_t launch_tcb;
    uint64_t launch_mit_vector;     /* 0 before PSP_REPORT_MITIGATIONS */
    uint64_t current_mit_vector;
    uint8_t reserved_208[152];
    PspEcSignature signature;
} PspReport;

#define PSP_REPORT_AUTHOR_KEY   (1U << 0)
#define PSP_REPORT_MASK_CHIP    (1U << 1)
#define PSP_REPORT_SIGNER_SHIFT 2       /* 3 bits, PSP_SIGNER_* */

/* MSG_REPORT_RSP */
typedef struct PspReportResponse {
    uint32_t status;
    uint32_t size;
    uint8_t reserved_08[24];
    PspReport report;
} PspReportResponse;

/* MSG_KEY_REQ */
typedef struct PspKeyRequest {
    uint32_t root_key_select;       /* bit 0: VMRK; 2:1: PSP_KEY_* */
    uint32_t reserved_04;
    uint64_t fields;                /* PSP_FIELD_* */
    uint32_t vmpl;
    uint32_t guest_svn;
    uint64_t tcb;
} PspKeyRequest;

/* MSG_KEY_REQ, version 2 */
typedef struct PspKeyRequest2 {
    PspKeyRequest request;
    uint64_t launch_mit_vector;
} PspKeyRequest2;

#define PSP_ROOT_KEY_VMRK       (1U << 0)

/* GUEST_FIELD_SELECT: what else is mixed into the key */
#define PSP_FIELD_POLICY        (1U << 0)
#define PSP_FIELD_IMAGE_ID      (1U << 1)
#define PSP_FIELD_FAMILY_ID     (1U << 2)
#define PSP_FIELD_MEASUREMENT   (1U << 3)
#define PSP_FIELD_GUEST_SVN     (1U << 4)
#define PSP_FIELD_TCB           (1U << 5)
#define PSP_FIELD_MITIGATIONS   (1U << 6)       /* version 2 only */

/* MSG_KEY_RSP */
typedef struct PspKeyResponse {
    uint32_t status;
    uint8_t reserved_04[28];
    uint8_t key[PSP_DERIVED_KEY_SIZE];
} PspKeyResponse;

/*
 * MSG_CPUID_REQ, and MSG_CPUID_RSP: as many entries as a CPUID page has, or
 * fewer
 */
typedef struct PspCpuidRequest {
    uint32_t count;                 /* of entries */
    uint32_t reserved_04;
    uint64_t reserved_08;
    PspCpuidEntry entries[PSP_CPUID_MAX];
} PspCpuidRequest;

typedef struct PspCpuidResponse {
    uint32_t status;
    uint32_t count;
    uint64_t reserved_08;
    PspCpuidEntry entries[PSP_CPUID_MAX];
} PspCpuidResponse;

/* MSG_TSC_INFO_REQ */
typedef struct PspTscRequest {
    uint8_t reserved[128];
} PspTscRequest;

/* MSG_TSC_INFO_RSP */
typedef struct PspTscResponse {
    uint32_t status;
    uint32_t reserved_04;
    uint64_t scale;
    uint64_t offset;
    uint32_t factor;
    uint8_t reserved_1c[100];
} PspTscResponse;

/**
 * PspMessageHandler: answer an authentic request
 * @request: decrypted; its VMPCK, 0 to 3, is that of the VMPL that asks
 * @response: zeroed
 *
 * Returns: SEV_RET_SUCCESS, or SEV_RET_HWSEV_RET_PLATFORM, reported, where
 * there is no response.
 */
typedef int PspMessageHandler(PspGuest *guest, const PspMessage *request,
                              void *response);

PspMessageHandler psp_answer_cpuid, psp_answer_report, psp_answer_key;
PspMessageHandler psp_answer_tsc;

QEMU_BUILD_BUG_ON(sizeof(PspMessageHeader) != 0x60);
QEMU_BUILD_BUG_ON(sizeof(PspMessage) != PSP_PAGE_SIZE);
QEMU_BUILD_BUG_ON(sizeof(PspReportRequest) != 96);
QEMU_BUILD_BUG_ON(sizeof(PspReport) != 0x4a0);
QEMU_BUILD_BUG_ON(sizeof(PspReportResponse) != 0x4c0);
QEMU_BUILD_BUG_ON(sizeof(PspKeyRequest) != 32);
QEMU_BUILD_BUG_ON(sizeof(PspKeyRequest2) != 40);
QEMU_BUILD_BUG_ON(sizeof(PspCpuidRequest) != 16 + 64 * 48);
QEMU_BUILD_BUG_ON(sizeof(PspCpuidResponse) != sizeof(PspCpuidRequest));
QEMU_BUILD_BUG_ON(sizeof(PspKeyResponse) != 64);
QEMU_BUILD_BUG_ON(sizeof(PspTscRequest) != 128);
QEMU_BUILD_BUG_ON(sizeof(PspTscResponse) != 128);

#endif
