/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Products: the kinds of chips whose firmware is emulated
 */
#ifndef TARGET_I386_PSP_PRODUCT_H
#define TARGET_I386_PSP_PRODUCT_H

#define PSP_CHIP_ID_SIZE        64

/* What the ID of a chip begins with that has room for it */
#define PSP_CHIP_ID_PREFIX      "emulated by QEMU-UPM: no AMD-SP "

typedef enum PspProductId {
    PSP_PRODUCT_MILAN,
    PSP_PRODUCT_GENOA,
    PSP_PRODUCT_TURIN,
} PspProductId;

/* The parts of TCB_VERSION, 56860 section 2.2; @fmc from Turin on */
typedef struct PspTcb {
    uint8_t fmc;
    uint8_t boot_loader;
    uint8_t tee;
    uint8_t snp;
    uint8_t microcode;
} PspTcb;

/**
 * PspProduct: a kind of chips
 *
 * @line: product line, as AMD's key distribution service names it
 * @name: productName of a VCEK certificate
 * @signature: CPUID leaf 1 EAX
 * @report_version: of the reports that its firmware makes by default
 * @struct_version: structVersion of VCEK and VLEK certificates
 * @has_fmc: TCB_VERSION begins with the patch level of the FMC
 * @id_size: bytes of the chip's ID that are not zero, and those that a VCEK
 *     certificate has
 * @id_prefix: what it begins with; the rest is random
 * @tcb: its patch levels, which never change
 */
typedef struct PspProduct {
    const char *line;
    const char *name;
    uint32_t signature;
    unsigned report_version;
    uint8_t struct_version;
    bool has_fmc;
    size_t id_size;
    const char *id_prefix;
    PspTcb tcb;
} PspProduct;

const PspProduct *psp_product(PspProductId id);

/** psp_product_of: by CPUID leaf 1 EAX; Milan for any that has no SEV-SNP */
PspProductId psp_product_of(uint32_t signature);

/* As reports have them: extended and base field are one number */
uint8_t psp_product_family(const PspProduct *product);
uint8_t psp_product_model(const PspProduct *product);
uint8_t psp_product_stepping(const PspProduct *product);

/** psp_product_tcb: TCB_VERSION of @tcb, as a number */
uint64_t psp_product_tcb(const PspProduct *product);

/**
 * psp_tcb_parse: take TCB_VERSION apart
 *
 * Returns: false where a reserved part of it is not zero.
 */
bool psp_tcb_parse(const PspProduct *product, uint64_t raw, PspTcb *tcb);

/** psp_tcb_at_most: is no part of TCB_VERSION newer than the product's? */
bool psp_tcb_at_most(const PspProduct *product, uint64_t raw);

#endif
