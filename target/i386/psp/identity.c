/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The identity that a guest's owner gives it: ID block and signatures
 *
 * SEV-SNP Firmware ABI (56860): ID_BLOCK and ID_AUTH in section 8.18, formats
 * of keys and signatures in appendix B.
 *
 * ECDSA is gnutls' work; only the encoding, little-endian in fields of 72
 * bytes, is the firmware's own.
 */
#include "qemu/osdep.h"
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <linux/psp-sev.h>
#include "crypto/hash.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "psp.h"

#define P384_SIZE       48
#define CURVE_P384      2
#define ALGORITHM_ECDSA_P384_SHA384 1

/* gnutls has numbers the other way round. */
static bool to_big_endian(uint8_t out[P384_SIZE],
                          const uint8_t number[PSP_EC_NUMBER_SIZE])
{
    for (size_t i = 0; i < P384_SIZE; i++) {
        out[i] = number[P384_SIZE - 1 - i];
    }
    return buffer_is_zero(number + P384_SIZE, PSP_EC_NUMBER_SIZE - P384_SIZE);
}

static gnutls_datum_t datum(const void *data, size_t size)
{
    return (gnutls_datum_t) { .data = (void *)data, .size = size };
}

static int verify(gnutls_pubkey_t public_key, const PspEcKey *key,
                  const PspEcSignature *signature, const void *data,
                  size_t size)
{
    uint8_t x[P384_SIZE], y[P384_SIZE], r[P384_SIZE], s[P384_SIZE];
    gnutls_datum_t x_datum = datum(x, sizeof(x)), y_datum = datum(y, sizeof(y));
    gnutls_datum_t r_datum = datum(r, sizeof(r)), s_datum = datum(s, sizeof(s));
    gnutls_datum_t signed_data = datum(data, size), der = { 0 };
    int ret;

    if (!to_big_endian(x, key->x) || !to_big_endian(y, key->y) ||
        !to_big_endian(r, signature->r) || !to_big_endian(s, signature->s)) {
        return GNUTLS_E_ILLEGAL_PARAMETER;
    }
    ret = gnutls_pubkey_import_ecc_raw(public_key, GNUTLS_ECC_CURVE_SECP384R1,
                                       &x_datum, &y_datum);
    if (ret < 0) {
        return ret;
    }
    ret = gnutls_encode_rs_value(&der, &r_datum, &s_datum);
    if (ret < 0) {
        return ret;
    }
    ret = gnutls_pubkey_verify_data2(public_key, GNUTLS_SIGN_ECDSA_SHA384, 0,
                                     &signed_data, &der);
    gnutls_free(der.data);
    return ret;
}

bool psp_ec_verify(const PspEcKey *key, const PspEcSignature *signature,
                   const void *data, size_t size, Error **errp)
{
    gnutls_pubkey_t public_key;
    int ret = gnutls_pubkey_init(&public_key);

    if (ret == 0) {
        ret = verify(public_key, key, signature, data, size);
        gnutls_pubkey_deinit(public_key);
    }
    if (ret < 0) {
        error_setg(errp, "%s", gnutls_strerror(ret));
    }
    return ret >= 0;
}

/* What reports show of a key: SHA-384 over all of its structure */
static bool key_digest(const PspEcKey *key, uint8_t out[PSP_DIGEST_SIZE],
                       Error **errp)
{
    size_t size = PSP_DIGEST_SIZE;

    return qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA384, (const char *)key,
                              sizeof(*key), &out, &size, errp) == 0;
}

/* The ID block against what was launched */
static int check_block(const PspIdBlock *block, uint64_t policy,
                       const uint8_t digest[PSP_DIGEST_SIZE], Error **errp)
{
    if (le32_to_cpu(block->version) != PSP_ID_BLOCK_VERSION) {
        error_setg(errp, "ID block of version %u, only %d is known",
                   le32_to_cpu(block->version), PSP_ID_BLOCK_VERSION);
        return SEV_RET_INVALID_PARAM;
    }
    if (memcmp(block->launch_digest, digest, PSP_DIGEST_SIZE)) {
        error_setg(errp, "the launch digest is not the one of the ID block");
        return SEV_RET_BAD_MEASUREMENT;
    }
    if (le64_to_cpu(block->policy) != policy) {
        error_setg(errp, "policy 0x%" PRIx64 " is not the ID block's 0x%"
                   PRIx64, policy, le64_to_cpu(block->policy));
        return SEV_RET_POLICY_FAILURE;
    }
    return SEV_RET_SUCCESS;
}

/* One link of the chain: @key has signed @size bytes of @data */
static int check_link(const char *name, uint32_t algorithm,
                      const PspEcKey *key, const PspEcSignature *signature,
                      const char *what, const void *data, size_t size,
                      Error **errp)
{
    ERRP_GUARD();

    if (le32_to_cpu(algorithm) != ALGORITHM_ECDSA_P384_SHA384) {
        error_setg(errp, "%s key: algorithm %u, only %d (ECDSA P-384 with"
                   " SHA-384) is known", name, le32_to_cpu(algorithm),
                   ALGORITHM_ECDSA_P384_SHA384);
        return SEV_RET_INVALID_PARAM;
    }
    if (le32_to_cpu(key->curve) != CURVE_P384) {
        error_setg(errp, "%s key: curve %u, only %d (P-384) is known", name,
                   le32_to_cpu(key->curve), CURVE_P384);
        return SEV_RET_INVALID_PARAM;
    }
    if (!psp_ec_verify(key, signature, data, size, errp)) {
        error_prepend(errp, "%s was not signed by the %s key: ", what, name);
        return SEV_RET_BAD_SIGNATURE;
    }
    return SEV_RET_SUCCESS;
}

int psp_identity_check(const PspIdBlock *block, const PspIdAuth *auth,
                       bool author_key, uint64_t policy,
                       const uint8_t digest[PSP_DIGEST_SIZE],
                       PspIdentity *identity, Error **errp)
{
    PspIdentity good = {
        .author_key_en = author_key,
        .guest_svn = le32_to_cpu(block->guest_svn),
    };
    int status = check_block(block, policy, digest, errp);

    if (status) {
        return status;
    }
    status = check_link("ID", auth->id_key_algorithm, &auth->id_key,
                        &auth->id_block_signature, "the ID block", block,
                        sizeof(*block), errp);
    if (!status && author_key) {
        status = check_link("author", auth->author_key_algorithm,
                            &auth->author_key, &auth->id_key_signature,
                            "the ID key", &auth->id_key, sizeof(auth->id_key),
                            errp);
    }
    if (status) {
        return status;
    }
    if (!key_digest(&auth->id_key, good.id_key_digest, errp) ||
        (author_key &&
         !key_digest(&auth->author_key, good.author_key_digest, errp))) {
        return SEV_RET_HWSEV_RET_PLATFORM;
    }
    memcpy(good.family_id, block->family_id, sizeof(good.family_id));
    memcpy(good.image_id, block->image_id, sizeof(good.image_id));
    *identity = good;
    return SEV_RET_SUCCESS;
}
