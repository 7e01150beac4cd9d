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

/**
 * psp_chip_settle: load the chip from @folder, or make it and save it there
 *
 * The caller has locked the folder.
 */
bool psp_chip_settle(PspChip *chip, const char *folder, Error **errp);

/**
 * psp_chip_lock_folder: keep other processes out of @folder, made if missing
 *
 * Returns: a descriptor that keeps them out until it is closed, or -1 with
 * @errp set.
 */
int psp_chip_lock_folder(const char *folder, Error **errp);

#endif
