/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: derived keys
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "upm/attestation.h"

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

int main(int argc, char **argv)
{
    attestation_init(&argc, &argv);
    g_test_add_func("/sev/attestation/key/derived", test_key);
    g_test_add_func("/sev/attestation/key/fields", test_key_fields);
    g_test_add_func("/sev/attestation/key/refused", test_key_refused);
    g_test_add_func("/sev/attestation/turin/tcb", test_turin_tcb);
    g_test_add_func("/sev/attestation/vlek/key", test_vlek_key);
    g_test_add_func("/sev/attestation/key/mitigations", test_key_mitigations);
    g_test_add_func("/sev/attestation/key/versions", test_key_versions);
    return attestation_run();
}
