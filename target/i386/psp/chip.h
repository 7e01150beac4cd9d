/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys and certificates of the emulated chip, which signs reports
 *
 * VCEK Certificate and KDS Interface Specification (57230).
 */
#ifndef TARGET_I386_PSP_CHIP_H
#define TARGET_I386_PSP_CHIP_H

#include "product.h"
#include "psp.h"

#define PSP_DERIVED_KEY_SIZE    32

/* Who signs a report, as SIGNING_KEY of the report has it */
typedef enum PspSigner {
    PSP_SIGNER_VCEK = 0,
    PSP_SIGNER_VLEK = 1,
    PSP_SIGNER_NONE = 7,
} PspSigner;

#define PSP_SIGNERS     2

/* CSP_ID of a VLEK certificate, which is no cloud provider's */
#define PSP_CHIP_CSP_ID "QEMU-UPM, emulated"

/**
 * psp_chip_open: the chip that lives in a folder, made on first use
 * @folder: may be missing; its parents are made, too
 * @product: what it has to be
 * @vlek: it has to have a VLEK, too; one that is made without never gets one
 *
 * A new chip gets an ARK, an ASK (RSA 4096) and a VCEK (ECDSA P-384), which
 * takes seconds; the private keys of ARK and ASK are forgotten at once.  The
 * folder then holds
 *
 *   vcek.key                     private, PKCS #8 in PEM, mode 0600
 *   {ark,ask,vcek}.{pem,der}     the certificates
 *   cert_chain.pem               ASK and ARK, as AMD's KDS gives them
 *   certs.bin                    VCEK, ASK and ARK as guests receive them
 *
 * and with a VLEK, which an ASVK signs that the ARK has signed,
 *
 *   vlek.key                     private, as vcek.key
 *   {asvk,vlek}.{pem,der}        the certificates
 *   certs-vlek.bin               VLEK, ASVK and ARK as guests receive them;
 *                                the ASVK has the GUID of an ASK
 *
 * Locking: none needed.  Who makes it has the folder locked while it writes,
 * and waits for a second at most for who has it locked already.
 *
 * Returns: NULL with @errp set, which says which file is wrong and what to do.
 */
PspChip *psp_chip_open(const char *folder, PspProductId product, bool vlek,
                       Error **errp);

void psp_chip_free(PspChip *chip);

/** psp_chip_is_made: is there a chip in @folder, so that it takes no time? */
bool psp_chip_is_made(const char *folder);

/* psp_chip_open() in a thread of its own */
typedef struct PspChipMaker PspChipMaker;

/**
 * psp_chip_maker_new: begin with it
 * @over: called in that thread when it is done; may be NULL
 *
 * Its folder is as it was until then.
 */
PspChipMaker *psp_chip_maker_new(const char *folder, PspProductId product,
                                 bool vlek, void (*over)(void *opaque),
                                 void *opaque);

/** psp_chip_maker_is_over: psp_chip_maker_end() does not wait; any thread */
bool psp_chip_maker_is_over(const PspChipMaker *maker);

/**
 * psp_chip_maker_end: wait for it, and free @maker
 *
 * Returns: as psp_chip_open().
 */
PspChip *psp_chip_maker_end(PspChipMaker *maker, Error **errp);

/** psp_chip_id: PSP_CHIP_ID_SIZE bytes, always the same for a folder */
const uint8_t *psp_chip_id(const PspChip *chip);

/**
 * psp_chip_certs: what certs.bin holds, or certs-vlek.bin where psp_chip_open()
 * was asked for a VLEK
 */
const GByteArray *psp_chip_certs(const PspChip *chip);

/**
 * psp_chip_sign: sign with the VCEK or the VLEK
 * @signer: PSP_SIGNER_VLEK only where psp_chip_open() was asked for it
 *
 * Returns: false with @errp set.
 */
bool psp_chip_sign(const PspChip *chip, PspSigner signer, const void *data,
                   size_t size, PspEcSignature *signature, Error **errp);

/**
 * psp_chip_derive: a key that only who has this VCEK or VLEK makes of @context
 *
 * Returns: false with @errp set.
 */
bool psp_chip_derive(const PspChip *chip, PspSigner signer,
                     const void *context, size_t size,
                     uint8_t key[PSP_DERIVED_KEY_SIZE], Error **errp);

#endif
