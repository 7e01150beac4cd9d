/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: certificates, the channel to a guest's
 * owner, and commands on SEV and SEV-ES guests
 *
 * The owner's side is upm/sev-owner.h.  The vectors here were made with the
 * same package.
 */
#include "qemu/osdep.h"
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "target/i386/psp/psp.h"
#include "target/i386/psp/sev-guest.h"
#include "upm/psp-machine.h"
#include "upm/sev-owner.h"

#define DIGEST \
    "abfc412ce6e530df63b0dc9bf4e02bb3cb1719ab967c8f4ea3951ab5bae4ff3f"
#define MEASURE_MAC \
    "5057522c90a415828e83e30a0fe2885df58eb5d48f2feef7dfeb521abfb82eb4"
#define SECRET_MAC \
    "b737e33a21c5c60863dcdb0c50554336675042b5b8a5b08ec0cbf14fabbc8d6f"
#define SECRET_DATA \
    "ebcf380aff3e6fa47bd5ce9ba51cea0a808fd8053553d64f27018456f743168e"
#define LAUNCH_DIGEST \
    "23fe32ddbe456c1b6d63c28ef67beb186310ba5f4ac2a694d5fded845932139f"

#define POLICY  5U                  /* SEV-ES, no debugging */

/*
 * The channel
 */

static PspSevChannel open_vector(void)
{
    const PspSevCert owner = vector_owner();
    const PspSevSession session = vector_session();
    PspSevChannel channel;

    g_assert_cmpint(psp_sev_channel_open(&channel, vector_pdh(), &owner,
                                         &session), ==, 0);
    return channel;
}

static void test_channel(void)
{
    const PspSevCert owner = vector_owner();
    const PspSevSession good = vector_session();
    PspSevSession session = good;
    PspSevChannel channel = open_vector();
    PspSevCert cert = owner;

    for (int i = 0; i < 16; i++) {
        g_assert_cmpint(channel.tek[i], ==, 0x20 + i);
        g_assert_cmpint(channel.tik[i], ==, 0x40 + i);
    }
    g_assert_cmpint(psp_sev_channel_policy(&channel, POLICY, &session), ==, 0);
    g_assert_cmpint(psp_sev_channel_policy(&channel, POLICY ^ 1, &session),
                    ==, SEV_RET_BAD_MEASUREMENT);

    /* Every part of the session counts. */
    for (size_t i = 0; i < offsetof(PspSevSession, policy_mac); i += 7) {
        bool iv = i >= 48 && i < 64;    /* decrypts, to other keys */

        session = good;
        ((uint8_t *)&session)[i] ^= 1;
        g_assert_cmpint(psp_sev_channel_open(&channel, vector_pdh(), &owner,
                                             &session), ==,
                        iv ? 0 : SEV_RET_BAD_MEASUREMENT);
    }

    cert.key.y[0] ^= 1;                 /* not on the curve */
    g_assert_cmpint(psp_sev_channel_open(&channel, vector_pdh(), &cert, &good),
                    ==, SEV_RET_INVALID_CERTIFICATE);
    cert = owner;
    cert.key.x[60] = 1;                 /* too large */
    g_assert_cmpint(psp_sev_channel_open(&channel, vector_pdh(), &cert, &good),
                    ==, SEV_RET_INVALID_CERTIFICATE);
    cert = owner;
    memset(&cert.key.x, 0, sizeof(cert.key.x));
    memset(&cert.key.y, 0, sizeof(cert.key.y));
    g_assert_cmpint(psp_sev_channel_open(&channel, vector_pdh(), &cert, &good),
                    ==, SEV_RET_INVALID_CERTIFICATE);
    cert = owner;
    cert.usage = cpu_to_le32(PSP_SEV_USAGE_PEK);
    g_assert_cmpint(psp_sev_channel_open(&channel, vector_pdh(), &cert, &good),
                    ==, SEV_RET_INVALID_CERTIFICATE);
    cert = owner;
    cert.algorithm = cpu_to_le32(PSP_SEV_ECDSA_SHA256);
    g_assert_cmpint(psp_sev_channel_open(&channel, vector_pdh(), &cert, &good),
                    ==, SEV_RET_INVALID_CERTIFICATE);
    cert = owner;
    cert.key.curve = cpu_to_le32(1);
    g_assert_cmpint(psp_sev_channel_open(&channel, vector_pdh(), &cert, &good),
                    ==, SEV_RET_INVALID_CERTIFICATE);
}

static void test_measurement(void)
{
    PspSevChannel channel = open_vector();
    PspSevMeasurement measurement;
    uint8_t digest[32], expected[32];

    /* The vector was made for these. */
    g_assert_cmpint(PSP_API_MAJOR, ==, 1);
    g_assert_cmpint(PSP_API_MINOR, ==, 55);
    g_assert_cmpint(PSP_BUILD, ==, 1);
    from_hex(digest, DIGEST);
    from_hex(expected, MEASURE_MAC);
    for (int i = 0; i < 16; i++) {
        measurement.nonce[i] = 0x80 + i;
    }
    g_assert_cmpint(psp_sev_channel_measure(&channel, POLICY, digest,
                                            &measurement), ==, 0);
    g_assert_cmpmem(measurement.mac, 32, expected, 32);
}

static void test_secret(void)
{
    PspSevChannel channel = open_vector();
    PspSevPacket packet = { 0 };
    uint8_t data[32];

    from_hex(channel.measurement, MEASURE_MAC);
    from_hex(packet.mac, SECRET_MAC);
    for (int i = 0; i < 16; i++) {
        packet.iv[i] = 0xa0 + i;
    }
    from_hex(data, SECRET_DATA);
    packet.iv[0] ^= 1;
    g_assert_cmpint(psp_sev_channel_secret(&channel, &packet, data, 32), ==,
                    SEV_RET_BAD_MEASUREMENT);
    packet.iv[0] ^= 1;
    channel.measurement[0] ^= 1;
    g_assert_cmpint(psp_sev_channel_secret(&channel, &packet, data, 32), ==,
                    SEV_RET_BAD_MEASUREMENT);
    channel.measurement[0] ^= 1;
    /* Compressed; who spoke for the other one says nothing of this one. */
    packet.flags = cpu_to_le32(PSP_SEV_PACKET_COMPRESSED);
    g_assert_cmpint(psp_sev_channel_secret(&channel, &packet, data, 32), ==,
                    SEV_RET_BAD_MEASUREMENT);
    sign_packet(&channel, &packet, data, 32);
    g_assert_cmpint(psp_sev_channel_secret(&channel, &packet, data, 32), ==,
                    SEV_RET_UNSUPPORTED);
    packet.flags = 0;
    from_hex(packet.mac, SECRET_MAC);
    g_assert_cmpint(psp_sev_channel_secret(&channel, &packet, data, 32), ==,
                    0);
    g_assert_cmpmem(data, 32, "a secret of a guest owner, 32 B.", 32);
}

/*
 * Certificates, at the offsets of 55766 appendix C
 */

#define CERT_SIZE   0x824
#define CERT_BODY   0x414
#define CERT_CURVE  0x10
#define CERT_X      0x14
#define CERT_Y      0x5c
#define CERT_SIG(n) (0x414 + (n) * 0x208)

static gnutls_datum_t reversed(const uint8_t *from, uint8_t *to)
{
    for (int i = 0; i < 48; i++) {
        to[i] = from[47 - i];
    }
    return (gnutls_datum_t) { to, 48 };
}

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

static void start_sev(bool es)
{
    machine_start();
    for (size_t i = 0; i < ARRAY_SIZE(machine.msrs); i++) {
        machine.msrs[i].syscfg &= ~PSP_SYSCFG_SNP;
    }
    sev_init(es ? PSP_INIT_ES : 0);
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

/*
 * Guests
 */

static int launch_start(uint32_t policy, uint32_t *handle)
{
    PspCmdLaunchStart start = {
        .handle = cpu_to_le32(*handle),
        .policy = cpu_to_le32(policy),
    };
    int status = command(PSP_CMD_LAUNCH_START, &start, sizeof(start));

    *handle = le32_to_cpu(start.handle);
    return status;
}

static uint32_t new_guest(uint32_t policy)
{
    uint32_t handle = 0;

    g_assert_cmpint(launch_start(policy, &handle), ==, 0);
    g_assert_cmpuint(handle, !=, 0);
    return handle;
}

static int activate(uint32_t handle, uint32_t asid)
{
    PspCmdActivate activate = { cpu_to_le32(handle), cpu_to_le32(asid) };

    return command(PSP_CMD_ACTIVATE, &activate, sizeof(activate));
}

static int on_handle(unsigned number, uint32_t handle)
{
    PspCmdHandle buffer = { cpu_to_le32(handle) };

    return command(number, &buffer, sizeof(buffer));
}

static PspCmdGuestStatus status_of(uint32_t handle)
{
    PspCmdGuestStatus status = { .handle = cpu_to_le32(handle) };

    g_assert_cmpint(command(PSP_CMD_GUEST_STATUS, &status, sizeof(status)), ==,
                    0);
    return status;
}

static int launch(unsigned number, uint32_t handle, uint64_t spa,
                  uint32_t size)
{
    PspCmdLaunch launch = {
        .handle = cpu_to_le32(handle),
        .spa = cpu_to_le64(spa),
        .size = cpu_to_le32(size),
    };

    return command(number, &launch, sizeof(launch));
}

static void test_asids(void)
{
    uint32_t sev, es, other;

    start_sev(true);
    sev = new_guest(0);
    es = new_guest(PSP_SEV_POLICY_ES);
    other = new_guest(0);
    g_assert_cmpint(activate(99, 9), ==, SEV_RET_INVALID_GUEST);
    g_assert_cmpint(activate(0, 9), ==, SEV_RET_INVALID_GUEST);
    g_assert_cmpint(activate(UINT32_MAX, 9), ==, SEV_RET_INVALID_GUEST);
    g_assert_cmpint(activate(sev, 0), ==, SEV_RET_INVALID_ASID);
    g_assert_cmpint(activate(sev, MAX_ASID + 1), ==, SEV_RET_INVALID_ASID);
    g_assert_cmpint(activate(sev, UINT32_MAX), ==, SEV_RET_INVALID_ASID);
    /* SEV-ES guests have the ones below, others the ones from there on. */
    g_assert_cmpint(activate(sev, MIN_SEV_ASID - 1), ==, SEV_RET_INVALID_ASID);
    g_assert_cmpint(activate(es, MIN_SEV_ASID), ==, SEV_RET_INVALID_ASID);
    g_assert_cmpint(activate(sev, MIN_SEV_ASID), ==, 0);
    g_assert_cmpint(activate(es, MIN_SEV_ASID - 1), ==, 0);
    g_assert_cmpint(activate(sev, MIN_SEV_ASID + 1), ==, SEV_RET_ACTIVE);
    g_assert_cmpint(activate(other, MIN_SEV_ASID), ==, SEV_RET_ASID_OWNED);
    g_assert_cmpuint(le32_to_cpu(status_of(sev).asid), ==, MIN_SEV_ASID);

    /* An active guest cannot go. */
    g_assert_cmpint(on_handle(PSP_CMD_DECOMMISSION, sev), ==, SEV_RET_ACTIVE);
    g_assert_cmpint(on_handle(PSP_CMD_DEACTIVATE, other), ==,
                    SEV_RET_INACTIVE);
    g_assert_cmpint(on_handle(PSP_CMD_DEACTIVATE, 99), ==,
                    SEV_RET_INVALID_GUEST);
    /* It has not run: its ASID is as good as new. */
    g_assert_cmpint(on_handle(PSP_CMD_DEACTIVATE, sev), ==, 0);
    g_assert_cmpint(on_handle(PSP_CMD_DECOMMISSION, sev), ==, 0);
    g_assert_cmpint(on_handle(PSP_CMD_DECOMMISSION, sev), ==,
                    SEV_RET_INVALID_GUEST);
    g_assert_cmpint(status_of(sev).state, ==, 0);
    g_assert_cmpint(activate(other, MIN_SEV_ASID), ==, 0);

    /* It has run: not before a DF_FLUSH. */
    memset(machine.ram + DATA, 0, PAGE);
    g_assert_cmpint(launch(PSP_CMD_LAUNCH_MEASURE, other, DATA, 64), ==, 0);
    g_assert_cmpint(on_handle(PSP_CMD_LAUNCH_FINISH, other), ==, 0);
    g_assert_cmpint(on_handle(PSP_CMD_DEACTIVATE, other), ==, 0);
    g_assert_cmpint(activate(other, MIN_SEV_ASID), ==,
                    SEV_RET_DFFLUSH_REQUIRED);
    /* That comes before the question whose ASID it may be. */
    g_assert_cmpint(activate(new_guest(PSP_SEV_POLICY_ES), MIN_SEV_ASID), ==,
                    SEV_RET_DFFLUSH_REQUIRED);
    g_assert_cmpint(command(PSP_CMD_DF_FLUSH, NULL, 0), ==, 0);
    g_assert_cmpint(activate(other, MIN_SEV_ASID), ==, 0);
    machine_stop();
}

static void test_handles(void)
{
    PspCmdPlatformStatus status;
    uint32_t handle = 0, first;

    start_sev(false);
    first = new_guest(0);
    for (unsigned i = 1; i < PSP_SEV_GUESTS; i++) {
        g_assert_cmpuint(new_guest(0), !=, first);
    }
    g_assert_cmpint(launch_start(0, &handle), ==, SEV_RET_RESOURCE_LIMIT);
    g_assert_cmpint(command(PSP_CMD_PLATFORM_STATUS, &status, sizeof(status)),
                    ==, 0);
    g_assert_cmpuint(le32_to_cpu(status.guests), ==, PSP_SEV_GUESTS);
    g_assert_cmpint(status.state, ==, 2);
    g_assert_cmpint(command(PSP_CMD_PEK_GEN, NULL, 0), ==,
                    SEV_RET_INVALID_PLATFORM_STATE);
    g_assert_cmpint(on_handle(PSP_CMD_DECOMMISSION, first), ==, 0);
    g_assert_cmpuint(new_guest(0), ==, first);
    g_assert_cmpint(command(PSP_CMD_SHUTDOWN, NULL, 0), ==, 0);
    g_assert_cmpint(command(PSP_CMD_PLATFORM_STATUS, &status, sizeof(status)),
                    ==, 0);
    g_assert_cmpuint(status.guests, ==, 0);
    machine_stop();
}

static void test_start(void)
{
    uint32_t handle = 0, other;

    start_sev(false);
    g_assert_cmpint(launch_start(PSP_SEV_POLICY_ES, &handle), ==,
                    SEV_RET_UNSUPPORTED);
    handle = 7;
    g_assert_cmpint(launch_start(0, &handle), ==, SEV_RET_INVALID_GUEST);
    other = new_guest(PSP_SEV_POLICY_NODBG);
    handle = other;
    g_assert_cmpint(launch_start(0, &handle), ==, SEV_RET_POLICY_FAILURE);
    handle = other;
    g_assert_cmpint(launch_start(PSP_SEV_POLICY_NODBG, &handle), ==, 0);
    g_assert_cmpuint(handle, !=, other);
    other = new_guest(PSP_SEV_POLICY_NOKS);
    handle = other;
    g_assert_cmpint(launch_start(PSP_SEV_POLICY_NOKS, &handle), ==,
                    SEV_RET_POLICY_FAILURE);
    machine_stop();
}

/* LAUNCH_START with an owner who has signed that policy */
static int start_owned(uint32_t policy)
{
    const PspSevCert owner = vector_owner();
    const uint32_t bytes = cpu_to_le32(policy);
    const PspSevSession session = session_for(policy);
    PspCmdLaunchStart start = {
        .policy = bytes,
        .cert_spa = cpu_to_le64(DATA),
        .cert_size = cpu_to_le32(CERT_SIZE),
        .session_spa = cpu_to_le64(DATA + PAGE),
        .session_size = cpu_to_le32(sizeof(session)),
    };

    machine.host.identity.pdh_key = *vector_pdh();
    memcpy(machine.ram + DATA, &owner, CERT_SIZE);
    memcpy(machine.ram + DATA + PAGE, &session, sizeof(session));
    return command(PSP_CMD_LAUNCH_START, &start, sizeof(start));
}

/* An owner's policy has to be met; one of nobody is not looked at. */
static void test_policy(void)
{
    static const struct {
        uint32_t policy;
        int owned;
    } cases[] = {
        { 0, 0 },
        { 1U << 16 | 55U << 24, 0 },
        { 1U << 16 | 56U << 24, SEV_RET_POLICY_FAILURE },
        { 2U << 16, SEV_RET_POLICY_FAILURE },
        { 0xffU << 24, 0 },
        { 1U << 6, SEV_RET_POLICY_FAILURE },
        { 1U << 15, SEV_RET_POLICY_FAILURE },
    };

    start_sev(false);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t handle = 0;

        g_test_message("policy 0x%x", cases[i].policy);
        g_assert_cmpint(start_owned(cases[i].policy), ==, cases[i].owned);
        g_assert_cmpint(launch_start(cases[i].policy, &handle), ==, 0);
    }
    machine_stop();
}

/* Each command in each state of the guest */
static void test_guest_states(void)
{
    static const unsigned all[] = { 0x31, 0x32, 0x33, 0x34, 0x35, 0x36 };
    static const int expected[][ARRAY_SIZE(all)] = {
        [PSP_SEV_LUPDATE] = {
            0, 0, 0, SEV_RET_INVALID_GUEST_STATE, SEV_RET_INVALID_GUEST_STATE,
            SEV_RET_INVALID_GUEST_STATE
        },
        [PSP_SEV_LSECRET] = {
            SEV_RET_INVALID_GUEST_STATE, SEV_RET_INVALID_GUEST_STATE,
            SEV_RET_INVALID_GUEST_STATE, SEV_RET_BAD_MEASUREMENT, 0, 0
        },
        [PSP_SEV_RUNNING] = {
            SEV_RET_INVALID_GUEST_STATE, SEV_RET_INVALID_GUEST_STATE,
            SEV_RET_INVALID_GUEST_STATE, SEV_RET_INVALID_GUEST_STATE,
            SEV_RET_INVALID_GUEST_STATE, 0
        },
    };

    for (PspSevState state = PSP_SEV_LUPDATE; state <= PSP_SEV_RUNNING;
         state++) {
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
            PspCmdAttestation report = { .spa = cpu_to_le64(DATA) };
            PspCmdLaunchSecret secret = {
                .header_spa = cpu_to_le64(DATA),
                .header_size = cpu_to_le32(52),
                .guest_spa = cpu_to_le64(DATA),
                .guest_size = cpu_to_le32(32),
                .transport_spa = cpu_to_le64(DATA),
                .transport_size = cpu_to_le32(32),
            };
            uint32_t handle;
            int status;

            start_sev(true);
            handle = new_guest(PSP_SEV_POLICY_ES);
            g_assert_cmpint(activate(handle, 1), ==, 0);
            if (state >= PSP_SEV_LSECRET) {
                g_assert_cmpint(launch(PSP_CMD_LAUNCH_MEASURE, handle, DATA,
                                       64), ==, 0);
            }
            if (state == PSP_SEV_RUNNING) {
                g_assert_cmpint(on_handle(PSP_CMD_LAUNCH_FINISH, handle), ==,
                                0);
            }
            g_assert_cmpint(status_of(handle).state, ==, state);
            g_test_message("state %d command %x", state, all[i]);
            report.handle = secret.handle = cpu_to_le32(handle);
            report.size = cpu_to_le32(0xd0);
            switch (all[i]) {
            case PSP_CMD_LAUNCH_SECRET:
                status = command(all[i], &secret, sizeof(secret));
                break;
            case PSP_CMD_LAUNCH_FINISH:
                status = on_handle(all[i], handle);
                break;
            case PSP_CMD_ATTESTATION:
                status = command(all[i], &report, sizeof(report));
                break;
            default:
                status = launch(all[i], handle, DATA, PAGE);
                break;
            }
            g_assert_cmpint(status, ==, expected[state][i]);
            machine_stop();
        }
    }
}

static void test_update(void)
{
    uint32_t sev, es;

    start_sev(true);
    sev = new_guest(0);
    es = new_guest(PSP_SEV_POLICY_ES);
    g_assert_cmpint(launch(0x31, 99, DATA, PAGE), ==, SEV_RET_INVALID_GUEST);
    g_assert_cmpint(launch(0x31, sev, DATA, PAGE), ==, SEV_RET_INACTIVE);
    g_assert_cmpint(activate(sev, MIN_SEV_ASID), ==, 0);
    g_assert_cmpint(activate(es, 1), ==, 0);
    g_assert_cmpint(launch(0x31, sev, DATA + 8, PAGE), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(launch(0x31, sev, DATA, PAGE + 8), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpint(launch(0x31, sev, DATA, 0), ==, SEV_RET_INVALID_LEN);
    g_assert_cmpint(launch(0x31, sev, DATA, UINT32_MAX & ~15U), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpint(launch(0x31, sev, DATA, 64 * MiB + 16), ==,
                    SEV_RET_INVALID_LEN);
    /* As much may be, but there is not so much RAM. */
    g_assert_cmpint(launch(0x31, sev, DATA, 64 * MiB), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(launch(0x31, sev, RAM_SIZE - 16, 32), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(launch(0x32, sev, DATA, PAGE), ==, SEV_RET_UNSUPPORTED);
    g_assert_cmpint(launch(0x32, es, DATA, PAGE - 16), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpint(launch(0x32, es, DATA, PAGE), ==, 0);
    g_assert_cmpint(launch(0x31, sev, DATA, 16), ==, 0);
    /* Marked as an encrypted page; nothing else lies beyond the mark. */
    g_assert_cmpint(launch(0x31, sev, DATA | PSP_CBIT, 16), ==, 0);
    g_assert_cmpint(launch(0x31, sev, PSP_CBIT - 16, 32), ==,
                    SEV_RET_INVALID_ADDRESS);
    machine_stop();
}

/* Once SNP is on, a guest's page is the firmware's while it is encrypted. */
static void test_update_states(void)
{
    uint32_t handle;

    machine_start();
    snp_init();
    sev_init(PSP_INIT_ES);
    make_firmware(BUFFER, PAGE);
    handle = new_guest(0);
    g_assert_cmpint(activate(handle, MIN_SEV_ASID), ==, 0);
    for (PspPageState state = PSP_PAGE_STATE_HYPERVISOR;
         state < PSP_PAGE_STATE_LIMIT; state++) {
        set_state(DATA, state);
        g_assert_cmpint(launch(0x31, handle, DATA, PAGE), ==,
                        state == PSP_PAGE_STATE_FIRMWARE ?
                        0 : PSP_STATUS_INVALID_PAGE_STATE);
        g_assert_cmpint(state_of(DATA), ==, state);
    }
    machine_stop();
}

static void put_pattern(uint64_t spa, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        machine.ram[spa + i] = i * 7 + (i >> 8);
    }
}

/*
 * The whole way of a SEV-ES guest: the owner's session, data and a VMSA, the
 * measurement, a secret.  The digest is what `sha256sum` says of both.
 */
static void test_launch(void)
{
    PspCmdLaunchStart start = {
        .policy = cpu_to_le32(POLICY),
        .cert_spa = cpu_to_le64(DATA),
        .cert_size = cpu_to_le32(CERT_SIZE),
        .session_spa = cpu_to_le64(DATA + PAGE),
        .session_size = cpu_to_le32(128),
    };
    PspCmdLaunchSecret secret = {
        .header_spa = cpu_to_le64(DATA),
        .header_size = cpu_to_le32(52),
        .guest_spa = cpu_to_le64(DATA + 4 * PAGE),
        .guest_size = cpu_to_le32(32),
        .transport_spa = cpu_to_le64(DATA + PAGE),
        .transport_size = cpu_to_le32(32),
    };
    g_autoptr(GByteArray) signed_data = g_byte_array_new();
    const uint8_t head[] = { 4, 1, 55, PSP_BUILD, POLICY, 0, 0, 0 };
    const uint8_t secret_head[5] = { 1 };
    const uint8_t sizes[8] = { 32, 0, 0, 0, 32, 0, 0, 0 };
    const PspSevCert owner = vector_owner();
    const PspSevSession session = vector_session();
    uint8_t digest[32], mac[32], tik[16], *answer, *header;
    uint32_t handle;

    start_sev(true);
    machine.host.identity.pdh_key = *vector_pdh();
    memcpy(machine.ram + DATA, &owner, CERT_SIZE);
    memcpy(machine.ram + DATA + PAGE, &session, 128);
    start.session_size = cpu_to_le32(127);
    g_assert_cmpint(command(0x30, &start, sizeof(start)), ==,
                    SEV_RET_INVALID_LEN);
    start.session_size = cpu_to_le32(128);
    start.cert_size = cpu_to_le32(CERT_SIZE + 1);
    g_assert_cmpint(command(0x30, &start, sizeof(start)), ==,
                    SEV_RET_INVALID_LEN);
    start.cert_size = cpu_to_le32(CERT_SIZE);
    start.policy = cpu_to_le32(POLICY & ~1U);
    g_assert_cmpint(command(0x30, &start, sizeof(start)), ==,
                    SEV_RET_BAD_MEASUREMENT);
    start.policy = cpu_to_le32(POLICY);
    g_assert_cmpint(command(0x30, &start, sizeof(start)), ==, 0);
    handle = le32_to_cpu(start.handle);
    secret.handle = start.handle;
    g_assert_cmpint(activate(handle, 1), ==, 0);

    put_pattern(DATA, 16 * PAGE);
    g_assert_cmpint(launch(0x31, handle, DATA, 16 * PAGE), ==, 0);
    g_assert_cmpint(launch(0x32, handle, DATA + PAGE, PAGE), ==, 0);
    from_hex(digest, LAUNCH_DIGEST);

    answer = machine.ram + DATA;
    g_assert_cmpint(launch(0x33, handle, DATA, 47), ==, SEV_RET_INVALID_LEN);
    g_assert_cmpint(launch(0x33, handle, RAM_SIZE, 48), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(launch(0x33, handle, DATA, 48), ==, 0);
    for (int i = 0; i < 16; i++) {
        tik[i] = 0x40 + i;
    }
    g_byte_array_append(signed_data, head, sizeof(head));
    g_byte_array_append(signed_data, digest, sizeof(digest));
    g_byte_array_append(signed_data, answer + 32, 16);
    hmac(tik, signed_data, mac);
    g_assert_cmpmem(answer, 32, mac, 32);

    /* The owner is content, and sends a secret. */
    header = machine.ram + DATA;
    memset(header, 0, 52);
    from_hex(machine.ram + DATA + PAGE, SECRET_DATA);
    for (int i = 0; i < 16; i++) {
        header[4 + i] = 0xa0 + i;
    }
    g_byte_array_set_size(signed_data, 0);
    g_byte_array_append(signed_data, secret_head, 5);
    g_byte_array_append(signed_data, header + 4, 16);
    g_byte_array_append(signed_data, sizes, 8);
    g_byte_array_append(signed_data, machine.ram + DATA + PAGE, 32);
    g_byte_array_append(signed_data, mac, 32);
    hmac(tik, signed_data, header + 20);

    secret.guest_spa = cpu_to_le64(DATA + 4 * PAGE + 8);
    g_assert_cmpint(command(0x34, &secret, sizeof(secret)), ==,
                    SEV_RET_INVALID_ADDRESS);
    secret.guest_spa = cpu_to_le64(DATA + 4 * PAGE);
    secret.transport_size = cpu_to_le32(48);
    g_assert_cmpint(command(0x34, &secret, sizeof(secret)), ==,
                    SEV_RET_INVALID_LEN);
    secret.transport_size = cpu_to_le32(32);
    secret.header_size = cpu_to_le32(51);
    g_assert_cmpint(command(0x34, &secret, sizeof(secret)), ==,
                    SEV_RET_INVALID_LEN);
    secret.header_size = cpu_to_le32(52);
    header[20] ^= 1;
    g_assert_cmpint(command(0x34, &secret, sizeof(secret)), ==,
                    SEV_RET_BAD_MEASUREMENT);
    header[20] ^= 1;
    g_assert_cmpint(command(0x34, &secret, sizeof(secret)), ==, 0);
    g_assert_cmpmem(machine.ram + DATA + 4 * PAGE, 32,
                    "a secret of a guest owner, 32 B.", 32);
    g_assert_cmpint(on_handle(PSP_CMD_LAUNCH_FINISH, handle), ==, 0);
    g_assert_cmpint(status_of(handle).state, ==, PSP_SEV_RUNNING);
    machine_stop();
}

/* The report is signed by the PEK. */
static void test_attestation(void)
{
    PspCmdAttestation command_buffer = { .spa = cpu_to_le64(DATA) };
    const uint8_t *report;
    uint8_t as_cert[CERT_SIZE] = { 0 };
    gnutls_datum_t body, der, x, y, r, s;
    gnutls_pubkey_t key;
    uint8_t n[4][48], digest[32];
    uint32_t handle;

    start_sev(false);
    handle = new_guest(0);
    g_assert_cmpint(activate(handle, MIN_SEV_ASID), ==, 0);
    put_pattern(DATA, 16 * PAGE);
    g_assert_cmpint(launch(0x31, handle, DATA, 16 * PAGE), ==, 0);
    g_assert_cmpint(launch(0x31, handle, DATA + PAGE, PAGE), ==, 0);
    g_assert_cmpint(launch(0x33, handle, DATA, 64), ==, 0);
    command_buffer.handle = cpu_to_le32(handle);
    memset(command_buffer.nonce, 0x77, 16);
    g_assert_cmpint(command(0x36, &command_buffer, sizeof(command_buffer)), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpuint(le32_to_cpu(command_buffer.size), ==, 0xd0);
    g_assert_cmpint(command(0x36, &command_buffer, sizeof(command_buffer)), ==,
                    0);
    report = machine.ram + DATA;
    g_assert_cmpint(report[0], ==, 0x77);
    from_hex(digest, LAUNCH_DIGEST);
    g_assert_cmpmem(report + 16, 32, digest, 32);
    g_assert_cmpuint(ldl_le_p(report + 0x34), ==, 0x1002);

    memcpy(as_cert, &machine.host.identity.pek, CERT_SIZE);
    x = reversed(as_cert + CERT_X, n[0]);
    y = reversed(as_cert + CERT_Y, n[1]);
    r = reversed(report + 0x40, n[2]);
    s = reversed(report + 0x40 + 72, n[3]);
    body = (gnutls_datum_t) { (void *)report, 0x34 };
    g_assert_cmpint(gnutls_pubkey_init(&key), ==, 0);
    g_assert_cmpint(gnutls_pubkey_import_ecc_raw(
                        key, GNUTLS_ECC_CURVE_SECP384R1, &x, &y), ==, 0);
    g_assert_cmpint(gnutls_encode_rs_value(&der, &r, &s), ==, 0);
    g_assert_cmpint(gnutls_pubkey_verify_data2(
                        key, GNUTLS_SIGN_ECDSA_SHA256, 0, &body, &der), >=, 0);
    gnutls_free(der.data);
    gnutls_pubkey_deinit(key);
    machine_stop();
}

static int debug(unsigned number, uint32_t handle, uint64_t from, uint64_t to,
                 uint32_t size)
{
    PspCmdDebug debug = {
        .handle = cpu_to_le32(handle),
        .from_spa = cpu_to_le64(from),
        .to_spa = cpu_to_le64(to),
        .size = cpu_to_le32(size),
    };

    return command(number, &debug, sizeof(debug));
}

static void test_debug(void)
{
    uint32_t handle, closed;

    start_sev(false);
    handle = new_guest(0);
    closed = new_guest(PSP_SEV_POLICY_NODBG);
    for (unsigned number = 0x60; number <= 0x61; number++) {
        g_assert_cmpint(debug(number, handle, DATA, DATA + PAGE, 64), ==,
                        SEV_RET_INACTIVE);
    }
    g_assert_cmpint(activate(handle, MIN_SEV_ASID), ==, 0);
    for (unsigned number = 0x60; number <= 0x61; number++) {
        put_pattern(DATA, PAGE);
        memset(machine.ram + DATA + PAGE, 0, PAGE);
        g_assert_cmpint(debug(number, handle, DATA + 8, DATA + PAGE, 64), ==,
                        SEV_RET_INVALID_ADDRESS);
        g_assert_cmpint(debug(number, handle, DATA, DATA + PAGE + 8, 64), ==,
                        SEV_RET_INVALID_ADDRESS);
        g_assert_cmpint(debug(number, handle, DATA, DATA + PAGE, 65), ==,
                        SEV_RET_INVALID_LEN);
        g_assert_cmpint(debug(number, 99, DATA, DATA + PAGE, 64), ==,
                        SEV_RET_INVALID_GUEST);
        g_assert_cmpint(debug(number, closed, DATA, DATA + PAGE, 64), ==,
                        SEV_RET_POLICY_FAILURE);
        g_assert_cmpint(debug(number, handle, DATA, RAM_SIZE, 64), ==,
                        SEV_RET_INVALID_ADDRESS);
        g_assert_cmpint(debug(number, handle, RAM_SIZE, DATA, 64), ==,
                        SEV_RET_INVALID_ADDRESS);
        g_assert_cmpint(debug(number, handle, DATA, DATA + PAGE, 64), ==, 0);
        g_assert_cmpmem(machine.ram + DATA, 64, machine.ram + DATA + PAGE, 64);
        g_assert_cmpint(machine.ram[DATA + PAGE + 64], ==, 0);
    }
    machine_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-sev/channel", test_channel);
    g_test_add_func("/psp-sev/measurement", test_measurement);
    g_test_add_func("/psp-sev/secret", test_secret);
    g_test_add_func("/psp-sev/export", test_export);
    g_test_add_func("/psp-sev/export/states", test_export_states);
    g_test_add_func("/psp-sev/import", test_import);
    g_test_add_func("/psp-sev/asids", test_asids);
    g_test_add_func("/psp-sev/handles", test_handles);
    g_test_add_func("/psp-sev/start", test_start);
    g_test_add_func("/psp-sev/policy", test_policy);
    g_test_add_func("/psp-sev/guest-states", test_guest_states);
    g_test_add_func("/psp-sev/update", test_update);
    g_test_add_func("/psp-sev/update/states", test_update_states);
    g_test_add_func("/psp-sev/launch", test_launch);
    g_test_add_func("/psp-sev/attestation", test_attestation);
    g_test_add_func("/psp-sev/debug", test_debug);
    return g_test_run();
}
