/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folder of a chip: its keys and certificates as files
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "target/i386/sev-certs.h"
#include "../trace.h"
#include "internal.h"

#define KEY_FILE    "vcek.key"
#define CHAIN_FILE  "cert_chain.pem"
#define TABLE_FILE  "certs.bin"
#define LOCK_FILE   ".lock"

static const struct {
    const char *name;
    const SevCertGuid *guid;
} certs[CERTS] = {
    [ARK] = { "ark", &sev_cert_ark },
    [ASK] = { "ask", &sev_cert_ask },
    [VCEK] = { "vcek", &sev_cert_vcek },
};

static char *path_of(const char *folder, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return g_build_filename(folder, file, NULL);
}

static bool write_file(const char *folder, const char *name,
                       const char *suffix, const void *data, size_t size,
                       int mode, Error **errp)
{
    g_autofree char *path = path_of(folder, name, suffix);
    g_autoptr(GError) err = NULL;

    if (g_file_set_contents_full(path, data, size,
                                 G_FILE_SET_CONTENTS_CONSISTENT |
                                 G_FILE_SET_CONTENTS_DURABLE, mode, &err)) {
        return true;
    }
    error_setg(errp, "%s", err->message);
    return false;
}

static bool export_cert(const PspChip *chip, int which, bool pem,
                        gnutls_datum_t *out, Error **errp)
{
    int ret = gnutls_x509_crt_export2(chip->cert[which],
                                      pem ? GNUTLS_X509_FMT_PEM
                                          : GNUTLS_X509_FMT_DER, out);

    return psp_chip_ok(ret, "can not write a certificate", errp);
}

static bool save_cert(const PspChip *chip, const char *folder, int which,
                      bool pem, GString *chain, Error **errp)
{
    gnutls_datum_t data = { 0 };
    bool saved = export_cert(chip, which, pem, &data, errp) &&
                 write_file(folder, certs[which].name, pem ? ".pem" : ".der",
                            data.data, data.size, 0644, errp);

    if (saved && pem && which != VCEK) {
        g_string_append_len(chain, (const char *)data.data, data.size);
    }
    gnutls_free(data.data);
    return saved;
}

static bool save_key(const PspChip *chip, const char *folder, Error **errp)
{
    gnutls_datum_t data = { 0 };
    int ret = gnutls_x509_privkey_export2_pkcs8(chip->key,
                                                GNUTLS_X509_FMT_PEM, NULL,
                                                GNUTLS_PKCS_PLAIN, &data);
    bool saved = psp_chip_ok(ret, "can not write a key", errp) &&
                 write_file(folder, KEY_FILE, "", data.data, data.size, 0600,
                            errp);

    gnutls_memset(data.data, 0, data.size);
    gnutls_free(data.data);
    return saved;
}

/* The key comes last: where it is, everything is. */
static bool save_chip(const PspChip *chip, const char *folder, Error **errp)
{
    g_autoptr(GString) chain = g_string_new(NULL);

    for (int i = VCEK; i >= ARK; i--) {
        if (!save_cert(chip, folder, i, true, chain, errp) ||
            !save_cert(chip, folder, i, false, chain, errp)) {
            return false;
        }
    }
    return write_file(folder, CHAIN_FILE, "", chain->str, chain->len, 0644,
                      errp) &&
           write_file(folder, TABLE_FILE, "", chip->table->data,
                      chip->table->len, 0644, errp) &&
           save_key(chip, folder, errp);
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
    g_autofree char *path = path_of(folder, certs[which].name, ".pem");
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

static bool load_key(PspChip *chip, const char *folder, Error **errp)
{
    g_autofree char *path = path_of(folder, KEY_FILE, "");
    gnutls_datum_t data;
    GStatBuf st;
    int ret;

    if (!read_file(path, &data, errp)) {
        return false;
    }
    ret = gnutls_x509_privkey_import(chip->key, &data, GNUTLS_X509_FMT_PEM);
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

/* Has the VCEK been made for this chip, by this ASK, by this ARK? */
static bool check_signatures(const PspChip *chip, Error **errp)
{
    unsigned status = 0;
    gnutls_x509_trust_list_t roots;
    int ret = gnutls_x509_trust_list_init(&roots, 0);

    if (ret >= 0) {
        gnutls_x509_crt_t chain[] = { chip->cert[VCEK], chip->cert[ASK] };

        ret = gnutls_x509_trust_list_add_cas(roots, &chip->cert[ARK], 1, 0);
        if (ret >= 0) {
            ret = gnutls_x509_trust_list_verify_crt(
                roots, chain, ARRAY_SIZE(chain),
                GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status, NULL);
        }
        gnutls_x509_trust_list_deinit(roots, 0);
    }
    if (!psp_chip_ok(ret, "can not verify vcek.pem", errp)) {
        return false;
    }
    if (status) {
        error_setg(errp, "vcek.pem is not signed by ask.pem, or that not by"
                   " ark.pem");
        return false;
    }
    return true;
}

static bool check_key(const PspChip *chip, Error **errp)
{
    uint8_t of_key[32], of_cert[32];
    size_t key_size = sizeof(of_key), cert_size = sizeof(of_cert);
    int ret = gnutls_x509_privkey_get_key_id(chip->key, 0, of_key, &key_size);

    if (ret >= 0) {
        ret = gnutls_x509_crt_get_key_id(chip->cert[VCEK], 0, of_cert,
                                         &cert_size);
    }
    if (!psp_chip_ok(ret, "can not compare " KEY_FILE " with vcek.pem", errp)) {
        return false;
    }
    if (key_size != cert_size || memcmp(of_key, of_cert, key_size)) {
        error_setg(errp, KEY_FILE " is not the key of vcek.pem");
        return false;
    }
    return true;
}

static bool check_extension(const PspChip *chip, const char *oid,
                            const void *wanted, size_t size)
{
    uint8_t value[PSP_CHIP_ID_SIZE];
    size_t got = sizeof(value);

    return gnutls_x509_crt_get_extension_by_oid(chip->cert[VCEK], oid, 0,
                                                value, &got, NULL) >= 0 &&
           got == size && !memcmp(value, wanted, size);
}

/* Its ID is in the VCEK.  A VCEK of AMD's has another. */
static bool load_chip_id(PspChip *chip, Error **errp)
{
    const uint8_t microcode[] = {
        ASN1_INTEGER, 2, 0, PSP_CHIP_TCB.microcode
    };
    size_t size = sizeof(chip->id);
    int ret = gnutls_x509_crt_get_extension_by_oid(chip->cert[VCEK], OID_HWID,
                                                   0, chip->id, &size, NULL);

    if (ret < 0 || size != sizeof(chip->id) ||
        memcmp(chip->id, PSP_CHIP_ID_PREFIX, strlen(PSP_CHIP_ID_PREFIX))) {
        error_setg(errp, "vcek.pem is not that of an emulated chip");
        return false;
    }
    if (!check_extension(chip, OID_SPL "8", microcode, sizeof(microcode))) {
        error_setg(errp, "vcek.pem is for another patch level than the one"
                   " that this QEMU emulates");
        return false;
    }
    return true;
}

static bool load_chip(PspChip *chip, const char *folder, Error **errp)
{
    for (int i = ARK; i < CERTS; i++) {
        if (!load_cert(chip, folder, i, errp)) {
            return false;
        }
    }
    return load_key(chip, folder, errp) && check_key(chip, errp) &&
           check_signatures(chip, errp) && load_chip_id(chip, errp);
}

/* A folder without a key must not have what would be written over. */
static bool check_empty(const char *folder, Error **errp)
{
    ERRP_GUARD();
    static const char *const files[] = {
        "ark.pem", "ask.pem", "vcek.pem", "ark.der", "ask.der", "vcek.der",
        CHAIN_FILE, TABLE_FILE,
    };

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *path = path_of(folder, files[i], "");

        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
            error_setg(errp, "'%s' is there, but no " KEY_FILE " that belongs"
                       " to it", path);
            error_append_hint(errp, PSP_CHIP_REMOVE);
            return false;
        }
    }
    return true;
}

static bool make_table(PspChip *chip, Error **errp)
{
    static const int order[] = { VCEK, ASK, ARK };
    SevCert entries[CERTS];
    gnutls_datum_t der[CERTS] = { { 0 } };
    bool exported = true;

    for (size_t i = 0; i < ARRAY_SIZE(order) && exported; i++) {
        exported = export_cert(chip, order[i], false, &der[i], errp);
        entries[i] = (SevCert) {
            certs[order[i]].guid, der[i].data, der[i].size
        };
    }
    if (exported) {
        chip->table = sev_certs_table(entries, ARRAY_SIZE(entries));
    }
    for (size_t i = 0; i < ARRAY_SIZE(der); i++) {
        gnutls_free(der[i].data);
    }
    return exported;
}

/*
 * Locking
 *
 * Only who writes takes the lock, for as long as that takes.  Who keeps it for
 * longer does something else, and QEMU may stand still meanwhile.
 */

#define LOCK_WAIT_MS    1000
#define LOCK_POLL_MS    10

static int try_lock(int fd)
{
    int ret;

    do {
        ret = flock(fd, LOCK_EX | LOCK_NB);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? errno : 0;
}

static bool wait_for_lock(int fd, const char *path, Error **errp)
{
    ERRP_GUARD();
    int error = try_lock(fd);

    for (int ms = 0; error == EWOULDBLOCK && ms < LOCK_WAIT_MS;
         ms += LOCK_POLL_MS) {
        g_usleep(LOCK_POLL_MS * 1000);
        error = try_lock(fd);
    }
    if (error) {
        error_setg_errno(errp, error, "can not lock '%s'", path);
    }
    if (error == EWOULDBLOCK) {
        error_append_hint(errp, "Another process keeps that file locked:"
                          " lslocks(8) tells which one.  End it, or name"
                          " another folder by cert-dir=.\n");
    }
    return !error;
}

int psp_chip_lock_folder(const char *folder, Error **errp)
{
    g_autofree char *path = path_of(folder, LOCK_FILE, "");
    int fd;

    if (g_mkdir_with_parents(folder, 0700) < 0) {
        error_setg_errno(errp, errno, "can not make the folder");
        return -1;
    }
    fd = qemu_create(path, O_RDWR, 0600, errp);
    if (fd >= 0 && !wait_for_lock(fd, path, errp)) {
        close(fd);
        return -1;
    }
    return fd;
}

/*
 * A chip in its folder
 */

bool psp_chip_is_made(const char *folder)
{
    g_autofree char *key = path_of(folder, KEY_FILE, "");

    return g_file_test(key, G_FILE_TEST_EXISTS);
}

bool psp_chip_load(PspChip *chip, const char *folder, Error **errp)
{
    if (!load_chip(chip, folder, errp) || !make_table(chip, errp)) {
        return false;
    }
    trace_psp_chip(folder, false);
    return psp_chip_ok(gnutls_privkey_import_x509(chip->signer, chip->key, 0),
                       "can not use " KEY_FILE, errp);
}

/* With @chip NULL it is only looked whether it could be saved. */
static bool save_once(PspChip *chip, const char *folder, Error **errp)
{
    int lock = psp_chip_lock_folder(folder, errp);
    bool good = lock >= 0;

    if (good && !psp_chip_is_made(folder)) {
        good = check_empty(folder, errp) &&
               (!chip || (make_table(chip, errp) &&
                          save_chip(chip, folder, errp)));
    }
    if (lock >= 0) {
        close(lock);
    }
    return good;
}

bool psp_chip_check_room(const char *folder, Error **errp)
{
    return save_once(NULL, folder, errp);
}

bool psp_chip_save(PspChip *chip, const char *folder, Error **errp)
{
    trace_psp_chip(folder, true);
    return save_once(chip, folder, errp);
}
