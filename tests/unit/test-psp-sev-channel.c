/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: the channel to an SEV guest's owner
 *
 * The owner's side is upm/sev-owner.h.  The vectors here were made with the
 * same package.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "target/i386/psp/psp.h"
#include "target/i386/psp/sev-guest.h"
#include "upm/sev-owner.h"

#define DIGEST \
    "abfc412ce6e530df63b0dc9bf4e02bb3cb1719ab967c8f4ea3951ab5bae4ff3f"
#define MEASURE_MAC \
    "5057522c90a415828e83e30a0fe2885df58eb5d48f2feef7dfeb521abfb82eb4"
#define SECRET_MAC \
    "b737e33a21c5c60863dcdb0c50554336675042b5b8a5b08ec0cbf14fabbc8d6f"

#define POLICY  5U                  /* SEV-ES, no debugging */

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-sev/channel", test_channel);
    g_test_add_func("/psp-sev/measurement", test_measurement);
    g_test_add_func("/psp-sev/secret", test_secret);
    return g_test_run();
}
