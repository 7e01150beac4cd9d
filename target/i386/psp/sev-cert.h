/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware's key pairs and certificates for SEV and SEV-ES guests
 *
 * Secure Encrypted Virtualization API (55766), appendix C.  All keys are
 * P-384; numbers in certificates are little-endian.
 *
 * Locking: none needed.
 */
#ifndef TARGET_I386_PSP_SEV_CERT_H
#define TARGET_I386_PSP_SEV_CERT_H

#include "ec.h"

#define PSP_SEV_CERT_VERSION        1
#define PSP_SEV_CERT_SIGNATURES     2

/* Whose key it is, 55766 table 130 */
typedef enum PspSevUsage {
    PSP_SEV_USAGE_INVALID = 0x1000,
    PSP_SEV_USAGE_OCA = 0x1001,
    PSP_SEV_USAGE_PEK = 0x1002,
    PSP_SEV_USAGE_PDH = 0x1003,
    PSP_SEV_USAGE_CEK = 0x1004,
} PspSevUsage;

/* What it is for, 55766 table 131 */
#define PSP_SEV_ALGORITHM_INVALID   0
#define PSP_SEV_ECDSA_SHA256        2
#define PSP_SEV_ECDH_SHA256         3

typedef struct PspSevSignature {
    uint32_t usage;                 /* of the key that signed */
    uint32_t algorithm;
    PspEcSignature value;
} PspSevSignature;

/* Signatures are over what stands before them. */
typedef struct PspSevCert {
    uint32_t version;
    uint8_t api_major;
    uint8_t api_minor;
    uint8_t reserved_06[2];
    uint32_t usage;
    uint32_t algorithm;
    PspEcKey key;
    PspSevSignature signatures[PSP_SEV_CERT_SIGNATURES];
} PspSevCert;

#define PSP_SEV_CERT_BODY_SIZE      offsetof(PspSevCert, signatures)

/**
 * PspSevKey: a key pair
 *
 * @x, @y: the public point, @k: the private number; big-endian.
 */
typedef struct PspSevKey {
    uint8_t x[PSP_P384_SIZE];
    uint8_t y[PSP_P384_SIZE];
    uint8_t k[PSP_P384_SIZE];
} PspSevKey;

/** psp_sev_key_make: a new key pair.  Returns: false with @errp set. */
bool psp_sev_key_make(PspSevKey *key, Error **errp);

/** psp_sev_cert_init: a certificate without signatures */
void psp_sev_cert_init(PspSevCert *cert, PspSevUsage usage,
                       const PspSevKey *key);

/**
 * psp_sev_cert_sign: add a signature where there is room for one
 * @usage: what @signer is
 *
 * Returns: false with @errp set.
 */
bool psp_sev_cert_sign(PspSevCert *cert, PspSevUsage usage,
                       const PspSevKey *signer, Error **errp);

/** psp_sev_sign: ECDSA with SHA-256.  Returns: false with @errp set. */
bool psp_sev_sign(const PspSevKey *key, const void *data, size_t size,
                  PspEcSignature *signature, Error **errp);

/**
 * psp_sev_cert_check: is it a certificate for such a key?
 *
 * Signatures are not looked at.
 */
bool psp_sev_cert_check(const PspSevCert *cert, PspSevUsage usage);

/**
 * psp_sev_cert_verify: has the owner of @signer signed @cert?
 * @signer: a certificate; that of a key that signs itself is @cert
 *
 * Returns: SEV_RET_SUCCESS; INVALID_CERTIFICATE where one of the two is none
 * or has no signature by such a key; BAD_SIGNATURE.
 */
int psp_sev_cert_verify(const PspSevCert *cert, const PspSevCert *signer);

/**
 * psp_sev_agree: ECDH
 * @secret: the x coordinate, big-endian
 *
 * Returns: false where @peer is no point of the curve.
 */
bool psp_sev_agree(const PspSevKey *key, const PspEcKey *peer,
                   uint8_t secret[PSP_P384_SIZE]);

QEMU_BUILD_BUG_ON(sizeof(PspSevSignature) != 520);
QEMU_BUILD_BUG_ON(sizeof(PspSevCert) != 2084);

#endif
