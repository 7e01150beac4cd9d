/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What assigned devices may map, from QEMU 10.1 on: its RamBlockAttributes
 * follow conversions, and those that are taken back as well
 *
 * Those here stand in for QEMU's, of any version: like them they keep the new
 * state where a device refuses.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "system/upm/compat.h"

#ifndef TYPE_RAM_BLOCK_ATTRIBUTES
#define TYPE_RAM_BLOCK_ATTRIBUTES "ram-block-attributes"
typedef struct RamBlockAttributes RamBlockAttributes;

RamBlockAttributes *ram_block_attributes_create(RAMBlock *rb);
int ram_block_attributes_state_change(RamBlockAttributes *attr,
                                      uint64_t offset, uint64_t size,
                                      bool to_discard);

static void upm_set_attributes(RAMBlock *rb, RamBlockAttributes *attributes)
{
}
#endif

#include "../../system/upm/dma.c"

#define K4      4096
#define FRAMES  16

static RAMBlock ram_block;
static UpmBlock *block;
static bool populated[FRAMES];
static bool creation_fails;
/* Which populate is refused, from 1 */
static unsigned int refuse;
static char attributes;

RamBlockAttributes *ram_block_attributes_create(RAMBlock *rb)
{
    g_assert(rb == &ram_block);
    memset(populated, 0, sizeof(populated));
    return creation_fails ? NULL : (RamBlockAttributes *)&attributes;
}

int ram_block_attributes_state_change(RamBlockAttributes *attr,
                                      uint64_t offset, uint64_t size,
                                      bool to_discard)
{
    uint64_t at;

    g_assert(attr == (RamBlockAttributes *)&attributes);
    for (at = offset; at < offset + size; at += K4) {
        populated[at / K4] = !to_discard;
    }
    return !to_discard && refuse && !--refuse ? -ENOSPC : 0;
}

/*
 * The rest of QEMU
 */

static int create_private(uint64_t size, Error **errp)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int mark(const UpmExtent *extent, bool to_private)
{
    return 0;
}

static int drop_private(const UpmExtent *extent)
{
    return 0;
}

static const UpmProviderOps provider = {
    .name = "unit test",
    .create_private = create_private,
    .mark = mark,
    .drop_private = drop_private,
};

bool upm_memory_resolve(hwaddr gpa, uint64_t size, UpmExtent *extent)
{
    *extent = (UpmExtent) {
        .block = block, .gpa = gpa, .offset = gpa, .size = size,
    };
    return gpa < FRAMES * K4;
}

char *upm_memory_describe(hwaddr gpa)
{
    return g_strdup("nothing");
}

bool upm_memory_prepare(UpmBlock *new_block, Error **errp)
{
    return upm_dma_add(new_block, errp);
}

void upm_memory_reclaim(UpmBlock *old_block)
{
    upm_dma_remove(old_block);
}

int upm_memory_private_fd(const UpmBlock *of)
{
    return -1;
}

int upm_memory_drop_shared(const UpmExtent *extent)
{
    return 0;
}

void upm_memory_stop_guest(const char *reason)
{
    g_assert_not_reached();
}

/*
 * Tests
 */

static void set_up(bool private)
{
    upm_set_initial_state(private);
    close(upm_block_register(&ram_block, "ram", FRAMES * K4, K4,
                             &error_abort));
    block = upm_block_find(&ram_block);
}

static void tear_down(void)
{
    g_assert_true(upm_block_unregister(&ram_block));
    refuse = 0;
}

static void expect_agreement(void)
{
    unsigned int i;

    for (i = 0; i < FRAMES; i++) {
        g_assert_cmpint(populated[i], !=, upm_block_is_private(block, i * K4));
    }
}

static void convert(unsigned int first, unsigned int count, bool to_private)
{
    upm_convert(first * K4, count * K4, to_private, UPM_CAUSE_HYPERCALL, 0,
                &error_abort);
    expect_agreement();
}

static void test_follow(void)
{
    set_up(true);
    expect_agreement();
    convert(1, 2, false);
    convert(2, 1, true);
    convert(0, FRAMES, false);
    convert(3, 9, true);
    tear_down();
}

/* What began shared can be mapped, though it never was converted. */
static void test_begin_shared(void)
{
    set_up(false);
    g_assert_true(populated[0] && populated[FRAMES - 1]);
    expect_agreement();
    convert(4, 2, true);
    convert(5, 1, false);
    tear_down();
}

/* Else the next request would be for what is so already. */
static void test_refused(void)
{
    Error *err = NULL;

    set_up(true);
    convert(2, 1, false);
    refuse = 2;
    g_assert_cmpint(upm_convert(0, 5 * K4, false, UPM_CAUSE_HYPERCALL, 0,
                                &err), ==, -ENOSPC);
    g_assert_nonnull(strstr(error_get_pretty(err),
                            "an assigned device cannot follow"));
    error_free(err);
    expect_agreement();
    g_assert_false(populated[0] || populated[3]);
    g_assert_true(populated[2]);
    convert(0, 5, false);
    g_assert_true(populated[0] && populated[3]);
    tear_down();
}

static void test_not_created(void)
{
    Error *err = NULL;

    creation_fails = true;
    g_assert_cmpint(upm_block_register(&ram_block, "ram", FRAMES * K4, K4,
                                       &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "assigned devices"));
    error_free(err);
    g_assert_null(upm_block_find(&ram_block));
    creation_fails = false;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    upm_set_provider(&provider);
    g_test_add_func("/upm-attributes/follow", test_follow);
    g_test_add_func("/upm-attributes/begin-shared", test_begin_shared);
    g_test_add_func("/upm-attributes/refused", test_refused);
    g_test_add_func("/upm-attributes/not-created", test_not_created);
    return g_test_run();
}
