/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a firmware image says of its launch, checked before it is believed
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/range.h"
#include "qemu/units.h"
#include "metadata.h"

#define PAGE            4096
#define HEADER_SIZE     16      /* signature, length, version, number */
#define SECTION_SIZE    12      /* base, length, type */
#define VERSION         1
/* Each is compared with all others; firmware has less than ten. */
#define SECTIONS_MAX    1024

enum {
    SECTION_MEMORY = 1,
    SECTION_SECRETS = 2,
    SECTION_CPUID = 3,
    SECTION_SVSM_CAA = 4,
    SECTION_KERNEL_HASHES = 0x10,
};

typedef struct Section {
    uint32_t number, base, size, type;
} Section;

static const char *type_name(uint32_t type)
{
    switch (type) {
    case SECTION_MEMORY:
        return "memory";
    case SECTION_SECRETS:
        return "secrets";
    case SECTION_CPUID:
        return "CPUID";
    case SECTION_SVSM_CAA:
        return "SVSM calling area";
    case SECTION_KERNEL_HASHES:
        return "kernel hashes";
    default:
        return "unknown type";
    }
}

bool sev_metadata_in_image(const uint8_t *image, size_t size, uint32_t offset,
                           Error **errp)
{
    const uint8_t *table;
    uint32_t length, version, sections;

    if (offset > size || offset < HEADER_SIZE) {
        error_setg(errp, "SEV metadata at 0x%x from the end of the firmware"
                   " are not in its 0x%zx bytes", offset, size);
        return false;
    }
    table = image + size - offset;
    length = ldl_le_p(table + 4);
    version = ldl_le_p(table + 8);
    sections = ldl_le_p(table + 12);
    if (memcmp(table, "ASEV", 4)) {
        error_setg(errp, "SEV metadata at 0x%x from the end of the firmware"
                   " have no signature", offset);
        return false;
    }
    if (version != VERSION) {
        error_setg(errp, "SEV metadata of version %u, only %d is known",
                   version, VERSION);
        return false;
    }
    if (length > offset || length < HEADER_SIZE ||
        sections > (length - HEADER_SIZE) / SECTION_SIZE) {
        error_setg(errp, "SEV metadata: %u sections do not fit into the 0x%x"
                   " bytes of the table, 0x%x before the firmware's end",
                   sections, length, offset);
        return false;
    }
    return true;
}

bool sev_metadata_reset_block(size_t end, uint16_t length)
{
    /* the address of the reset vector, the length itself, a GUID */
    return length <= end && length >= 4 + 2 + 16;
}

static Section section_at(const uint8_t *table, uint32_t number)
{
    const uint8_t *at = table + HEADER_SIZE + number * SECTION_SIZE;

    return (Section) {
        .number = number,
        .base = ldl_le_p(at),
        .size = ldl_le_p(at + 4),
        .type = ldl_le_p(at + 8),
    };
}

static void G_GNUC_PRINTF(3, 4)
section_error(Error **errp, const Section *section, const char *fmt, ...)
{
    g_autofree char *why = NULL;
    va_list args;

    va_start(args, fmt);
    why = g_strdup_vprintf(fmt, args);
    va_end(args);
    error_setg(errp, "SEV metadata section %u (%s, 0x%x-0x%" PRIx64 "): %s",
               section->number, type_name(section->type), section->base,
               (uint64_t)section->base + section->size - 1, why);
}

static bool check_hashes(const Section *section, const SevMetadataUse *use,
                         Error **errp)
{
    ERRP_GUARD();

    if ((uint64_t)use->hashes_offset + use->hashes_size > section->size) {
        section_error(errp, section, "no room for 0x%x bytes of kernel hashes"
                      " at offset 0x%x", use->hashes_size, use->hashes_offset);
        error_append_hint(errp, SEV_METADATA_HASHES_FIRMWARE);
        return false;
    }
    return true;
}

/* Where a section is that cannot be launched the image is badly built. */
static bool check_section(const Section *section, const SevMetadataUse *use,
                          Error **errp)
{
    g_autofree char *other = NULL;

    if (!section->size || section->base % PAGE || section->size % PAGE ||
        (uint64_t)section->base + section->size > 4 * GiB) {
        section_error(errp, section, "0x%x bytes are not a range of pages"
                      " below 4 GiB", section->size);
        return false;
    }
    if ((section->type == SECTION_CPUID || section->type == SECTION_SECRETS) &&
        section->size != PAGE) {
        section_error(errp, section, "has to be one page");
        return false;
    }
    if ((uint64_t)section->base + section->size > 4 * GiB - use->image_size) {
        section_error(errp, section, "overlaps the firmware itself, 0x%" PRIx64
                      "-0xffffffff", 4 * GiB - use->image_size);
        return false;
    }
    other = use->unfit(section->base, section->size);
    if (other) {
        section_error(errp, section, "%s", other);
        return false;
    }
    return section->type != SECTION_KERNEL_HASHES ||
           check_hashes(section, use, errp);
}

static bool check_overlap(const uint8_t *table, const Section *section,
                          Error **errp)
{
    for (uint32_t i = 0; i < section->number; i++) {
        Section other = section_at(table, i);

        if (ranges_overlap(section->base, section->size, other.base,
                           other.size)) {
            section_error(errp, section, "overlaps section %u (%s, 0x%x-0x%"
                          PRIx64 ")", i, type_name(other.type), other.base,
                          (uint64_t)other.base + other.size - 1);
            return false;
        }
    }
    return true;
}

bool sev_metadata_check(const void *table, const SevMetadataUse *use,
                        Error **errp)
{
    ERRP_GUARD();
    uint32_t sections = ldl_le_p(table + 12);
    bool has_hashes = false;

    if (sections > SECTIONS_MAX) {
        error_setg(errp, "SEV metadata have %u sections, no more than %d can"
                   " be launched", sections, SECTIONS_MAX);
        return false;
    }
    for (uint32_t i = 0; i < sections; i++) {
        Section section = section_at(table, i);

        if (!check_section(&section, use, errp) ||
            !check_overlap(table, &section, errp)) {
            return false;
        }
        has_hashes |= section.type == SECTION_KERNEL_HASHES;
    }
    if (use->hashes_size && !has_hashes) {
        error_setg(errp, "kernel-hashes=on: the firmware's SEV metadata have"
                   " no section for kernel hashes, so that they would not be"
                   " measured");
        error_append_hint(errp, SEV_METADATA_HASHES_FIRMWARE);
        return false;
    }
    return true;
}
