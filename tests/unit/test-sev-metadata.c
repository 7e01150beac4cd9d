/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SEV metadata of firmware images: what is refused before it is believed
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "target/i386/sev-launch/metadata.h"

#define IMAGE_SIZE      0x400000
#define OFFSET          0x500
#define SECTIONS        5
#define HASHES_SIZE     176

/* Where numbers of the table are */
#define SIGNATURE       0
#define LENGTH          4
#define VERSION         8
#define COUNT           12
#define BASE(section)   (16 + 12 * (section))
#define SIZE(section)   (BASE(section) + 4)
#define TYPE(section)   (BASE(section) + 8)

static const uint32_t good_sections[SECTIONS][3] = {
    { 0x800000, 0x9000, 1 },
    { 0x80a000, 0x3000, 1 },
    { 0x80d000, 0x1000, 2 },
    { 0x80e000, 0x1000, 3 },
    { 0x810000, 0x1000, 0x10 },
};

static uint8_t *good_image(void)
{
    uint8_t *image = g_malloc0(IMAGE_SIZE);
    uint8_t *table = image + IMAGE_SIZE - OFFSET;

    memcpy(table, "ASEV", 4);
    stl_le_p(table + LENGTH, 16 + 12 * SECTIONS);
    stl_le_p(table + VERSION, 1);
    stl_le_p(table + COUNT, SECTIONS);
    for (int i = 0; i < SECTIONS; i++) {
        for (int j = 0; j < 3; j++) {
            stl_le_p(table + BASE(i) + 4 * j, good_sections[i][j]);
        }
    }
    return image;
}

static uint64_t ram_end;

static char *unfit(uint64_t gpa, uint64_t size)
{
    return gpa + size > ram_end ? g_strdup("is nothing of the kind") : NULL;
}

/* One number of the table that makes it one that is refused */
typedef struct Case {
    const char *name;
    uint32_t at, value;
    const char *says;           /* NULL: it is taken */
    uint64_t ram_end;
    uint32_t hashes_offset;
} Case;

static const Case cases[] = {
    { "good", LENGTH, 16 + 12 * SECTIONS, NULL },
    { "signature", SIGNATURE, 0x41414141, "no signature" },
    { "version", VERSION, 2, "version 2" },
    { "length-small", LENGTH, 15, "do not fit" },
    { "length-of-image", LENGTH, OFFSET, NULL },
    { "length-too-large", LENGTH, OFFSET + 1, "do not fit" },
    { "length-wraps", LENGTH, UINT32_MAX, "do not fit" },
    { "one-more", COUNT, SECTIONS + 1, "do not fit" },
    { "count-wraps", COUNT, UINT32_MAX / 12 + 2, "do not fit" },
    { "none", COUNT, 0, "no section for kernel hashes" },
    { "unaligned-base", BASE(0), 0x800800, "not a range of pages" },
    { "unaligned-size", SIZE(0), 0x8800, "not a range of pages" },
    { "empty", SIZE(1), 0, "not a range of pages" },
    { "above-4g", SIZE(4), 0xfffff000, "not a range of pages" },
    { "cpuid-large", SIZE(3), 0x2000, "section 3 (CPUID,"
      " 0x80e000-0x80ffff): has to be one page" },
    { "secrets-large", SIZE(2), 0x2000, "section 2 (secrets," },
    { "firmware", BASE(4), 0xffc00000, "overlaps the firmware itself" },
    { "before-firmware", BASE(4), 0xffbff000, NULL },
    { "not-ram", BASE(4), 0x1000000, "is nothing of the kind",
      .ram_end = 0x1000000 },
    { "up-to-the-end", BASE(4), 0xfff000, NULL, .ram_end = 0x1000000 },
    { "overlap", BASE(3), 0x80d000, "section 3 (CPUID, 0x80d000-0x80dfff):"
      " overlaps section 2 (secrets, 0x80d000-0x80dfff)" },
    { "overlap-by-one", SIZE(0), 0xb000, "overlaps section 0" },
    { "adjacent", SIZE(0), 0xa000, NULL },
    { "no-hashes-page", TYPE(4), 1, "no section for kernel hashes" },
    { "other-type", TYPE(1), 0x1234, NULL },
    { "hashes-fit", LENGTH, 16 + 12 * SECTIONS, NULL,
      .hashes_offset = 0x1000 - HASHES_SIZE },
    { "hashes-too-far", LENGTH, 16 + 12 * SECTIONS,
      "no room for 0xb0 bytes of kernel hashes at offset 0xf51",
      .hashes_offset = 0x1000 - HASHES_SIZE + 1 },
};

static void expect(bool good, Error *err, const char *says)
{
    g_assert_cmpint(good, ==, !says);
    g_assert_cmpint(!!err, ==, !good);
    if (says && !strstr(error_get_pretty(err), says)) {
        g_test_message("\"%s\" in: %s", says, error_get_pretty(err));
        g_test_fail();
    }
    error_free(err);
}

static void test_case(const void *opaque)
{
    const Case *test = opaque;
    g_autofree uint8_t *image = good_image();
    uint8_t *table = image + IMAGE_SIZE - OFFSET;
    SevMetadataUse use = {
        .image_size = IMAGE_SIZE,
        .hashes_size = HASHES_SIZE,
        .hashes_offset = test->hashes_offset,
        .unfit = unfit,
    };
    Error *err = NULL;
    bool good;

    ram_end = test->ram_end ?: UINT64_MAX;
    stl_le_p(table + test->at, test->value);
    good = sev_metadata_in_image(image, IMAGE_SIZE, OFFSET, &err) &&
           sev_metadata_check(table, &use, &err);
    expect(good, err, test->says);
}

static void test_offset(void)
{
    g_autofree uint8_t *image = good_image();
    static const struct {
        size_t size;
        uint32_t offset;
        const char *says;
    } offsets[] = {
        { IMAGE_SIZE, OFFSET, NULL },
        { IMAGE_SIZE, IMAGE_SIZE + 1, "are not in its 0x400000 bytes" },
        { IMAGE_SIZE, UINT32_MAX, "are not in its" },
        { IMAGE_SIZE, 15, "are not in its" },
        { IMAGE_SIZE, 0, "are not in its" },
        { 0, 16, "are not in its" },
        { IMAGE_SIZE, 16, "no signature" },
        { IMAGE_SIZE, IMAGE_SIZE, "no signature" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        Error *err = NULL;
        bool good = sev_metadata_in_image(image, offsets[i].size,
                                          offsets[i].offset, &err);

        expect(good, err, offsets[i].says);
    }
}

static void test_reset_block(void)
{
    g_assert_true(sev_metadata_reset_block(0xffe0, 22));
    g_assert_true(sev_metadata_reset_block(22, 22));
    g_assert_true(sev_metadata_reset_block(0xffff, 0xffff));
    g_assert_false(sev_metadata_reset_block(0xffe0, 21));
    g_assert_false(sev_metadata_reset_block(0xffe0, 0));
    g_assert_false(sev_metadata_reset_block(0xffe0, 0xffe1));
}

/* Without kernel-hashes=on the page for them is like any other. */
static void test_no_hashes(void)
{
    g_autofree uint8_t *image = good_image();
    uint8_t *table = image + IMAGE_SIZE - OFFSET;
    SevMetadataUse use = { .image_size = IMAGE_SIZE, .unfit = unfit };

    ram_end = UINT64_MAX;
    stl_le_p(table + TYPE(4), 1);
    g_assert_true(sev_metadata_check(table, &use, &error_abort));
}

/* A table may fill the image, and each section is held against all others. */
static void test_many(void)
{
    const uint32_t most = 1024;
    g_autofree uint8_t *table = g_malloc0(BASE(most + 1));
    SevMetadataUse use = { .image_size = IMAGE_SIZE, .unfit = unfit };
    Error *err = NULL;
    bool many;

    ram_end = UINT64_MAX;
    for (uint32_t i = 0; i <= most; i++) {
        stl_le_p(table + BASE(i), 0x800000 + i * 0x1000);
        stl_le_p(table + SIZE(i), 0x1000);
        stl_le_p(table + TYPE(i), 1);
    }
    stl_le_p(table + COUNT, most);
    g_assert_true(sev_metadata_check(table, &use, &error_abort));
    stl_le_p(table + COUNT, most + 1);
    many = sev_metadata_check(table, &use, &err);
    expect(many, err, "1025 sections");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sev-metadata/offset", test_offset);
    g_test_add_func("/sev-metadata/reset-block", test_reset_block);
    g_test_add_func("/sev-metadata/no-hashes", test_no_hashes);
    g_test_add_func("/sev-metadata/many", test_many);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/sev-metadata/%s",
                                                cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    return g_test_run();
}
