/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: the chip, its certificates, and chips of other products
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "upm/attestation.h"

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
    g_assert_cmpint(psp_product_of(0x00b00f00), ==, PSP_PRODUCT_TURIN);
    /* Milan-X, Bergamo, Siena, Turin Dense */
    g_assert_cmpint(psp_product_of(0x00a00f12), ==, PSP_PRODUCT_MILAN);
    g_assert_cmpint(psp_product_of(0x00aa0f01), ==, PSP_PRODUCT_GENOA);
    g_assert_cmpint(psp_product_of(0x00aa0f02), ==, PSP_PRODUCT_GENOA);
    g_assert_cmpint(psp_product_of(0x00b10f10), ==, PSP_PRODUCT_TURIN);
    g_assert_cmpint(psp_product_of(0x00800f12), ==, PSP_PRODUCT_MILAN);
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
    attestation_init(&argc, &argv);
    g_test_add_func("/sev/attestation/genoa", test_genoa);
    g_test_add_func("/sev/attestation/turin/vcek", test_turin_vcek);
    g_test_add_func("/sev/attestation/vlek/certs", test_vlek_certs);
    g_test_add_func("/sev/attestation/chip/other-kind", test_other_kind);
    g_test_add_func("/sev/attestation/chip/product-of", test_product_of);
    g_test_add_func("/sev/attestation/chip/again", test_chip_again);
    g_test_add_func("/sev/attestation/chip/id", test_chip_id);
    g_test_add_func("/sev/attestation/chip/files", test_chip_files);
    g_test_add_func("/sev/attestation/chip/formats", test_chip_formats);
    g_test_add_func("/sev/attestation/chip/vcek", test_vcek_extensions);
    g_test_add_func("/sev/attestation/chip/marked", test_marked);
    g_test_add_func("/sev/attestation/table", test_table);
    return attestation_run();
}
