/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversions: what is counted, held and told of
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "upm/core-world.h"

static void test_counters(void)
{
    UpmCounters a, b;

    set_up();
    a = upm_counters();
    upm_convert(0, 0x3000, false, UPM_CAUSE_FAULT, 0, &error_abort);
    upm_convert(0x1000, 0x1000, true, UPM_CAUSE_HYPERCALL, 0, &error_abort);
    upm_convert(0, 0x3000, false, UPM_CAUSE_HYPERCALL, 0, &error_abort);
    b = upm_counters();
    g_assert_cmpuint(b.requests[UPM_CAUSE_FAULT][0] -
                     a.requests[UPM_CAUSE_FAULT][0], ==, 1);
    g_assert_cmpuint(b.converted[UPM_CAUSE_FAULT][0] -
                     a.converted[UPM_CAUSE_FAULT][0], ==, 0x3000);
    g_assert_cmpuint(b.converted[UPM_CAUSE_HYPERCALL][1] -
                     a.converted[UPM_CAUSE_HYPERCALL][1], ==, 0x1000);
    /* only what changed counts */
    g_assert_cmpuint(b.converted[UPM_CAUSE_HYPERCALL][0] -
                     a.converted[UPM_CAUSE_HYPERCALL][0], ==, 0x1000);
    g_assert_cmpuint(b.converted[UPM_CAUSE_GHCB][0], ==,
                     a.converted[UPM_CAUSE_GHCB][0]);
    g_assert_cmpuint(b.discarded_private - a.discarded_private, ==, 0x4000);
    g_assert_cmpuint(b.discarded_shared - a.discarded_shared, ==, 0x1000);
    g_assert_cmpuint(blocks[0]->discarded[true], ==, 0x4000);
    g_assert_cmpuint(blocks[0]->discarded[false], ==, 0x1000);
    g_assert_cmpuint(blocks[1]->discarded[true], ==, 0);
    g_assert_cmpuint(b.time, >, a.time);
    tear_down();
}

static void expect_held(uint64_t private, uint64_t shared)
{
    g_assert_cmpuint(blocks[0]->hidden_frames[true] * K4, ==, private);
    g_assert_cmpuint(blocks[0]->hidden_frames[false] * K4, ==, shared);
    g_string_truncate(calls, 0);
}

static void test_held_by_policy(void)
{
    set_up();
    upm_convert(0, 0x4000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0);
    upm_set_default_discard(UPM_DISCARD_POLICY_NONE);
    upm_convert(0x3000, 0x3000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0x2000, 0);
    upm_convert(0x2000, 0x3000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0x1000, 0x3000);
    /* what lies between two runs and was kept goes with them */
    upm_set_default_discard(UPM_DISCARD_POLICY_SHARED);
    upm_convert(0, 0x8000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0);
    upm_convert(0, 0x8000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0x8000, 0);
    upm_set_default_discard(UPM_DISCARD_POLICY_BOTH);
    upm_convert(0, 0x8000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0);
    /* what a launch was made from */
    upm_discard_hidden(0, 0x1000, &error_abort);
    expect_held(0, 0);
    upm_set_default_discard(UPM_DISCARD_POLICY_NONE);
    upm_discard_hidden(0, 0x2000, &error_abort);
    upm_discard_hidden(0x1000, 0x3000, &error_abort);
    expect_held(0, 0x4000);
    upm_set_default_discard(UPM_DISCARD_POLICY_BOTH);
    upm_convert(0, 0x8000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    upm_convert(0, 0x8000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0);
    /* what was refused holds nothing */
    upm_set_default_discard(UPM_DISCARD_POLICY_NONE);
    fail_at(&fail_mark, 1, -EIO);
    upm_convert(0, 0x8000, false, UPM_CAUSE_GHCB, 0, NULL);
    expect_held(0, 0);
    tear_down();
}

static void test_held_by_huge_pages(void)
{
    set_up();
    blocks[0]->page_size = 0x4000;
    /* a huge page is there from its first shared frame to its last */
    upm_convert(0, 0x1000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0x3000);
    upm_convert(0x1000, 0x4000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0x3000);
    upm_convert(0, 0x3000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0x6000);
    upm_convert(0x3000, 0x2000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0);
    upm_set_default_discard(UPM_DISCARD_POLICY_PRIVATE);
    upm_convert(0, 0x1000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    upm_convert(0, 0x1000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0x4000);
    tear_down();
}

static void convert_often(unsigned int times)
{
    unsigned int i;

    for (i = 0; i < times; i++) {
        upm_convert(0x5000, 0x1000, blocks[0]->shared_frames,
                    UPM_CAUSE_FAULT, 0, &error_abort);
    }
}

static void test_storm(void)
{
    set_up();
    quiet = true;
    /* whatever was converted before belongs to another second */
    g_usleep(1100 * 1000);
    storms = 0;
    convert_often(UPM_STORM_REQUESTS - 1);
    upm_convert(0x5000, 0x1000, false, UPM_CAUSE_FAULT, 0, &error_abort);
    upm_convert(HOLE, 0x1000, false, UPM_CAUSE_FAULT, 0, NULL);
    g_assert_cmpuint(storms, ==, 0);
    convert_often(1);
    g_assert_cmpuint(storms, ==, 1);
    g_assert_cmphex(last_storm.gpa, ==, 0x5000);
    g_assert_cmphex(last_storm.size, ==, 0x1000);
    g_assert_cmpint(last_storm.cause, ==, UPM_CAUSE_FAULT);
    g_assert_cmpuint(last_storm.requests, ==, UPM_STORM_REQUESTS);
    g_assert_cmpuint(last_storm.converted[true], ==,
                     UPM_STORM_REQUESTS / 2 * K4);
    g_assert_cmpuint(last_storm.converted[false], ==,
                     UPM_STORM_REQUESTS / 2 * K4);
    g_assert_cmpuint(last_storm.time, >, 0);
    g_assert_cmpuint(last_storm.time, <, UPM_STORM_NS);
    /* one in a second, however long it goes on */
    convert_often(2 * UPM_STORM_REQUESTS);
    g_assert_cmpuint(storms, ==, 1);
    quiet = false;
    tear_down();
}

/* One that begins when another one has not been told of is another one. */
static void test_two_storms(void)
{
    int64_t start = get_clock() + UPM_STORM_NS;
    UpmDone first = { .gpa = 0x5000, .size = K4, .changed = K4 };
    UpmDone next = { .gpa = 0x6000, .size = K4, .changed = K4 };
    unsigned int i;

    set_up();
    storms = 0;
    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        for (i = 0; i < UPM_STORM_REQUESTS; i++) {
            first.end = start;
            upm_account_request(&first);
        }
        for (i = 0; i < UPM_STORM_REQUESTS; i++) {
            next.end = start + UPM_STORM_NS + 2 * (i > 0);
            upm_account_request(&next);
        }
    }
    upm_tell_request(&first, NULL);
    g_assert_cmpuint(storms, ==, 1);
    g_assert_cmphex(last_storm.gpa, ==, 0x5000);
    g_assert_cmpuint(last_storm.time, ==, 0);
    upm_tell_request(&next, NULL);
    g_assert_cmpuint(storms, ==, 2);
    g_assert_cmphex(last_storm.gpa, ==, 0x6000);
    g_assert_cmpuint(last_storm.time, ==, 2);
    tear_down();
}

int main(int argc, char **argv)
{
    world_init(&argc, &argv);

    add_test("counters/conversions", test_counters);
    add_test("counters/held-by-policy", test_held_by_policy);
    add_test("counters/held-by-huge-pages", test_held_by_huge_pages);
    add_test("counters/storm", test_storm);
    add_test("counters/two-storms", test_two_storms);
    return g_test_run();
}
