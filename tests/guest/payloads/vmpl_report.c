/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attestation reports of VMPL2: it has the key VMPCK2, which speaks for VMPL2
 * and 3 and for nobody above
 *
 * SEV-SNP Firmware ABI (56860): guest messages, MSG_REPORT_REQ; secrets page.
 * FIPS 197 (AES-256) and NIST SP 800-38D (GCM) for the messages.
 */
#include "vmpls.h"

#define LOW             2
#define REQUEST_GPA     AREA_GPA
#define RESPONSE_GPA    (AREA_GPA + PAGE)
#define VMPCK(n)        (0x20 + 0x20 * (n))
#define REFUSED         0x16
#define BAD_MESSAGE     0xfff

/* A message: its header, of which the second half is authenticated */
enum {
    TAG = 0x00, SEQUENCE = 0x20, ALGORITHM = 0x30, HEADER_VERSION = 0x31,
    HEADER_SIZE = 0x32, TYPE = 0x34, VERSION = 0x35, SIZE = 0x36,
    KEY_NUMBER = 0x3c, PAYLOAD = 0x60,
};
enum { REPORT_REQUEST = 5, REPORT_RESPONSE = 6 };
/* MSG_REPORT_REQ and MSG_REPORT_RSP, and a report behind the latter's header */
enum { REQUEST_VMPL = 0x40, REQUEST_SIZE = 0x60 };
enum { REPORT = 0x20, REPORT_VMPL = 0x30, REPORT_DATA = 0x50 };

static u8 substitute[256], round_keys[15][16], hash_key[16];
static u8 key[32], message[PAGE];
static u64 sequence;

/* ---- AES-256 ---- */

static u8 multiply(u8 a, u8 b)
{
    u8 sum = 0;

    for (; b; b >>= 1) {
        sum ^= b & 1 ? a : 0;
        a = a << 1 ^ (a & 0x80 ? 0x1b : 0);
    }
    return sum;
}

static void make_substitute(void)
{
    for (unsigned x = 0; x < 256; x++) {
        unsigned inverse = 0, bits;

        while (x && multiply(x, inverse) != 1) {
            inverse++;
        }
        bits = inverse ^ inverse << 1 ^ inverse << 2 ^ inverse << 3 ^
               inverse << 4;
        substitute[x] = (bits ^ bits >> 8) ^ 0x63;
    }
}

static void expand_key(void)
{
    u8 *out = round_keys[0], constant = 1;

    memcpy(out, key, 32);
    for (unsigned at = 32; at < sizeof(round_keys); at += 4) {
        u8 word[4], first;

        memcpy(word, out + at - 4, 4);
        if (at % 32 == 0) {
            first = word[0];
            word[0] = substitute[word[1]] ^ constant;
            word[1] = substitute[word[2]];
            word[2] = substitute[word[3]];
            word[3] = substitute[first];
            constant = multiply(constant, 2);
        } else if (at % 32 == 16) {
            for (unsigned i = 0; i < 4; i++) {
                word[i] = substitute[word[i]];
            }
        }
        for (unsigned i = 0; i < 4; i++) {
            out[at + i] = out[at + i - 32] ^ word[i];
        }
    }
}

static void mix(u8 column[4])
{
    u8 in[4];

    memcpy(in, column, 4);
    for (unsigned i = 0; i < 4; i++) {
        column[i] = multiply(in[i], 2) ^ multiply(in[(i + 1) % 4], 3) ^
                    in[(i + 2) % 4] ^ in[(i + 3) % 4];
    }
}

static void encrypt(u8 block[16])
{
    for (unsigned round = 0; round < 15; round++) {
        u8 moved[16];

        /* Of the first round only the key is used. */
        for (unsigned i = 0; i < 16 && round; i++) {
            moved[i] = substitute[block[(i + 4 * (i % 4)) % 16]];
        }
        if (round) {
            memcpy(block, moved, 16);
        }
        for (unsigned i = 0; i < 16 && round && round < 14; i += 4) {
            mix(block + i);
        }
        for (unsigned i = 0; i < 16; i++) {
            block[i] ^= round_keys[round][i];
        }
    }
}

/* ---- GCM ---- */

static void hash_block(u8 sum[16], const u8 *data, unsigned size)
{
    u8 product[16] = { 0 }, factor[16];

    for (unsigned i = 0; i < size; i++) {
        sum[i] ^= data[i];
    }
    memcpy(factor, hash_key, 16);
    for (unsigned bit = 0; bit < 128; bit++) {
        u8 carry = factor[15] & 1;

        for (unsigned i = 0; i < 16 && sum[bit / 8] & 0x80 >> bit % 8; i++) {
            product[i] ^= factor[i];
        }
        for (unsigned i = 15; i; i--) {
            factor[i] = factor[i] >> 1 | factor[i - 1] << 7;
        }
        factor[0] = factor[0] >> 1 ^ (carry ? 0xe1 : 0);
    }
    memcpy(sum, product, 16);
}

static void hash_all(u8 sum[16], const u8 *data, unsigned size)
{
    for (unsigned at = 0; at < size; at += 16) {
        hash_block(sum, data + at, size - at < 16 ? size - at : 16);
    }
}

static void counter_block(u8 block[16], u32 count)
{
    memset(block, 0, 16);
    memcpy(block, message + SEQUENCE, 8);
    for (unsigned i = 0; i < 4; i++) {
        block[15 - i] = count >> 8 * i;
    }
    encrypt(block);
}

static void apply_stream(u8 *data, unsigned size)
{
    for (unsigned at = 0; at < size; at++) {
        static u8 stream[16];

        if (at % 16 == 0) {
            counter_block(stream, 2 + at / 16);
        }
        data[at] ^= stream[at % 16];
    }
}

/* Of the encrypted message */
static void make_tag(u8 tag[16], unsigned size)
{
    u8 lengths[16] = { 0 }, first[16];

    memset(tag, 0, 16);
    hash_all(tag, message + ALGORITHM, PAYLOAD - ALGORITHM);
    hash_all(tag, message + PAYLOAD, size);
    /* In bits, and the highest byte first */
    lengths[6] = (PAYLOAD - ALGORITHM) * 8 >> 8;
    lengths[7] = (u8)((PAYLOAD - ALGORITHM) * 8);
    lengths[14] = size * 8 >> 8;
    lengths[15] = size * 8;
    hash_all(tag, lengths, 16);
    counter_block(first, 1);
    for (unsigned i = 0; i < 16; i++) {
        tag[i] ^= first[i];
    }
}

static void use_key(void)
{
    make_substitute();
    expand_key();
    memset(hash_key, 0, 16);
    encrypt(hash_key);
}

/* ---- messages ---- */

static void put(unsigned offset, u64 value, unsigned size)
{
    memcpy(message + offset, &value, size);
}

static u32 get(unsigned offset)
{
    u32 value;

    memcpy(&value, message + offset, 4);
    return value;
}

static void make_request(u32 vmpl)
{
    memset(message, 0, PAGE);
    put(SEQUENCE, ++sequence, 8);
    put(ALGORITHM, 1, 1);
    put(HEADER_VERSION, 1, 1);
    put(HEADER_SIZE, PAYLOAD, 2);
    put(TYPE, REPORT_REQUEST, 1);
    put(VERSION, 1, 1);
    put(SIZE, REQUEST_SIZE, 2);
    put(KEY_NUMBER, LOW, 1);
    for (unsigned i = 0; i < 64; i++) {
        message[PAYLOAD + i] = 0x40 + i;
    }
    put(PAYLOAD + REQUEST_VMPL, vmpl, 4);
    apply_stream(message + PAYLOAD, REQUEST_SIZE);
    make_tag(message + TAG, REQUEST_SIZE);
}

/* Decrypts what came back.  Returns: whether it is authentic. */
static bool open_response(void)
{
    unsigned size = get(SIZE) & 0xffff;
    u8 tag[16];

    if (size > PAGE - PAYLOAD || get(SEQUENCE) != ++sequence ||
        message[TYPE] != REPORT_RESPONSE) {
        return false;
    }
    make_tag(tag, size);
    for (unsigned i = 0; i < 16; i++) {
        if (tag[i] != message[TAG + i]) {
            return false;
        }
    }
    apply_stream(message + PAYLOAD, size);
    return true;
}

/* At VMPL2: the status of a report for VMPL @value */
static void ask(struct vmpl_call *call)
{
    if (!sequence) {
        ghcb_setup();
        use_key();
    }
    make_request(call->value);
    memcpy(shar(REQUEST_GPA), message, PAGE);
    ghcb_clear();
    call->answer = ghcb_call(NAE_GUEST_REQ, REQUEST_GPA, RESPONSE_GPA) |
                   ghcb_get(GHCB_INFO2);
    if (call->answer) {
        return;
    }
    memcpy(message, shar(RESPONSE_GPA), PAGE);
    call->answer = open_response() ? get(PAYLOAD) : BAD_MESSAGE;
}

void ap_main(unsigned index)
{
    vmpl_serve(index);
}

static u64 report_for(u32 vmpl)
{
    return vmpl_call(LOW, LOW, ask, NULL, vmpl);
}

static bool has_report(u32 vmpl)
{
    const u8 *report = message + PAYLOAD + REPORT;

    for (unsigned i = 0; i < 64; i++) {
        if (report[REPORT_DATA + i] != 0x40 + i) {
            return false;
        }
    }
    return get(PAYLOAD + REPORT + REPORT_VMPL) == vmpl;
}

static bool no_report(void)
{
    u8 any = 0;

    for (unsigned i = REPORT; i < PAGE - PAYLOAD; i++) {
        any |= message[PAYLOAD + i];
    }
    return !any;
}

void payload(void)
{
    /* What an SVSM gives to who is at VMPL2, of the page that it keeps */
    memcpy(key, priv(SECRETS_GPA) + VMPCK(LOW), sizeof(key));
    to_shared(REQUEST_GPA, 2 * PAGE);
    vmpl_share(LOW);
    vmpl_prepare(LOW, LOW, 0);
    check_eq(T("report"), report_for(2), 0);
    check(T("report-says-vmpl2"), has_report(2));
    check_eq(T("report-of-vmpl3"), report_for(3), 0);
    check(T("report-says-vmpl3"), has_report(3));
    check_eq(T("refused-vmpl1"), report_for(1), REFUSED);
    check(T("refused-vmpl1-no-report"), no_report());
    check_eq(T("refused-vmpl0"), report_for(0), REFUSED);
    check(T("refused-vmpl0-no-report"), no_report());
    check_eq(T("report-again"), report_for(2), 0);
    check(T("report-again-says-vmpl2"), has_report(2));
}
