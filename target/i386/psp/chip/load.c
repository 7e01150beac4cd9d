/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading a chip from its folder: are its files there, and those of one chip?
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include <glib/gstdio.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "target/i386/sev-certs.h"
#include "../trace.h"
#include "internal.h"

const PspChipFile psp_chip_files[CERTS] = {
    [ARK] = { "ark", &sev_cert_ark },
    [ASK] = { "ask", &sev_cert_ask },
    [VCEK] = { "vcek", &sev_cert_vcek },
    /* There is no GUID for it: it comes in the place of the ASK. */
    [ASVK] = { "asvk", &sev_cert_ask },
    [VLEK] = { "vlek", &sev_cert_vlek },
};

const char *const psp_chip_key_files[PSP_SIGNERS] = {
    [PSP_SIGNER_VCEK] = PSP_CHIP_KEY_FILE,
    [PSP_SIGNER_VLEK] = PSP_CHIP_VLEK_KEY_FILE,
};

char *psp_chip_path(const char *folder, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return g_build_filename(folder, file, NULL);
}

static bool read_file(const char *path, gnutls_datum_t *out, Error **errp)
{
    g_autoptr(GError) err = NULL;
    char *contents;
    gsize size;

    if (!g_file_get_contents(path, &contents, &size, &err)) {
        error_setg(errp, "%s", err->message);
        return false;
    }
    *out = (gnutls_datum_t) { (unsigned char *)contents, size };
    return true;
}

static bool load_cert(PspChip *chip, const char *folder, int which,
                      Error **errp)
{
    g_autofree char *path = psp_chip_path(folder, psp_chip_files[which].name,
                                          ".pem");
    gnutls_datum_t data;
    int ret;

    if (!read_file(path, &data, errp)) {
        return false;
    }
    ret = gnutls_x509_crt_import(chip->cert[which], &data,
                                 GNUTLS_X509_FMT_PEM);
    g_free(data.data);
    if (ret < 0) {
        error_setg(errp, "'%s' is not a certificate in PEM: %s", path,
                   gnutls_strerror(ret));
        return false;
    }
    return true;
}

static bool load_key(PspChip *chip, PspSigner signer, const char *folder,
                     Error **errp)
{
    g_autofree char *path = psp_chip_path(folder, psp_chip_key_files[signer],
                                          "");
    gnutls_datum_t data;
    GStatBuf st;
    int ret;

    if (!read_file(path, &data, errp)) {
        return false;
    }
    ret = gnutls_x509_privkey_import(chip->key[signer], &data,
                                     GNUTLS_X509_FMT_PEM);
    gnutls_memset(data.data, 0, data.size);
    g_free(data.data);
    if (ret < 0) {
        error_setg(errp, "'%s' is not a private key in PEM: %s", path,
                   gnutls_strerror(ret));
        return false;
    }
    if (g_stat(path, &st) == 0 && st.st_mode & 077) {
        warn_report("'%s' is a private key that others may read; chmod 600"
                    " it", path);
    }
    return true;
}

/* Has the VCEK, or VLEK, been made by its ASK, or ASVK, and that by the ARK? */
static bool check_signatures(const PspChip *chip, int which, Error **errp)
{
    const char *name = psp_chip_files[which].name;
    const char *issuer = which == VLEK ? "asvk" : "ask";
    unsigned status = 0;
    gnutls_x509_trust_list_t roots;
    int ret = gnutls_x509_trust_list_init(&roots, 0);

    if (ret >= 0) {
        gnutls_x509_crt_t chain[] = {
            chip->cert[which], chip->cert[which == VLEK ? ASVK : ASK]
        };

        ret = gnutls_x509_trust_list_add_cas(roots, &chip->cert[ARK], 1, 0);
        if (ret >= 0) {
            ret = gnutls_x509_trust_list_verify_crt(
                roots, chain, ARRAY_SIZE(chain),
                GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status, NULL);
        }
        gnutls_x509_trust_list_deinit(roots, 0);
    }
    if (!psp_chip_ok(ret, "can not verify a certificate", errp)) {
        return false;
    }
    if (status) {
        error_setg(errp, "%s.pem is not signed by %s.pem, or that not by"
                   " ark.pem", name, issuer);
        return false;
    }
    return true;
}

static bool check_key(const PspChip *chip, int which, Error **errp)
{
    PspSigner signer = psp_chip_signer_of(which);
    uint8_t of_key[32], of_cert[32];
    size_t key_size = sizeof(of_key), cert_size = sizeof(of_cert);
    int ret = gnutls_x509_privkey_get_key_id(chip->key[signer], 0, of_key,
                                             &key_size);

    if (ret >= 0) {
        ret = gnutls_x509_crt_get_key_id(chip->cert[which], 0, of_cert,
                                         &cert_size);
    }
    if (!psp_chip_ok(ret, "can not compare a key with its certificate", errp)) {
        return false;
    }
    if (key_size != cert_size || memcmp(of_key, of_cert, key_size)) {
        error_setg(errp, "%s is not the key of %s.pem",
                   psp_chip_key_files[signer], psp_chip_files[which].name);
        return false;
    }
    return true;
}

/* A key that signs reports, once its certificates have been loaded */
static bool load_signer(PspChip *chip, int which, const char *folder,
                        Error **errp)
{
    return load_key(chip, psp_chip_signer_of(which), folder, errp) &&
           check_key(chip, which, errp) &&
           check_signatures(chip, which, errp) &&
           (which == VLEK || psp_chip_load_id(chip, errp)) &&
           psp_chip_check_extensions(chip, which, errp);
}

static bool has_vlek(const char *folder, Error **errp)
{
    g_autofree char *path = psp_chip_path(folder, PSP_CHIP_VLEK_KEY_FILE, "");

    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
        return true;
    }
    error_setg(errp, "the chip was made without a VLEK: there is no "
               PSP_CHIP_VLEK_KEY_FILE);
    return false;
}

static bool load_chip(PspChip *chip, const char *folder, Error **errp)
{
    if (chip->vlek && !has_vlek(folder, errp)) {
        return false;
    }
    for (int i = ARK; i < psp_chip_certs_of(chip); i++) {
        if (!load_cert(chip, folder, i, errp)) {
            return false;
        }
    }
    return load_signer(chip, VCEK, folder, errp) &&
           (!chip->vlek || load_signer(chip, VLEK, folder, errp));
}

static bool use_keys(PspChip *chip, Error **errp)
{
    int ret = 0;

    for (int i = 0; i < (chip->vlek ? PSP_SIGNERS : 1) && ret >= 0; i++) {
        ret = gnutls_privkey_import_x509(chip->signer[i], chip->key[i], 0);
    }
    return psp_chip_ok(ret, "can not use the chip's keys", errp);
}

bool psp_chip_load(PspChip *chip, const char *folder, Error **errp)
{
    if (!load_chip(chip, folder, errp)) {
        return false;
    }
    chip->table = psp_chip_table(chip, chip->vlek, errp);
    if (!chip->table) {
        return false;
    }
    trace_psp_chip(folder, false);
    return use_keys(chip, errp);
}
