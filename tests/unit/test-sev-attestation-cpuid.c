/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: what else a guest asks, CPUID (MSG_CPUID_REQ) and its
 * TSC (MSG_TSC_INFO_REQ)
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "upm/attestation.h"

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

int main(int argc, char **argv)
{
    attestation_init(&argc, &argv);
    g_test_add_func("/sev/attestation/tsc", test_tsc);
    g_test_add_func("/sev/attestation/cpuid/answer", test_cpuid);
    g_test_add_func("/sev/attestation/cpuid/refused", test_cpuid_refused);
    return attestation_run();
}
