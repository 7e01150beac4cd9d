/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware images: the table of GUIDs, which QEMU reads, and the SEV metadata
 * that it leads to, which are checked first
 *
 * Target: x86_64, i386
 * Sources: target/i386/sev-launch/metadata.c
 */
#include "qemu/osdep.h"
/* It reads lengths of entries wherever they are, which x86 lets it do. */
#pragma clang attribute push(__attribute__((no_sanitize("alignment"))), \
                             apply_to = function)
#include "hw/i386/pc_sysfw_ovmf.c"
#pragma clang attribute pop
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "target/i386/sev-launch/metadata.h"
#include "fuzz.h"

#define PAGE        4096
#define HASHES_SIZE 176

static uint64_t ram_end;

static const char *const entries[] = {
    "dc886566-984a-4798-a75e-5585a7bf67cc",     /* SEV metadata */
    "00f771de-1a7e-4fcb-890e-68c77e2fb44e",     /* reset vector */
    "7255371f-3a3b-4b04-927b-1da6efa8d454",     /* kernel hashes */
    "4c2eb361-7d9b-4cc3-8081-127c90d3d294",     /* launch secret */
};

static void put_guid(uint8_t *to, const char *text)
{
    QemuUUID guid;

    qemu_uuid_parse(text, &guid);
    guid = qemu_uuid_bswap(guid);
    memcpy(to, &guid, sizeof(guid));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    /* what QEMU says of tables that are wrong is not of interest */
    return dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO) < 0;
}

static char *unfit(uint64_t gpa, uint64_t size)
{
    /* as memory_region_find() wants it */
    FUZZ_ASSERT(size && gpa + size <= 1ULL << 32);
    return gpa + size > ram_end ? g_strdup("a device") : NULL;
}

static uint32_t field(const uint8_t *table, uint32_t section, int number)
{
    return ldl_le_p(table + 16 + 12 * section + 4 * number);
}

/* What target/i386/sev.c relies on */
static void check_sections(const uint8_t *table, const SevMetadataUse *use)
{
    uint32_t count = ldl_le_p(table + 12);
    bool hashes = false;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t begin = field(table, i, 0), size = field(table, i, 1);
        uint32_t type = field(table, i, 2);

        FUZZ_ASSERT(size && begin % PAGE == 0 && size % PAGE == 0);
        FUZZ_ASSERT(begin + size <= ram_end);
        FUZZ_ASSERT(begin + size <= (1ULL << 32) - use->image_size);
        FUZZ_ASSERT((type != 2 && type != 3) || size == PAGE);
        if (type == 0x10) {
            FUZZ_ASSERT(use->hashes_offset + use->hashes_size <= size);
            hashes = true;
        }
        for (uint32_t j = 0; j < i; j++) {
            uint64_t other = field(table, j, 0);

            FUZZ_ASSERT(begin + size <= other ||
                        other + field(table, j, 1) <= begin);
        }
    }
    FUZZ_ASSERT(hashes || !use->hashes_size);
}

static void read_metadata(const uint8_t *image, size_t size, uint32_t offset,
                          const SevMetadataUse *use)
{
    const uint8_t *table = image + size - offset;
    g_autofree uint8_t *copy = NULL;
    Error *err = NULL;
    bool good = sev_metadata_in_image(image, size, offset, &err);

    FUZZ_ASSERT(good == !err);
    error_free(err);
    if (!good) {
        return;
    }
    /* as QEMU keeps it: where it ends ASan watches */
    copy = g_memdup2(table, ldl_le_p(table + 4));
    err = NULL;
    good = sev_metadata_check(copy, use, &err);
    FUZZ_ASSERT(good == !err);
    error_free(err);
    if (good) {
        check_sections(copy, use);
    }
}

static void forget_table(void)
{
    if (ovmf_table) {
        g_free(ovmf_table - ovmf_table_len);
    }
    ovmf_table = NULL;
    ovmf_table_len = 0;
    ovmf_flash_parsed = false;
}

/* A table of sections, three bytes each, most of which are in order */
static void build_table(uint8_t *table, const uint8_t *data, size_t sections)
{
    static const uint32_t types[] = { 1, 2, 3, 4, 0x10, 0x11, 1, 0x10 };

    memcpy(table, "ASEV", 4);
    stl_le_p(table + 4, 16 + 12 * sections);
    stl_le_p(table + 8, 1);
    stl_le_p(table + 12, sections);
    for (size_t i = 0; i < sections; i++, data += 3) {
        uint8_t *section = table + 16 + 12 * i;
        uint32_t base = (uint32_t)data[0] << (data[2] & 32 ? 24 : 12);

        stl_le_p(section, data[2] & 64 ? -base : base);
        stl_le_p(section + 4, data[1] << (data[2] & 16 ? 10 : 12));
        stl_le_p(section + 8, types[data[2] & 7]);
    }
}

/* Half of them near to where the hashes no longer fit */
static uint32_t hashes_offset(const uint8_t *data)
{
    if (data[1] & 1) {
        return PAGE - HASHES_SIZE - 4 + (data[1] >> 1) % 8;
    }
    return data[0];
}

/*
 * An input: kind, flags, offset of the hashes, then the image's end.  One of
 * kind 1 gets the GUIDs' footer, one of kind 2 an entry that leads to its
 * metadata, so that no input has to guess 32 bytes; kind 3 is metadata alone,
 * as they are or, of kind 7, built from the input.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *image = NULL;
    SevMetadataUse use = { .unfit = unfit };
    uint8_t kind, *end, *found;
    int found_size;

    if (size < 4 || size > 16 * PAGE) {
        return 0;
    }
    kind = data[0] & 7;
    ram_end = data[1] & 1 ? 1ULL << 31 : 1ULL << 32;
    use.hashes_size = data[1] & 2 ? HASHES_SIZE : 0;
    use.hashes_offset = hashes_offset(data + 2);
    data += 4;
    size -= 4;
    use.image_size = MAX(ROUND_UP(size, PAGE), PAGE);
    image = g_malloc0(use.image_size);
    memcpy(image + use.image_size - size, data, size);
    end = image + use.image_size - 32;
    if (kind & 3) {
        put_guid(end - 16, OVMF_TABLE_FOOTER_GUID);
    }
    if ((kind & 3) == 2) {
        stw_le_p(end - 18, 18 + 22);
        put_guid(end - 18 - 16, entries[0]);
        stw_le_p(end - 18 - 18, 22);
    }

    if (kind == 7) {
        size_t sections = MIN(size / 3, 32);

        build_table(image, data, sections);
        read_metadata(image, use.image_size, use.image_size, &use);
        return 0;
    }
    if (kind == 3) {
        if (size >= 4) {
            memcpy(image + use.image_size - size, "ASEV", 4);
        }
        read_metadata(image, use.image_size, size, &use);
        return 0;
    }
    pc_system_parse_ovmf_flash(image, use.image_size);
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        if (!pc_system_ovmf_table_find(entries[i], &found, &found_size)) {
            continue;
        }
        FUZZ_ASSERT(found_size >= 0);
        /* sev.c reads eight bytes of any of them */
        FUZZ_ASSERT(found + 8 <= ovmf_table);
        if (i == 0) {
            read_metadata(image, use.image_size, ldl_le_p(found), &use);
        }
    }
    forget_table();
    return 0;
}
