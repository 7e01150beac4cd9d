/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware's key pairs and certificates for SEV and SEV-ES guests
 *
 * Secure Encrypted Virtualization API (55766), appendix C.  ECDH is the work
 * of the library beneath gnutls, which has a function for it from version
 * 3.8.2 on only.
 */
#include "qemu/osdep.h"
#include <gmp.h>
#include <linux/psp-sev.h>
#include <nettle/ecc.h>
#include <nettle/ecc-curve.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "psp.h"
#include "sev-cert.h"

/* Most significant byte first, in mpz_import()'s terms */
#define BIG_ENDIAN_FIRST    1

static gnutls_datum_t datum(const void *data, size_t size)
{
    return (gnutls_datum_t) { .data = (void *)data, .size = size };
}

static bool failed(int ret, Error **errp)
{
    if (ret < 0) {
        error_setg(errp, "%s", gnutls_strerror(ret));
    }
    return ret < 0;
}

static int export_key(gnutls_privkey_t from, PspSevKey *key)
{
    gnutls_datum_t x = { 0 }, y = { 0 }, k = { 0 };
    int ret = gnutls_privkey_export_ecc_raw(from, NULL, &x, &y, &k);

    if (ret >= 0 && (!psp_ec_pad(key->x, &x) || !psp_ec_pad(key->y, &y) ||
                     !psp_ec_pad(key->k, &k))) {
        ret = GNUTLS_E_INTERNAL_ERROR;
    }
    gnutls_free(x.data);
    gnutls_free(y.data);
    gnutls_free(k.data);
    return ret;
}

bool psp_sev_key_make(PspSevKey *key, Error **errp)
{
    gnutls_privkey_t made;
    int ret = gnutls_privkey_init(&made);

    if (failed(ret, errp)) {
        return false;
    }
    ret = gnutls_privkey_generate(
        made, GNUTLS_PK_ECDSA,
        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1), 0);
    if (ret >= 0) {
        ret = export_key(made, key);
    }
    gnutls_privkey_deinit(made);
    return !failed(ret, errp);
}

/* The public half */
static void key_set(PspEcKey *public, const PspSevKey *key)
{
    memset(public, 0, sizeof(*public));
    public->curve = cpu_to_le32(PSP_CURVE_P384);
    psp_ec_field(public->x, key->x);
    psp_ec_field(public->y, key->y);
}

void psp_sev_cert_init(PspSevCert *cert, PspSevUsage usage,
                       const PspSevKey *key)
{
    memset(cert, 0, sizeof(*cert));
    cert->version = cpu_to_le32(PSP_SEV_CERT_VERSION);
    cert->api_major = PSP_API_MAJOR;
    cert->api_minor = PSP_API_MINOR;
    cert->usage = cpu_to_le32(usage);
    cert->algorithm = cpu_to_le32(usage == PSP_SEV_USAGE_PDH ?
                                  PSP_SEV_ECDH_SHA256 : PSP_SEV_ECDSA_SHA256);
    key_set(&cert->key, key);
    for (size_t i = 0; i < PSP_SEV_CERT_SIGNATURES; i++) {
        cert->signatures[i].usage = cpu_to_le32(PSP_SEV_USAGE_INVALID);
    }
}

static int sign(PspEcSignature *signature, const PspSevKey *key,
                const void *data, size_t size)
{
    const gnutls_datum_t x = datum(key->x, sizeof(key->x));
    const gnutls_datum_t y = datum(key->y, sizeof(key->y));
    const gnutls_datum_t k = datum(key->k, sizeof(key->k));
    gnutls_privkey_t signer;
    int ret = gnutls_privkey_init(&signer);

    if (ret < 0) {
        return ret;
    }
    ret = gnutls_privkey_import_ecc_raw(signer, GNUTLS_ECC_CURVE_SECP384R1,
                                        &x, &y, &k);
    if (ret >= 0) {
        ret = psp_ec_sign(signature, signer, GNUTLS_DIG_SHA256, data, size);
    }
    gnutls_privkey_deinit(signer);
    return ret;
}

bool psp_sev_sign(const PspSevKey *key, const void *data, size_t size,
                  PspEcSignature *signature, Error **errp)
{
    return !failed(sign(signature, key, data, size), errp);
}

bool psp_sev_cert_sign(PspSevCert *cert, PspSevUsage usage,
                       const PspSevKey *signer, Error **errp)
{
    for (size_t i = 0; i < PSP_SEV_CERT_SIGNATURES; i++) {
        PspSevSignature *signature = &cert->signatures[i];

        if (le32_to_cpu(signature->usage) != PSP_SEV_USAGE_INVALID) {
            continue;
        }
        if (!psp_sev_sign(signer, cert, PSP_SEV_CERT_BODY_SIZE,
                          &signature->value, errp)) {
            return false;
        }
        signature->usage = cpu_to_le32(usage);
        signature->algorithm = cpu_to_le32(PSP_SEV_ECDSA_SHA256);
        return true;
    }
    error_setg(errp, "the certificate has two signatures already");
    return false;
}

bool psp_sev_cert_check(const PspSevCert *cert, PspSevUsage usage)
{
    uint32_t algorithm = usage == PSP_SEV_USAGE_PDH ? PSP_SEV_ECDH_SHA256
                                                    : PSP_SEV_ECDSA_SHA256;

    return le32_to_cpu(cert->version) == PSP_SEV_CERT_VERSION &&
           le32_to_cpu(cert->usage) == usage &&
           le32_to_cpu(cert->algorithm) == algorithm &&
           le32_to_cpu(cert->key.curve) == PSP_CURVE_P384;
}

static bool has_signed(const PspSevCert *cert, const PspEcSignature *signature,
                       const PspEcKey *key)
{
    return psp_ec_verify(key, signature, GNUTLS_SIGN_ECDSA_SHA256, cert,
                         PSP_SEV_CERT_BODY_SIZE) >= 0;
}

/* Of the two, either both are set or none is. */
static bool is_whole(const PspSevSignature *signature)
{
    return (le32_to_cpu(signature->usage) == PSP_SEV_USAGE_INVALID) ==
           (le32_to_cpu(signature->algorithm) == PSP_SEV_ALGORITHM_INVALID);
}

int psp_sev_cert_verify(const PspSevCert *cert, const PspSevCert *signer)
{
    int status = SEV_RET_INVALID_CERTIFICATE;

    if (!psp_sev_cert_check(cert, le32_to_cpu(cert->usage)) ||
        !psp_sev_cert_check(signer, le32_to_cpu(signer->usage)) ||
        le32_to_cpu(signer->algorithm) != PSP_SEV_ECDSA_SHA256) {
        return SEV_RET_INVALID_CERTIFICATE;
    }
    for (size_t i = 0; i < PSP_SEV_CERT_SIGNATURES; i++) {
        const PspSevSignature *signature = &cert->signatures[i];

        if (!is_whole(signature)) {
            return SEV_RET_BAD_SIGNATURE;
        }
        if (signature->usage != signer->usage ||
            signature->algorithm != signer->algorithm ||
            status == SEV_RET_SUCCESS) {
            continue;
        }
        status = has_signed(cert, &signature->value, &signer->key) ?
            SEV_RET_SUCCESS : SEV_RET_BAD_SIGNATURE;
    }
    return status;
}

static void import(mpz_t to, const uint8_t from[PSP_P384_SIZE])
{
    mpz_init(to);
    mpz_import(to, PSP_P384_SIZE, BIG_ENDIAN_FIRST, 1, BIG_ENDIAN_FIRST, 0,
               from);
}

static void export(uint8_t to[PSP_P384_SIZE], const mpz_t from)
{
    size_t size = (mpz_sizeinbase(from, 2) + 7) / 8;

    memset(to, 0, PSP_P384_SIZE);
    mpz_export(to + PSP_P384_SIZE - size, NULL, BIG_ENDIAN_FIRST, 1,
               BIG_ENDIAN_FIRST, 0, from);
}

bool psp_sev_agree(const PspSevKey *key, const PspEcKey *peer,
                   uint8_t secret[PSP_P384_SIZE])
{
    const struct ecc_curve *curve = nettle_get_secp_384r1();
    uint8_t peer_x[PSP_P384_SIZE], peer_y[PSP_P384_SIZE];
    struct ecc_point point, product;
    struct ecc_scalar scalar;
    mpz_t x, y, k;
    bool good;

    if (!psp_ec_number(peer_x, peer->x) || !psp_ec_number(peer_y, peer->y)) {
        return false;
    }
    import(x, peer_x);
    import(y, peer_y);
    import(k, key->k);
    ecc_point_init(&point, curve);
    ecc_point_init(&product, curve);
    ecc_scalar_init(&scalar, curve);

    good = ecc_point_set(&point, x, y) && ecc_scalar_set(&scalar, k);
    if (good) {
        ecc_point_mul(&product, &scalar, &point);
        ecc_point_get(&product, x, y);
        export(secret, x);
    }
    ecc_scalar_clear(&scalar);
    ecc_point_clear(&product);
    ecc_point_clear(&point);
    mpz_clear(x);
    mpz_clear(y);
    mpz_clear(k);
    return good;
}
