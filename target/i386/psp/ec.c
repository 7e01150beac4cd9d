/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * P-384 as the firmware writes it, see ec.h
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include "qemu/cutils.h"
#include "ec.h"

static gnutls_datum_t datum(const void *data, size_t size)
{
    return (gnutls_datum_t) { .data = (void *)data, .size = size };
}

static void reverse(uint8_t *to, const uint8_t *from)
{
    for (size_t i = 0; i < PSP_P384_SIZE; i++) {
        to[i] = from[PSP_P384_SIZE - 1 - i];
    }
}

bool psp_ec_number(uint8_t number[PSP_P384_SIZE],
                   const uint8_t field[PSP_EC_NUMBER_SIZE])
{
    reverse(number, field);
    return buffer_is_zero(field + PSP_P384_SIZE,
                          PSP_EC_NUMBER_SIZE - PSP_P384_SIZE);
}

void psp_ec_field(uint8_t field[PSP_EC_NUMBER_SIZE],
                  const uint8_t number[PSP_P384_SIZE])
{
    memset(field, 0, PSP_EC_NUMBER_SIZE);
    reverse(field, number);
}

bool psp_ec_pad(uint8_t number[PSP_P384_SIZE], const gnutls_datum_t *from)
{
    const uint8_t *data = from->data;
    size_t size = from->size;

    while (size && !*data) {
        data++;
        size--;
    }
    if (size > PSP_P384_SIZE) {
        return false;
    }
    memset(number, 0, PSP_P384_SIZE - size);
    if (size) {
        memcpy(number + PSP_P384_SIZE - size, data, size);
    }
    return true;
}

/* From DER */
static int decode(PspEcSignature *signature, const gnutls_datum_t *der)
{
    gnutls_datum_t r = { 0 }, s = { 0 };
    uint8_t numbers[2][PSP_P384_SIZE];
    int ret = gnutls_decode_rs_value(der, &r, &s);

    if (ret >= 0 && (!psp_ec_pad(numbers[0], &r) ||
                     !psp_ec_pad(numbers[1], &s))) {
        ret = GNUTLS_E_INTERNAL_ERROR;
    }
    if (ret >= 0) {
        memset(signature, 0, sizeof(*signature));
        psp_ec_field(signature->r, numbers[0]);
        psp_ec_field(signature->s, numbers[1]);
    }
    gnutls_free(r.data);
    gnutls_free(s.data);
    return ret;
}

int psp_ec_sign(PspEcSignature *signature, gnutls_privkey_t signer,
                gnutls_digest_algorithm_t hash, const void *data, size_t size)
{
    const gnutls_datum_t in = datum(data, size);
    gnutls_datum_t der = { 0 };
    int ret = gnutls_privkey_sign_data(signer, hash, 0, &in, &der);

    if (ret >= 0) {
        ret = decode(signature, &der);
    }
    gnutls_free(der.data);
    return ret;
}

static int verify(gnutls_pubkey_t pubkey, const PspEcKey *key,
                  const PspEcSignature *signature,
                  gnutls_sign_algorithm_t algorithm,
                  const gnutls_datum_t *data)
{
    uint8_t numbers[4][PSP_P384_SIZE];
    const gnutls_datum_t x = datum(numbers[0], PSP_P384_SIZE);
    const gnutls_datum_t y = datum(numbers[1], PSP_P384_SIZE);
    const gnutls_datum_t r = datum(numbers[2], PSP_P384_SIZE);
    const gnutls_datum_t s = datum(numbers[3], PSP_P384_SIZE);
    gnutls_datum_t der = { 0 };
    int ret;

    if (!psp_ec_number(numbers[0], key->x) ||
        !psp_ec_number(numbers[1], key->y) ||
        !psp_ec_number(numbers[2], signature->r) ||
        !psp_ec_number(numbers[3], signature->s)) {
        return GNUTLS_E_ILLEGAL_PARAMETER;
    }
    ret = gnutls_pubkey_import_ecc_raw(pubkey, GNUTLS_ECC_CURVE_SECP384R1, &x,
                                       &y);
    if (ret >= 0) {
        ret = gnutls_encode_rs_value(&der, &r, &s);
    }
    if (ret >= 0) {
        ret = gnutls_pubkey_verify_data2(pubkey, algorithm, 0, data, &der);
    }
    gnutls_free(der.data);
    return ret;
}

int psp_ec_verify(const PspEcKey *key, const PspEcSignature *signature,
                  gnutls_sign_algorithm_t algorithm, const void *data,
                  size_t size)
{
    const gnutls_datum_t in = datum(data, size);
    gnutls_pubkey_t pubkey;
    int ret = gnutls_pubkey_init(&pubkey);

    if (ret < 0) {
        return ret;
    }
    ret = verify(pubkey, key, signature, algorithm, &in);
    gnutls_pubkey_deinit(pubkey);
    return MIN(ret, 0);
}
