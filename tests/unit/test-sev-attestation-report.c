/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: attestation reports, and who signs them
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "upm/attestation.h"

/* What is known of the guest, and what it said */
static void check_guest_fields(const uint8_t *report)
{
    g_assert_cmphex(ldl_le_p(report + 0x04), ==, 7);
    g_assert_cmphex(ldq_le_p(report + 0x08), ==, POLICY);
    expect_fill(report + 0x10, 16, 0xfa);
    expect_fill(report + 0x20, 16, 0x1a);
    g_assert_cmphex(ldl_le_p(report + 0x30), ==, 2);
    for (size_t i = 0; i < 64; i++) {
        g_assert_cmphex(report[0x50 + i], ==, 0x80 + i);
    }
    expect_fill(report + 0x90, 48, 0xd1);
    expect_fill(report + 0xc0, 32, 0x4d);
    expect_fill(report + 0xe0, 48, 0x1c);
    expect_fill(report + 0x110, 48, 0xac);
    expect_fill(report + 0x140, 32, 0x1d);
    expect_fill(report + 0x160, 32, 0xff);
}

/* The chip, its firmware, and the platform */
static void check_platform_fields(const uint8_t *report)
{
    static const uint8_t tcb[8] = { 4, 0, 0, 0, 0, 0, 0x18, 0xdb };

    g_assert_cmpmem(report + 0x38, 8, tcb, 8);
    g_assert_cmphex(ldq_le_p(report + 0x40), ==, 0x25);
    g_assert_cmpmem(report + 0x180, 8, tcb, 8);
    g_assert_cmphex(report[0x188], ==, 0x19);
    g_assert_cmphex(report[0x189], ==, 0x01);
    g_assert_cmphex(report[0x18a], ==, 0x01);
    g_assert_cmpmem(report + 0x1a0, 64, psp_chip_id(chip()), 64);
    g_assert_cmpmem(report + 0x1e0, 8, tcb, 8);
    for (size_t at = 0x1e8; at <= 0x1ec; at += 4) {
        g_assert_cmphex(report[at], ==, PSP_BUILD);
        g_assert_cmphex(report[at + 1], ==, 55);
        g_assert_cmphex(report[at + 2], ==, 1);
        g_assert_cmphex(report[at + 3], ==, 0);
    }
    g_assert_cmpmem(report + 0x1f0, 8, tcb, 8);
}

static void test_report(void)
{
    static const struct {
        size_t at, size;
    } reserved[] = {
        { 0x4c, 4 }, { 0x18b, 21 }, { 0x1f8, 168 }, { 0x2d0, 24 },
        { 0x318, 24 }, { 0x330, 0x170 },
    };
    PspGuest guest = new_guest();
    Page response;
    const uint8_t *answer = ask_report(&guest, &response, 1, 2);
    const uint8_t *report = answer + 0x20;
    uint8_t changed[0x4a0];

    g_assert_cmphex(ldl_le_p(answer), ==, 0);
    g_assert_cmphex(ldl_le_p(answer + 4), ==, 0x4a0);
    expect_fill(answer + 8, 24, 0);

    g_assert_cmphex(ldl_le_p(report), ==, 3);
    check_guest_fields(report);
    check_platform_fields(report);
    g_assert_cmphex(ldl_le_p(report + 0x34), ==, 1);
    g_assert_cmphex(ldl_le_p(report + 0x48), ==, 1);
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        expect_fill(report + reserved[i].at, reserved[i].size, 0);
    }

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

int main(int argc, char **argv)
{
    attestation_init(&argc, &argv);
    g_test_add_func("/sev/attestation/report/fields", test_report);
    g_test_add_func("/sev/attestation/report/no-id-block", test_report_plain);
    g_test_add_func("/sev/attestation/report/config", test_report_config);
    g_test_add_func("/sev/attestation/report/vmpl", test_report_vmpl);
    g_test_add_func("/sev/attestation/report/key", test_report_key);
    g_test_add_func("/sev/attestation/report/reserved", test_report_reserved);
    g_test_add_func("/sev/attestation/turin/report", test_turin_report);
    g_test_add_func("/sev/attestation/report/versions", test_report_versions);
    g_test_add_func("/sev/attestation/vlek/signs", test_vlek_signs);
    return attestation_run();
}
