/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The secret channel between the firmware and the owner of a SEV guest
 *
 * Secure Encrypted Virtualization API (55766), section 2.2 "Secure Channel"
 * and 6.5.1 LAUNCH_MEASURE, 6.6.1 LAUNCH_SECRET.
 *
 * Locking: none needed.
 */
#ifndef TARGET_I386_PSP_SEV_CHANNEL_H
#define TARGET_I386_PSP_SEV_CHANNEL_H

#include "sev-cert.h"

#define PSP_SEV_KEY_SIZE        16
#define PSP_SEV_NONCE_SIZE      16
#define PSP_SEV_MAC_SIZE        32
#define PSP_SEV_DIGEST_SIZE     32

/* What the owner sends with LAUNCH_START */
typedef struct PspSevSession {
    uint8_t nonce[PSP_SEV_NONCE_SIZE];
    uint8_t wrapped[2 * PSP_SEV_KEY_SIZE];      /* TEK and TIK */
    uint8_t wrap_iv[PSP_SEV_NONCE_SIZE];
    uint8_t wrap_mac[PSP_SEV_MAC_SIZE];
    uint8_t policy_mac[PSP_SEV_MAC_SIZE];
} PspSevSession;

/* Header of a secret */
typedef struct PspSevPacket {
    uint32_t flags;
    uint8_t iv[PSP_SEV_NONCE_SIZE];
    uint8_t mac[PSP_SEV_MAC_SIZE];
} PspSevPacket;

#define PSP_SEV_PACKET_COMPRESSED   (1U << 0)

typedef struct PspSevMeasurement {
    uint8_t mac[PSP_SEV_MAC_SIZE];
    uint8_t nonce[PSP_SEV_NONCE_SIZE];
} PspSevMeasurement;

/**
 * PspSevChannel: keys that the firmware shares with the guest's owner
 *
 * All zero where no owner opened it.
 * @tek: encrypts, @tik: authenticates
 * @measurement: the MAC that LAUNCH_MEASURE gave, part of secrets' MAC
 */
typedef struct PspSevChannel {
    uint8_t tek[PSP_SEV_KEY_SIZE];
    uint8_t tik[PSP_SEV_KEY_SIZE];
    uint8_t measurement[PSP_SEV_MAC_SIZE];
} PspSevChannel;

/**
 * psp_sev_channel_open: take the owner's session
 * @pdh: the platform's key, @owner: the owner's certificate
 *
 * Returns: SEV_RET_SUCCESS, INVALID_CERTIFICATE, BAD_MEASUREMENT where the
 * session was not made for @pdh, HWSEV_RET_PLATFORM.
 */
int psp_sev_channel_open(PspSevChannel *channel, const PspSevKey *pdh,
                         const PspSevCert *owner,
                         const PspSevSession *session);

/**
 * psp_sev_channel_policy: does the owner want @policy?
 *
 * Returns: SEV_RET_SUCCESS, BAD_MEASUREMENT, HWSEV_RET_PLATFORM.
 */
int psp_sev_channel_policy(const PspSevChannel *channel, uint32_t policy,
                           const PspSevSession *session);

/**
 * psp_sev_channel_measure: what LAUNCH_MEASURE says of @digest
 * @measurement: its nonce is given, its MAC is set
 *
 * Returns: SEV_RET_SUCCESS, HWSEV_RET_PLATFORM.
 */
int psp_sev_channel_measure(const PspSevChannel *channel, uint32_t policy,
                            const uint8_t digest[PSP_SEV_DIGEST_SIZE],
                            PspSevMeasurement *measurement);

/**
 * psp_sev_channel_secret: check and decrypt a secret in place
 * @size: bytes in @data
 *
 * Returns: SEV_RET_SUCCESS, BAD_MEASUREMENT, UNSUPPORTED for a compressed
 * one, HWSEV_RET_PLATFORM.
 */
int psp_sev_channel_secret(const PspSevChannel *channel,
                           const PspSevPacket *packet, uint8_t *data,
                           uint32_t size);

QEMU_BUILD_BUG_ON(sizeof(PspSevSession) != 128);
QEMU_BUILD_BUG_ON(sizeof(PspSevPacket) != 52);
QEMU_BUILD_BUG_ON(sizeof(PspSevMeasurement) != 48);

#endif
