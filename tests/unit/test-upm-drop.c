/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is asked to discard the shared half of a run: the file, or the function
 * that this QEMU has for the shared half alone
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "system/upm/compat.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"

/*
 * QEMU
 */

static bool is_shared;
static unsigned int holes;
static unsigned int shared_discards;
static uint64_t last_start, last_length;

bool qemu_ram_is_shared(RAMBlock *rb)
{
    return is_shared;
}

int upm_punch_hole(int fd, uint64_t offset, uint64_t size)
{
    holes++;
    last_start = offset;
    last_length = size;
    return 0;
}

/* Under the name that it has in this QEMU */
int upm_discard_shared_range(RAMBlock *rb, uint64_t start, size_t length)
{
    shared_discards++;
    last_start = start;
    last_length = length;
    return -EIO;
}

/*
 * Tests
 */

static int drop(int fd, bool shared)
{
    RAMBlock rb = { .fd = fd, .fd_offset = 4 * KiB };
    UpmBlock block = { .rb = &rb };
    UpmExtent extent = {
        .block = &block, .offset = 8 * KiB, .size = 16 * KiB,
    };

    is_shared = shared;
    holes = shared_discards = 0;
    return upm_memory_drop_shared(&extent);
}

static void test_anonymous(void)
{
    g_assert_cmpint(drop(-1, false), ==, -EIO);
    g_assert_cmpuint(shared_discards, ==, 1);
    g_assert_cmpuint(holes, ==, 0);
    g_assert_cmpuint(last_start, ==, 8 * KiB);
    g_assert_cmpuint(last_length, ==, 16 * KiB);
}

static void test_private_file(void)
{
    g_assert_cmpint(drop(3, false), ==, -EIO);
    g_assert_cmpuint(shared_discards, ==, 1);
    g_assert_cmpuint(holes, ==, 0);
}

static void test_shared_file(void)
{
    g_assert_cmpint(drop(3, true), ==, 0);
    g_assert_cmpuint(shared_discards, ==, 0);
    g_assert_cmpuint(holes, ==, 1);
    g_assert_cmpuint(last_start, ==, 12 * KiB);
    g_assert_cmpuint(last_length, ==, 16 * KiB);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/upm/drop/anonymous", test_anonymous);
    g_test_add_func("/upm/drop/private-file", test_private_file);
    g_test_add_func("/upm/drop/shared-file", test_shared_file);
    return g_test_run();
}
