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

#define LOCK_FILE   ".lock"

static bool write_file(const char *folder, const char *name,
                       const char *suffix, const void *data, size_t size,
                       int mode, Error **errp)
{
    g_autofree char *path = psp_chip_path(folder, name, suffix);
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
                 write_file(folder, psp_chip_files[which].name,
                            pem ? ".pem" : ".der", data.data, data.size, 0644,
                            errp);

    if (saved && pem && (which == ASK || which == ARK)) {
        g_string_append_len(chain, (const char *)data.data, data.size);
    }
    gnutls_free(data.data);
    return saved;
}

static bool save_key(const PspChip *chip, PspSigner signer,
                     const char *folder, Error **errp)
{
    gnutls_datum_t data = { 0 };
    int ret = gnutls_x509_privkey_export2_pkcs8(chip->key[signer],
                                                GNUTLS_X509_FMT_PEM, NULL,
                                                GNUTLS_PKCS_PLAIN, &data);
    bool saved = psp_chip_ok(ret, "can not write a key", errp) &&
                 write_file(folder, psp_chip_key_files[signer], "", data.data,
                            data.size, 0600, errp);

    gnutls_memset(data.data, 0, data.size);
    gnutls_free(data.data);
    return saved;
}

GByteArray *psp_chip_table(const PspChip *chip, bool vlek, Error **errp)
{
    const int order[] = { vlek ? VLEK : VCEK, vlek ? ASVK : ASK, ARK };
    SevCert entries[ARRAY_SIZE(order)];
    gnutls_datum_t der[ARRAY_SIZE(order)] = { { 0 } };
    GByteArray *table = NULL;
    bool exported = true;

    for (size_t i = 0; i < ARRAY_SIZE(order) && exported; i++) {
        exported = export_cert(chip, order[i], false, &der[i], errp);
        entries[i] = (SevCert) {
            psp_chip_files[order[i]].guid, der[i].data, der[i].size
        };
    }
    if (exported) {
        table = sev_certs_table(entries, ARRAY_SIZE(entries));
    }
    for (size_t i = 0; i < ARRAY_SIZE(der); i++) {
        gnutls_free(der[i].data);
    }
    return table;
}

static bool save_table(const PspChip *chip, bool vlek, const char *folder,
                       Error **errp)
{
    g_autoptr(GByteArray) table = psp_chip_table(chip, vlek, errp);

    return table &&
           write_file(folder, vlek ? PSP_CHIP_VLEK_TABLE_FILE
                                   : PSP_CHIP_TABLE_FILE, "",
                      table->data, table->len, 0644, errp);
}

static bool save_vlek(const PspChip *chip, const char *folder, Error **errp)
{
    return !chip->vlek ||
           (save_table(chip, true, folder, errp) &&
            save_key(chip, PSP_SIGNER_VLEK, folder, errp));
}

/* The VCEK's key comes last: where it is, everything is. */
static bool save_chip(const PspChip *chip, const char *folder, Error **errp)
{
    g_autoptr(GString) chain = g_string_new(NULL);

    for (int i = psp_chip_certs_of(chip) - 1; i >= ARK; i--) {
        if (!save_cert(chip, folder, i, true, chain, errp) ||
            !save_cert(chip, folder, i, false, chain, errp)) {
            return false;
        }
    }
    return write_file(folder, PSP_CHIP_CHAIN_FILE, "", chain->str, chain->len,
                      0644, errp) &&
           save_table(chip, false, folder, errp) &&
           save_vlek(chip, folder, errp) &&
           save_key(chip, PSP_SIGNER_VCEK, folder, errp);
}

/* A folder without a key must not have what would be written over. */
static bool check_empty(const char *folder, Error **errp)
{
    ERRP_GUARD();
    static const char *const files[] = {
        "ark.pem", "ask.pem", "vcek.pem", "ark.der", "ask.der", "vcek.der",
        PSP_CHIP_CHAIN_FILE, PSP_CHIP_TABLE_FILE, "asvk.pem", "vlek.pem",
        "asvk.der",
        "vlek.der", PSP_CHIP_VLEK_TABLE_FILE, PSP_CHIP_VLEK_KEY_FILE,
    };

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *path = psp_chip_path(folder, files[i], "");

        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
            error_setg(errp, "'%s' is there, but no " PSP_CHIP_KEY_FILE
                       " that belongs to it", path);
            error_append_hint(errp, PSP_CHIP_REMOVE);
            return false;
        }
    }
    return true;
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
    g_autofree char *path = psp_chip_path(folder, LOCK_FILE, "");
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
    g_autofree char *key = psp_chip_path(folder, PSP_CHIP_KEY_FILE, "");

    return g_file_test(key, G_FILE_TEST_EXISTS);
}

/* With @chip NULL it is only looked whether it could be saved. */
static bool save_once(PspChip *chip, const char *folder, Error **errp)
{
    int lock = psp_chip_lock_folder(folder, errp);
    bool good = lock >= 0;

    if (good && !psp_chip_is_made(folder)) {
        good = check_empty(folder, errp) &&
               (!chip || save_chip(chip, folder, errp));
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
