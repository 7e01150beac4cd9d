/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The platform's identity towards owners of SEV and SEV-ES guests
 *
 * Secure Encrypted Virtualization API (55766), section 2.1, and what
 * sections 5.1 to 5.9 do to it.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/hash.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "psp.h"
#include "sev-identity.h"

/*
 * In non-volatile memory.  AMD's own format is secret, and encrypted.
 */

#define NV_MAGIC        "UPM SEV identity"
#define NV_VERSION      1
#define NV_DIGEST_SIZE  32

typedef struct SavedIdentity {
    char magic[16];
    uint32_t version;
    uint32_t owned;
    PspSevKey oca_key, pek_key, pdh_key;
    PspSevCert oca, pek, pdh;
    uint8_t digest[NV_DIGEST_SIZE];     /* of all that stands before it */
} SavedIdentity;

QEMU_BUILD_BUG_ON(sizeof(SavedIdentity) > PSP_SEV_NV_SIZE);

static int finish(PspSevIdentity *identity, const PspSevIdentity *changed,
                  Error *err)
{
    if (err) {
        error_reportf_err(err, "emulated SEV firmware: no keys: ");
        return SEV_RET_HWSEV_RET_PLATFORM;
    }
    *identity = *changed;
    return SEV_RET_SUCCESS;
}

static bool make_cek(PspSevIdentity *identity, Error **errp)
{
    return !buffer_is_zero(&identity->cek, sizeof(identity->cek)) ||
           psp_sev_key_make(&identity->cek, errp);
}

static bool make_oca(PspSevIdentity *identity, Error **errp)
{
    if (!psp_sev_key_make(&identity->oca_key, errp)) {
        return false;
    }
    identity->owned = false;
    psp_sev_cert_init(&identity->oca, PSP_SEV_USAGE_OCA, &identity->oca_key);
    return psp_sev_cert_sign(&identity->oca, PSP_SEV_USAGE_OCA,
                             &identity->oca_key, errp);
}

static bool make_pek(PspSevIdentity *identity, Error **errp)
{
    if (!psp_sev_key_make(&identity->pek_key, errp)) {
        return false;
    }
    psp_sev_cert_init(&identity->pek, PSP_SEV_USAGE_PEK, &identity->pek_key);
    return psp_sev_cert_sign(&identity->pek, PSP_SEV_USAGE_OCA,
                             &identity->oca_key, errp) &&
           psp_sev_cert_sign(&identity->pek, PSP_SEV_USAGE_CEK,
                             &identity->cek, errp);
}

static bool make_pdh(PspSevIdentity *identity, Error **errp)
{
    if (!psp_sev_key_make(&identity->pdh_key, errp)) {
        return false;
    }
    psp_sev_cert_init(&identity->pdh, PSP_SEV_USAGE_PDH, &identity->pdh_key);
    return psp_sev_cert_sign(&identity->pdh, PSP_SEV_USAGE_PEK,
                             &identity->pek_key, errp);
}

int psp_sev_identity_new_pek(PspSevIdentity *identity)
{
    PspSevIdentity changed = *identity;
    Error *err = NULL;

    if (make_cek(&changed, &err) && make_oca(&changed, &err) &&
        make_pek(&changed, &err) && make_pdh(&changed, &err)) {
        changed.made = true;
    }
    return finish(identity, &changed, err);
}

int psp_sev_identity_make(PspSevIdentity *identity)
{
    return identity->made ? SEV_RET_SUCCESS
                          : psp_sev_identity_new_pek(identity);
}

int psp_sev_identity_new_pdh(PspSevIdentity *identity)
{
    PspSevIdentity changed = *identity;
    Error *err = NULL;

    make_pdh(&changed, &err);
    return finish(identity, &changed, err);
}

void psp_sev_identity_forget(PspSevIdentity *identity)
{
    *identity = (PspSevIdentity) { .cek = identity->cek };
}

void psp_sev_identity_csr(const PspSevIdentity *identity, PspSevCert *csr)
{
    psp_sev_cert_init(csr, PSP_SEV_USAGE_PEK, &identity->pek_key);
}

static PspSevSignature *signature_by(PspSevCert *cert, PspSevUsage usage)
{
    for (size_t i = 0; i < PSP_SEV_CERT_SIGNATURES; i++) {
        if (le32_to_cpu(cert->signatures[i].usage) == usage) {
            return &cert->signatures[i];
        }
    }
    return NULL;
}

/* The owner has signed the PEK; the chip's signature moves over. */
static bool adopt(PspSevCert *pek, PspSevCert *ours)
{
    const PspSevSignature *chip = signature_by(ours, PSP_SEV_USAGE_CEK);
    PspSevSignature *room = signature_by(pek, PSP_SEV_USAGE_INVALID);

    if (memcmp(pek, ours, PSP_SEV_CERT_BODY_SIZE) || !chip || !room) {
        return false;
    }
    *room = *chip;
    return true;
}

int psp_sev_identity_import(PspSevIdentity *identity, const PspSevCert *pek,
                            const PspSevCert *oca)
{
    PspSevIdentity changed = *identity;
    Error *err = NULL;
    int status;

    if (identity->owned) {
        return SEV_RET_ALREADY_OWNED;
    }
    if (!psp_sev_cert_check(oca, PSP_SEV_USAGE_OCA)) {
        return SEV_RET_INVALID_CERTIFICATE;
    }
    status = psp_sev_cert_verify(oca, oca);
    if (!status) {
        status = psp_sev_cert_verify(pek, oca);
    }
    if (status) {
        return status;
    }
    changed.oca = *oca;
    changed.pek = *pek;
    changed.owned = true;
    memset(&changed.oca_key, 0, sizeof(changed.oca_key));
    if (!adopt(&changed.pek, &identity->pek)) {
        return SEV_RET_INVALID_CERTIFICATE;
    }
    make_pdh(&changed, &err);
    return finish(identity, &changed, err);
}

void psp_sev_identity_chain(const PspSevIdentity *identity,
                            PspSevChain *chain)
{
    chain->pek = identity->pek;
    chain->oca = identity->oca;
    psp_sev_cert_init(&chain->cek, PSP_SEV_USAGE_CEK, &identity->cek);
}

static bool digest(const SavedIdentity *saved,
                   uint8_t out[NV_DIGEST_SIZE])
{
    size_t size = NV_DIGEST_SIZE;

    return qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA256, (const char *)saved,
                              offsetof(SavedIdentity, digest), &out, &size,
                              NULL) == 0;
}

void psp_sev_identity_save(const PspSevIdentity *identity,
                           uint8_t nv[PSP_SEV_NV_SIZE])
{
    SavedIdentity saved = {
        .version = cpu_to_le32(NV_VERSION),
        .owned = cpu_to_le32(identity->owned),
        .oca_key = identity->oca_key,
        .pek_key = identity->pek_key,
        .pdh_key = identity->pdh_key,
        .oca = identity->oca,
        .pek = identity->pek,
        .pdh = identity->pdh,
    };

    memset(nv, 0xff, PSP_SEV_NV_SIZE);
    memcpy(saved.magic, NV_MAGIC, sizeof(saved.magic));
    if (identity->made && digest(&saved, saved.digest)) {
        memcpy(nv, &saved, sizeof(saved));
    }
}

static bool is_empty(const uint8_t nv[PSP_SEV_NV_SIZE])
{
    return memcmp(nv, nv + 1, PSP_SEV_NV_SIZE - 1) == 0;
}

int psp_sev_identity_load(PspSevIdentity *identity,
                          const uint8_t nv[PSP_SEV_NV_SIZE])
{
    uint8_t expected[NV_DIGEST_SIZE];
    SavedIdentity saved;

    if (is_empty(nv)) {
        psp_sev_identity_forget(identity);
        return SEV_RET_SUCCESS;
    }
    memcpy(&saved, nv, sizeof(saved));
    if (memcmp(saved.magic, NV_MAGIC, sizeof(saved.magic)) ||
        le32_to_cpu(saved.version) != NV_VERSION ||
        !digest(&saved, expected) ||
        memcmp(expected, saved.digest, sizeof(expected))) {
        return SEV_RET_SECURE_DATA_INVALID;
    }
    *identity = (PspSevIdentity) {
        .cek = identity->cek,
        .made = true,
        .owned = le32_to_cpu(saved.owned),
        .oca_key = saved.oca_key,
        .pek_key = saved.pek_key,
        .pdh_key = saved.pdh_key,
        .oca = saved.oca,
        .pek = saved.pek,
        .pdh = saved.pdh,
    };
    return SEV_RET_SUCCESS;
}
