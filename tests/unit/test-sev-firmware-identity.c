/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: identity, which is an ID block with two keys, signed by
 * gnutls
 */
#include "qemu/osdep.h"
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "upm/snp-vm.h"

typedef struct Identity {
    PspIdBlock block;
    PspIdAuth auth;
} Identity;

static void put_number(uint8_t *to, const gnutls_datum_t *number)
{
    /* big-endian, with a zero in front where the first bit is set */
    for (size_t i = 0; i < MIN(number->size, 48); i++) {
        to[i] = number->data[number->size - 1 - i];
    }
    gnutls_free(number->data);
}

static gnutls_privkey_t new_key(PspEcKey *out)
{
    gnutls_privkey_t key;
    gnutls_datum_t x, y;

    g_assert_cmpint(gnutls_privkey_init(&key), ==, 0);
    g_assert_cmpint(gnutls_privkey_generate(key, GNUTLS_PK_ECDSA,
        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1), 0), ==, 0);
    g_assert_cmpint(gnutls_privkey_export_ecc_raw(key, NULL, &x, &y, NULL),
                    ==, 0);
    out->curve = cpu_to_le32(2);
    put_number(out->x, &x);
    put_number(out->y, &y);
    return key;
}

static void sign_with(gnutls_privkey_t key, const void *data, size_t size,
                      PspEcSignature *out)
{
    gnutls_datum_t signed_data = { (void *)data, size }, der, r, s;

    g_assert_cmpint(gnutls_privkey_sign_data2(key, GNUTLS_SIGN_ECDSA_SHA384,
                                              0, &signed_data, &der), ==, 0);
    g_assert_cmpint(gnutls_decode_rs_value(&der, &r, &s), ==, 0);
    memset(out, 0, sizeof(*out));
    put_number(out->r, &r);
    put_number(out->s, &s);
    gnutls_free(der.data);
}

static Identity good_identity(const uint8_t *digest)
{
    Identity id = {
        .block = {
            .family_id = "family of images",
            .image_id = "an image of them",
            .version = cpu_to_le32(1),
            .guest_svn = cpu_to_le32(0x01020304),
            .policy = cpu_to_le64(POLICY),
        },
        .auth = {
            .id_key_algorithm = cpu_to_le32(1),
            .author_key_algorithm = cpu_to_le32(1),
        },
    };
    gnutls_privkey_t id_key = new_key(&id.auth.id_key);
    gnutls_privkey_t author_key = new_key(&id.auth.author_key);

    memcpy(id.block.launch_digest, digest, sizeof(id.block.launch_digest));
    sign_with(id_key, &id.block, sizeof(id.block),
              &id.auth.id_block_signature);
    sign_with(author_key, &id.auth.id_key, sizeof(id.auth.id_key),
              &id.auth.id_key_signature);
    gnutls_privkey_deinit(id_key);
    gnutls_privkey_deinit(author_key);
    return id;
}

typedef enum Author { WITHOUT_AUTHOR, WITH_AUTHOR, EITHER } Author;

/* One byte that makes a good identity a bad one */
static const struct {
    const char *name;
    size_t at;
    uint8_t flip;
    Author author;
    int fw_error;
} wrong_identities[] = {
    { "digest", offsetof(Identity, block.launch_digest), 1, EITHER,
      SEV_RET_BAD_MEASUREMENT },
    { "digest-end", offsetof(Identity, block.launch_digest) + 47, 0x80, EITHER,
      SEV_RET_BAD_MEASUREMENT },
    { "version", offsetof(Identity, block.version), 3, EITHER,
      SEV_RET_INVALID_PARAM },
    { "policy", offsetof(Identity, block.policy) + 2, 8, EITHER,
      SEV_RET_POLICY_FAILURE },
    { "policy-end", offsetof(Identity, block.policy) + 7, 0x80, EITHER,
      SEV_RET_POLICY_FAILURE },
    { "family", offsetof(Identity, block.family_id), 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "image", offsetof(Identity, block.image_id) + 15, 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "svn", offsetof(Identity, block.guest_svn), 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "id-algorithm", offsetof(Identity, auth.id_key_algorithm), 1, EITHER,
      SEV_RET_INVALID_PARAM },
    { "id-curve", offsetof(Identity, auth.id_key.curve), 1, EITHER,
      SEV_RET_INVALID_PARAM },
    { "id-key", offsetof(Identity, auth.id_key.x), 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "id-key-size", offsetof(Identity, auth.id_key.y) + 48, 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "id-r", offsetof(Identity, auth.id_block_signature.r), 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "id-r-size", offsetof(Identity, auth.id_block_signature.r) + 71, 1,
      EITHER, SEV_RET_BAD_SIGNATURE },
    { "id-s", offsetof(Identity, auth.id_block_signature.s) + 47, 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "id-key-reserved", offsetof(Identity, auth.id_key.reserved), 1,
      WITH_AUTHOR, SEV_RET_BAD_SIGNATURE },
    { "author-algorithm", offsetof(Identity, auth.author_key_algorithm), 1,
      WITH_AUTHOR, SEV_RET_INVALID_PARAM },
    { "author-curve", offsetof(Identity, auth.author_key.curve), 1,
      WITH_AUTHOR, SEV_RET_INVALID_PARAM },
    { "author-key", offsetof(Identity, auth.author_key.y), 1, WITH_AUTHOR,
      SEV_RET_BAD_SIGNATURE },
    { "author-r", offsetof(Identity, auth.id_key_signature.r), 1, WITH_AUTHOR,
      SEV_RET_BAD_SIGNATURE },
    { "author-s", offsetof(Identity, auth.id_key_signature.s), 1, WITH_AUTHOR,
      SEV_RET_BAD_SIGNATURE },
    /* nobody looks at the author's part unless told to */
    { "no-author", offsetof(Identity, auth.id_key_signature.s), 1,
      WITHOUT_AUTHOR, SEV_RET_SUCCESS },
};

static struct kvm_sev_snp_launch_finish finish_of(Identity *id, bool author)
{
    return (struct kvm_sev_snp_launch_finish) {
        .id_block_uaddr = (uintptr_t)&id->block,
        .id_auth_uaddr = (uintptr_t)&id->auth,
        .id_block_en = 1,
        .auth_key_en = author,
    };
}

static void sha384_of(const void *data, size_t size, uint8_t out[48])
{
    g_assert_cmpint(gnutls_hash_fast(GNUTLS_DIG_SHA384, data, size, out),
                    ==, 0);
}

static void check_identity(const PspKvmGuest *vm, const Identity *id,
                           bool author)
{
    const PspIdentity *got = &vm->guest.identity;
    uint8_t digest[48];

    g_assert_cmpmem(got->family_id, 16, id->block.family_id, 16);
    g_assert_cmpmem(got->image_id, 16, id->block.image_id, 16);
    g_assert_cmphex(got->guest_svn, ==, 0x01020304);
    sha384_of(&id->auth.id_key, 0x404, digest);
    g_assert_cmpmem(got->id_key_digest, 48, digest, 48);
    g_assert_cmpint(got->author_key_en, ==, author);
    sha384_of(&id->auth.author_key, 0x404, digest);
    if (!author) {
        memset(digest, 0, sizeof(digest));
    }
    g_assert_cmpmem(got->author_key_digest, 48, digest, 48);
}

static void try_wrong_identity(size_t i, bool author)
{
    PspKvmGuest vm = new_guest();
    uint8_t digest[PSP_DIGEST_SIZE];
    struct kvm_sev_snp_launch_finish finish;
    Identity id;

    start_guest(&vm);
    {
        PspKvmGuest done = vm;

        finish_guest(&done);
        memcpy(digest, done.guest.digest, sizeof(digest));
        loads = 0;
    }
    id = good_identity(digest);
    ((uint8_t *)&id)[wrong_identities[i].at] ^= wrong_identities[i].flip;
    finish = finish_of(&id, author);
    if (wrong_identities[i].fw_error) {
        expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -EIO,
               wrong_identities[i].fw_error);
        g_assert_cmpint(vm.guest.state, ==, PSP_STATE_LAUNCH);
        g_assert_cmpuint(loads, ==, 0);
        g_assert_true(buffer_is_zero(&vm.guest.identity,
                                     sizeof(vm.guest.identity)));
        ((uint8_t *)&id)[wrong_identities[i].at] ^= wrong_identities[i].flip;
    }
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, 0, 0);
    g_assert_cmpint(vm.guest.state, ==, PSP_STATE_RUNNING);
    check_identity(&vm, &id, author);
}

static void test_wrong_identity(const void *opaque)
{
    size_t i = GPOINTER_TO_SIZE(opaque);

    if (wrong_identities[i].author != WITH_AUTHOR) {
        try_wrong_identity(i, false);
    }
    if (wrong_identities[i].author != WITHOUT_AUTHOR) {
        try_wrong_identity(i, true);
    }
}

static void test_identity_absent(void)
{
    PspKvmGuest vm = new_guest();
    Identity id = good_identity(vm.guest.digest);
    struct kvm_sev_snp_launch_finish finish = finish_of(&id, true);

    start_guest(&vm);
    finish.id_auth_uaddr = 0;
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -EINVAL, -1);
    finish = finish_of(&id, true);
    finish.id_block_uaddr = 0;
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -EINVAL, -1);
    /* no block, nothing to hold against it */
    finish.id_block_en = 0;
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, 0, 0);
    g_assert_true(buffer_is_zero(&vm.guest.identity,
                                 sizeof(vm.guest.identity)));
}

static void test_identity_layout(void)
{
    g_assert_cmphex(offsetof(PspIdBlock, family_id), ==, 0x30);
    g_assert_cmphex(offsetof(PspIdBlock, image_id), ==, 0x40);
    g_assert_cmphex(offsetof(PspIdBlock, version), ==, 0x50);
    g_assert_cmphex(offsetof(PspIdBlock, guest_svn), ==, 0x54);
    g_assert_cmphex(offsetof(PspIdBlock, policy), ==, 0x58);
    g_assert_cmphex(offsetof(PspIdAuth, author_key_algorithm), ==, 4);
    g_assert_cmphex(offsetof(PspIdAuth, id_block_signature), ==, 0x40);
    g_assert_cmphex(offsetof(PspIdAuth, id_key), ==, 0x240);
    g_assert_cmphex(offsetof(PspIdAuth, id_key_signature), ==, 0x680);
    g_assert_cmphex(offsetof(PspIdAuth, author_key), ==, 0x880);
    g_assert_cmphex(offsetof(PspEcKey, y), ==, 0x4c);
    g_assert_cmphex(offsetof(PspEcSignature, s), ==, 0x48);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_fatal);
    g_test_add_func("/sev-firmware/identity/layout", test_identity_layout);
    g_test_add_func("/sev-firmware/identity/absent", test_identity_absent);
    for (size_t i = 0; i < ARRAY_SIZE(wrong_identities); i++) {
        g_autofree char *path = g_strdup_printf("/sev-firmware/identity/%s",
                                                wrong_identities[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_wrong_identity);
    }
    return g_test_run();
}
