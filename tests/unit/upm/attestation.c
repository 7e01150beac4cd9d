/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that asks the emulated AMD-SP, see attestation.h
 */
#include "qemu/osdep.h"
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "attestation.h"

char *scratch;
char *chip_dir;
PspChip *other_chip;
bool chip_broken;
uint8_t message_version = 1;

static char *other_dir;
static PspChip *the_chip;

PspChip *chip(void)
{
    if (!the_chip) {
        the_chip = psp_chip_open(chip_dir, PSP_PRODUCT_MILAN, false,
                                 &error_abort);
    }
    return the_chip;
}

static PspChip *fake_chip(void *opaque, Error **errp)
{
    if (chip_broken) {
        error_setg(errp, "the chip is broken");
        return NULL;
    }
    return other_chip ?: chip();
}

/* A processor that has in all registers but these bits */
static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    for (int i = 0; i < 4; i++) {
        regs[i] = 0x7fffffff;
    }
}

static const PspPlatformOps fake_ops = {
    .chip = fake_chip, .cpuid = fake_cpuid,
};
PspPlatform platform = { .ops = &fake_ops, .platform_info = 0x25 };

void use_chip(PspProductId product, bool vlek)
{
    static const char *const names[] = { "milan", "genoa", "turin" };

    g_free(other_dir);
    other_dir = g_build_filename(scratch, names[product], NULL);
    other_chip = psp_chip_open(other_dir, product, vlek, &error_abort);
    platform.product = product;
    platform.vlek = vlek;
}

void use_first_chip(void)
{
    g_clear_pointer(&other_chip, psp_chip_free);
    platform.product = PSP_PRODUCT_MILAN;
    platform.vlek = false;
    platform.report_version = 0;
    platform.mitigations = 0;
    platform.config = (PspConfig) { 0 };
}

PspGuest new_guest(void)
{
    PspGuest guest = {
        .platform = &platform,
        .state = PSP_STATE_RUNNING,
        .policy = POLICY,
        .identity = { .guest_svn = 7, .author_key_en = true },
    };

    for (size_t i = 0; i < PSP_VMPCKS; i++) {
        memset(guest.vmpck[i], 0x10 + i, PSP_VMPCK_SIZE);
    }
    memset(guest.digest, 0xd1, sizeof(guest.digest));
    memset(guest.host_data, 0x4d, sizeof(guest.host_data));
    memset(guest.report_id, 0x1d, sizeof(guest.report_id));
    memset(guest.identity.family_id, 0xfa, 16);
    memset(guest.identity.image_id, 0x1a, 16);
    memset(guest.identity.id_key_digest, 0x1c, 48);
    memset(guest.identity.author_key_digest, 0xac, 48);
    chip_broken = false;
    message_version = 1;
    return guest;
}

/*
 * The guest's side
 */

void aes_gcm(Page *page, const uint8_t *key, size_t size, bool encrypt,
             bool *authentic)
{
    const gnutls_datum_t datum = { (void *)key, 32 };
    uint8_t iv[12] = { 0 }, in[PSP_PAGE_SIZE + 16], out[PSP_PAGE_SIZE + 16];
    size_t out_size = sizeof(out);
    gnutls_aead_cipher_hd_t cipher;
    uint8_t *payload = page->bytes + MSG_PAYLOAD;
    int ret;

    memcpy(iv, page->bytes + MSG_SEQNO, 8);
    g_assert_cmpint(gnutls_aead_cipher_init(&cipher,
                                            GNUTLS_CIPHER_AES_256_GCM,
                                            &datum), >=, 0);
    memcpy(in, payload, size);
    if (encrypt) {
        ret = gnutls_aead_cipher_encrypt(cipher, iv, 12, page->bytes + 0x30,
                                         0x30, 16, in, size, out, &out_size);
        g_assert_cmpint(ret, >=, 0);
        memcpy(payload, out, size);
        memset(page->bytes, 0, 32);
        memcpy(page->bytes, out + size, 16);
    } else {
        memcpy(in + size, page->bytes, 16);
        ret = gnutls_aead_cipher_decrypt(cipher, iv, 12, page->bytes + 0x30,
                                         0x30, 16, in, size + 16, out,
                                         &out_size);
        *authentic = ret >= 0;
        memcpy(payload, out, size);
    }
    gnutls_aead_cipher_deinit(cipher);
}

Page request_of(int type, uint64_t seqno, unsigned vmpck,
                const void *payload, size_t size)
{
    Page page = { .bytes = { 0 } };

    stq_le_p(page.bytes + MSG_SEQNO, seqno);
    page.bytes[MSG_ALGO] = 1;
    page.bytes[MSG_HDR_VERSION] = 1;
    stw_le_p(page.bytes + MSG_HDR_SIZE, 0x60);
    page.bytes[MSG_TYPE] = type;
    page.bytes[MSG_VERSION] = message_version;
    stw_le_p(page.bytes + MSG_SIZE, size);
    page.bytes[MSG_VMPCK] = vmpck;
    memcpy(page.bytes + MSG_PAYLOAD, payload, size);
    return page;
}

void seal(Page *page, const PspGuest *guest, unsigned key)
{
    aes_gcm(page, guest->vmpck[key], lduw_le_p(page->bytes + MSG_SIZE), true,
            NULL);
}

int send_page(PspGuest *guest, const Page *request, Page *response)
{
    memset(response, 0xee, sizeof(*response));
    return psp_guest_request(guest, &request->message, &response->message);
}

void expect_refusal(PspGuest *guest, const Page *request, int status)
{
    uint64_t before[PSP_VMPCKS];
    Page response;

    memcpy(before, guest->message_count, sizeof(before));
    g_assert_cmphex(send_page(guest, request, &response), ==, status);
    for (size_t i = 0; i < sizeof(response); i++) {
        g_assert_cmphex(response.bytes[i], ==, 0xee);
    }
    g_assert_cmpmem(before, sizeof(before), guest->message_count,
                    sizeof(before));
}

const uint8_t *ask(PspGuest *guest, Page *response, int type,
                   unsigned vmpck, const void *payload, size_t size,
                   size_t answer_size)
{
    uint64_t seqno = guest->message_count[vmpck] + 1;
    Page request = request_of(type, seqno, vmpck, payload, size);
    bool authentic;

    seal(&request, guest, vmpck);
    g_assert_cmphex(send_page(guest, &request, response), ==, 0);
    g_assert_cmpuint(ldq_le_p(response->bytes + MSG_SEQNO), ==, seqno + 1);
    g_assert_cmphex(response->bytes[MSG_ALGO], ==, 1);
    g_assert_cmphex(response->bytes[MSG_HDR_VERSION], ==, 1);
    g_assert_cmphex(lduw_le_p(response->bytes + MSG_HDR_SIZE), ==, 0x60);
    g_assert_cmphex(response->bytes[MSG_TYPE], ==, type + 1);
    g_assert_cmphex(response->bytes[MSG_VERSION], ==, message_version);
    g_assert_cmphex(lduw_le_p(response->bytes + MSG_SIZE), ==, answer_size);
    g_assert_cmphex(response->bytes[MSG_VMPCK], ==, vmpck);
    aes_gcm(response, guest->vmpck[vmpck], answer_size, false, &authentic);
    g_assert_true(authentic);
    return response->bytes + MSG_PAYLOAD;
}

void fill_report_request(uint8_t request[96], uint32_t vmpl)
{
    memset(request, 0, 96);
    for (size_t i = 0; i < 64; i++) {
        request[i] = 0x80 + i;
    }
    stl_le_p(request + 0x40, vmpl);
}

const uint8_t *ask_report(PspGuest *guest, Page *response,
                          unsigned vmpck, uint32_t vmpl)
{
    uint8_t request[96];

    fill_report_request(request, vmpl);
    return ask(guest, response, 5, vmpck, request, sizeof(request), 0x4c0);
}

void expect_fill(const uint8_t *at, size_t size, uint8_t value)
{
    for (size_t i = 0; i < size; i++) {
        g_assert_cmphex(at[i], ==, value);
    }
}

void read_file(const char *name, gnutls_datum_t *out)
{
    g_autofree char *path = g_build_filename(other_chip ? other_dir : chip_dir,
                                             name, NULL);
    gsize size;
    char *data;

    fake_chip(NULL, &error_abort);
    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    *out = (gnutls_datum_t) { (unsigned char *)data, size };
}

gnutls_x509_crt_t read_cert(const char *name, gnutls_x509_crt_fmt_t fmt)
{
    gnutls_x509_crt_t crt;
    gnutls_datum_t data;

    read_file(name, &data);
    g_assert_cmpint(gnutls_x509_crt_init(&crt), >=, 0);
    g_assert_cmpint(gnutls_x509_crt_import(crt, &data, fmt), >=, 0);
    g_free(data.data);
    return crt;
}

static void reverse(uint8_t *out, const uint8_t *in, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        out[i] = in[size - 1 - i];
    }
}

bool signed_by(const uint8_t *report, const char *file)
{
    gnutls_x509_crt_t vcek = read_cert(file, GNUTLS_X509_FMT_DER);
    uint8_t r[48], s[48];
    gnutls_datum_t r_datum = { r, 48 }, s_datum = { s, 48 }, der;
    gnutls_datum_t data = { (void *)report, 0x2a0 };
    gnutls_pubkey_t key;
    int ret;

    reverse(r, report + 0x2a0, 48);
    reverse(s, report + 0x2e8, 48);
    g_assert_cmpint(gnutls_encode_rs_value(&der, &r_datum, &s_datum), >=, 0);
    g_assert_cmpint(gnutls_pubkey_init(&key), >=, 0);
    g_assert_cmpint(gnutls_pubkey_import_x509(key, vcek, 0), >=, 0);
    ret = gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_ECDSA_SHA384, 0, &data,
                                     &der);
    gnutls_free(der.data);
    gnutls_pubkey_deinit(key);
    gnutls_x509_crt_deinit(vcek);
    return ret >= 0;
}

bool signature_holds(const uint8_t *report)
{
    return signed_by(report, "vcek.der");
}

void expect_extension(gnutls_x509_crt_t crt, const char *suffix,
                      const void *wanted, size_t wanted_size)
{
    g_autofree char *oid = g_strconcat("1.3.6.1.4.1.3704.1.", suffix, NULL);
    uint8_t value[64];
    size_t size = sizeof(value);
    int ret = gnutls_x509_crt_get_extension_by_oid(crt, oid, 0, value, &size,
                                                   NULL);

    if (!wanted) {
        g_assert_cmpint(ret, ==, GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
        return;
    }
    g_assert_cmpint(ret, >=, 0);
    g_assert_cmpmem(value, size, wanted, wanted_size);
}

void expect_name(gnutls_x509_crt_t crt, bool issuer, const char *name)
{
    char cn[64];
    size_t size = sizeof(cn);
    int ret = (issuer ? gnutls_x509_crt_get_issuer_dn_by_oid
                      : gnutls_x509_crt_get_dn_by_oid)(
        crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, cn, &size);

    g_assert_cmpint(ret, >=, 0);
    g_assert_cmpstr(cn, ==, name);
}

void attestation_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    g_assert_cmpint(qcrypto_init(NULL), ==, 0);
    scratch = g_dir_make_tmp("sev-attestation-XXXXXX", NULL);
    g_assert_nonnull(scratch);
    chip_dir = g_build_filename(scratch, "state", "chip", NULL);
}

int attestation_run(void)
{
    g_autofree char *remove = NULL;
    int ret = g_test_run();

    psp_chip_free(the_chip);
    g_free(other_dir);
    remove = g_strdup_printf("rm -rf '%s'", scratch);
    g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
    return ret;
}
