/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * P-384 as the firmware writes it: little-endian numbers in fields of 72 bytes
 *
 * SEV-SNP Firmware ABI (56860), appendix B; Secure Encrypted Virtualization
 * API (55766), appendix C.  ECDSA is gnutls' work; only the encoding is the
 * firmware's own.
 *
 * Locking: none needed.
 */
#ifndef TARGET_I386_PSP_EC_H
#define TARGET_I386_PSP_EC_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include "target/i386/sev-abi.h"

#define PSP_P384_SIZE       48
#define PSP_CURVE_P384      2

/**
 * psp_ec_number: a field's number, big-endian
 *
 * Returns: false where it has more than 384 bits; @number is set all the same.
 */
bool psp_ec_number(uint8_t number[PSP_P384_SIZE],
                   const uint8_t field[PSP_EC_NUMBER_SIZE]);

/** psp_ec_field: the other way */
void psp_ec_field(uint8_t field[PSP_EC_NUMBER_SIZE],
                  const uint8_t number[PSP_P384_SIZE]);

/**
 * psp_ec_pad: a number of gnutls', which drops leading zeros and may add one
 *
 * Returns: false where it has more than 384 bits.
 */
bool psp_ec_pad(uint8_t number[PSP_P384_SIZE], const gnutls_datum_t *from);

/**
 * psp_ec_sign: sign with ECDSA
 * @signature: its reserved bytes become 0
 *
 * Returns: 0 or an error of gnutls'.
 */
int psp_ec_sign(PspEcSignature *signature, gnutls_privkey_t signer,
                gnutls_digest_algorithm_t hash, const void *data, size_t size);

/**
 * psp_ec_verify: has @key signed @data?
 * @algorithm: GNUTLS_SIGN_ECDSA_*
 *
 * The curve is not looked at.  Returns: 0, or an error of gnutls' where not.
 */
int psp_ec_verify(const PspEcKey *key, const PspEcSignature *signature,
                  gnutls_sign_algorithm_t algorithm, const void *data,
                  size_t size);

#endif
