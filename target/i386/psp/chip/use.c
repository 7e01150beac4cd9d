/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Using a chip: its life, its ID, and what its key signs
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include "qapi/error.h"
#include "../ec.h"
#include "internal.h"

bool psp_chip_ok(int ret, const char *what, Error **errp)
{
    if (ret >= 0) {
        return true;
    }
    error_setg(errp, "%s: %s", what, gnutls_strerror(ret));
    return false;
}

static PspChip *new_chip(PspProductId product, bool vlek, Error **errp)
{
    PspChip *chip = g_new0(PspChip, 1);
    int ret = 0;

    chip->product = psp_product(product);
    chip->vlek = vlek;
    for (int i = 0; i < PSP_SIGNERS && ret >= 0; i++) {
        ret = gnutls_x509_privkey_init(&chip->key[i]);
        if (ret >= 0) {
            ret = gnutls_privkey_init(&chip->signer[i]);
        }
    }
    for (int i = 0; i < CERTS && ret >= 0; i++) {
        ret = gnutls_x509_crt_init(&chip->cert[i]);
    }
    if (ret < 0) {
        error_setg(errp, "no memory for the chip's keys");
        g_clear_pointer(&chip, psp_chip_free);
    }
    return chip;
}

/*
 * Keys take seconds to make, and nobody is kept out meanwhile: who comes at
 * the same time makes others, and the first to be saved are the chip's.
 */
static bool make_in(const char *folder, PspProductId product, bool vlek,
                    Error **errp)
{
    PspChip *chip = new_chip(product, vlek, errp);
    bool made = chip && psp_chip_make(chip, errp) &&
                psp_chip_save(chip, folder, errp);

    psp_chip_free(chip);
    return made;
}

static PspChip *load_from(const char *folder, PspProductId product, bool vlek,
                          Error **errp)
{
    ERRP_GUARD();
    PspChip *chip = new_chip(product, vlek, errp);

    if (chip && !psp_chip_load(chip, folder, errp)) {
        error_append_hint(errp, PSP_CHIP_REMOVE);
        g_clear_pointer(&chip, psp_chip_free);
    }
    return chip;
}

PspChip *psp_chip_open(const char *folder, PspProductId product, bool vlek,
                       Error **errp)
{
    ERRP_GUARD();
    PspChip *chip = NULL;

    if (psp_chip_is_made(folder) ||
        (psp_chip_check_room(folder, errp) &&
         make_in(folder, product, vlek, errp))) {
        chip = load_from(folder, product, vlek, errp);
    }
    if (!chip) {
        error_prepend(errp, "cert-dir '%s': ", folder);
    }
    return chip;
}

void psp_chip_free(PspChip *chip)
{
    if (!chip) {
        return;
    }
    for (int i = 0; i < CERTS; i++) {
        gnutls_x509_crt_deinit(chip->cert[i]);
    }
    for (int i = 0; i < PSP_SIGNERS; i++) {
        gnutls_privkey_deinit(chip->signer[i]);
        gnutls_x509_privkey_deinit(chip->key[i]);
    }
    if (chip->table) {
        g_byte_array_unref(chip->table);
    }
    g_free(chip);
}

const uint8_t *psp_chip_id(const PspChip *chip)
{
    return chip->id;
}

const GByteArray *psp_chip_certs(const PspChip *chip)
{
    return chip->table;
}

/*
 * Using the key
 */

bool psp_chip_sign(const PspChip *chip, PspSigner signer, const void *data,
                   size_t size, PspEcSignature *signature, Error **errp)
{
    int ret = psp_ec_sign(signature, chip->signer[signer], GNUTLS_DIG_SHA384,
                          data, size);

    return psp_chip_ok(ret, "can not sign a report", errp);
}

static int hkdf(const gnutls_datum_t *secret, const gnutls_datum_t *context,
                uint8_t key[PSP_DERIVED_KEY_SIZE])
{
    uint8_t extracted[PSP_DIGEST_SIZE];
    const gnutls_datum_t salt = { (void *)PSP_CHIP_ID_PREFIX,
                                  strlen(PSP_CHIP_ID_PREFIX) };
    const gnutls_datum_t prk = { extracted, sizeof(extracted) };
    int ret = gnutls_hkdf_extract(GNUTLS_MAC_SHA384, secret, &salt, extracted);

    if (ret >= 0) {
        ret = gnutls_hkdf_expand(GNUTLS_MAC_SHA384, &prk, context, key,
                                 PSP_DERIVED_KEY_SIZE);
    }
    gnutls_memset(extracted, 0, sizeof(extracted));
    return ret;
}

/*
 * The specification keeps the derivation to the firmware; HKDF (RFC 5869) of
 * the private number of VCEK or VLEK has the properties that it promises.
 */
bool psp_chip_derive(const PspChip *chip, PspSigner signer,
                     const void *context, size_t size,
                     uint8_t key[PSP_DERIVED_KEY_SIZE], Error **errp)
{
    const gnutls_datum_t info = { (void *)context, size };
    gnutls_datum_t secret = { 0 };
    int ret = gnutls_x509_privkey_export_ecc_raw(chip->key[signer], NULL, NULL,
                                                 NULL, &secret);

    if (ret >= 0) {
        ret = hkdf(&secret, &info, key);
    }
    if (secret.data) {
        gnutls_memset(secret.data, 0, secret.size);
        gnutls_free(secret.data);
    }
    return psp_chip_ok(ret, "can not derive a key", errp);
}
