/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page states and their conversion: blocks, ranges and policies
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qapi/error.h"
#include "upm/core-world.h"

/*
 * Blocks
 */

static void test_no_provider(void)
{
    Error *err = NULL;

    upm_set_provider(NULL);
    g_assert_null(upm_provider_name());
    g_assert_cmpint(upm_block_register((RAMBlock *)ram_blocks, "ram", MiB,
                                       K4, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "cannot set up the private half of 'ram' (1048576 bytes): "
                    "the accelerator cannot keep guest memory private");
    error_free(err);
    g_assert_null(upm_block_find((RAMBlock *)ram_blocks));
    upm_set_provider(&provider);
    g_assert_cmpstr(upm_provider_name(), ==, "unit test");
}

static void test_create_fails(void)
{
    RAMBlock *rb = (RAMBlock *)ram_blocks;
    Error *err = NULL;

    fail_at(&fail_create, 1, -EMFILE);
    g_assert_cmpint(upm_block_register(rb, "ram", MiB, K4, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "cannot set up the private half of 'ram' (1048576 bytes): "
                    "no private half today: Too many open files");
    error_free(err);
    g_assert_null(upm_block_find(rb));
    forget_failures();
}

static void test_added_fails(void)
{
    RAMBlock *rb = (RAMBlock *)ram_blocks;
    Error *err = NULL;

    fail_at(&fail_added, 1, -1);
    g_assert_cmpint(upm_block_register(rb, "ram", MiB, K4, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "cannot set up the private half of 'ram' (1048576 bytes): "
                    "no room for one more");
    error_free(err);
    g_assert_null(upm_block_find(rb));
    /* its descriptor is closed */
    g_assert_cmpint(fcntl(last_fd, F_GETFD), ==, -1);
    forget_failures();
}

static void count_block(UpmBlock *block, void *opaque)
{
    unsigned int *count = opaque;

    ++*count;
}

static void test_blocks(void)
{
    unsigned int count = 0;

    set_up();
    upm_foreach_block(count_block, &count);
    g_assert_cmpuint(count, ==, 2);
    g_assert(upm_block_find((RAMBlock *)&ram_blocks[0]) == blocks[0]);
    g_assert(upm_block_find((RAMBlock *)&ram_blocks[1]) == blocks[1]);
    g_assert_null(upm_block_find(NULL));
    g_assert_true(upm_block_is_private(blocks[0], 0));
    g_assert_true(upm_block_is_private(blocks[1], BLOCK1_SIZE - 1));
    tear_down();

    count = 0;
    upm_foreach_block(count_block, &count);
    g_assert_cmpuint(count, ==, 0);
}

static void test_begin_shared(void)
{
    upm_set_initial_state(false);
    set_up();
    upm_set_initial_state(true);
    g_assert_false(upm_block_is_private(blocks[0], 0));
    g_assert_false(upm_block_is_private(blocks[1], BLOCK1_SIZE - K4));
    g_assert_cmpuint(blocks[0]->shared_frames, ==, BLOCK0_SIZE / K4);
    expect(0, K4, false, "");
    expect(0, K4, true, "mark:a:0+1000=p flush drop-shared:a:0+1000");
    g_assert_cmpuint(blocks[0]->shared_frames, ==, BLOCK0_SIZE / K4 - 1);
    tear_down();
}

static void test_map_bytes(void)
{
    UpmBlock *block = add_block(0, "big", GiB);

    /* the allocator rounds up, by less than this */
    g_assert_cmpuint(BITS_TO_LONGS(GiB / K4) * sizeof(long), ==, 32768);
#ifdef CONFIG_MALLOC_TRIM
    g_assert_cmpuint(malloc_usable_size(block->toggled_map), >=, 32768);
    g_assert_cmpuint(malloc_usable_size(block->toggled_map), <, 32768 + 64);
#endif
    g_assert_true(upm_block_is_private(block, GiB - 1));
    remove_block(0);
}

/*
 * Ranges
 */

static void test_order(void)
{
    set_up();
    expect(0x1000, 0x2000, false,
           "mark:a:1000+2000=s flush drop-private:a:1000+2000");
    g_assert_false(upm_block_is_private(blocks[0], 0x1000));
    g_assert_false(upm_block_is_private(blocks[0], 0x2fff));
    g_assert_true(upm_block_is_private(blocks[0], 0xfff));
    g_assert_true(upm_block_is_private(blocks[0], 0x3000));
    g_assert_cmpuint(blocks[0]->shared_frames, ==, 2);
    expect(0x1000, 0x1000, true,
           "mark:a:1000+1000=p flush drop-shared:a:1000+1000");
    g_assert_true(upm_block_is_private(blocks[0], 0x1000));
    g_assert_false(upm_block_is_private(blocks[0], 0x2000));
    g_assert_cmpuint(blocks[0]->shared_frames, ==, 1);
    tear_down();
}

static void test_idempotent(void)
{
    UpmCounters before, after;

    set_up();
    before = upm_counters();
    expect(0, BLOCK0_SIZE + BLOCK1_SIZE, true, "");
    to_shared(0, BLOCK0_SIZE);
    expect(0x5000, 0x100000, false, "");
    /* asked beforehand, such a request is counted as well */
    g_assert_false(upm_convert_needed(0x5000, 0x100000, false));
    g_assert_true(upm_convert_needed(0x5000, 0x100000, true));
    g_assert_true(upm_convert_needed(BLOCK0_SIZE - 0x1000, 0x2000, false));
    g_assert_true(upm_convert_needed(0x5001, 0x1000, false));
    g_assert_true(upm_convert_needed(HOLE, 0x1000, false));
    expect_calls("");
    after = upm_counters();
    g_assert_cmpuint(after.unchanged_requests, ==,
                     before.unchanged_requests + 3);
    tear_down();
}

static void test_only_changed(void)
{
    set_up();
    to_shared(0x2000, 0x1000);
    to_shared(0x5000, 0x2000);
    expect(0, 0x9000, false,
           "mark:a:0+2000=s mark:a:3000+2000=s mark:a:7000+2000=s flush "
           "drop-private:a:0+9000");
    expect(0, 0xa000, true, "mark:a:0+9000=p flush drop-shared:a:0+9000");
    tear_down();
}

static void test_sections_are_one_run(void)
{
    set_up();
    expect(0, BLOCK0_SIZE, false,
           "mark:a:0+200000=s flush drop-private:a:0+200000");
    tear_down();
}

static void test_crossing_blocks(void)
{
    set_up();
    expect(BLOCK1_GPA - 0x1000, 0x3000, false,
           "mark:a:1ff000+1000=s flush mark:b:200000+2000=s flush "
           "drop-private:a:1ff000+1000 drop-private:b:200000+2000");
    g_assert_false(upm_block_is_private(blocks[0], BLOCK0_SIZE - 1));
    g_assert_false(upm_block_is_private(blocks[1], 0x1fff));
    g_assert_true(upm_block_is_private(blocks[1], 0x2000));
    upm_convert(BLOCK1_GPA, 0x2000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    g_string_truncate(calls, 0);
    expect(NEIGHBOURS, 0x2000, false,
           "mark:a:4000000+1000=s flush mark:b:4001000+1000=s flush "
           "drop-private:a:4000000+1000 drop-private:b:4001000+1000");
    tear_down();
}

static void test_last_bytes(void)
{
    set_up();
    expect(-0x1000ULL, 0x1000, false,
           "mark:b:fffffffffffff000+1000=s flush "
           "drop-private:b:fffffffffffff000+1000");
    g_assert_false(upm_block_is_private(blocks[1], BLOCK1_SIZE - 0x1000));
    tear_down();
}

static void test_bad_ranges(void)
{
    set_up();
    expect_error(0, 0, false, -EINVAL, "",
                 "cannot convert 0x0 +0x0 to shared: the range is empty");
    expect_error(0x800, 0x1000, false, -EINVAL, "",
                 "cannot convert 0x800 +0x1000 to shared: "
                 "address and size must be multiples of 4096");
    expect_error(0x1000, 0x801, true, -EINVAL, "",
                 "cannot convert 0x1000 +0x801 to private: "
                 "address and size must be multiples of 4096");
    expect_error(0x1000, -0x1000ULL, false, -EINVAL, "",
                 "cannot convert 0x1000 +0xfffffffffffff000 to shared: "
                 "at 0x300000 is a hole");
    expect_error(0x2000, -0x1000ULL, false, -EINVAL, "",
                 "cannot convert 0x2000 +0xfffffffffffff000 to shared: "
                 "the range goes beyond the last address");
    tear_down();
}

static void test_holes(void)
{
    set_up();
    expect_error(HOLE, 0x1000, false, -EINVAL, "",
                 "cannot convert 0x300000 +0x1000 to shared: "
                 "at 0x300000 is a hole");
    /* nothing before the hole changes either */
    expect_error(0, HOLE + 0x1000, false, -EINVAL, "",
                 "cannot convert 0x0 +0x301000 to shared: "
                 "at 0x300000 is a hole");
    expect_error(ALIAS_GPA - 0x1000, 0x2000, false, -EINVAL, "",
                 "cannot convert 0xfff000 +0x2000 to shared: "
                 "at 0xfff000 is something else");
    tear_down();
}

static void test_alias(void)
{
    set_up();
    expect_error(ALIAS_GPA, 2 * BLOCK0_SIZE, false, -EINVAL, "",
                 "cannot convert 0x1000000 +0x400000 to shared: "
                 "at 0x1200000 is memory of 'a' that the range has at another "
                 "address, too");
    /* the end of the one and the beginning of the other do not overlap */
    expect(ALIAS_GPA + BLOCK0_SIZE - 0x1000, 0x2000, false,
           "mark:a:11ff000+1000=s flush mark:a:1200000+1000=s flush "
           "drop-private:a:11ff000+1000 drop-private:a:1200000+1000");
    /* one frame, one state, whatever its address */
    expect(0x1ff000, 0x1000, false, "");
    expect(ALIAS_GPA + 0x1000, BLOCK0_SIZE, true,
           "mark:a:11ff000+1000=p flush mark:a:1200000+1000=p flush "
           "drop-shared:a:11ff000+1000 drop-shared:a:1200000+1000");
    tear_down();
}

/*
 * Policies
 */

static void check_policy(UpmDiscardPolicy policy, const char *shared_calls,
                         const char *private_calls)
{
    expect(0, 0x1000, false, shared_calls);
    expect(0, 0x1000, true, private_calls);
    g_assert_cmpint(blocks[0]->discard, ==, policy);
}

#define MARK_S "mark:a:0+1000=s flush"
#define MARK_P "mark:a:0+1000=p flush"
#define DROP_S " drop-shared:a:0+1000"
#define DROP_P " drop-private:a:0+1000"

static void test_policies(void)
{
    set_up();
    check_policy(UPM_DISCARD_POLICY_BOTH, MARK_S DROP_P, MARK_P DROP_S);
    upm_set_default_discard(UPM_DISCARD_POLICY_SHARED);
    check_policy(UPM_DISCARD_POLICY_SHARED, MARK_S, MARK_P DROP_S);
    upm_set_default_discard(UPM_DISCARD_POLICY_PRIVATE);
    check_policy(UPM_DISCARD_POLICY_PRIVATE, MARK_S DROP_P, MARK_P);
    upm_set_default_discard(UPM_DISCARD_POLICY_NONE);
    check_policy(UPM_DISCARD_POLICY_NONE, MARK_S, MARK_P);
    tear_down();
}

static void test_policy_of_block(void)
{
    set_up();
    upm_block_set_discard(blocks[1], UPM_DISCARD_POLICY_NONE);
    upm_set_default_discard(UPM_DISCARD_POLICY_PRIVATE);
    g_assert_cmpint(blocks[0]->discard, ==, UPM_DISCARD_POLICY_PRIVATE);
    g_assert_cmpint(blocks[1]->discard, ==, UPM_DISCARD_POLICY_NONE);
    expect(BLOCK1_GPA - 0x1000, 0x2000, false,
           "mark:a:1ff000+1000=s flush mark:b:200000+1000=s flush "
           "drop-private:a:1ff000+1000");
    remove_block(0);
    /* a later block has the default, too */
    add_block(0, "a", BLOCK0_SIZE);
    g_assert_cmpint(blocks[0]->discard, ==, UPM_DISCARD_POLICY_PRIVATE);
    tear_down();
}

static void expect_extents(UpmExtent extent, const char *expected)
{
    while (extent.size) {
        bool private;
        UpmExtent run;

        upm_next_run(&extent, &run, &private);
        note_extent("run", &run, private ? "=p" : "=s");
        upm_extent_skip(&extent, run.size);
    }
    expect_calls(expected);
}

static void test_next_run(void)
{
    set_up();
    expect_extents((UpmExtent) { blocks[0], 0x40001000, 0x1000, 0x8000 },
                  "run:a:40001000+8000=p");
    to_shared(0, 0x2000);
    to_shared(0x4000, 0x1000);
    to_shared(0x8000, 0x4000);
    expect_extents((UpmExtent) { blocks[0], 0x40001000, 0x1000, 0x8000 },
                  "run:a:40001000+1000=s run:a:40002000+2000=p "
                  "run:a:40004000+1000=s run:a:40005000+3000=p "
                  "run:a:40008000+1000=s");
    expect_extents((UpmExtent) { blocks[0], 0, BLOCK0_SIZE - K4, K4 },
                  "run:a:0+1000=p");
    tear_down();
}

int main(int argc, char **argv)
{
    world_init(&argc, &argv);

    add_test("block/no-provider", test_no_provider);
    add_test("block/create-fails", test_create_fails);
    add_test("block/added-fails", test_added_fails);
    add_test("block/add-and-remove", test_blocks);
    add_test("block/begin-shared", test_begin_shared);
    add_test("block/map-bytes", test_map_bytes);
    add_test("range/order", test_order);
    add_test("range/idempotent", test_idempotent);
    add_test("range/only-changed", test_only_changed);
    add_test("range/sections", test_sections_are_one_run);
    add_test("range/crossing-blocks", test_crossing_blocks);
    add_test("range/last-bytes", test_last_bytes);
    add_test("range/refused", test_bad_ranges);
    add_test("range/holes", test_holes);
    add_test("range/alias", test_alias);
    add_test("range/next-run", test_next_run);
    add_test("policy/all", test_policies);
    add_test("policy/block", test_policy_of_block);
    return g_test_run();
}
