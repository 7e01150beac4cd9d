/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ID blocks and their signatures: one that was changed is refused, with the
 * status that its first fault has in a plain reading of the specification
 *
 * Sources: target/i386/psp/identity.c target/i386/psp/ec.c
 * Sources: crypto/hash.c crypto/hash-gnutls.c
 */
#include "qemu/osdep.h"
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "target/i386/psp/psp.h"
#include "fuzz.h"

#define POLICY 0x30000

typedef struct Identity {
    PspIdBlock block;
    PspIdAuth auth;
} Identity;

/* An input is the answer to "author key?" and a row of these. */
typedef struct QEMU_PACKED Change {
    uint16_t at;
    uint8_t flip;
} Change;

static Identity good;
static uint8_t digest[PSP_DIGEST_SIZE];

static void put_number(uint8_t *to, const gnutls_datum_t *number)
{
    for (size_t i = 0; i < MIN(number->size, 48); i++) {
        to[i] = number->data[number->size - 1 - i];
    }
    gnutls_free(number->data);
}

static void sign_with(PspEcKey *public, PspEcSignature *signature,
                      gnutls_privkey_t key, const void *data, size_t size)
{
    gnutls_datum_t signed_data = { (void *)data, size }, der, x, y, r, s;

    FUZZ_ASSERT(gnutls_privkey_sign_data2(key, GNUTLS_SIGN_ECDSA_SHA384, 0,
                                          &signed_data, &der) == 0);
    FUZZ_ASSERT(gnutls_decode_rs_value(&der, &r, &s) == 0);
    gnutls_free(der.data);
    put_number(signature->r, &r);
    put_number(signature->s, &s);
    FUZZ_ASSERT(gnutls_privkey_export_ecc_raw(key, NULL, &x, &y, NULL) == 0);
    public->curve = cpu_to_le32(2);
    put_number(public->x, &x);
    put_number(public->y, &y);
}

static gnutls_privkey_t new_key(void)
{
    gnutls_privkey_t key;

    FUZZ_ASSERT(gnutls_privkey_init(&key) == 0);
    FUZZ_ASSERT(gnutls_privkey_generate(key, GNUTLS_PK_ECDSA,
        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1), 0) == 0);
    return key;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    gnutls_privkey_t id_key = new_key(), author_key = new_key();

    memset(digest, 0x5a, sizeof(digest));
    memcpy(good.block.launch_digest, digest, sizeof(digest));
    good.block.version = cpu_to_le32(1);
    good.block.policy = cpu_to_le64(POLICY);
    good.auth.id_key_algorithm = cpu_to_le32(1);
    good.auth.author_key_algorithm = cpu_to_le32(1);
    sign_with(&good.auth.id_key, &good.auth.id_block_signature, id_key,
              &good.block, sizeof(good.block));
    sign_with(&good.auth.author_key, &good.auth.id_key_signature, author_key,
              &good.auth.id_key, sizeof(good.auth.id_key));
    gnutls_privkey_deinit(id_key);
    gnutls_privkey_deinit(author_key);
    return 0;
}

#define SAME(id, field) (!memcmp(&(id)->field, &good.field, \
                                 sizeof(good.field)))

static bool same_numbers(const PspEcSignature *a, const PspEcSignature *b)
{
    return !memcmp(a, b, offsetof(PspEcSignature, reserved));
}

static bool same_key(const PspEcKey *a, const PspEcKey *b)
{
    return !memcmp(a, b, offsetof(PspEcKey, reserved));
}

static int expected(const Identity *id, bool author)
{
    if (!SAME(id, block.version)) {
        return SEV_RET_INVALID_PARAM;
    }
    if (!SAME(id, block.launch_digest)) {
        return SEV_RET_BAD_MEASUREMENT;
    }
    if (!SAME(id, block.policy)) {
        return SEV_RET_POLICY_FAILURE;
    }
    if (!SAME(id, auth.id_key_algorithm) || !SAME(id, auth.id_key.curve)) {
        return SEV_RET_INVALID_PARAM;
    }
    if (!SAME(id, block) || !same_key(&id->auth.id_key, &good.auth.id_key) ||
        !same_numbers(&id->auth.id_block_signature,
                      &good.auth.id_block_signature)) {
        return SEV_RET_BAD_SIGNATURE;
    }
    if (!author) {
        return SEV_RET_SUCCESS;
    }
    if (!SAME(id, auth.author_key_algorithm) ||
        !SAME(id, auth.author_key.curve)) {
        return SEV_RET_INVALID_PARAM;
    }
    if (!SAME(id, auth.id_key) ||
        !same_key(&id->auth.author_key, &good.auth.author_key) ||
        !same_numbers(&id->auth.id_key_signature,
                      &good.auth.id_key_signature)) {
        return SEV_RET_BAD_SIGNATURE;
    }
    return SEV_RET_SUCCESS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree Identity *id = g_memdup2(&good, sizeof(good));
    PspIdentity identity = { 0 };
    Error *err = NULL;
    bool author;
    int status;

    if (!size) {
        return 0;
    }
    author = data[0] & 1;
    data++;
    size--;
    for (; size >= sizeof(Change); size -= sizeof(Change)) {
        Change change;

        memcpy(&change, data, sizeof(change));
        data += sizeof(change);
        ((uint8_t *)id)[change.at % sizeof(*id)] ^= change.flip;
    }

    status = psp_identity_check(&id->block, &id->auth, author, POLICY, digest,
                                &identity, &err);
    FUZZ_ASSERT(status == expected(id, author));
    FUZZ_ASSERT(!err == !status);
    FUZZ_ASSERT(status == 0 || (!identity.author_key_en &&
                                !identity.id_key_digest[0]));
    FUZZ_ASSERT(status || identity.author_key_en == author);
    error_free(err);
    return 0;
}
