/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest messages: the firmware answers exactly those that are authentic, in
 * turn and of a known kind, and nothing else changes anything
 *
 * Sources: target/i386/psp/guest-message.c target/i386/psp/report.c
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "target/i386/psp/attest.h"
#include "fuzz.h"

/* Offsets in a message, 56860 table 97 */
#define SEQNO       0x20
#define ALGORITHM   0x30
#define TYPE        0x34
#define SIZE        0x36
#define VMPCK       0x3c
#define PAYLOAD     0x60

#define PAYLOAD_LIMIT 128

/* An input is a row of these; the last may be cut short. */
typedef struct QEMU_PACKED Request {
    /*
     * bits 0 to 1: kind of request, 3 for what the header says; bit 2: with
     * the right number; bit 3: sealed with the right key; bit 4: one bit of
     * the page is changed at last
     */
    uint8_t how;
    uint16_t change;
    uint8_t header[PAYLOAD - SEQNO];
    uint8_t payload[PAYLOAD_LIMIT];
} Request;

/* What requests of a type hold, and their answers: 56860 chapter 7 */
static const struct {
    uint8_t type;
    uint16_t size, answer_size;
} kinds[] = {
    { 5, 96, 0x4c0 },
    { 3, 32, 64 },
    { 17, 128, 128 },
};

typedef union Page {
    uint8_t bytes[PSP_PAGE_SIZE];
    PspMessage message;
} Page;

/* The chip signs nothing, quickly. */
const uint8_t *psp_chip_id(const PspChip *chip)
{
    static const uint8_t id[PSP_CHIP_ID_SIZE] = "a fuzzed chip";

    return id;
}

bool psp_chip_sign(const PspChip *chip, const void *data, size_t size,
                   PspEcSignature *signature, Error **errp)
{
    FUZZ_ASSERT(size == 0x2a0);
    memset(signature, 0x55, sizeof(*signature));
    return true;
}

bool psp_chip_derive(const PspChip *chip, const void *context, size_t size,
                     uint8_t key[PSP_DERIVED_KEY_SIZE], Error **errp)
{
    memset(key, 0x55, PSP_DERIVED_KEY_SIZE);
    return true;
}

static PspChip *fake_chip(Error **errp)
{
    static int chip;

    return (PspChip *)&chip;
}

static const PspProcessor fake_processor = { .chip = fake_chip };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return 0;
}

/* AES-256-GCM at the level of bytes; false where not authentic */
static bool aes_gcm(Page *page, const PspGuest *guest, unsigned key,
                    size_t size, bool seal)
{
    const gnutls_datum_t datum = { (void *)guest->vmpck[key], 32 };
    uint8_t iv[12] = { 0 }, in[PSP_PAGE_SIZE], out[PSP_PAGE_SIZE];
    uint8_t *payload = page->bytes + PAYLOAD;
    size_t out_size = sizeof(out);
    gnutls_aead_cipher_hd_t cipher;
    int ret;

    memcpy(iv, page->bytes + SEQNO, 8);
    memcpy(in, payload, size);
    memcpy(in + size, page->bytes, 16);
    FUZZ_ASSERT(gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_GCM,
                                        &datum) >= 0);
    if (seal) {
        ret = gnutls_aead_cipher_encrypt(cipher, iv, 12, page->bytes + 0x30,
                                         0x30, 16, in, size, out, &out_size);
        memcpy(page->bytes, out + size, 16);
    } else {
        ret = gnutls_aead_cipher_decrypt(cipher, iv, 12, page->bytes + 0x30,
                                         0x30, 16, in, size + 16, out,
                                         &out_size);
    }
    gnutls_aead_cipher_deinit(cipher);
    if (ret >= 0) {
        memcpy(payload, out, size);
    }
    return ret >= 0;
}

/* Index in kinds[] of a header that is understood, or -1 */
static int kind_of(const Page *page)
{
    const uint8_t *bytes = page->bytes;

    if (bytes[ALGORITHM] != 1 || bytes[ALGORITHM + 1] != 1 ||
        lduw_le_p(bytes + 0x32) != PAYLOAD || bytes[TYPE + 1] != 1 ||
        bytes[VMPCK] > 3) {
        return -1;
    }
    for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i].type == bytes[TYPE] &&
            kinds[i].size == lduw_le_p(bytes + SIZE)) {
            return i;
        }
    }
    return -1;
}

static int expected(const PspGuest *guest, const Page *page)
{
    int kind = kind_of(page);
    unsigned vmpck = page->bytes[VMPCK];
    Page copy = *page;

    if (kind < 0) {
        return SEV_RET_INVALID_PARAM;
    }
    if (ldq_le_p(page->bytes + SEQNO) != guest->message_count[vmpck] + 1) {
        return 0x1d;
    }
    return aes_gcm(&copy, guest, vmpck, kinds[kind].size, false)
           ? SEV_RET_SUCCESS : SEV_RET_BAD_MEASUREMENT;
}

static void make_page(Page *page, const PspGuest *guest, const Request *r)
{
    int kind = r->how & 3;

    memset(page, 0, sizeof(*page));
    memcpy(page->bytes + SEQNO, r->header, sizeof(r->header));
    memcpy(page->bytes + PAYLOAD, r->payload, sizeof(r->payload));
    if (kind < ARRAY_SIZE(kinds)) {
        stl_le_p(page->bytes + ALGORITHM, 1 | 1 << 8 | PAYLOAD << 16);
        page->bytes[TYPE] = kinds[kind].type;
        page->bytes[TYPE + 1] = 1;
        stw_le_p(page->bytes + SIZE, kinds[kind].size);
        page->bytes[VMPCK] &= 3;
    }
    if (r->how & 4) {
        stq_le_p(page->bytes + SEQNO,
                 guest->message_count[page->bytes[VMPCK] & 3] + 1);
    }
    if (r->how & 8) {
        aes_gcm(page, guest, page->bytes[VMPCK] & 3,
                MIN(lduw_le_p(page->bytes + SIZE), PAYLOAD_LIMIT), true);
    }
    if (r->how & 16) {
        page->bytes[r->change / 8 % PSP_PAGE_SIZE] ^= 1 << r->change % 8;
    }
}

static void check_answer(Page *answer, const PspGuest *guest,
                         const Page *request, int kind)
{
    unsigned vmpck = request->bytes[VMPCK];
    uint32_t status;

    FUZZ_ASSERT(kind_of(request) == kind);
    FUZZ_ASSERT(answer->bytes[TYPE] == kinds[kind].type + 1);
    FUZZ_ASSERT(lduw_le_p(answer->bytes + SIZE) == kinds[kind].answer_size);
    FUZZ_ASSERT(ldq_le_p(answer->bytes + SEQNO) ==
                ldq_le_p(request->bytes + SEQNO) + 1);
    FUZZ_ASSERT(aes_gcm(answer, guest, vmpck, kinds[kind].answer_size, false));
    status = ldl_le_p(answer->bytes + PAYLOAD);
    FUZZ_ASSERT(status == 0 || status == 0x16 || status == 0x27);
}

static void do_request(PspGuest *guest, const Request *r)
{
    PspGuest before = *guest;
    Page request, answer;
    int status;

    make_page(&request, guest, r);
    memset(&answer, 0xee, sizeof(answer));
    status = expected(guest, &request);
    FUZZ_ASSERT(psp_guest_request(guest, &request.message, &answer.message) ==
                status);
    if (status) {
        FUZZ_ASSERT(answer.bytes[0] == 0xee && answer.bytes[PAYLOAD] == 0xee);
    } else {
        check_answer(&answer, &before, &request, kind_of(&request));
        before.message_count[request.bytes[VMPCK]] += 2;
    }
    FUZZ_ASSERT(!memcmp(&before, guest, sizeof(before)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PspGuest guest;

    memset(&guest, 0, sizeof(guest));
    guest.processor = &fake_processor;
    guest.state = PSP_STATE_RUNNING;
    for (size_t i = 0; i < PSP_VMPCKS; i++) {
        memset(guest.vmpck[i], i + 1, PSP_VMPCK_SIZE);
    }
    while (size) {
        Request r = { 0 };
        size_t used = MIN(size, sizeof(r));

        memcpy(&r, data, used);
        data += used;
        size -= used;
        do_request(&guest, &r);
    }
    return 0;
}
