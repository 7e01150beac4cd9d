/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The owner of a SEV guest, at the level of the specification's offsets: a
 * certificate and a session for one PDH, made with Python's package
 * "cryptography"
 *
 * TEK is 20h, 21h and so on, TIK 40h and so on.
 */
#ifndef TESTS_UNIT_UPM_SEV_OWNER_H
#define TESTS_UNIT_UPM_SEV_OWNER_H

#include <gnutls/crypto.h>
#include "qemu/bswap.h"
#include "target/i386/psp/sev-channel.h"

#define PDH_X \
    "46d0d09b658ae4df54a67e390111e65d1f019dd44553407309e6d65970b8788c" \
    "b5c2a59b8d598d993e6b860181a14741"
#define PDH_Y \
    "7c471f1a047b3425e552e792fa719ef0f27503624e30f9841115b36ed06c535f" \
    "05147d38823caf300a1ff8eaab79e885"
#define PDH_K \
    "60920a5ee9defb885b1b35aab98a3f45cff8ed2d0e12ffb2e17ceaecaa5f4d25" \
    "1a87f9043f1739d5c58cf44c11309ca7"
#define OWNER_X \
    "4bc5f069a93dc6d2d73f4b81f46db18cf6243fc376ba17b7fb684b75d1f02cf6" \
    "4a2800d7251ecae2bd7c95681bfed755"
#define OWNER_Y \
    "437c935073bf1b0605fa4a2e1e6d6c8b6c84f886080c37b9e1b3d9e14d27724b" \
    "4f005290c98d8a12a8ad87eca3db13bd"
#define SESSION \
    "000102030405060708090a0b0c0d0e0f17e63d2cf65253bb7f5445bf7a034f09" \
    "f235931d840ab9a0774b17ef6590be39606162636465666768696a6b6c6d6e6f" \
    "2e1cdd30c2847b1894996f077bac1adf9fab836769f06225227128fb6f0c7558" \
    "aedbe16253b873e081df31a0032d9a6bfd3a78548911da34aebba1a5e1726d77"
/* A secret for the guest, "a secret of a guest owner, 32 B." */
#define SECRET_DATA \
    "ebcf380aff3e6fa47bd5ce9ba51cea0a808fd8053553d64f27018456f743168e"

static inline void from_hex(void *to, const char *hex)
{
    for (size_t i = 0; hex[2 * i]; i++) {
        unsigned byte;

        g_assert_cmpint(sscanf(hex + 2 * i, "%2x", &byte), ==, 1);
        ((uint8_t *)to)[i] = byte;
    }
}

static inline void hmac(const void *key, const GByteArray *data,
                        uint8_t mac[32])
{
    g_assert_cmpint(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, 16, data->data,
                                     data->len, mac), ==, 0);
}

static inline const PspSevKey *vector_pdh(void)
{
    static PspSevKey key;

    from_hex(key.x, PDH_X);
    from_hex(key.y, PDH_Y);
    from_hex(key.k, PDH_K);
    return &key;
}

static inline PspSevCert vector_owner(void)
{
    PspSevKey key = { { 0 } };
    PspSevCert cert;

    from_hex(key.x, OWNER_X);
    from_hex(key.y, OWNER_Y);
    psp_sev_cert_init(&cert, PSP_SEV_USAGE_PDH, &key);
    return cert;
}

static inline PspSevSession vector_session(void)
{
    PspSevSession session;

    from_hex(&session, SESSION);
    return session;
}

static inline void vector_tik(uint8_t tik[PSP_SEV_KEY_SIZE])
{
    for (int i = 0; i < PSP_SEV_KEY_SIZE; i++) {
        tik[i] = 0x40 + i;
    }
}

/* A session for a guest of another policy than SEV-ES, no debugging */
static inline PspSevSession session_for(uint32_t policy)
{
    const uint32_t bytes = cpu_to_le32(policy);
    g_autoptr(GByteArray) signed_data = g_byte_array_new();
    PspSevSession session = vector_session();
    uint8_t tik[PSP_SEV_KEY_SIZE];

    vector_tik(tik);
    g_byte_array_append(signed_data, (const uint8_t *)&bytes, sizeof(bytes));
    hmac(tik, signed_data, session.policy_mac);
    return session;
}

/* Authenticated by the owner, whatever its flags say */
static inline void sign_packet(const PspSevChannel *channel,
                               PspSevPacket *packet, const uint8_t *data,
                               uint32_t size)
{
    g_autoptr(GByteArray) signed_data = g_byte_array_new();
    const uint8_t context = 1;
    const uint32_t size_bytes = cpu_to_le32(size);

    g_byte_array_append(signed_data, &context, 1);
    g_byte_array_append(signed_data, (uint8_t *)packet, 4 + 16);
    g_byte_array_append(signed_data, (uint8_t *)&size_bytes, 4);
    g_byte_array_append(signed_data, (uint8_t *)&size_bytes, 4);
    g_byte_array_append(signed_data, data, size);
    g_byte_array_append(signed_data, channel->measurement, 32);
    hmac(channel->tik, signed_data, packet->mac);
}

#endif
