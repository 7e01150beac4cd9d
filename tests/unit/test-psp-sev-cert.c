/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: its SEV certificates, at the offsets of 55766
 * appendix C
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include "qemu/bswap.h"
#include "upm/psp-sev.h"

static bool has_signed(const uint8_t *cert, int which, const uint8_t *signer)
{
    const uint8_t *sig = cert + CERT_SIG(which) + 8;
    const gnutls_datum_t body = { (void *)cert, CERT_BODY };
    uint8_t n[4][48];
    gnutls_datum_t x = reversed(signer + CERT_X, n[0]);
    gnutls_datum_t y = reversed(signer + CERT_Y, n[1]);
    gnutls_datum_t r = reversed(sig, n[2]), s = reversed(sig + 72, n[3]);
    gnutls_datum_t der;
    gnutls_pubkey_t key;
    int ret;

    g_assert_cmpuint(ldl_le_p(cert + CERT_SIG(which)), ==,
                     ldl_le_p(signer + 8));
    g_assert_cmpint(gnutls_pubkey_init(&key), ==, 0);
    g_assert_cmpint(gnutls_pubkey_import_ecc_raw(
                        key, GNUTLS_ECC_CURVE_SECP384R1, &x, &y), ==, 0);
    g_assert_cmpint(gnutls_encode_rs_value(&der, &r, &s), ==, 0);
    ret = gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_ECDSA_SHA256, 0, &body,
                                     &der);
    gnutls_free(der.data);
    gnutls_pubkey_deinit(key);
    return ret >= 0;
}

static int export(uint32_t pdh_size, uint32_t chain_size,
                  PspCmdPdhCertExport *export)
{
    *export = (PspCmdPdhCertExport) {
        .pdh_spa = cpu_to_le64(DATA),
        .pdh_size = cpu_to_le32(pdh_size),
        .chain_spa = cpu_to_le64(DATA + 2 * PAGE),
        .chain_size = cpu_to_le32(chain_size),
    };
    return command(PSP_CMD_PDH_CERT_EXPORT, export, sizeof(*export));
}

static void test_export(void)
{
    PspCmdPdhCertExport out;
    const uint8_t *pdh, *pek, *oca, *cek;

    start_sev(false);
    pdh = machine.ram + DATA;
    pek = machine.ram + DATA + 2 * PAGE;
    oca = pek + CERT_SIZE;
    cek = oca + CERT_SIZE;
    g_assert_cmpint(export(0, 0, &out), ==, SEV_RET_INVALID_LEN);
    g_assert_cmpuint(le32_to_cpu(out.pdh_size), ==, CERT_SIZE);
    g_assert_cmpuint(le32_to_cpu(out.chain_size), ==, 3 * CERT_SIZE);
    g_assert_cmpint(export(CERT_SIZE - 1, 3 * CERT_SIZE, &out), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpint(export(CERT_SIZE, 3 * CERT_SIZE - 1, &out), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpint(export(4096, 8192, &out), ==, 0);
    g_assert_cmpuint(le32_to_cpu(out.pdh_size), ==, CERT_SIZE);

    g_assert_cmpuint(ldl_le_p(pdh + 8), ==, 0x1003);
    g_assert_cmpuint(ldl_le_p(pdh + 12), ==, 3);
    g_assert_cmpuint(ldl_le_p(pek + 8), ==, 0x1002);
    g_assert_cmpuint(ldl_le_p(oca + 8), ==, 0x1001);
    g_assert_cmpuint(ldl_le_p(cek + 8), ==, 0x1004);
    g_assert_cmpuint(ldl_le_p(cek + CERT_CURVE), ==, 2);
    g_assert_true(has_signed(pdh, 0, pek));
    g_assert_true(has_signed(pek, 0, oca));
    g_assert_true(has_signed(pek, 1, cek));
    g_assert_true(has_signed(oca, 0, oca));
    g_assert_cmpuint(ldl_le_p(pdh + CERT_SIG(1)), ==, 0x1000);

    /* A new PDH leaves the others alone. */
    memcpy(machine.ram + DATA + 8 * PAGE, pdh, CERT_SIZE);
    memcpy(machine.ram + DATA + 10 * PAGE, pek, 3 * CERT_SIZE);
    g_assert_cmpint(command(PSP_CMD_PDH_GEN, NULL, 0), ==, 0);
    g_assert_cmpint(export(4096, 8192, &out), ==, 0);
    g_assert_true(memcmp(machine.ram + DATA + 8 * PAGE, pdh, CERT_SIZE));
    g_assert_cmpmem(machine.ram + DATA + 10 * PAGE, 3 * CERT_SIZE, pek,
                    3 * CERT_SIZE);
    g_assert_true(has_signed(pdh, 0, pek));
    /* PEK_GEN makes all but the CEK. */
    g_assert_cmpint(command(PSP_CMD_PEK_GEN, NULL, 0), ==, 0);
    g_assert_cmpint(export(4096, 8192, &out), ==, 0);
    g_assert_cmpmem(machine.ram + DATA + 10 * PAGE + 2 * CERT_SIZE, CERT_SIZE,
                    cek, CERT_SIZE);
    g_assert_true(memcmp(machine.ram + DATA + 10 * PAGE, pek, CERT_SIZE));
    g_assert_true(has_signed(pek, 1, cek));
    machine_stop();
}

/* After SNP_INIT both outputs have to be the firmware's. */
static void test_export_states(void)
{
    PspCmdPdhCertExport out;

    machine_start();
    snp_init();
    sev_init(0);
    make_firmware(BUFFER, PAGE);
    g_assert_cmpint(export(4096, 8192, &out), ==,
                    PSP_STATUS_INVALID_PAGE_STATE);
    make_firmware(BUFFER, PAGE);
    make_firmware(DATA, PAGE);
    make_firmware(DATA + 2 * PAGE, PAGE);
    g_assert_cmpint(export(4096, 8192, &out), ==,
                    PSP_STATUS_INVALID_PAGE_STATE);
    make_firmware(BUFFER, PAGE);
    make_firmware(DATA + 3 * PAGE, PAGE);
    g_assert_cmpint(export(4096, 8192, &out), ==, 0);
    g_assert_cmpint(state_of(DATA), ==, PSP_PAGE_STATE_FIRMWARE);
    machine_stop();
}

static int import(const PspSevCert *pek, const PspSevCert *oca)
{
    PspCmdPekCertImport import = {
        .pek_spa = cpu_to_le64(DATA),
        .pek_size = cpu_to_le32(CERT_SIZE),
        .oca_spa = cpu_to_le64(DATA + PAGE),
        .oca_size = cpu_to_le32(CERT_SIZE),
    };

    memcpy(machine.ram + DATA, pek, CERT_SIZE);
    memcpy(machine.ram + DATA + PAGE, oca, CERT_SIZE);
    return command(PSP_CMD_PEK_CERT_IMPORT, &import, sizeof(import));
}

static void test_import(void)
{
    PspCmdOutput csr = { .spa = cpu_to_le64(DATA) };
    PspCmdPlatformStatus status;
    PspCmdPdhCertExport out;
    PspSevCert pek, oca, spoilt;
    PspSevKey owner;

    start_sev(false);
    g_assert_true(psp_sev_key_make(&owner, &error_abort));
    psp_sev_cert_init(&oca, PSP_SEV_USAGE_OCA, &owner);
    g_assert_true(psp_sev_cert_sign(&oca, PSP_SEV_USAGE_OCA, &owner,
                                    &error_abort));

    g_assert_cmpint(command(PSP_CMD_PEK_CSR, &csr, sizeof(csr)), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpuint(le32_to_cpu(csr.size), ==, CERT_SIZE);
    g_assert_cmpint(command(PSP_CMD_PEK_CSR, &csr, sizeof(csr)), ==, 0);
    memcpy(&pek, machine.ram + DATA, sizeof(pek));
    g_assert_cmpint(import(&pek, &oca), ==, SEV_RET_INVALID_CERTIFICATE);
    g_assert_true(psp_sev_cert_sign(&pek, PSP_SEV_USAGE_OCA, &owner,
                                    &error_abort));

    spoilt = oca;
    spoilt.signatures[0].value.r[3] ^= 1;
    g_assert_cmpint(import(&pek, &spoilt), ==, SEV_RET_BAD_SIGNATURE);
    spoilt = oca;
    spoilt.signatures[1].algorithm = cpu_to_le32(PSP_SEV_ECDSA_SHA256);
    g_assert_cmpint(import(&pek, &spoilt), ==, SEV_RET_BAD_SIGNATURE);
    spoilt = oca;
    spoilt.version = cpu_to_le32(2);
    g_assert_cmpint(import(&pek, &spoilt), ==, SEV_RET_INVALID_CERTIFICATE);
    spoilt = pek;
    spoilt.signatures[0].value.s[3] ^= 1;
    g_assert_cmpint(import(&spoilt, &oca), ==, SEV_RET_BAD_SIGNATURE);
    /* A key that the firmware has not, signed by the owner all the same */
    psp_sev_cert_init(&spoilt, PSP_SEV_USAGE_PEK, &owner);
    g_assert_true(psp_sev_cert_sign(&spoilt, PSP_SEV_USAGE_OCA, &owner,
                                    &error_abort));
    g_assert_cmpint(import(&spoilt, &oca), ==, SEV_RET_INVALID_CERTIFICATE);

    g_assert_cmpint(import(&pek, &oca), ==, 0);
    g_assert_cmpint(import(&pek, &oca), ==, SEV_RET_ALREADY_OWNED);
    g_assert_cmpint(command(PSP_CMD_PLATFORM_STATUS, &status, sizeof(status)),
                    ==, 0);
    g_assert_cmpint(status.owner, ==, 1);
    g_assert_cmpint(export(4096, 8192, &out), ==, 0);
    g_assert_cmpmem(machine.ram + DATA + 2 * PAGE + CERT_SIZE, CERT_SIZE, &oca,
                    CERT_SIZE);
    g_assert_true(has_signed(machine.ram + DATA, 0,
                             machine.ram + DATA + 2 * PAGE));
    g_assert_true(has_signed(machine.ram + DATA + 2 * PAGE, 0, (void *)&oca));
    g_assert_true(has_signed(machine.ram + DATA + 2 * PAGE, 1,
                             machine.ram + DATA + 2 * PAGE + 2 * CERT_SIZE));
    machine_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-sev/export", test_export);
    g_test_add_func("/psp-sev/export/states", test_export_states);
    g_test_add_func("/psp-sev/import", test_import);
    return g_test_run();
}
