/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys and certificates of the emulated chip, which signs reports
 *
 * VCEK Certificate and KDS Interface Specification (57230).
 */
#ifndef TARGET_I386_PSP_CHIP_H
#define TARGET_I386_PSP_CHIP_H

#include "qemu/bswap.h"
#include "psp.h"

#define PSP_CHIP_ID_SIZE        64
#define PSP_DERIVED_KEY_SIZE    32

/* TCB_VERSION as of Milan, 56860 section 2.2 */
typedef struct PspTcb {
    uint8_t boot_loader;
    uint8_t tee;
    uint8_t reserved[4];
    uint8_t snp;
    uint8_t microcode;
} PspTcb;

/* The chip that is emulated, whatever CPU model the guest sees */
#define PSP_CHIP_PRODUCT_LINE   "Milan"
#define PSP_CHIP_PRODUCT        PSP_CHIP_PRODUCT_LINE "-B1"
#define PSP_CHIP_FAMILY         0x19
#define PSP_CHIP_MODEL          0x01
#define PSP_CHIP_STEPPING       0x01

/* Patch levels of a Milan of 2025, so that usual minimum policies are met */
#define PSP_CHIP_TCB \
    ((PspTcb) { .boot_loader = 4, .snp = 0x18, .microcode = 0xdb })

/** psp_chip_tcb: PSP_CHIP_TCB as a number */
static inline uint64_t psp_chip_tcb(void)
{
    const PspTcb tcb = PSP_CHIP_TCB;

    QEMU_BUILD_BUG_ON(sizeof(tcb) != sizeof(uint64_t));
    return ldq_le_p(&tcb);
}

/* What a chip ID begins with; random bytes follow. */
#define PSP_CHIP_ID_PREFIX      "emulated by QEMU-UPM: no AMD-SP "

/**
 * psp_chip_open: the chip that lives in a folder, made on first use
 * @folder: may be missing; its parents are made, too
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
 * Locking: none needed.  Who makes it has the folder locked while it writes,
 * and waits for a second at most for who has it locked already.
 *
 * Returns: NULL with @errp set, which says which file is wrong and what to do.
 */
PspChip *psp_chip_open(const char *folder, Error **errp);

void psp_chip_free(PspChip *chip);

/** psp_chip_id: PSP_CHIP_ID_SIZE bytes, always the same for a folder */
const uint8_t *psp_chip_id(const PspChip *chip);

/** psp_chip_certs: what certs.bin holds */
const GByteArray *psp_chip_certs(const PspChip *chip);

/** psp_chip_sign: sign with the VCEK.  Returns: false with @errp set. */
bool psp_chip_sign(const PspChip *chip, const void *data, size_t size,
                   PspEcSignature *signature, Error **errp);

/**
 * psp_chip_derive: a key that only this chip makes of @context
 *
 * Returns: false with @errp set.
 */
bool psp_chip_derive(const PspChip *chip, const void *context, size_t size,
                     uint8_t key[PSP_DERIVED_KEY_SIZE], Error **errp);

#endif
