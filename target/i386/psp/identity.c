/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The identity that a guest's owner gives it: ID block and signatures
 *
 * SEV-SNP Firmware ABI (56860): ID_BLOCK and ID_AUTH in section 8.18, formats
 * of keys and signatures in appendix B.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/hash.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "ec.h"
#include "psp.h"

#define ALGORITHM_ECDSA_P384_SHA384 1

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
    int ret;

    if (le32_to_cpu(algorithm) != ALGORITHM_ECDSA_P384_SHA384) {
        error_setg(errp, "%s key: algorithm %u, only %d (ECDSA P-384 with"
                   " SHA-384) is known", name, le32_to_cpu(algorithm),
                   ALGORITHM_ECDSA_P384_SHA384);
        return SEV_RET_INVALID_PARAM;
    }
    if (le32_to_cpu(key->curve) != PSP_CURVE_P384) {
        error_setg(errp, "%s key: curve %u, only %d (P-384) is known", name,
                   le32_to_cpu(key->curve), PSP_CURVE_P384);
        return SEV_RET_INVALID_PARAM;
    }
    ret = psp_ec_verify(key, signature, GNUTLS_SIGN_ECDSA_SHA384, data, size);
    if (ret < 0) {
        error_setg(errp, "%s was not signed by the %s key: %s", what, name,
                   gnutls_strerror(ret));
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
