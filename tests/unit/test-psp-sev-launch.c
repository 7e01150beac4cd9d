/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: the launch of SEV and SEV-ES guests, and their
 * attestation
 *
 * The owner's side is upm/sev-owner.h.
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include "qemu/bswap.h"
#include "upm/psp-sev.h"
#include "upm/sev-owner.h"

#define LAUNCH_DIGEST \
    "23fe32ddbe456c1b6d63c28ef67beb186310ba5f4ac2a694d5fded845932139f"

#define POLICY  5U                  /* SEV-ES, no debugging */

/* With the owner's session, for the policy that the owner signed */
static uint32_t start_owned(void)
{
    PspCmdLaunchStart start = {
        .policy = cpu_to_le32(POLICY),
        .cert_spa = cpu_to_le64(DATA),
        .cert_size = cpu_to_le32(CERT_SIZE),
        .session_spa = cpu_to_le64(DATA + PAGE),
        .session_size = cpu_to_le32(128),
    };
    const PspSevCert owner = vector_owner();
    const PspSevSession session = vector_session();

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
    return le32_to_cpu(start.handle);
}

/* LAUNCH_MEASURE.  @mac: gets the measurement, which is what it has to be */
static void measure(uint32_t handle, uint8_t mac[32])
{
    g_autoptr(GByteArray) signed_data = g_byte_array_new();
    const uint8_t head[] = { 4, 1, 55, PSP_BUILD, POLICY, 0, 0, 0 };
    const uint8_t *answer = machine.ram + DATA;
    uint8_t digest[32], tik[PSP_SEV_KEY_SIZE];

    g_assert_cmpint(launch(0x33, handle, DATA, 47), ==, SEV_RET_INVALID_LEN);
    g_assert_cmpint(launch(0x33, handle, RAM_SIZE, 48), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(launch(0x33, handle, DATA, 48), ==, 0);
    from_hex(digest, LAUNCH_DIGEST);
    vector_tik(tik);
    g_byte_array_append(signed_data, head, sizeof(head));
    g_byte_array_append(signed_data, digest, sizeof(digest));
    g_byte_array_append(signed_data, answer + 32, 16);
    hmac(tik, signed_data, mac);
    g_assert_cmpmem(answer, 32, mac, 32);
}

/* The owner's header at DATA, and the secret at DATA + PAGE */
static void put_secret(const uint8_t mac[32])
{
    g_autoptr(GByteArray) signed_data = g_byte_array_new();
    const uint8_t head[5] = { 1 };
    const uint8_t sizes[8] = { 32, 0, 0, 0, 32, 0, 0, 0 };
    uint8_t tik[PSP_SEV_KEY_SIZE], *header = machine.ram + DATA;

    memset(header, 0, 52);
    from_hex(machine.ram + DATA + PAGE, SECRET_DATA);
    for (int i = 0; i < 16; i++) {
        header[4 + i] = 0xa0 + i;
    }
    vector_tik(tik);
    g_byte_array_append(signed_data, head, 5);
    g_byte_array_append(signed_data, header + 4, 16);
    g_byte_array_append(signed_data, sizes, 8);
    g_byte_array_append(signed_data, machine.ram + DATA + PAGE, 32);
    g_byte_array_append(signed_data, mac, 32);
    hmac(tik, signed_data, header + 20);
}

static void send_secret(uint32_t handle)
{
    PspCmdLaunchSecret secret = {
        .handle = cpu_to_le32(handle),
        .header_spa = cpu_to_le64(DATA),
        .header_size = cpu_to_le32(52),
        .guest_spa = cpu_to_le64(DATA + 4 * PAGE),
        .guest_size = cpu_to_le32(32),
        .transport_spa = cpu_to_le64(DATA + PAGE),
        .transport_size = cpu_to_le32(32),
    };
    uint8_t *header = machine.ram + DATA;

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
}

/*
 * The whole way of a SEV-ES guest: the owner's session, data and a VMSA, the
 * measurement, a secret.  The digest is what `sha256sum` says of both.
 */
static void test_launch(void)
{
    uint32_t handle;
    uint8_t mac[32];

    start_sev(true);
    handle = start_owned();
    g_assert_cmpint(activate(handle, 1), ==, 0);

    put_pattern(DATA, 16 * PAGE);
    g_assert_cmpint(launch(0x31, handle, DATA, 16 * PAGE), ==, 0);
    g_assert_cmpint(launch(0x32, handle, DATA + PAGE, PAGE), ==, 0);

    /* The owner is content with the measurement, and sends a secret. */
    measure(handle, mac);
    put_secret(mac);
    send_secret(handle);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-sev/launch", test_launch);
    g_test_add_func("/psp-sev/attestation", test_attestation);
    return g_test_run();
}
