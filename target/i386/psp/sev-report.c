/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attestation reports of SEV and SEV-ES guests
 *
 * Secure Encrypted Virtualization API (55766), section 6.8 ATTESTATION.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "host-abi.h"
#include "sev-guest.h"

#define SIGNATURE_SIZE  (2 * PSP_EC_NUMBER_SIZE)

/* All before @usage is signed. */
typedef struct SevReport {
    uint8_t nonce[16];
    uint8_t digest[PSP_SEV_DIGEST_SIZE];
    uint32_t policy;
    uint32_t usage;
    uint32_t algorithm;
    uint32_t reserved;
    uint8_t signature[SIGNATURE_SIZE];
} SevReport;

QEMU_BUILD_BUG_ON(sizeof(SevReport) != 0xd0);

static int sign(PspHost *host, SevReport *report)
{
    PspEcSignature signature;
    Error *err = NULL;

    if (!psp_sev_sign(&host->identity.pek_key, report,
                      offsetof(SevReport, usage), &signature, &err)) {
        error_free(err);
        return SEV_RET_HWSEV_RET_PLATFORM;
    }
    memcpy(report->signature, &signature, sizeof(report->signature));
    return SEV_RET_SUCCESS;
}

int psp_sev_attestation(PspHost *host, void *buffer)
{
    PspCmdAttestation *command = buffer;
    uint64_t spa = le64_to_cpu(command->spa);
    uint32_t size = le32_to_cpu(command->size);
    SevReport report = {
        .usage = cpu_to_le32(PSP_SEV_USAGE_PEK),
        .algorithm = cpu_to_le32(PSP_SEV_ECDSA_SHA256),
    };
    PspSevGuest *guest;
    int status = psp_sev_find_guest(host, command->handle, &guest);

    if (status) {
        return status;
    }
    if (guest->state != PSP_SEV_LSECRET && guest->state != PSP_SEV_RUNNING) {
        return SEV_RET_INVALID_GUEST_STATE;
    }
    command->size = cpu_to_le32(sizeof(report));
    if (size < sizeof(report)) {
        return SEV_RET_INVALID_LEN;
    }
    status = psp_host_writable(host, spa, size);
    if (status) {
        return status;
    }
    memcpy(report.nonce, command->nonce, sizeof(report.nonce));
    memcpy(report.digest, guest->digest, sizeof(report.digest));
    report.policy = cpu_to_le32(guest->policy);
    status = sign(host, &report);
    return status ?: psp_host_write(host, spa, &report, sizeof(report));
}
