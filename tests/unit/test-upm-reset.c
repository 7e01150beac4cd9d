/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The platform forgets a guest: page states, both halves, and what goes wrong
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "upm/core-world.h"

static void expect_reset_error(int error, const char *expected,
                               const char *message)
{
    Error *err = NULL;

    g_assert_cmpint(upm_reset_states(&err), ==, error);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
    expect_calls(expected);
    forget_failures();
}

static void test_nothing_shared(void)
{
    set_up();
    g_assert_cmpint(upm_reset_states(&error_abort), ==, 0);
    /* the last one added comes first */
    expect_calls("forget:b forget:a");
    tear_down();
}

static void test_shared(void)
{
    UpmCounters before, after;

    set_up();
    to_shared(0x1000, 2 * K4);
    to_shared(BLOCK1_GPA + 0x5000, K4);
    before = upm_counters();
    g_assert_cmpint(upm_reset_states(&error_abort), ==, 0);
    expect_calls("mark:b:5000+1000=p flush drop-shared:b:5000+1000 forget:b "
                 "mark:a:1000+2000=p flush drop-shared:a:1000+2000 forget:a");
    after = upm_counters();
    g_assert_cmpuint(after.converted[UPM_CAUSE_RESET][true] -
                     before.converted[UPM_CAUSE_RESET][true], ==, 3 * K4);
    g_assert_true(upm_block_is_private(blocks[0], 0x1000));
    g_assert_true(upm_block_is_private(blocks[1], 0x5000));
    tear_down();
}

/* The policy keeps the shared half; the private one goes whatever it says. */
static void test_kept(void)
{
    set_up();
    upm_set_default_discard(UPM_DISCARD_POLICY_NONE);
    to_shared(0, K4);
    g_assert_cmpuint(blocks[0]->hidden_frames[true], ==, 1);
    g_assert_cmpint(upm_reset_states(&error_abort), ==, 0);
    expect_calls("forget:b mark:a:0+1000=p flush forget:a");
    g_assert_cmpuint(blocks[0]->hidden_frames[true], ==, 0);
    g_assert_cmpuint(blocks[0]->hidden_frames[false], ==, 1);
    tear_down();
}

static void test_refused(void)
{
    TestNotifier device = { .notifier.notify = notified, .name = "device" };

    set_up();
    to_shared(0x3000, K4);
    upm_notifier_add(&device.notifier);
    upm_block_watch(blocks[0], true);
    fail_at(&device.failure, 1, -EBUSY);
    expect_reset_error(-EBUSY, "forget:b mark:a:3000+1000=p flush "
                       "device:a:3000+1000=p mark:a:3000+1000=s flush",
                       "RAM block 'a': cannot convert 0x0 +0x200000 to "
                       "private: refused for 0x3000 +0x1000: device objects");
    g_assert_false(upm_block_is_private(blocks[0], 0x3000));
    /* and may be tried again */
    g_assert_cmpint(upm_reset_states(&error_abort), ==, 0);
    g_assert_true(upm_block_is_private(blocks[0], 0x3000));
    upm_block_watch(blocks[0], false);
    upm_notifier_remove(&device.notifier);
    tear_down();
}

static void test_not_forgotten(void)
{
    set_up();
    fail_at(&fail_forget, 1, -EPERM);
    expect_reset_error(-EPERM, "forget:b", "RAM block 'b': its private half "
                       "cannot be discarded: Operation not permitted");
    tear_down();
}

static void test_cannot_forget(void)
{
    UpmProviderOps keeps = provider;

    keeps.forget = NULL;
    upm_set_provider(&keeps);
    set_up();
    to_shared(0, K4);
    expect_reset_error(-ENOTSUP, "",
                       "unit test keeps what it knows of a guest");
    g_assert_false(upm_block_is_private(blocks[0], 0));
    tear_down();
    drain_call_rcu();
    upm_set_provider(&provider);
}

int main(int argc, char **argv)
{
    world_init(&argc, &argv);
    add_test("reset/nothing-shared", test_nothing_shared);
    add_test("reset/shared", test_shared);
    add_test("reset/kept", test_kept);
    add_test("reset/refused", test_refused);
    add_test("reset/not-forgotten", test_not_forgotten);
    add_test("reset/cannot-forget", test_cannot_forget);
    return g_test_run();
}
