/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folder of a chip: its identity towards owners of SEV and SEV-ES guests
 *
 * An owner wraps a session for the PDH before there is a guest, so that it
 * has to last as the flash memory of a chip does.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "../sev-home.h"
#include "internal.h"

#define FILE_NAME   "sev-identity"

/* As it lies in the file, for this architecture's QEMU only */
typedef struct SavedChip {
    PspSevKey cek;
    uint8_t nv[PSP_SEV_NV_SIZE];
} SavedChip;

/* Has this chip signed it? */
static bool is_whole(const PspSevIdentity *identity)
{
    PspSevChain chain;

    if (!identity->made) {
        return false;
    }
    psp_sev_identity_chain(identity, &chain);
    return psp_sev_cert_verify(&chain.pek, &chain.cek) == SEV_RET_SUCCESS;
}

static void warn_of_readers(const char *path)
{
    GStatBuf st;

    if (g_stat(path, &st) == 0 && st.st_mode & 077) {
        warn_report("'%s' has private keys that others may read; chmod 600"
                    " it", path);
    }
}

static bool load(const char *path, PspSevIdentity *identity, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(GError) err = NULL;
    char *contents;
    gsize size;
    bool whole;

    if (!g_file_get_contents(path, &contents, &size, &err)) {
        error_setg(errp, "%s", err->message);
        return false;
    }
    whole = size == sizeof(SavedChip);
    if (whole) {
        const SavedChip *saved = (SavedChip *)contents;

        *identity = (PspSevIdentity) { .cek = saved->cek };
        whole = psp_sev_identity_load(identity, saved->nv) ==
                SEV_RET_SUCCESS && is_whole(identity);
    }
    explicit_bzero(contents, size);
    g_free(contents);
    if (!whole) {
        error_setg(errp, "'%s' is not the SEV identity of an emulated chip",
                   path);
        error_append_hint(errp, "Remove " FILE_NAME " there, and a new"
                          " identity is made: owners have to make their"
                          " sessions anew.  Or name another folder by"
                          " cert-dir=.\n");
        return false;
    }
    warn_of_readers(path);
    return true;
}

static bool make(const char *path, Error **errp)
{
    g_autofree SavedChip *saved = g_new(SavedChip, 1);
    g_autoptr(GError) err = NULL;
    PspSevIdentity identity = { 0 };
    bool written;

    if (psp_sev_identity_make(&identity) != SEV_RET_SUCCESS) {
        error_setg(errp, "can not make keys");
        return false;
    }
    saved->cek = identity.cek;
    psp_sev_identity_save(&identity, saved->nv);
    explicit_bzero(&identity, sizeof(identity));
    written = g_file_set_contents_full(path, (char *)saved, sizeof(*saved),
                                       G_FILE_SET_CONTENTS_CONSISTENT |
                                       G_FILE_SET_CONTENTS_DURABLE, 0600,
                                       &err);
    explicit_bzero(saved, sizeof(*saved));
    if (!written) {
        error_setg(errp, "%s", err->message);
    }
    return written;
}

/* Unless somebody else was first, whose file is read then */
static bool make_once(const char *folder, const char *path, Error **errp)
{
    int lock = psp_chip_lock_folder(folder, errp);
    bool good = lock >= 0 &&
                (g_file_test(path, G_FILE_TEST_EXISTS) || make(path, errp));

    if (lock >= 0) {
        close(lock);
    }
    return good;
}

bool psp_sev_home_open(const char *folder, PspSevIdentity *identity,
                       Error **errp)
{
    ERRP_GUARD();
    g_autofree char *path = g_build_filename(folder, FILE_NAME, NULL);
    PspSevIdentity found;
    bool good = (g_file_test(path, G_FILE_TEST_EXISTS) ||
                 make_once(folder, path, errp)) && load(path, &found, errp);

    if (good) {
        *identity = found;
    } else {
        error_prepend(errp, "cert-dir '%s': ", folder);
    }
    explicit_bzero(&found, sizeof(found));
    return good;
}
