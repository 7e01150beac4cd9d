/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the certificates of a chip's keys say of it, beside the key
 *
 * VCEK Certificate and KDS Interface Specification (57230), tables of the
 * extensions of VCEK certificates for families 19h and 1Ah and of VLEK
 * certificates.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "internal.h"

#define OID_PREFIX      "1.3.6.1.4.1.3704.1."
#define OID_HWID        OID_PREFIX "4"

#define ASN1_INTEGER    0x02
#define ASN1_IA5_STRING 0x16

typedef struct List {
    PspExtension *at;
    size_t count;
} List;

static PspExtension *append(List *list, const char *oid)
{
    PspExtension *extension = &list->at[list->count++];

    g_assert(list->count <= PSP_EXTENSIONS_MAX);
    g_strlcpy(extension->oid, OID_PREFIX, sizeof(extension->oid));
    g_strlcat(extension->oid, oid, sizeof(extension->oid));
    return extension;
}

/* An INTEGER of 0 to 255; from 128 on it takes a zero before it. */
static void add_integer(List *list, const char *oid, uint8_t value)
{
    PspExtension *extension = append(list, oid);
    uint8_t *der = extension->der;

    *der++ = ASN1_INTEGER;
    *der++ = 1 + (value >= 0x80);
    if (value >= 0x80) {
        *der++ = 0;
    }
    *der++ = value;
    extension->size = der - extension->der;
}

static void add_string(List *list, const char *oid, const char *value)
{
    PspExtension *extension = append(list, oid);
    size_t length = strlen(value);

    g_assert(2 + length <= sizeof(extension->der));
    extension->der[0] = ASN1_IA5_STRING;
    extension->der[1] = length;
    memcpy(extension->der + 2, value, length);
    extension->size = 2 + length;
}

/* AMD gives it without the tag of an OCTET STRING. */
static void add_id(List *list, const PspChip *chip)
{
    PspExtension *extension = append(list, "4");

    memcpy(extension->der, chip->id, chip->product->id_size);
    extension->size = chip->product->id_size;
}

/* spl_4 to spl_7 are reserved; with an FMC there is one less of them. */
static void add_patch_levels(List *list, const PspProduct *product)
{
    const PspTcb *tcb = &product->tcb;

    if (product->has_fmc) {
        add_integer(list, "3.9", tcb->fmc);
    }
    add_integer(list, "3.1", tcb->boot_loader);
    add_integer(list, "3.2", tcb->tee);
    add_integer(list, "3.3", tcb->snp);
    if (!product->has_fmc) {
        add_integer(list, "3.4", 0);
    }
    add_integer(list, "3.5", 0);
    add_integer(list, "3.6", 0);
    add_integer(list, "3.7", 0);
    add_integer(list, "3.8", tcb->microcode);
}

size_t psp_chip_extensions(const PspChip *chip, int which,
                           PspExtension extensions[PSP_EXTENSIONS_MAX])
{
    const PspProduct *product = chip->product;
    List list = { .at = extensions };

    add_integer(&list, "1", product->struct_version);
    /* A VLEK belongs to a product line, not to a chip. */
    add_string(&list, "2", which == VLEK ? product->line : product->name);
    add_patch_levels(&list, product);
    if (which == VLEK) {
        add_string(&list, "5", PSP_CHIP_CSP_ID);
    } else {
        add_id(&list, chip);
    }
    return list.count;
}

bool psp_chip_load_id(PspChip *chip, Error **errp)
{
    size_t size = sizeof(chip->id);
    int ret = gnutls_x509_crt_get_extension_by_oid(chip->cert[VCEK], OID_HWID,
                                                   0, chip->id, &size, NULL);
    const char *prefix = chip->product->id_prefix;

    if (ret < 0) {
        error_setg(errp, "vcek.pem is not that of an emulated chip");
        return false;
    }
    if (size != chip->product->id_size) {
        error_setg(errp, "vcek.pem is not that of a chip of the product line"
                   " %s", chip->product->line);
        return false;
    }
    /* A VCEK of AMD's has another. */
    if (memcmp(chip->id, prefix, strlen(prefix))) {
        error_setg(errp, "vcek.pem is not that of an emulated chip");
        return false;
    }
    return true;
}

bool psp_chip_check_extensions(const PspChip *chip, int which, Error **errp)
{
    const char *file = which == VLEK ? "vlek.pem" : "vcek.pem";
    PspExtension list[PSP_EXTENSIONS_MAX];
    size_t count = psp_chip_extensions(chip, which, list);

    for (size_t i = 0; i < count; i++) {
        uint8_t value[PSP_CHIP_ID_SIZE];
        size_t size = sizeof(value);
        int ret = gnutls_x509_crt_get_extension_by_oid(
            chip->cert[which], list[i].oid, 0, value, &size, NULL);

        if (ret >= 0 && size == list[i].size &&
            !memcmp(value, list[i].der, size)) {
            continue;
        }
        if (i < 2) {
            error_setg(errp, "%s is not that of a chip of the product line %s",
                       file, chip->product->line);
        } else {
            error_setg(errp, "%s is for another patch level than the one that"
                       " this QEMU emulates", file);
        }
        return false;
    }
    return true;
}
