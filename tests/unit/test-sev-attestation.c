/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: guest messages, reports, derived keys, and the chip
 *
 * The guest's side of the channel is built here at the level of the
 * specification's offsets, not from the structures under test.  Whole chains
 * are verified by others, see tests/functional/test_snp_attestation.py.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <linux/psp-sev.h>
#include <sys/file.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "target/i386/psp/attest.h"
#include "target/i386/sev-certs.h"

#define POLICY      0x30000ULL
#define AEAD_OFLOW  0x1d

/* Offsets in the message, 56860 table 97 */
#define MSG_SEQNO   0x20
#define MSG_ALGO    0x30
#define MSG_HDR_VERSION 0x31
#define MSG_HDR_SIZE    0x32
#define MSG_TYPE    0x34
#define MSG_VERSION 0x35
#define MSG_SIZE    0x36
#define MSG_VMPCK   0x3c
#define MSG_PAYLOAD 0x60

static char *scratch;
static char *chip_dir;
static char *other_dir;
static PspChip *the_chip;
static PspChip *other_chip;     /* in its place, where it is not NULL */
static bool chip_broken;

/* Made once: it takes seconds. */
static PspChip *chip(void)
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
static PspPlatform platform = { .ops = &fake_ops, .platform_info = 0x25 };

/* Of the requests that are made, and of their responses */
static uint8_t message_version = 1;

static PspGuest new_guest(void)
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

typedef union Page {
    uint8_t bytes[PSP_PAGE_SIZE];
    PspMessage message;
} Page;

static void aes_gcm(Page *page, const uint8_t *key, size_t size, bool encrypt,
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

/* A request that is right, to be spoilt before or after seal() */
static Page request_of(int type, uint64_t seqno, unsigned vmpck,
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

static void seal(Page *page, const PspGuest *guest, unsigned key)
{
    aes_gcm(page, guest->vmpck[key], lduw_le_p(page->bytes + MSG_SIZE), true,
            NULL);
}

static int send_page(PspGuest *guest, const Page *request, Page *response)
{
    memset(response, 0xee, sizeof(*response));
    return psp_guest_request(guest, &request->message, &response->message);
}

/* The status that the firmware gives for a request that is refused */
static void expect_refusal(PspGuest *guest, const Page *request, int status)
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

/* Returns: the payload of the response, which is authentic */
static const uint8_t *ask(PspGuest *guest, Page *response, int type,
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

static void fill_report_request(uint8_t request[96], uint32_t vmpl)
{
    memset(request, 0, 96);
    for (size_t i = 0; i < 64; i++) {
        request[i] = 0x80 + i;
    }
    stl_le_p(request + 0x40, vmpl);
}

static const uint8_t *ask_report(PspGuest *guest, Page *response,
                                 unsigned vmpck, uint32_t vmpl)
{
    uint8_t request[96];

    fill_report_request(request, vmpl);
    return ask(guest, response, 5, vmpck, request, sizeof(request), 0x4c0);
}

/*
 * Messages
 */

static void test_message_layout(void)
{
    g_assert_cmphex(offsetof(PspMessage, header.authtag), ==, 0);
    g_assert_cmphex(offsetof(PspMessage, header.seqno), ==, MSG_SEQNO);
    g_assert_cmphex(offsetof(PspMessage, header.algorithm), ==, MSG_ALGO);
    g_assert_cmphex(offsetof(PspMessage, header.header_version), ==,
                    MSG_HDR_VERSION);
    g_assert_cmphex(offsetof(PspMessage, header.header_size), ==,
                    MSG_HDR_SIZE);
    g_assert_cmphex(offsetof(PspMessage, header.type), ==, MSG_TYPE);
    g_assert_cmphex(offsetof(PspMessage, header.version), ==, MSG_VERSION);
    g_assert_cmphex(offsetof(PspMessage, header.size), ==, MSG_SIZE);
    g_assert_cmphex(offsetof(PspMessage, header.vmpck), ==, MSG_VMPCK);
    g_assert_cmphex(offsetof(PspMessage, payload), ==, MSG_PAYLOAD);

    g_assert_cmphex(offsetof(PspReportRequest, vmpl), ==, 0x40);
    g_assert_cmphex(offsetof(PspReportRequest, key_select), ==, 0x44);
    g_assert_cmphex(offsetof(PspReportResponse, size), ==, 0x04);
    g_assert_cmphex(offsetof(PspReportResponse, report), ==, 0x20);
    g_assert_cmphex(offsetof(PspKeyRequest, fields), ==, 0x08);
    g_assert_cmphex(offsetof(PspKeyRequest, vmpl), ==, 0x10);
    g_assert_cmphex(offsetof(PspKeyRequest, guest_svn), ==, 0x14);
    g_assert_cmphex(offsetof(PspKeyRequest, tcb), ==, 0x18);
    g_assert_cmphex(offsetof(PspKeyResponse, key), ==, 0x20);
    g_assert_cmphex(offsetof(PspTscResponse, scale), ==, 0x08);
    g_assert_cmphex(offsetof(PspTscResponse, offset), ==, 0x10);
    g_assert_cmphex(offsetof(PspTscResponse, factor), ==, 0x18);
    g_assert_cmphex(offsetof(PspKeyRequest2, launch_mit_vector), ==, 0x20);
}

static void test_report_layout(void)
{
    static const struct {
        size_t at, wanted;
    } fields[] = {
        { offsetof(PspReport, version), 0x000 },
        { offsetof(PspReport, guest_svn), 0x004 },
        { offsetof(PspReport, policy), 0x008 },
        { offsetof(PspReport, family_id), 0x010 },
        { offsetof(PspReport, image_id), 0x020 },
        { offsetof(PspReport, vmpl), 0x030 },
        { offsetof(PspReport, signature_algorithm), 0x034 },
        { offsetof(PspReport, current_tcb), 0x038 },
        { offsetof(PspReport, platform_info), 0x040 },
        { offsetof(PspReport, flags), 0x048 },
        { offsetof(PspReport, report_data), 0x050 },
        { offsetof(PspReport, measurement), 0x090 },
        { offsetof(PspReport, host_data), 0x0c0 },
        { offsetof(PspReport, id_key_digest), 0x0e0 },
        { offsetof(PspReport, author_key_digest), 0x110 },
        { offsetof(PspReport, report_id), 0x140 },
        { offsetof(PspReport, report_id_ma), 0x160 },
        { offsetof(PspReport, reported_tcb), 0x180 },
        { offsetof(PspReport, cpuid_family), 0x188 },
        { offsetof(PspReport, cpuid_model), 0x189 },
        { offsetof(PspReport, cpuid_stepping), 0x18a },
        { offsetof(PspReport, chip_id), 0x1a0 },
        { offsetof(PspReport, committed_tcb), 0x1e0 },
        { offsetof(PspReport, current_build), 0x1e8 },
        { offsetof(PspReport, current_minor), 0x1e9 },
        { offsetof(PspReport, current_major), 0x1ea },
        { offsetof(PspReport, committed_build), 0x1ec },
        { offsetof(PspReport, committed_minor), 0x1ed },
        { offsetof(PspReport, committed_major), 0x1ee },
        { offsetof(PspReport, launch_tcb), 0x1f0 },
        { offsetof(PspReport, launch_mit_vector), 0x1f8 },
        { offsetof(PspReport, current_mit_vector), 0x200 },
        { offsetof(PspReport, signature.r), 0x2a0 },
        { offsetof(PspReport, signature.s), 0x2e8 },
        { sizeof(PspReport), 0x4a0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        g_assert_cmphex(fields[i].at, ==, fields[i].wanted);
    }
}

/* One thing wrong with a request that is right otherwise */
typedef struct BadHeader {
    const char *name;
    size_t at, size;
    uint64_t value;
    int status;
} BadHeader;

static const BadHeader bad_headers[] = {
    { "replay", MSG_SEQNO, 8, 3, AEAD_OFLOW },
    { "response-number", MSG_SEQNO, 8, 4, AEAD_OFLOW },
    { "gap", MSG_SEQNO, 8, 6, AEAD_OFLOW },
    { "next-but-one", MSG_SEQNO, 8, 7, AEAD_OFLOW },
    { "number-zero", MSG_SEQNO, 8, 0, AEAD_OFLOW },
    { "number-upper-half", MSG_SEQNO, 8, 0x100000005, AEAD_OFLOW },
    { "no-algorithm", MSG_ALGO, 1, 0, SEV_RET_INVALID_PARAM },
    { "algorithm", MSG_ALGO, 1, 2, SEV_RET_INVALID_PARAM },
    { "header-version", MSG_HDR_VERSION, 1, 2, SEV_RET_INVALID_PARAM },
    { "header-size", MSG_HDR_SIZE, 2, 0x61, SEV_RET_INVALID_PARAM },
    { "type-invalid", MSG_TYPE, 1, 0, SEV_RET_INVALID_PARAM },
    { "type-cpuid-and-size", MSG_TYPE, 1, 1, SEV_RET_INVALID_PARAM },
    { "type-response", MSG_TYPE, 1, 6, SEV_RET_INVALID_PARAM },
    { "type-export", MSG_TYPE, 1, 7, SEV_RET_INVALID_PARAM },
    { "type-import", MSG_TYPE, 1, 9, SEV_RET_INVALID_PARAM },
    { "type-absorb", MSG_TYPE, 1, 11, SEV_RET_INVALID_PARAM },
    { "type-vmrk", MSG_TYPE, 1, 13, SEV_RET_INVALID_PARAM },
    { "type-unknown", MSG_TYPE, 1, 0xff, SEV_RET_INVALID_PARAM },
    { "version-0", MSG_VERSION, 1, 0, SEV_RET_INVALID_PARAM },
    { "version-2", MSG_VERSION, 1, 2, SEV_RET_INVALID_PARAM },
    { "size-short", MSG_SIZE, 2, 95, SEV_RET_INVALID_PARAM },
    { "size-long", MSG_SIZE, 2, 97, SEV_RET_INVALID_PARAM },
    { "size-of-page", MSG_SIZE, 2, 0xfa0, SEV_RET_INVALID_PARAM },
    { "size-max", MSG_SIZE, 2, 0xffff, SEV_RET_INVALID_PARAM },
    { "vmpck-4", MSG_VMPCK, 1, 4, SEV_RET_INVALID_PARAM },
    { "vmpck-255", MSG_VMPCK, 1, 255, SEV_RET_INVALID_PARAM },
};

static void test_bad_header(const void *data)
{
    const BadHeader *bad = data;
    PspGuest guest = new_guest();
    uint8_t payload[96];
    Page request, good, response;

    ask_report(&guest, &response, 0, 0);
    ask_report(&guest, &response, 0, 0);
    g_assert_cmpuint(guest.message_count[0], ==, 4);

    fill_report_request(payload, 0);
    good = request = request_of(5, 5, 0, payload, sizeof(payload));
    memset(request.bytes + bad->at, 0, bad->size);
    for (size_t i = 0; i < bad->size; i++) {
        request.bytes[bad->at + i] = bad->value >> 8 * i;
    }
    /* Authentic all the same, as far as it can be */
    if (bad->at == MSG_SIZE) {
        aes_gcm(&request, guest.vmpck[0], MIN(bad->value, 0xfa0), true, NULL);
    } else {
        seal(&request, &guest, 0);
    }
    expect_refusal(&guest, &request, bad->status);

    /* and the right one is still welcome */
    seal(&good, &guest, 0);
    g_assert_cmphex(send_page(&guest, &good, &response), ==, 0);
}

/* VMPL0's request for a report, ready to be sent */
static Page report_request(const PspGuest *guest, uint64_t seqno)
{
    uint8_t payload[96];
    Page request;

    fill_report_request(payload, 0);
    request = request_of(5, seqno, 0, payload, sizeof(payload));
    seal(&request, guest, 0);
    return request;
}

static void test_replay(void)
{
    PspGuest guest = new_guest();
    Page request = report_request(&guest, 1), response;

    g_assert_cmphex(send_page(&guest, &request, &response), ==, 0);
    expect_refusal(&guest, &request, AEAD_OFLOW);
    /* The response is no request. */
    expect_refusal(&guest, &response, SEV_RET_INVALID_PARAM);
}

/* Each bit that is authenticated: tag, header from 30h on, and payload */
static void test_not_authentic(void)
{
    PspGuest guest = new_guest();
    Page request = report_request(&guest, 1), response;

    for (size_t i = 0; i < MSG_PAYLOAD + 96; i++) {
        bool checked_before = i >= MSG_ALGO && i < 0x38;

        /* The rest of the tag, the number, and what is not authenticated */
        if ((i >= 16 && i < MSG_ALGO) || checked_before || i == MSG_VMPCK) {
            continue;
        }
        request.bytes[i] ^= 0x40;
        expect_refusal(&guest, &request, SEV_RET_BAD_MEASUREMENT);
        request.bytes[i] ^= 0x40;
    }
    g_assert_cmphex(send_page(&guest, &request, &response), ==, 0);
}

/* Each VMPCK has a key and a count of its own. */
static void test_vmpck(void)
{
    PspGuest guest = new_guest();
    uint8_t payload[96];
    Page request, response;

    fill_report_request(payload, 3);
    for (unsigned i = 0; i < PSP_VMPCKS; i++) {
        request = request_of(5, 1, i, payload, sizeof(payload));
        seal(&request, &guest, (i + 1) % PSP_VMPCKS);
        expect_refusal(&guest, &request, SEV_RET_BAD_MEASUREMENT);
    }
    for (unsigned i = 0; i < PSP_VMPCKS; i++) {
        for (unsigned n = 0; n <= i; n++) {
            ask_report(&guest, &response, i, 3);
        }
    }
    for (unsigned i = 0; i < PSP_VMPCKS; i++) {
        g_assert_cmpuint(guest.message_count[i], ==, 2 * (i + 1));
    }
}

static void test_last_number(void)
{
    PspGuest guest = new_guest();
    Page request, response;

    guest.message_count[0] = UINT64_MAX - 3;
    ask_report(&guest, &response, 0, 0);
    request = report_request(&guest, UINT64_MAX);
    expect_refusal(&guest, &request, AEAD_OFLOW);
    request = report_request(&guest, 1);
    expect_refusal(&guest, &request, AEAD_OFLOW);
}

static void test_not_running(void)
{
    PspGuest guest = new_guest();
    Page request = report_request(&guest, 1);

    guest.state = PSP_STATE_LAUNCH;
    expect_refusal(&guest, &request, SEV_RET_INVALID_GUEST_STATE);
}

/* A guest may ask again when the host has mended it. */
static void test_broken_chip(void)
{
    PspGuest guest = new_guest();
    Page request = report_request(&guest, 1), response;

    chip_broken = true;
    expect_refusal(&guest, &request, SEV_RET_HWSEV_RET_PLATFORM);
    chip_broken = false;
    g_assert_cmphex(send_page(&guest, &request, &response), ==, 0);
}

/*
 * Reports
 */

static void expect_fill(const uint8_t *at, size_t size, uint8_t value)
{
    for (size_t i = 0; i < size; i++) {
        g_assert_cmphex(at[i], ==, value);
    }
}

static void read_file(const char *name, gnutls_datum_t *out)
{
    g_autofree char *path = g_build_filename(other_chip ? other_dir : chip_dir,
                                             name, NULL);
    gsize size;
    char *data;

    fake_chip(NULL, &error_abort);
    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    *out = (gnutls_datum_t) { (unsigned char *)data, size };
}

static gnutls_x509_crt_t read_cert(const char *name, gnutls_x509_crt_fmt_t fmt)
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

static bool signed_by(const uint8_t *report, const char *file)
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

static bool signature_holds(const uint8_t *report)
{
    return signed_by(report, "vcek.der");
}

static void test_report(void)
{
    static const uint8_t tcb[8] = { 4, 0, 0, 0, 0, 0, 0x18, 0xdb };
    PspGuest guest = new_guest();
    Page response;
    const uint8_t *answer = ask_report(&guest, &response, 1, 2);
    const uint8_t *report = answer + 0x20;
    uint8_t changed[0x4a0];

    g_assert_cmphex(ldl_le_p(answer), ==, 0);
    g_assert_cmphex(ldl_le_p(answer + 4), ==, 0x4a0);
    expect_fill(answer + 8, 24, 0);

    g_assert_cmphex(ldl_le_p(report), ==, 3);
    g_assert_cmphex(ldl_le_p(report + 0x04), ==, 7);
    g_assert_cmphex(ldq_le_p(report + 0x08), ==, POLICY);
    expect_fill(report + 0x10, 16, 0xfa);
    expect_fill(report + 0x20, 16, 0x1a);
    g_assert_cmphex(ldl_le_p(report + 0x30), ==, 2);
    g_assert_cmphex(ldl_le_p(report + 0x34), ==, 1);
    g_assert_cmpmem(report + 0x38, 8, tcb, 8);
    g_assert_cmphex(ldq_le_p(report + 0x40), ==, 0x25);
    g_assert_cmphex(ldl_le_p(report + 0x48), ==, 1);
    expect_fill(report + 0x4c, 4, 0);
    for (size_t i = 0; i < 64; i++) {
        g_assert_cmphex(report[0x50 + i], ==, 0x80 + i);
    }
    expect_fill(report + 0x90, 48, 0xd1);
    expect_fill(report + 0xc0, 32, 0x4d);
    expect_fill(report + 0xe0, 48, 0x1c);
    expect_fill(report + 0x110, 48, 0xac);
    expect_fill(report + 0x140, 32, 0x1d);
    expect_fill(report + 0x160, 32, 0xff);
    g_assert_cmpmem(report + 0x180, 8, tcb, 8);
    g_assert_cmphex(report[0x188], ==, 0x19);
    g_assert_cmphex(report[0x189], ==, 0x01);
    g_assert_cmphex(report[0x18a], ==, 0x01);
    expect_fill(report + 0x18b, 21, 0);
    g_assert_cmpmem(report + 0x1a0, 64, psp_chip_id(chip()), 64);
    g_assert_cmpmem(report + 0x1e0, 8, tcb, 8);
    for (size_t at = 0x1e8; at <= 0x1ec; at += 4) {
        g_assert_cmphex(report[at], ==, PSP_BUILD);
        g_assert_cmphex(report[at + 1], ==, 55);
        g_assert_cmphex(report[at + 2], ==, 1);
        g_assert_cmphex(report[at + 3], ==, 0);
    }
    g_assert_cmpmem(report + 0x1f0, 8, tcb, 8);
    expect_fill(report + 0x1f8, 168, 0);
    expect_fill(report + 0x2d0, 24, 0);
    expect_fill(report + 0x318, 24, 0);
    expect_fill(report + 0x330, 0x170, 0);

    g_assert_true(signature_holds(report));
    memcpy(changed, report, sizeof(changed));
    for (size_t at = 0; at < 0x2a0; at += 0x1f) {
        changed[at] ^= 1;
        g_assert_false(signature_holds(changed));
        changed[at] ^= 1;
    }
}

static uint32_t report_status(PspGuest *guest, unsigned vmpck, uint32_t vmpl,
                              uint32_t key_select, size_t dirty)
{
    uint8_t request[96];
    const uint8_t *answer;
    Page response;

    fill_report_request(request, vmpl);
    stl_le_p(request + 0x44, key_select);
    if (dirty) {
        request[dirty] = 1;
    }
    answer = ask(guest, &response, 5, vmpck, request, sizeof(request), 0x4c0);
    if (ldl_le_p(answer)) {
        expect_fill(answer + 4, 0x4c0 - 4, 0);
    }
    return ldl_le_p(answer);
}

/* What SNP_CONFIG of a host says */
static void test_report_config(void)
{
    static const uint8_t old[8] = { 3, 0, 0, 0, 0, 0, 0x18, 0xdb };
    static const uint8_t key_request[32] = { 0 };
    PspGuest guest = new_guest();
    Page response;
    const uint8_t *report;

    platform.config.reported_tcb = ldq_le_p(old);
    platform.config.mask = PSP_CONFIG_MASK_CHIP_ID;
    report = ask_report(&guest, &response, 0, 0) + 0x20;
    g_assert_cmpmem(report + 0x180, 8, old, 8);
    g_assert_cmphex(report[0x38], ==, 4);
    expect_fill(report + 0x1a0, 64, 0);
    g_assert_cmphex(ldl_le_p(report + 0x48), ==, 1);
    g_assert_true(signature_holds(report));

    platform.config.mask = PSP_CONFIG_MASK_CHIP_KEY;
    report = ask_report(&guest, &response, 0, 0) + 0x20;
    g_assert_cmpmem(report + 0x1a0, 64, psp_chip_id(chip()), 64);
    g_assert_cmphex(ldl_le_p(report + 0x48), ==, 1 | 2 | 7 << 2);
    expect_fill(report + 0x2a0, 0x200, 0);
    g_assert_cmphex(ldl_le_p(ask(&guest, &response, 3, 0, key_request,
                                 sizeof(key_request), 64)), ==, 0x27);
    platform.config = (PspConfig) { 0 };
}

static void test_report_vmpl(void)
{
    PspGuest guest = new_guest();

    for (unsigned vmpck = 0; vmpck < PSP_VMPCKS; vmpck++) {
        for (uint32_t vmpl = 0; vmpl < 6; vmpl++) {
            g_assert_cmphex(report_status(&guest, vmpck, vmpl, 0, 0), ==,
                            vmpl >= vmpck && vmpl < 4 ? 0 : 0x16);
        }
        g_assert_cmphex(report_status(&guest, vmpck, UINT32_MAX, 0, 0), ==,
                        0x16);
    }
}

static void test_report_key(void)
{
    PspGuest guest = new_guest();

    g_assert_cmphex(report_status(&guest, 0, 0, 1, 0), ==, 0);
    g_assert_cmphex(report_status(&guest, 0, 0, 2, 0), ==, 0x27);
    g_assert_cmphex(report_status(&guest, 0, 0, 3, 0), ==, 0x16);
    g_assert_cmphex(report_status(&guest, 0, 0, 4, 0), ==, 0x16);
    guest.vcek_disabled = true;
    for (uint32_t select = 0; select < 3; select++) {
        g_assert_cmphex(report_status(&guest, 0, 0, select, 0), ==, 0x27);
    }
}

static void test_report_reserved(void)
{
    PspGuest guest = new_guest();

    for (size_t at = 0x48; at < 0x60; at++) {
        g_assert_cmphex(report_status(&guest, 0, 0, 0, at), ==, 0x16);
    }
}

/* Without an ID block */
static void test_report_plain(void)
{
    PspGuest guest = new_guest();
    const uint8_t *report;
    Page response;

    guest.identity = (PspIdentity) { 0 };
    report = ask_report(&guest, &response, 0, 0) + 0x20;
    g_assert_cmphex(ldl_le_p(report + 0x04), ==, 0);
    g_assert_cmphex(ldl_le_p(report + 0x48), ==, 0);
    expect_fill(report + 0x10, 32, 0);
    expect_fill(report + 0xe0, 96, 0);
    g_assert_true(signature_holds(report));
}

/*
 * Derived keys
 */

typedef struct KeyAsk {
    uint32_t root;
    uint64_t fields;
    uint32_t vmpl, svn;
    uint64_t tcb;
} KeyAsk;

static uint32_t derive(PspGuest *guest, unsigned vmpck, const KeyAsk *ask_for,
                       uint8_t key[32])
{
    uint8_t request[32] = { 0 };
    const uint8_t *answer;
    Page response;

    stl_le_p(request, ask_for->root);
    stq_le_p(request + 8, ask_for->fields);
    stl_le_p(request + 16, ask_for->vmpl);
    stl_le_p(request + 20, ask_for->svn);
    stq_le_p(request + 24, ask_for->tcb);
    answer = ask(guest, &response, 3, vmpck, request, sizeof(request), 64);
    expect_fill(answer + 4, 28, 0);
    memcpy(key, answer + 32, 32);
    return ldl_le_p(answer);
}

static void test_key(void)
{
    PspGuest guest = new_guest();
    const KeyAsk all = { .fields = 0x3f, .vmpl = 1, .svn = 7,
                         .tcb = 0xdb18000000000004 };
    uint8_t key[32], again[32];
    PspGuest other;

    g_assert_cmphex(derive(&guest, 0, &all, key), ==, 0);
    g_assert_false(buffer_is_zero(key, 32));
    g_assert_cmphex(derive(&guest, 1, &all, again), ==, 0);
    g_assert_cmpmem(key, 32, again, 32);

    /* Another launch, other communication keys, the same derived key */
    other = new_guest();
    memset(other.vmpck, 0x99, sizeof(other.vmpck));
    memset(other.report_id, 0x99, sizeof(other.report_id));
    g_assert_cmphex(derive(&other, 0, &all, again), ==, 0);
    g_assert_cmpmem(key, 32, again, 32);

    /* What the request says */
    for (int i = 0; i < 4; i++) {
        KeyAsk odd = all;

        switch (i) {
        case 0:
            odd.vmpl = 2;
            break;
        case 1:
            odd.svn = 6;
            break;
        case 2:
            odd.tcb = 0xda18000000000004;
            break;
        case 3:
            odd.fields = 0x1f;
            break;
        }
        g_assert_cmphex(derive(&guest, 0, &odd, again), ==, 0);
        g_assert_cmpint(memcmp(key, again, 32), !=, 0);
    }
}

/* What is selected of the guest matters, what is not does not. */
static void test_key_fields(void)
{
    static const struct {
        uint64_t field;
        size_t at;
    } fields[] = {
        { 0x01, offsetof(PspGuest, policy) },
        { 0x02, offsetof(PspGuest, identity.image_id) },
        { 0x04, offsetof(PspGuest, identity.family_id) },
        { 0x08, offsetof(PspGuest, digest) },
        /* always */
        { 0x00, offsetof(PspGuest, host_data) },
        { 0x00, offsetof(PspGuest, identity.id_key_digest) },
        { 0x00, offsetof(PspGuest, identity.author_key_digest) },
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        for (uint64_t mask = 0; mask <= fields[i].field;
             mask += MAX(fields[i].field, 1)) {
            PspGuest one = new_guest(), two = new_guest();
            const KeyAsk key_ask = { .fields = mask };
            bool matters = mask == fields[i].field;
            uint8_t key[32], other[32];

            ((uint8_t *)&two)[fields[i].at] ^= 1;
            g_assert_cmphex(derive(&one, 0, &key_ask, key), ==, 0);
            g_assert_cmphex(derive(&two, 0, &key_ask, other), ==, 0);
            g_assert_cmpint(!!memcmp(key, other, 32), ==, matters);
        }
    }
}

static void test_key_refused(void)
{
    static const struct {
        KeyAsk request;
        unsigned vmpck;
        uint32_t status;
    } bad[] = {
        { { .root = 1 }, 0, 0x16 },                 /* VMRK */
        { { .root = 2 }, 0, 0 },                    /* VCEK */
        { { .root = 4 }, 0, 0x27 },                 /* VLEK */
        { { .root = 6 }, 0, 0x16 },
        { { .root = 8 }, 0, 0x16 },
        { { .fields = 0x40 }, 0, 0x16 },
        { { .fields = 1ULL << 63 }, 0, 0x16 },
        { { .vmpl = 4 }, 0, 0x16 },
        { { .vmpl = 1 }, 2, 0x16 },
        { { .svn = 8 }, 0, 0x16 },
        { { .tcb = 0xdc18000000000004 }, 0, 0x16 },
        { { .tcb = 0xdb19000000000004 }, 0, 0x16 },
        { { .tcb = 0xdb18000000000005 }, 0, 0x16 },
        { { .tcb = 0xdb18000000000104 }, 0, 0x16 },
        { { .tcb = 0xdb18000000010004 }, 0, 0x16 },
        { { .tcb = 0 }, 0, 0 },
    };
    PspGuest guest = new_guest();
    uint8_t key[32];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_cmphex(derive(&guest, bad[i].vmpck, &bad[i].request, key), ==,
                        bad[i].status);
        g_assert_cmpint(buffer_is_zero(key, 32), ==, !!bad[i].status);
    }
    guest.vcek_disabled = true;
    g_assert_cmphex(derive(&guest, 0, &(KeyAsk) { 0 }, key), ==, 0x27);
}

static void test_tsc(void)
{
    PspGuest guest = new_guest();
    uint8_t request[128] = { 0 };
    Page response;

    expect_fill(ask(&guest, &response, 17, 0, request, sizeof(request), 128),
                128, 0);
    request[77] = 1;
    g_assert_cmphex(ldl_le_p(ask(&guest, &response, 17, 0, request,
                                 sizeof(request), 128)), ==, 0x16);
}

/*
 * The chip and its folder
 */

static void test_chip_again(void)
{
    PspChip *again;
    uint8_t one[32], two[32];

    chip();
    again = psp_chip_open(chip_dir, PSP_PRODUCT_MILAN, false, &error_abort);
    g_assert_cmpmem(psp_chip_id(chip()), 64, psp_chip_id(again), 64);
    g_assert_cmpmem(psp_chip_certs(chip())->data,
                    psp_chip_certs(chip())->len,
                    psp_chip_certs(again)->data, psp_chip_certs(again)->len);
    psp_chip_derive(chip(), PSP_SIGNER_VCEK, "x", 1, one, &error_abort);
    psp_chip_derive(again, PSP_SIGNER_VCEK, "x", 1, two, &error_abort);
    g_assert_cmpmem(one, 32, two, 32);
    psp_chip_free(again);
}

static void test_chip_id(void)
{
    g_assert_cmpmem(psp_chip_id(chip()), 19, "emulated by QEMU-UP", 19);
}

static void test_chip_files(void)
{
    static const struct {
        const char *name;
        unsigned mode;
    } files[] = {
        { "vcek.key", 0600 }, { "ark.pem", 0644 }, { "ask.pem", 0644 },
        { "vcek.pem", 0644 }, { "ark.der", 0644 }, { "ask.der", 0644 },
        { "vcek.der", 0644 }, { "cert_chain.pem", 0644 },
        { "certs.bin", 0644 }, { ".lock", 0600 },
    };
    GStatBuf st;
    unsigned count = 0;
    GDir *dir;

    chip();
    g_assert_cmpint(g_stat(chip_dir, &st), ==, 0);
    g_assert_cmphex(st.st_mode & 0777, ==, 0700);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *path = g_build_filename(chip_dir, files[i].name,
                                                 NULL);

        g_assert_cmpint(g_stat(path, &st), ==, 0);
        g_assert_cmphex(st.st_mode & 0777, ==, files[i].mode);
    }
    dir = g_dir_open(chip_dir, 0, NULL);
    while (g_dir_read_name(dir)) {
        count++;
    }
    g_dir_close(dir);
    g_assert_cmpuint(count, ==, ARRAY_SIZE(files));
}

static void test_chip_formats(void)
{
    static const char *const names[] = { "ark", "ask", "vcek" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        g_autofree char *pem = g_strconcat(names[i], ".pem", NULL);
        g_autofree char *der = g_strconcat(names[i], ".der", NULL);
        gnutls_x509_crt_t one = read_cert(pem, GNUTLS_X509_FMT_PEM);
        gnutls_x509_crt_t two = read_cert(der, GNUTLS_X509_FMT_DER);

        g_assert_true(gnutls_x509_crt_equals(one, two));
        g_assert_cmpint(gnutls_x509_crt_get_signature_algorithm(one), ==,
                        GNUTLS_SIGN_RSA_PSS_SHA384);
        gnutls_x509_crt_deinit(one);
        gnutls_x509_crt_deinit(two);
    }
}

/* The extensions as bytes, 57230 table 8 */
static void test_vcek_extensions(void)
{
    static const struct {
        const char *oid;
        uint8_t size, value[10];
    } wanted[] = {
        { "1", 3, { 2, 1, 0 } },
        { "2", 10, { 0x16, 8, 'M', 'i', 'l', 'a', 'n', '-', 'B', '1' } },
        { "3.1", 3, { 2, 1, 4 } },
        { "3.2", 3, { 2, 1, 0 } },
        { "3.3", 3, { 2, 1, 0x18 } },
        { "3.4", 3, { 2, 1, 0 } },
        { "3.5", 3, { 2, 1, 0 } },
        { "3.6", 3, { 2, 1, 0 } },
        { "3.7", 3, { 2, 1, 0 } },
        { "3.8", 4, { 2, 2, 0, 0xdb } },
    };
    gnutls_x509_crt_t vcek = read_cert("vcek.pem", GNUTLS_X509_FMT_PEM);
    uint8_t value[64];
    size_t size;

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        g_autofree char *oid = g_strconcat("1.3.6.1.4.1.3704.1.",
                                           wanted[i].oid, NULL);

        size = sizeof(value);
        g_assert_cmpint(gnutls_x509_crt_get_extension_by_oid(
                            vcek, oid, 0, value, &size, NULL), >=, 0);
        g_assert_cmpmem(value, size, wanted[i].value, wanted[i].size);
    }
    size = sizeof(value);
    g_assert_cmpint(gnutls_x509_crt_get_extension_by_oid(
                        vcek, "1.3.6.1.4.1.3704.1.4", 0, value, &size, NULL),
                    >=, 0);
    g_assert_cmpmem(value, size, psp_chip_id(chip()), 64);
    gnutls_x509_crt_deinit(vcek);
}

static void test_marked(void)
{
    static const char *const names[] = { "ark.pem", "ask.pem", "vcek.pem" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        gnutls_x509_crt_t crt = read_cert(names[i], GNUTLS_X509_FMT_PEM);
        gnutls_datum_t dn;

        g_assert_cmpint(gnutls_x509_crt_get_dn3(crt, &dn, 0), >=, 0);
        g_assert_nonnull(strstr((char *)dn.data, "Emulated by QEMU-UPM"));
        gnutls_free(dn.data);
        gnutls_x509_crt_deinit(crt);
    }
}

/*
 * Chips of other products, and VLEKs
 */

static void use_chip(PspProductId product, bool vlek)
{
    static const char *const names[] = { "milan", "genoa", "turin" };

    g_free(other_dir);
    other_dir = g_build_filename(scratch, names[product], NULL);
    other_chip = psp_chip_open(other_dir, product, vlek, &error_abort);
    platform.product = product;
    platform.vlek = vlek;
}

static void use_first_chip(void)
{
    g_clear_pointer(&other_chip, psp_chip_free);
    platform.product = PSP_PRODUCT_MILAN;
    platform.vlek = false;
    platform.report_version = 0;
    platform.mitigations = 0;
    platform.config = (PspConfig) { 0 };
}

static void expect_extension(gnutls_x509_crt_t crt, const char *suffix,
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

static void expect_name(gnutls_x509_crt_t crt, bool issuer, const char *name)
{
    char cn[64];
    size_t size = sizeof(cn);
    int ret = (issuer ? gnutls_x509_crt_get_issuer_dn_by_oid
                      : gnutls_x509_crt_get_dn_by_oid)(
        crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, cn, &size);

    g_assert_cmpint(ret, >=, 0);
    g_assert_cmpstr(cn, ==, name);
}

static void test_genoa(void)
{
    static const uint8_t tcb[8] = { 10, 0, 0, 0, 0, 0, 0x17, 0x54 };
    PspGuest guest = new_guest();
    gnutls_x509_crt_t vcek;
    const uint8_t *report;
    Page response;

    use_chip(PSP_PRODUCT_GENOA, false);
    report = ask_report(&guest, &response, 0, 0) + 0x20;
    g_assert_cmphex(ldl_le_p(report), ==, 3);
    g_assert_cmpmem(report + 0x38, 8, tcb, 8);
    g_assert_cmpmem(report + 0x180, 8, tcb, 8);
    g_assert_cmphex(report[0x188], ==, 0x19);
    g_assert_cmphex(report[0x189], ==, 0x11);
    g_assert_cmphex(report[0x18a], ==, 0x01);
    g_assert_cmpmem(report + 0x1a0, 19, "emulated by QEMU-UP", 19);
    g_assert_true(signature_holds(report));

    vcek = read_cert("vcek.der", GNUTLS_X509_FMT_DER);
    expect_name(vcek, true, "SEV-Genoa");
    expect_extension(vcek, "1", "\x02\x01\x00", 3);
    expect_extension(vcek, "2", "\x16\x08Genoa-B1", 10);
    expect_extension(vcek, "3.1", "\x02\x01\x0a", 3);
    expect_extension(vcek, "3.9", NULL, 0);
    gnutls_x509_crt_deinit(vcek);
    use_first_chip();
}

/* As AMD's own VCEK of a Turin has them */
static void test_turin_vcek(void)
{
    gnutls_x509_crt_t vcek;

    use_chip(PSP_PRODUCT_TURIN, true);
    vcek = read_cert("vcek.der", GNUTLS_X509_FMT_DER);
    expect_name(vcek, false, "SEV-VCEK");
    expect_name(vcek, true, "SEV-Turin");
    expect_extension(vcek, "1", "\x02\x01\x01", 3);
    expect_extension(vcek, "2", "\x16\x05Turin", 7);
    expect_extension(vcek, "3.9", "\x02\x01\x01", 3);
    expect_extension(vcek, "3.1", "\x02\x01\x01", 3);
    expect_extension(vcek, "3.2", "\x02\x01\x01", 3);
    expect_extension(vcek, "3.3", "\x02\x01\x04", 3);
    expect_extension(vcek, "3.4", NULL, 0);
    expect_extension(vcek, "3.5", "\x02\x01\x00", 3);
    expect_extension(vcek, "3.8", "\x02\x01\x51", 3);
    expect_extension(vcek, "4", psp_chip_id(other_chip), 8);
    expect_extension(vcek, "5", NULL, 0);
    gnutls_x509_crt_deinit(vcek);
    use_first_chip();
}

static void test_turin_report(void)
{
    static const uint8_t tcb[8] = { 1, 1, 1, 4, 0, 0, 0, 0x51 };
    PspGuest guest = new_guest();
    const uint8_t *report;
    Page response;

    use_chip(PSP_PRODUCT_TURIN, true);
    platform.vlek = false;
    platform.mitigations = 0x8000000000000005;
    report = ask_report(&guest, &response, 0, 0) + 0x20;
    g_assert_cmphex(ldl_le_p(report), ==, 5);
    for (size_t i = 0; i < 4; i++) {
        static const uint16_t at[] = { 0x38, 0x180, 0x1e0, 0x1f0 };

        g_assert_cmpmem(report + at[i], 8, tcb, 8);
    }
    g_assert_cmphex(report[0x188], ==, 0x1a);
    g_assert_cmphex(report[0x189], ==, 0x02);
    g_assert_cmphex(report[0x18a], ==, 0x01);
    g_assert_cmpmem(report + 0x1a0, 4, "QEMU", 4);
    expect_fill(report + 0x1a8, 56, 0);
    g_assert_cmphex(report[0x1e9], ==, 58);
    g_assert_cmphex(report[0x1ed], ==, 58);
    g_assert_cmphex(ldq_le_p(report + 0x1f8), ==, 0x8000000000000005);
    g_assert_cmphex(ldq_le_p(report + 0x200), ==, 0x8000000000000005);
    expect_fill(report + 0x208, 152, 0);
    g_assert_true(signature_holds(report));
    use_first_chip();
}

/* The version goes with the firmware, on any chip. */
static void test_report_versions(void)
{
    PspGuest guest = new_guest();
    const uint8_t *report;
    Page response;

    platform.report_version = 2;
    report = ask_report(&guest, &response, 0, 0) + 0x20;
    g_assert_cmphex(ldl_le_p(report), ==, 2);
    g_assert_cmphex(ldq_le_p(report + 0x40), ==, 0x05);
    expect_fill(report + 0x188, 24, 0);
    expect_fill(report + 0x1f8, 168, 0);
    g_assert_cmphex(report[0x1e9], ==, 55);
    g_assert_true(signature_holds(report));

    platform.report_version = 5;
    platform.mitigations = 3;
    report = ask_report(&guest, &response, 0, 0) + 0x20;
    g_assert_cmphex(ldl_le_p(report), ==, 5);
    g_assert_cmphex(ldq_le_p(report + 0x40), ==, 0x25);
    g_assert_cmphex(report[0x188], ==, 0x19);
    g_assert_cmphex(ldq_le_p(report + 0x200), ==, 3);
    g_assert_true(signature_holds(report));
    use_first_chip();
}

static void test_turin_tcb(void)
{
    static const struct {
        uint64_t tcb;
        uint32_t status;
    } cases[] = {
        { 0x5100000004010101, 0 },
        { 0, 0 },
        { 0x5100000004010102, 0x16 },       /* FMC */
        { 0x5100000004010201, 0x16 },
        { 0x5100000004020101, 0x16 },
        { 0x5100000005010101, 0x16 },
        { 0x5200000004010101, 0x16 },
        { 0x5101000004010101, 0x16 },       /* where SNP was before */
        { 0x5100000104010101, 0x16 },
    };
    PspGuest guest = new_guest();
    uint8_t key[32];

    use_chip(PSP_PRODUCT_TURIN, true);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_assert_cmphex(derive(&guest, 0, &(KeyAsk) { .tcb = cases[i].tcb },
                               key), ==, cases[i].status);
    }
    use_first_chip();
}

/* A VLEK goes first, unless the guest asks for the VCEK. */
static void test_vlek_signs(void)
{
    static const struct {
        uint32_t select;
        bool vcek_disabled;
        uint32_t mask, status, flags;
        const char *signer;
    } cases[] = {
        { 0, false, 0, 0, 1 << 2, "vlek.der" },
        { 1, false, 0, 0, 0, "vcek.der" },
        { 2, false, 0, 0, 1 << 2, "vlek.der" },
        { 0, true, 0, 0, 1 << 2, "vlek.der" },
        { 1, true, 0, 0x27, 0, NULL },
        { 2, true, 0, 0, 1 << 2, "vlek.der" },
        { 0, false, PSP_CONFIG_MASK_CHIP_KEY, 0, 2 | 1 << 2, "vlek.der" },
        { 1, false, PSP_CONFIG_MASK_CHIP_KEY, 0, 2 | 7 << 2, NULL },
    };
    PspGuest guest = new_guest();
    uint8_t request[96];
    Page response;

    use_chip(PSP_PRODUCT_TURIN, true);
    guest.identity.author_key_en = false;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const uint8_t *answer;

        guest.vcek_disabled = cases[i].vcek_disabled;
        platform.config.mask = cases[i].mask;
        fill_report_request(request, 0);
        stl_le_p(request + 0x44, cases[i].select);
        answer = ask(&guest, &response, 5, 0, request, 96, 0x4c0);
        g_assert_cmphex(ldl_le_p(answer), ==, cases[i].status);
        if (cases[i].status) {
            continue;
        }
        g_assert_cmphex(ldl_le_p(answer + 0x20 + 0x48), ==, cases[i].flags);
        if (cases[i].signer) {
            g_assert_true(signed_by(answer + 0x20, cases[i].signer));
        } else {
            expect_fill(answer + 0x20 + 0x2a0, 0x200, 0);
        }
    }
    use_first_chip();
}

static void test_vlek_key(void)
{
    PspGuest guest = new_guest();
    uint8_t any[32], vcek[32], vlek[32];

    use_chip(PSP_PRODUCT_TURIN, true);
    g_assert_cmphex(derive(&guest, 0, &(KeyAsk) { 0 }, any), ==, 0);
    g_assert_cmphex(derive(&guest, 0, &(KeyAsk) { .root = 2 }, vcek), ==, 0);
    g_assert_cmphex(derive(&guest, 0, &(KeyAsk) { .root = 4 }, vlek), ==, 0);
    g_assert_cmpmem(any, 32, vlek, 32);
    g_assert_cmpint(memcmp(vcek, vlek, 32), !=, 0);
    guest.vcek_disabled = true;
    g_assert_cmphex(derive(&guest, 0, &(KeyAsk) { .root = 2 }, any), ==, 0x27);
    g_assert_cmphex(derive(&guest, 0, &(KeyAsk) { .root = 4 }, any), ==, 0);
    g_assert_cmpmem(any, 32, vlek, 32);
    use_first_chip();
}

static void test_vlek_certs(void)
{
    gnutls_x509_crt_t vlek, asvk, ark;
    gnutls_datum_t table;

    use_chip(PSP_PRODUCT_TURIN, true);
    vlek = read_cert("vlek.pem", GNUTLS_X509_FMT_PEM);
    asvk = read_cert("asvk.pem", GNUTLS_X509_FMT_PEM);
    ark = read_cert("ark.pem", GNUTLS_X509_FMT_PEM);
    expect_name(vlek, false, "SEV-VLEK");
    expect_name(vlek, true, "SEV-VLEK-Turin");
    expect_name(asvk, false, "SEV-VLEK-Turin");
    expect_name(asvk, true, "ARK-Turin");
    g_assert_true(gnutls_x509_crt_check_issuer(vlek, asvk));
    g_assert_true(gnutls_x509_crt_check_issuer(asvk, ark));
    expect_extension(vlek, "1", "\x02\x01\x01", 3);
    expect_extension(vlek, "2", "\x16\x05Turin", 7);
    expect_extension(vlek, "3.9", "\x02\x01\x01", 3);
    expect_extension(vlek, "4", NULL, 0);
    expect_extension(vlek, "5", "\x16\x12QEMU-UPM, emulated", 20);
    gnutls_x509_crt_deinit(vlek);
    gnutls_x509_crt_deinit(asvk);
    gnutls_x509_crt_deinit(ark);

    /* VLEK, ASVK, ARK */
    read_file("certs-vlek.bin", &table);
    g_assert_cmpmem(table.data, table.size, psp_chip_certs(other_chip)->data,
                    psp_chip_certs(other_chip)->len);
    g_assert_cmphex((uint32_t)ldl_be_p(table.data), ==, 0xa8074bc2);
    g_assert_cmphex((uint32_t)ldl_be_p(table.data + 24), ==, 0x4ab7b379);
    g_assert_cmphex((uint32_t)ldl_be_p(table.data + 48), ==, 0xc0b406a4);
    expect_fill(table.data + 72, 24, 0);
    g_free(table.data);
    use_first_chip();
}

/* A folder has a chip of one kind. */
static void test_other_kind(void)
{
    static const struct {
        const char *folder;
        PspProductId product;
        bool vlek;
        const char *why;
    } cases[] = {
        { "genoa", PSP_PRODUCT_MILAN, false, "of the product line Milan" },
        { "genoa", PSP_PRODUCT_TURIN, false, "of the product line Turin" },
        { "turin", PSP_PRODUCT_GENOA, false, "of the product line Genoa" },
        { "genoa", PSP_PRODUCT_GENOA, true, "made without a VLEK" },
    };

    use_chip(PSP_PRODUCT_GENOA, false);
    use_first_chip();
    use_chip(PSP_PRODUCT_TURIN, true);
    use_first_chip();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *dir = g_build_filename(scratch, cases[i].folder,
                                                NULL);
        Error *err = NULL;

        g_assert_null(psp_chip_open(dir, cases[i].product, cases[i].vlek,
                                    &err));
        g_assert_nonnull(strstr(error_get_pretty(err), cases[i].why));
        error_free(err);
    }
}

/* Which chip a processor is, by CPUID leaf 1 EAX */
static void test_product_of(void)
{
    g_assert_cmpint(psp_product_of(0x00a00f11), ==, PSP_PRODUCT_MILAN);
    g_assert_cmpint(psp_product_of(0x00a10f10), ==, PSP_PRODUCT_GENOA);
    g_assert_cmpint(psp_product_of(0x00b00f21), ==, PSP_PRODUCT_TURIN);
    g_assert_cmpint(psp_product_of(0x00800f12), ==, PSP_PRODUCT_MILAN);
}

/*
 * MSG_KEY_REQ, version 2
 */

static uint32_t derive2(PspGuest *guest, uint64_t fields, uint64_t mitigations,
                        uint8_t key[32])
{
    uint8_t request[40] = { 0 };
    const uint8_t *answer;
    Page response;

    stq_le_p(request + 8, fields);
    stq_le_p(request + 32, mitigations);
    message_version = 2;
    answer = ask(guest, &response, 3, 0, request, sizeof(request), 64);
    message_version = 1;
    memcpy(key, answer + 32, 32);
    return ldl_le_p(answer);
}

static void test_key_mitigations(void)
{
    PspGuest guest = new_guest();
    uint8_t old[32], key[32], other[32];

    platform.report_version = 5;
    platform.mitigations = 5;
    g_assert_cmphex(derive(&guest, 0, &(KeyAsk) { .fields = 1 }, old), ==, 0);
    /* What is not selected does not matter. */
    g_assert_cmphex(derive2(&guest, 1, 4, key), ==, 0);
    g_assert_cmpmem(old, 32, key, 32);
    g_assert_cmphex(derive2(&guest, 0x41, 4, key), ==, 0);
    g_assert_cmpint(memcmp(old, key, 32), !=, 0);
    g_assert_cmphex(derive2(&guest, 0x41, 5, other), ==, 0);
    g_assert_cmpint(memcmp(key, other, 32), !=, 0);
    g_assert_cmphex(derive2(&guest, 0x41, 2, other), ==, 0x16);
    g_assert_cmphex(derive2(&guest, 0x81, 0, other), ==, 0x16);
    g_assert_cmphex(derive(&guest, 0, &(KeyAsk) { .fields = 0x41 }, old), ==,
                    0x16);
    use_first_chip();
}

/* Firmware before 1.58 does not know it, nor has any a version 3. */
static void test_key_versions(void)
{
    PspGuest guest = new_guest();
    uint8_t request[40] = { 0 };
    Page page;

    message_version = 2;
    page = request_of(3, 1, 0, request, sizeof(request));
    seal(&page, &guest, 0);
    expect_refusal(&guest, &page, SEV_RET_INVALID_PARAM);
    platform.report_version = 5;
    page = request_of(3, 1, 0, request, 32);
    seal(&page, &guest, 0);
    expect_refusal(&guest, &page, SEV_RET_INVALID_PARAM);
    message_version = 3;
    page = request_of(3, 1, 0, request, sizeof(request));
    seal(&page, &guest, 0);
    expect_refusal(&guest, &page, SEV_RET_INVALID_PARAM);
    message_version = 1;
    use_first_chip();
}

/*
 * MSG_CPUID_REQ
 */

static void put_cpuid(uint8_t *request, unsigned index, uint32_t leaf,
                      uint32_t edx)
{
    stl_le_p(request + 16 + 48 * index, leaf);
    stl_le_p(request + 16 + 48 * index + 36, edx);
    stl_le_p(request, index + 1);
}

static void test_cpuid(void)
{
    PspGuest guest = new_guest();
    uint8_t request[16 + 48 * 64] = { 0 };
    const uint8_t *answer;
    Page response;

    put_cpuid(request, 0, 0x80000001, 0x123);
    put_cpuid(request, 1, 0x80000007, 0x456);
    answer = ask(&guest, &response, 1, 0, request, 16 + 48 * 2, 16 + 48 * 2);
    g_assert_cmphex(ldl_le_p(answer), ==, 0);
    g_assert_cmpuint(ldl_le_p(answer + 4), ==, 2);
    expect_fill(answer + 8, 8, 0);
    g_assert_cmpmem(answer + 16, 96, request + 16, 96);

    /* The whole of it, and one bit that the processor has not */
    put_cpuid(request, 1, 0x80000007, 0x80000456);
    answer = ask(&guest, &response, 1, 0, request, sizeof(request),
                 sizeof(request));
    g_assert_cmphex(ldl_le_p(answer), ==, 0x16);
    g_assert_cmpuint(ldl_le_p(answer + 4), ==, 2);
    g_assert_cmphex(ldl_le_p(answer + 16 + 48 + 36), ==, 0x456);
}

static void test_cpuid_refused(void)
{
    PspGuest guest = new_guest();
    uint8_t request[16 + 48 * 2];
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = { { 0, 3 }, { 0, 65 }, { 3, 1 }, { 4, 1 }, { 8, 1 }, { 15, 1 } };
    static const uint16_t sizes[] = { 0, 15, 17, 16 + 47, 16 + 48 * 65 };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const uint8_t *answer;
        Page response;

        memset(request, 0, sizeof(request));
        request[bad[i].at] = bad[i].value;
        answer = ask(&guest, &response, 1, 0, request, sizeof(request),
                     sizeof(request));
        g_assert_cmphex(ldl_le_p(answer), ==, 0x16);
        expect_fill(answer + 4, sizeof(request) - 4, 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint8_t payload[PSP_PAYLOAD_MAX] = { 0 };
        Page page = request_of(1, guest.message_count[0] + 1, 0, payload,
                               sizes[i]);

        seal(&page, &guest, 0);
        expect_refusal(&guest, &page, SEV_RET_INVALID_PARAM);
    }
}

/* A copy of the chip's folder with something wrong with it */
typedef struct BadFolder {
    const char *name;
    const char *file;       /* is removed, or gets */
    const char *content;    /* this: text, or the name of another file */
    const char *message;
} BadFolder;

static const BadFolder bad_folders[] = {
    { "no-key", "vcek.key", NULL, ".pem' is there, but no vcek.key" },
    { "no-vcek", "vcek.pem", NULL, "vcek.pem" },
    { "no-ask", "ask.pem", NULL, "ask.pem" },
    { "no-ark", "ark.pem", NULL, "ark.pem" },
    { "key-text", "vcek.key", "hello", "vcek.key' is not a private key" },
    { "key-empty", "vcek.key", "", "vcek.key' is not a private key" },
    { "cert-text", "vcek.pem", "hello", "vcek.pem' is not a certificate" },
    { "vcek-is-ask", "vcek.pem", "@ask.pem", "is not the key of vcek.pem" },
    { "ask-is-ark", "ask.pem", "@ark.pem", "not signed by" },
    { "ark-is-ask", "ark.pem", "@vcek.pem", "not signed by" },
};

static void test_bad_folder(const void *data)
{
    const BadFolder *bad = data;
    static const char *const files[] = {
        "vcek.key", "ark.pem", "ask.pem", "vcek.pem"
    };
    g_autofree char *dir = g_build_filename(scratch, bad->name, NULL);
    g_autofree char *odd = g_build_filename(dir, bad->file, NULL);
    gnutls_datum_t content;
    Error *err = NULL;

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i], NULL);

        read_file(files[i], &content);
        g_assert_true(g_file_set_contents(path, (char *)content.data,
                                          content.size, NULL));
        g_free(content.data);
        g_chmod(path, 0600);
    }
    if (!bad->content) {
        g_assert_cmpint(g_unlink(odd), ==, 0);
    } else if (bad->content[0] == '@') {
        read_file(bad->content + 1, &content);
        g_assert_true(g_file_set_contents(odd, (char *)content.data,
                                          content.size, NULL));
        g_free(content.data);
    } else {
        g_assert_true(g_file_set_contents(odd, bad->content, -1, NULL));
    }
    g_assert_null(psp_chip_open(dir, PSP_PRODUCT_MILAN, false, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "cert-dir '"));
    g_assert_nonnull(strstr(error_get_pretty(err), bad->message));
    error_free(err);
}

/* Nothing that somebody keeps in a folder is written over. */
static void test_folder_in_use(void)
{
    static const char *const files[] = { "cert_chain.pem", "certs.bin" };

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *dir = g_strdup_printf("%s/in-use-%zu", scratch, i);
        g_autofree char *path = g_build_filename(dir, files[i], NULL);
        g_autofree char *content = NULL;
        Error *err = NULL;

        g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, "mine", -1, NULL));
        g_assert_null(psp_chip_open(dir, PSP_PRODUCT_MILAN, false, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), path));
        error_free(err);
        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        g_assert_cmpstr(content, ==, "mine");
    }
}

static void test_folder_is_file(void)
{
    g_autofree char *path = g_build_filename(chip_dir, "ark.pem", NULL);
    g_autofree char *below = g_build_filename(path, "below", NULL);
    Error *err = NULL;

    chip();
    g_assert_null(psp_chip_open(below, PSP_PRODUCT_MILAN, false, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "can not make the folder"));
    error_free(err);
}

/* Whoever holds the lock keeps nobody from a chip that is there. */
static void test_folder_locked(void)
{
    g_autofree char *dir = g_build_filename(scratch, "locked", NULL);
    g_autofree char *new_lock = g_build_filename(dir, ".lock", NULL);
    g_autofree char *lock = g_build_filename(chip_dir, ".lock", NULL);
    Error *err = NULL;
    PspChip *again;
    int fd;

    chip();
    fd = g_open(lock, O_RDWR | O_CREAT, 0600);
    g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
    again = psp_chip_open(chip_dir, PSP_PRODUCT_MILAN, false, &error_abort);
    g_assert_cmpmem(psp_chip_id(again), 64, psp_chip_id(chip()), 64);
    psp_chip_free(again);
    close(fd);

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    fd = g_creat(new_lock, 0600);
    g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
    g_assert_null(psp_chip_open(dir, PSP_PRODUCT_MILAN, false, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), new_lock));
    error_free(err);
    close(fd);
}

/* Who comes while a chip is being made gets the same one. */
static gpointer open_chip(gpointer folder)
{
    return psp_chip_open(folder, PSP_PRODUCT_MILAN, false, &error_abort);
}

static void test_concurrent(void)
{
    g_autofree char *dir = g_build_filename(scratch, "a", "b", NULL);
    GThread *threads[3];
    PspChip *chips[3];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        threads[i] = g_thread_new("chip", open_chip, dir);
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        chips[i] = g_thread_join(threads[i]);
        g_assert_cmpmem(psp_chip_id(chips[0]), 64, psp_chip_id(chips[i]), 64);
    }
    /* and it is another one than the first folder's */
    g_assert_cmpint(memcmp(psp_chip_id(chips[0]), psp_chip_id(chip()), 64),
                    !=, 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        psp_chip_free(chips[i]);
    }
}

/*
 * The table of certificates
 */

static void test_table(void)
{
    static const char *const guids[] = {
        "63da758de6644564adc5f4b93be8accd",
        "4ab7b379bbac4fe4a02f05aef327c782",
        "c0b406a4a803495297433fb6014cd0ae",
    };
    static const char *const files[] = { "vcek.der", "ask.der", "ark.der" };
    gnutls_datum_t table, der;
    uint32_t next = 4 * 24;

    read_file("certs.bin", &table);
    g_assert_cmpmem(table.data, table.size, psp_chip_certs(chip())->data,
                    psp_chip_certs(chip())->len);
    for (size_t i = 0; i < ARRAY_SIZE(guids); i++) {
        const uint8_t *entry = table.data + 24 * i;
        const char *digit = guids[i];

        for (size_t n = 0; n < 16; n++, digit += 2) {
            g_assert_cmphex(entry[n], ==, g_ascii_xdigit_value(digit[0]) * 16 +
                                          g_ascii_xdigit_value(digit[1]));
        }
        read_file(files[i], &der);
        g_assert_cmpuint(ldl_le_p(entry + 16), ==, next);
        g_assert_cmpuint(ldl_le_p(entry + 20), ==, der.size);
        g_assert_cmpmem(table.data + next, der.size, der.data, der.size);
        next += der.size;
        g_free(der.data);
    }
    expect_fill(table.data + 3 * 24, 24, 0);
    g_assert_cmpuint(table.size, ==, next);
    g_free(table.data);
}

int main(int argc, char **argv)
{
    g_autofree char *remove = NULL;
    int ret;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(qcrypto_init(NULL), ==, 0);
    scratch = g_dir_make_tmp("sev-attestation-XXXXXX", NULL);
    g_assert_nonnull(scratch);
    chip_dir = g_build_filename(scratch, "state", "chip", NULL);

    g_test_add_func("/sev/attestation/layout/messages", test_message_layout);
    g_test_add_func("/sev/attestation/layout/report", test_report_layout);
    for (size_t i = 0; i < ARRAY_SIZE(bad_headers); i++) {
        g_autofree char *path = g_strdup_printf(
            "/sev/attestation/message/%s", bad_headers[i].name);

        g_test_add_data_func(path, &bad_headers[i], test_bad_header);
    }
    g_test_add_func("/sev/attestation/message/replayed", test_replay);
    g_test_add_func("/sev/attestation/message/not-authentic",
                    test_not_authentic);
    g_test_add_func("/sev/attestation/message/vmpck", test_vmpck);
    g_test_add_func("/sev/attestation/message/last-number", test_last_number);
    g_test_add_func("/sev/attestation/message/not-running", test_not_running);
    g_test_add_func("/sev/attestation/message/broken-chip", test_broken_chip);
    g_test_add_func("/sev/attestation/report/fields", test_report);
    g_test_add_func("/sev/attestation/report/no-id-block", test_report_plain);
    g_test_add_func("/sev/attestation/report/config", test_report_config);
    g_test_add_func("/sev/attestation/report/vmpl", test_report_vmpl);
    g_test_add_func("/sev/attestation/report/key", test_report_key);
    g_test_add_func("/sev/attestation/report/reserved", test_report_reserved);
    g_test_add_func("/sev/attestation/key/derived", test_key);
    g_test_add_func("/sev/attestation/key/fields", test_key_fields);
    g_test_add_func("/sev/attestation/key/refused", test_key_refused);
    g_test_add_func("/sev/attestation/tsc", test_tsc);
    g_test_add_func("/sev/attestation/genoa", test_genoa);
    g_test_add_func("/sev/attestation/turin/vcek", test_turin_vcek);
    g_test_add_func("/sev/attestation/turin/report", test_turin_report);
    g_test_add_func("/sev/attestation/turin/tcb", test_turin_tcb);
    g_test_add_func("/sev/attestation/report/versions", test_report_versions);
    g_test_add_func("/sev/attestation/vlek/signs", test_vlek_signs);
    g_test_add_func("/sev/attestation/vlek/key", test_vlek_key);
    g_test_add_func("/sev/attestation/vlek/certs", test_vlek_certs);
    g_test_add_func("/sev/attestation/chip/other-kind", test_other_kind);
    g_test_add_func("/sev/attestation/chip/product-of", test_product_of);
    g_test_add_func("/sev/attestation/key/mitigations", test_key_mitigations);
    g_test_add_func("/sev/attestation/key/versions", test_key_versions);
    g_test_add_func("/sev/attestation/cpuid/answer", test_cpuid);
    g_test_add_func("/sev/attestation/cpuid/refused", test_cpuid_refused);
    g_test_add_func("/sev/attestation/chip/again", test_chip_again);
    g_test_add_func("/sev/attestation/chip/id", test_chip_id);
    g_test_add_func("/sev/attestation/chip/files", test_chip_files);
    g_test_add_func("/sev/attestation/chip/formats", test_chip_formats);
    g_test_add_func("/sev/attestation/chip/vcek", test_vcek_extensions);
    g_test_add_func("/sev/attestation/chip/marked", test_marked);
    for (size_t i = 0; i < ARRAY_SIZE(bad_folders); i++) {
        g_autofree char *path = g_strdup_printf(
            "/sev/attestation/chip/%s", bad_folders[i].name);

        g_test_add_data_func(path, &bad_folders[i], test_bad_folder);
    }
    g_test_add_func("/sev/attestation/chip/folder-in-use",
                    test_folder_in_use);
    g_test_add_func("/sev/attestation/chip/folder-is-file",
                    test_folder_is_file);
    g_test_add_func("/sev/attestation/chip/folder-locked", test_folder_locked);
    g_test_add_func("/sev/attestation/chip/concurrent", test_concurrent);
    g_test_add_func("/sev/attestation/table", test_table);

    ret = g_test_run();
    psp_chip_free(the_chip);
    g_free(other_dir);
    remove = g_strdup_printf("rm -rf '%s'", scratch);
    g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
    return ret;
}
