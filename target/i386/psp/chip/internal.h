/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated chip from inside: what its three files share
 */
#ifndef TARGET_I386_PSP_CHIP_INTERNAL_H
#define TARGET_I386_PSP_CHIP_INTERNAL_H

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include "../chip.h"

/* A chip without a VLEK has the first three of them. */
enum { ARK, ASK, VCEK, ASVK, VLEK, CERTS };

/* A hint, where the content of a folder is wrong */
#define PSP_CHIP_REMOVE "Remove that folder, and a new chip is made in its" \
                        " place; or name another by cert-dir=.\n"

/*
 * @id: of @product->id_size bytes, zeros behind them
 * @key, @signer: by PspSigner
 * @cert: those of the VLEK are empty without @vlek
 */
struct PspChip {
    const PspProduct *product;
    bool vlek;
    uint8_t id[PSP_CHIP_ID_SIZE];
    gnutls_x509_privkey_t key[PSP_SIGNERS];
    gnutls_privkey_t signer[PSP_SIGNERS];
    gnutls_x509_crt_t cert[CERTS];
    GByteArray *table;
};

/**
 * psp_chip_ok: what gnutls returned, as an Error
 *
 * Returns: true where @ret is no error, else false with @errp set.  So does
 * everything in these files that returns a bool.
 */
bool psp_chip_ok(int ret, const char *what, Error **errp);

/** psp_chip_make: an ID, keys and certificates for an empty chip; make.c */
bool psp_chip_make(PspChip *chip, Error **errp);

/** psp_chip_certs_of: number of certificates, ARK, ASK and VCEK first */
static inline int psp_chip_certs_of(const PspChip *chip)
{
    return chip->vlek ? CERTS : VCEK + 1;
}

/** psp_chip_signer_of: whose certificate is VCEK or VLEK? */
static inline PspSigner psp_chip_signer_of(int which)
{
    return which == VLEK ? PSP_SIGNER_VLEK : PSP_SIGNER_VCEK;
}

static inline bool psp_chip_is_ca(int which)
{
    return which != VCEK && which != VLEK;
}

/*
 * extension.c: what VCEK and VLEK certificates say of the chip
 */

#define PSP_EXTENSIONS_MAX  12

/* One extension of a certificate, in DER */
typedef struct PspExtension {
    char oid[32];
    uint8_t der[PSP_CHIP_ID_SIZE];
    size_t size;
} PspExtension;

/**
 * psp_chip_extensions: those of the VCEK, or of the VLEK, in their order
 *
 * The first two name the product, the last one the chip or the CSP; between
 * them are patch levels.
 *
 * Returns: their number.
 */
size_t psp_chip_extensions(const PspChip *chip, int which,
                           PspExtension extensions[PSP_EXTENSIONS_MAX]);

/** psp_chip_load_id: set the chip's ID to what its VCEK has */
bool psp_chip_load_id(PspChip *chip, Error **errp);

/** psp_chip_check_extensions: is certificate @which one of such a chip? */
bool psp_chip_check_extensions(const PspChip *chip, int which, Error **errp);

/*
 * load.c: what lies in a folder
 */

#define PSP_CHIP_KEY_FILE       "vcek.key"
#define PSP_CHIP_VLEK_KEY_FILE  "vlek.key"
#define PSP_CHIP_CHAIN_FILE     "cert_chain.pem"
#define PSP_CHIP_TABLE_FILE     "certs.bin"
#define PSP_CHIP_VLEK_TABLE_FILE "certs-vlek.bin"

/* @name: of the files, without .pem and .der; @guid: in a table */
typedef struct PspChipFile {
    const char *name;
    const struct SevCertGuid *guid;
} PspChipFile;

extern const PspChipFile psp_chip_files[CERTS];
extern const char *const psp_chip_key_files[PSP_SIGNERS];

/** psp_chip_path: of a file in @folder, to be freed */
char *psp_chip_path(const char *folder, const char *name, const char *suffix);

/** psp_chip_load: fill an empty chip from @folder */
bool psp_chip_load(PspChip *chip, const char *folder, Error **errp);

/*
 * store.c: a folder without a key has no chip, one with it has all of a chip.
 */

/**
 * psp_chip_check_room: there is a chip in @folder, or could be one: nothing is
 * in the way that would be written over
 *
 * The folder is locked meanwhile.
 */
bool psp_chip_check_room(const char *folder, Error **errp);

/**
 * psp_chip_table: VCEK, ASK and ARK as guests receive them; with @vlek VLEK,
 * ASVK and ARK
 *
 * Returns: NULL with @errp set.
 */
GByteArray *psp_chip_table(const PspChip *chip, bool vlek, Error **errp);

/**
 * psp_chip_save: save a chip that was made, unless somebody else was first
 *
 * The folder is locked meanwhile.
 */
bool psp_chip_save(PspChip *chip, const char *folder, Error **errp);

/**
 * psp_chip_lock_folder: keep other processes out of @folder, made if missing
 *
 * Waits for a second at most, as the caller may have the BQL.
 *
 * Returns: a descriptor that keeps them out until it is closed, or -1 with
 * @errp set, which names the file and says what to do.
 */
int psp_chip_lock_folder(const char *folder, Error **errp);

#endif
