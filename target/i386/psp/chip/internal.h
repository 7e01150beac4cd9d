/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated chip from inside: what its three files share
 */
#ifndef TARGET_I386_PSP_CHIP_INTERNAL_H
#define TARGET_I386_PSP_CHIP_INTERNAL_H

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include "../chip.h"

enum { ARK, ASK, VCEK, CERTS };

/* Extensions of a VCEK certificate, 57230 table 8 */
#define OID_STRUCT_VERSION  "1.3.6.1.4.1.3704.1.1"
#define OID_PRODUCT         "1.3.6.1.4.1.3704.1.2"
#define OID_SPL             "1.3.6.1.4.1.3704.1.3."     /* and 1 to 8 */
#define OID_HWID            "1.3.6.1.4.1.3704.1.4"

#define ASN1_INTEGER        0x02
#define ASN1_IA5_STRING     0x16

/* A hint, where the content of a folder is wrong */
#define PSP_CHIP_REMOVE "Remove that folder, and a new chip is made in its" \
                        " place; or name another by cert-dir=.\n"

struct PspChip {
    uint8_t id[PSP_CHIP_ID_SIZE];
    gnutls_x509_privkey_t key;
    gnutls_privkey_t signer;
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

/*
 * store.c: a folder without a key has no chip, one with it has all of a chip.
 */

/** psp_chip_is_made: is there a chip in @folder? */
bool psp_chip_is_made(const char *folder);

/**
 * psp_chip_check_room: there is a chip in @folder, or could be one: nothing is
 * in the way that would be written over
 *
 * The folder is locked meanwhile.
 */
bool psp_chip_check_room(const char *folder, Error **errp);

/** psp_chip_load: fill an empty chip from @folder */
bool psp_chip_load(PspChip *chip, const char *folder, Error **errp);

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
