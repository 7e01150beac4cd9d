/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest messages: what is not the next message, sealed with the right key,
 * is refused, with the status that a plain reading gives it; what is
 * accepted gets a sealed response
 *
 * Sources: target/i386/psp/guest-message.c target/i386/psp/report.c
 * Sources: target/i386/psp/product.c
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "target/i386/psp/attest.h"
#include "target/i386/sev-certs.h"
#include "fuzz.h"

#define AEAD_OFLOW 0x1d

/* An input is a row of these: a message each. */
typedef struct QEMU_PACKED Step {
    uint8_t kind;           /* 1:0 type, 3:2 VMPCK, 5:4 key, 6 other number */
    int8_t number;
    uint16_t before_at;     /* a change before the message is sealed */
    uint8_t before;
    uint16_t after_at;      /* and one after */
    uint8_t after;
    uint8_t fill;
} Step;

static const struct {
    uint8_t type;
    uint16_t size, answer;
} kinds[] = {
    { 3, 32, 64 }, { 5, 96, 0x4c0 }, { 17, 128, 128 }, { 1, 112, 112 },
};

#define KIND_CPUID  3

static uint8_t chip_id[PSP_CHIP_ID_SIZE];

PspChip *psp_platform_chip(PspPlatform *platform, Error **errp)
{
    return (PspChip *)chip_id;
}

uint64_t psp_chip_tcb(const PspPlatform *platform)
{
    return 0x0403020100000001;
}

uint64_t psp_reported_tcb(const PspPlatform *platform)
{
    return psp_chip_tcb(platform);
}

unsigned psp_report_version(const PspPlatform *platform)
{
    return 3;
}

uint8_t psp_api_minor(const PspPlatform *platform)
{
    return PSP_API_MINOR;
}

unsigned psp_platform_cpuid(const PspPlatform *platform, PspCpuidPage *page)
{
    FUZZ_ASSERT(le32_to_cpu(page->count) <= PSP_CPUID_MAX);
    return page->entries[0].eax & 1;
}

const uint8_t *psp_chip_id(const PspChip *chip)
{
    return chip_id;
}

bool psp_chip_sign(const PspChip *chip, PspSigner signer, const void *data,
                   size_t size, PspEcSignature *signature, Error **errp)
{
    memset(signature, 0x55, sizeof(*signature));
    return true;
}

bool psp_chip_derive(const PspChip *chip, PspSigner signer,
                     const void *context, size_t size,
                     uint8_t key[PSP_DERIVED_KEY_SIZE], Error **errp)
{
    memset(key, 0x66, PSP_DERIVED_KEY_SIZE);
    return true;
}

void sev_certs_report(Error *err)
{
    error_free(err);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return 0;
}

static bool seal_or_open(PspMessage *page, const uint8_t *key, size_t size,
                         bool seal)
{
    const gnutls_datum_t datum = { (void *)key, 32 };
    uint8_t iv[12] = { 0 }, *raw = (uint8_t *)page;
    giovec_t aad = { raw + 0x30, 0x30 }, payload = { raw + 0x60, size };
    size_t tag_size = 16;
    gnutls_aead_cipher_hd_t cipher;
    int ret;

    memcpy(iv, raw + 0x20, 8);
    FUZZ_ASSERT(gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_GCM,
                                        &datum) == 0);
    ret = seal ? gnutls_aead_cipher_encryptv2(cipher, iv, 12, &aad, 1,
                                              &payload, 1, raw, &tag_size)
               : gnutls_aead_cipher_decryptv2(cipher, iv, 12, &aad, 1,
                                              &payload, 1, raw, 16);
    gnutls_aead_cipher_deinit(cipher);
    return ret == 0;
}

/* What the specification has of the header, on the page as it is sent */
static int kind_of(const uint8_t *raw)
{
    const unsigned size = lduw_le_p(raw + 0x36);

    if (raw[0x30] != 1 || raw[0x31] != 1 || lduw_le_p(raw + 0x32) != 0x60 ||
        raw[0x3c] > 3 || raw[0x35] != 1) {
        return -1;
    }
    /* Any number of entries that a CPUID page has room for */
    if (raw[0x34] == 1) {
        return size >= 16 && size <= 16 + 64 * 48 && (size - 16) % 48 == 0 ?
               KIND_CPUID : -1;
    }
    for (size_t i = 0; i < KIND_CPUID; i++) {
        if (raw[0x34] == kinds[i].type && size == kinds[i].size) {
            return i;
        }
    }
    return -1;
}

static void check_answer(PspGuest *guest, PspMessage *answer, int kind,
                         size_t size, unsigned vmpck, uint64_t number)
{
    const uint8_t *raw = (const uint8_t *)answer;
    uint32_t status;

    FUZZ_ASSERT(ldq_le_p(raw + 0x20) == number + 1);
    FUZZ_ASSERT(raw[0x34] == kinds[kind].type + 1 && raw[0x35] == 1);
    FUZZ_ASSERT(lduw_le_p(raw + 0x36) == size);
    FUZZ_ASSERT(raw[0x3c] == vmpck);
    FUZZ_ASSERT(seal_or_open(answer, guest->vmpck[vmpck], size, false));
    status = ldl_le_p(raw + 0x60);
    FUZZ_ASSERT(status == 0 || status == 0x16 || status == 0x27);
    FUZZ_ASSERT(guest->message_count[vmpck] == number + 1);
}

static void one_step(PspGuest *guest, const Step *step)
{
    const unsigned vmpck = step->kind >> 2 & 3, key = step->kind >> 4 & 3;
    const int wanted = (step->kind & 3) % ARRAY_SIZE(kinds);
    const uint64_t next = guest->message_count[vmpck] + 1;
    const size_t at = le16_to_cpu(step->after_at) % sizeof(PspMessage);
    g_autofree PspMessage *page = g_new0(PspMessage, 1);
    g_autofree PspMessage *answer = g_new0(PspMessage, 1);
    uint64_t counts[PSP_VMPCKS];
    uint8_t *raw = (uint8_t *)page;
    size_t sealed;
    bool changed;
    int kind, expected, status;

    stq_le_p(raw + 0x20, next + (step->kind & 0x40 ? step->number : 0));
    raw[0x30] = raw[0x31] = raw[0x35] = 1;
    raw[0x32] = 0x60;
    raw[0x34] = kinds[wanted].type;
    stw_le_p(raw + 0x36, kinds[wanted].size);
    raw[0x3c] = vmpck;
    memset(raw + 0x60, step->fill, 64);
    raw[0x20 + le16_to_cpu(step->before_at) % 0x140] ^= step->before;
    sealed = MIN(lduw_le_p(raw + 0x36), PSP_PAYLOAD_MAX);
    seal_or_open(page, guest->vmpck[(vmpck + key) % 4], sealed, true);
    raw[at] ^= step->after;
    /* The tag, the number (it is in the IV), the rest of the header, payload */
    changed = step->after && (at < 16 || (at >= 0x20 && at < 0x28) ||
                              (at >= 0x30 && at < 0x60 + sealed));

    kind = kind_of(raw);
    if (kind < 0) {
        expected = SEV_RET_INVALID_PARAM;
    } else if (ldq_le_p(raw + 0x20) != guest->message_count[raw[0x3c]] + 1) {
        expected = AEAD_OFLOW;
    } else if (changed ||
               (kind != KIND_CPUID && sealed != kinds[kind].size) ||
               raw[0x3c] != (vmpck + key) % 4) {
        expected = SEV_RET_BAD_MEASUREMENT;
    } else {
        expected = SEV_RET_SUCCESS;
    }

    memcpy(counts, guest->message_count, sizeof(counts));
    status = psp_guest_request(guest, page, answer);
    FUZZ_ASSERT(status == expected);
    if (status) {
        FUZZ_ASSERT(buffer_is_zero(answer, sizeof(*answer)));
        FUZZ_ASSERT(!memcmp(counts, guest->message_count, sizeof(counts)));
    } else {
        check_answer(guest, answer, kind,
                     kind == KIND_CPUID ? sealed : kinds[kind].answer,
                     raw[0x3c], ldq_le_p(raw + 0x20));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static PspPlatform platform;
    PspGuest guest = {
        .platform = &platform,
        .state = PSP_STATE_RUNNING,
        .identity = { .guest_svn = 5 },
    };

    for (size_t i = 0; i < PSP_VMPCKS; i++) {
        memset(guest.vmpck[i], 0x20 + i, PSP_VMPCK_SIZE);
    }
    for (; size >= sizeof(Step); size -= sizeof(Step)) {
        Step step;

        memcpy(&step, data, sizeof(step));
        data += sizeof(step);
        one_step(&guest, &step);
    }
    return 0;
}
