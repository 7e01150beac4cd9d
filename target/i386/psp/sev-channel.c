/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The secret channel between the firmware and the owner of a SEV guest
 *
 * Secure Encrypted Virtualization API (55766), section 2.2.  Keys are derived
 * by NIST SP 800-108 in counter mode with HMAC-SHA-256, where the counter and
 * the length are little-endian.
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include <linux/psp-sev.h>
#include <nettle/aes.h>
#include <nettle/ctr.h>
#include "crypto/hmac.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "psp.h"
#include "sev-channel.h"

/* First byte of what is authenticated: what it is for */
enum {
    CONTEXT_SECRET = 1,
    CONTEXT_MEASURE = 4,
};

#define IOV(part, bytes) { .iov_base = (void *)(part), .iov_len = (bytes) }

static bool hmac(const void *key, size_t key_size, const struct iovec *parts,
                 size_t count, uint8_t mac[PSP_SEV_MAC_SIZE])
{
    size_t size = PSP_SEV_MAC_SIZE;
    Error *err = NULL;
    g_autoptr(QCryptoHmac) made = qcrypto_hmac_new(
        QCRYPTO_HASH_ALGO_SHA256, key, key_size, &err);

    if (made && !qcrypto_hmac_bytesv(made, parts, count, &mac, &size, &err)) {
        return true;
    }
    error_free(err);
    return false;
}

static int verify(const uint8_t key[PSP_SEV_KEY_SIZE],
                  const struct iovec *parts, size_t count,
                  const uint8_t expected[PSP_SEV_MAC_SIZE])
{
    uint8_t mac[PSP_SEV_MAC_SIZE];

    if (!hmac(key, PSP_SEV_KEY_SIZE, parts, count, mac)) {
        return SEV_RET_HWSEV_RET_PLATFORM;
    }
    return gnutls_memcmp(mac, expected, sizeof(mac)) ? SEV_RET_BAD_MEASUREMENT
                                                     : SEV_RET_SUCCESS;
}

/* 128 bits, so that one round is enough */
static bool derive(uint8_t key[PSP_SEV_KEY_SIZE], const void *from,
                   size_t size, const char *label, const void *context,
                   size_t context_size)
{
    const uint32_t counter = cpu_to_le32(1);
    const uint32_t bits = cpu_to_le32(8 * PSP_SEV_KEY_SIZE);
    const struct iovec parts[] = {
        IOV(&counter, sizeof(counter)),
        IOV(label, strlen(label) + 1),
        IOV(context, context_size),
        IOV(&bits, sizeof(bits)),
    };
    uint8_t out[PSP_SEV_MAC_SIZE];
    bool good = hmac(from, size, parts, ARRAY_SIZE(parts), out);

    memcpy(key, out, good ? PSP_SEV_KEY_SIZE : 0);
    gnutls_memset(out, 0, sizeof(out));
    return good;
}

/* AES-128 in counter mode, one way as the other */
static void aes_ctr(const uint8_t key[PSP_SEV_KEY_SIZE],
                    const uint8_t iv[PSP_SEV_NONCE_SIZE], uint8_t *to,
                    const uint8_t *from, size_t size)
{
    struct aes128_ctx aes;
    uint8_t counter[AES_BLOCK_SIZE];

    QEMU_BUILD_BUG_ON(sizeof(counter) != PSP_SEV_NONCE_SIZE);
    memcpy(counter, iv, sizeof(counter));
    aes128_set_encrypt_key(&aes, key);
    ctr_crypt(&aes, (nettle_cipher_func *)aes128_encrypt, AES_BLOCK_SIZE,
              counter, size, to, from);
    gnutls_memset(&aes, 0, sizeof(aes));
}

int psp_sev_channel_open(PspSevChannel *channel, const PspSevKey *pdh,
                         const PspSevCert *owner, const PspSevSession *session)
{
    const struct iovec wrapped = IOV(session->wrapped,
                                     sizeof(session->wrapped));
    uint8_t agreed[PSP_P384_SIZE], master[PSP_SEV_KEY_SIZE];
    uint8_t kek[PSP_SEV_KEY_SIZE], kik[PSP_SEV_KEY_SIZE];
    uint8_t keys[2 * PSP_SEV_KEY_SIZE];
    int status;

    if (!psp_sev_cert_check(owner, PSP_SEV_USAGE_PDH) ||
        !psp_sev_agree(pdh, &owner->key, agreed)) {
        return SEV_RET_INVALID_CERTIFICATE;
    }
    if (!derive(master, agreed, sizeof(agreed), "sev-master-secret",
                session->nonce, sizeof(session->nonce)) ||
        !derive(kek, master, sizeof(master), "sev-kek", NULL, 0) ||
        !derive(kik, master, sizeof(master), "sev-kik", NULL, 0)) {
        return SEV_RET_HWSEV_RET_PLATFORM;
    }
    status = verify(kik, &wrapped, 1, session->wrap_mac);
    if (!status) {
        aes_ctr(kek, session->wrap_iv, keys, session->wrapped, sizeof(keys));
        memset(channel, 0, sizeof(*channel));
        memcpy(channel->tek, keys, sizeof(channel->tek));
        memcpy(channel->tik, keys + PSP_SEV_KEY_SIZE, sizeof(channel->tik));
        gnutls_memset(keys, 0, sizeof(keys));
    }
    gnutls_memset(agreed, 0, sizeof(agreed));
    gnutls_memset(master, 0, sizeof(master));
    gnutls_memset(kek, 0, sizeof(kek));
    gnutls_memset(kik, 0, sizeof(kik));
    return status;
}

int psp_sev_channel_policy(const PspSevChannel *channel, uint32_t policy,
                           const PspSevSession *session)
{
    const uint32_t bytes = cpu_to_le32(policy);
    const struct iovec part = IOV(&bytes, sizeof(bytes));

    return verify(channel->tik, &part, 1, session->policy_mac);
}

int psp_sev_channel_measure(const PspSevChannel *channel, uint32_t policy,
                            const uint8_t digest[PSP_SEV_DIGEST_SIZE],
                            PspSevMeasurement *measurement)
{
    const uint8_t head[] = {
        CONTEXT_MEASURE, PSP_API_MAJOR, PSP_API_MINOR, PSP_BUILD
    };
    const uint32_t policy_bytes = cpu_to_le32(policy);
    const struct iovec parts[] = {
        IOV(head, sizeof(head)),
        IOV(&policy_bytes, sizeof(policy_bytes)),
        IOV(digest, PSP_SEV_DIGEST_SIZE),
        IOV(measurement->nonce, sizeof(measurement->nonce)),
    };

    return hmac(channel->tik, sizeof(channel->tik), parts, ARRAY_SIZE(parts),
                measurement->mac) ?
        SEV_RET_SUCCESS : SEV_RET_HWSEV_RET_PLATFORM;
}

int psp_sev_channel_secret(const PspSevChannel *channel,
                           const PspSevPacket *packet, uint8_t *data,
                           uint32_t size)
{
    const uint8_t context = CONTEXT_SECRET;
    const uint32_t size_bytes = cpu_to_le32(size);
    const struct iovec parts[] = {
        IOV(&context, sizeof(context)),
        IOV(&packet->flags, sizeof(packet->flags)),
        IOV(packet->iv, sizeof(packet->iv)),
        /* Once inside the guest, once on the way */
        IOV(&size_bytes, sizeof(size_bytes)),
        IOV(&size_bytes, sizeof(size_bytes)),
        IOV(data, size),
        IOV(channel->measurement, sizeof(channel->measurement)),
    };
    int status = verify(channel->tik, parts, ARRAY_SIZE(parts), packet->mac);

    if (status) {
        return status;
    }
    if (le32_to_cpu(packet->flags) & PSP_SEV_PACKET_COMPRESSED) {
        return SEV_RET_UNSUPPORTED;
    }
    aes_ctr(channel->tek, packet->iv, data, data, size);
    return SEV_RET_SUCCESS;
}
