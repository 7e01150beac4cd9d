/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Products: what differs between the chips whose firmware is emulated
 *
 * SEV-SNP Firmware ABI (56860), section 2.2 for TCB_VERSION; VCEK Certificate
 * and KDS Interface Specification (57230) for names.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "product.h"
#include "target/i386/cpuid-signature.h"

/*
 * CPUID leaf 1 EAX: extended and base family, and extended model.  Each of the
 * sixteen models below is of the same product: QEMU's EPYC-Turin has model 00h.
 */
#define SIGNATURE_MASK  0x0fff0f00U

/* Chips with other cores are of the same product line, certificates and all. */
static const struct {
    uint32_t signature;
    PspProductId product;
} signatures[] = {
    { 0x00a00f00, PSP_PRODUCT_MILAN },
    { 0x00a10f00, PSP_PRODUCT_GENOA },
    { 0x00aa0f00, PSP_PRODUCT_GENOA },      /* Bergamo, Siena */
    { 0x00b00f00, PSP_PRODUCT_TURIN },
    { 0x00b10f00, PSP_PRODUCT_TURIN },      /* Turin Dense */
};

/* Patch levels are those of 2025, so that usual minimum policies are met. */
static const PspProduct products[] = {
    [PSP_PRODUCT_MILAN] = {
        .line = "Milan", .name = "Milan-B1", .signature = 0x00a00f11,
        .report_version = 3, .id_size = PSP_CHIP_ID_SIZE,
        .id_prefix = PSP_CHIP_ID_PREFIX,
        .tcb = { .boot_loader = 4, .snp = 0x18, .microcode = 0xdb },
    },
    [PSP_PRODUCT_GENOA] = {
        .line = "Genoa", .name = "Genoa-B1", .signature = 0x00a10f11,
        .report_version = 3, .id_size = PSP_CHIP_ID_SIZE,
        .id_prefix = PSP_CHIP_ID_PREFIX,
        .tcb = { .boot_loader = 10, .snp = 0x17, .microcode = 0x54 },
    },
    /* Its certificates name no stepping, and have no room for more of an ID. */
    [PSP_PRODUCT_TURIN] = {
        .line = "Turin", .name = "Turin", .signature = 0x00b00f21,
        .report_version = 5, .struct_version = 1, .has_fmc = true,
        .id_size = 8, .id_prefix = "QEMU",
        .tcb = { .fmc = 1, .boot_loader = 1, .tee = 1, .snp = 4,
                 .microcode = 0x51 },
    },
};

const PspProduct *psp_product(PspProductId id)
{
    return &products[id];
}

PspProductId psp_product_of(uint32_t signature)
{
    for (int i = 0; i < ARRAY_SIZE(signatures); i++) {
        if ((signature & SIGNATURE_MASK) == signatures[i].signature) {
            return signatures[i].product;
        }
    }
    return PSP_PRODUCT_MILAN;
}

uint8_t psp_product_family(const PspProduct *product)
{
    return cpuid_family(product->signature);
}

uint8_t psp_product_model(const PspProduct *product)
{
    return cpuid_model(product->signature);
}

uint8_t psp_product_stepping(const PspProduct *product)
{
    return extract32(product->signature, 0, 4);
}

/* Byte by byte, as TCB_VERSION lies in memory */
static void tcb_bytes(const PspProduct *product, const PspTcb *tcb,
                      uint8_t bytes[8])
{
    unsigned at = 0;

    memset(bytes, 0, 8);
    if (product->has_fmc) {
        bytes[at++] = tcb->fmc;
    }
    bytes[at++] = tcb->boot_loader;
    bytes[at++] = tcb->tee;
    bytes[product->has_fmc ? at : 6] = tcb->snp;
    bytes[7] = tcb->microcode;
}

uint64_t psp_product_tcb(const PspProduct *product)
{
    uint8_t bytes[8];

    tcb_bytes(product, &product->tcb, bytes);
    return ldq_le_p(bytes);
}

bool psp_tcb_parse(const PspProduct *product, uint64_t raw, PspTcb *tcb)
{
    uint8_t bytes[8], again[8];
    unsigned at = product->has_fmc;

    stq_le_p(bytes, raw);
    *tcb = (PspTcb) {
        .fmc = product->has_fmc ? bytes[0] : 0,
        .boot_loader = bytes[at],
        .tee = bytes[at + 1],
        .snp = bytes[product->has_fmc ? at + 2 : 6],
        .microcode = bytes[7],
    };
    tcb_bytes(product, tcb, again);
    return !memcmp(bytes, again, sizeof(bytes));
}

bool psp_tcb_at_most(const PspProduct *product, uint64_t raw)
{
    const PspTcb *limit = &product->tcb;
    PspTcb tcb;

    return psp_tcb_parse(product, raw, &tcb) && tcb.fmc <= limit->fmc &&
           tcb.boot_loader <= limit->boot_loader && tcb.tee <= limit->tee &&
           tcb.snp <= limit->snp && tcb.microcode <= limit->microcode;
}
