/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversions: each step fails, and notifiers that refuse
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "upm/core-world.h"

#define MARK_S "mark:a:0+1000=s flush"
#define MARK_P "mark:a:0+1000=p flush"
#define DROP_S " drop-shared:a:0+1000"
#define DROP_P " drop-private:a:0+1000"

/* Three runs in two blocks, to become shared. */
#define RUNS_GPA  (BLOCK1_GPA - 0x3000)
#define RUNS_SIZE 0x4000
#define MARK1 "mark:a:1fd000+1000=s"
#define MARK2 "mark:a:1ff000+1000=s"
#define MARK3 "mark:b:200000+1000=s"
#define BACK1 "mark:a:1fd000+1000=p"
#define BACK2 "mark:a:1ff000+1000=p"
#define BACK3 "mark:b:200000+1000=p"
#define DROP12 "drop-private:a:1fd000+3000"
#define DROP3 "drop-private:b:200000+1000"
#define RUNS  "cannot convert 0x1fd000 +0x4000 to shared: "

static void set_up_runs(void)
{
    set_up();
    to_shared(BLOCK1_GPA - 0x2000, 0x1000);
}

static void test_mark_fails(void)
{
    set_up_runs();
    fail_at(&fail_mark, 1, -ENOMEM);
    expect_error(RUNS_GPA, RUNS_SIZE, false, -ENOMEM, MARK1,
                 RUNS "unit test does not mark 0x1fd000 +0x1000: "
                 "Cannot allocate memory");
    fail_at(&fail_mark, 2, -EIO);
    expect_error(RUNS_GPA, RUNS_SIZE, false, -EIO,
                 MARK1 " " MARK2 " " BACK1 " flush",
                 RUNS "unit test does not mark 0x1ff000 +0x1000: "
                 "Input/output error");
    fail_at(&fail_mark, 3, -EIO);
    expect_error(RUNS_GPA, RUNS_SIZE, false, -EIO,
                 MARK1 " " MARK2 " flush " MARK3 " " BACK1 " " BACK2 " flush",
                 RUNS "unit test does not mark 0x200000 +0x1000: "
                 "Input/output error");
    /* and then it works, with all that it takes */
    expect(RUNS_GPA, RUNS_SIZE, false, MARK1 " " MARK2 " flush " MARK3
           " flush " DROP12 " " DROP3);
    tear_down();
}

static void expect_failed(uint64_t private, uint64_t shared,
                          unsigned int discards)
{
    g_assert_cmpuint(blocks[0]->failed_frames[true] * K4, ==, private);
    g_assert_cmpuint(blocks[0]->failed_frames[false] * K4, ==, shared);
    g_assert_cmpuint(blocks[0]->hidden_frames[true] * K4, ==, private);
    g_assert_cmpuint(blocks[0]->hidden_frames[false] * K4, ==, shared);
    g_assert_cmpuint(failed_discards, ==, discards);
}

/* What the guest asked for is done, and the account has what is left. */
static void test_drop_private_fails(void)
{
    UpmCounters before, after;

    set_up_runs();
    failed_discards = 0;
    before = upm_counters();
    fail_at(&fail_drop_private, 1, -ENOSPC);
    expect(RUNS_GPA, RUNS_SIZE, false, MARK1 " " MARK2 " flush " MARK3
           " flush " DROP12 " " DROP3);
    after = upm_counters();
    g_assert_cmpuint(after.failed_discards, ==, before.failed_discards + 1);
    g_assert_cmpuint(after.failed_requests, ==, before.failed_requests);
    g_assert_cmpuint(after.discarded_private, ==,
                     before.discarded_private + 0x1000);
    g_assert_cmpstr(last_discard.block, ==, "a");
    g_assert_true(last_discard.private);
    g_assert_cmphex(last_discard.offset, ==, 0x1fd000);
    g_assert_cmphex(last_discard.size, ==, 0x3000);
    g_assert_cmpint(last_discard.error, ==, ENOSPC);
    g_assert_cmpuint(last_discard.failed_discards, ==, after.failed_discards);
    /* the frame between them was discarded before */
    expect_failed(0x2000, 0, 1);
    /* said once, counted each time */
    fail_at(&fail_drop_private, 1, -ENOSPC);
    expect(0, 0x1000, false, MARK_S DROP_P);
    expect_failed(0x3000, 0, 1);
    after = upm_counters();
    g_assert_cmpuint(after.failed_discards, ==, before.failed_discards + 2);
    /* it is off the account when it comes into sight, or goes after all */
    expect(0, 0x1000, true, MARK_P DROP_S);
    expect_failed(0x2000, 0, 1);
    expect(RUNS_GPA - 0x1000, 0x1000, false, "mark:a:1fc000+1000=s flush "
           "drop-private:a:1fc000+1000");
    expect_failed(0x2000, 0, 1);
    expect(RUNS_GPA, 0x1000, true, "mark:a:1fd000+1000=p flush "
           "drop-shared:a:1fd000+1000");
    expect_failed(0x1000, 0, 1);
    tear_down();
}

static void test_drop_shared_fails(void)
{
    set_up();
    failed_discards = 0;
    to_shared(0, 0x2000);
    fail_at(&fail_drop_shared, 1, -EPERM);
    expect(0, 0x2000, true, "mark:a:0+2000=p flush drop-shared:a:0+2000");
    g_assert_true(upm_block_is_private(blocks[0], 0));
    g_assert_false(last_discard.private);
    expect_failed(0, 0x2000, 1);
    tear_down();
}

static void test_notifiers(void)
{
    TestNotifier n = { { .notify = notified }, "n" };
    TestNotifier m = { { .notify = notified }, "m" };

    set_up();
    upm_notifier_add(&n.notifier);
    upm_block_watch(blocks[0], true);
    expect(0, 0x1000, false, MARK_S " n:a:0+1000=s" DROP_P);
    upm_notifier_add(&m.notifier);
    expect(0, 0x1000, true, MARK_P " m:a:0+1000=p n:a:0+1000=p" DROP_S);
    expect(0, 0x1000, true, "");
    upm_notifier_remove(&m.notifier);
    upm_notifier_remove(&n.notifier);
    expect(0, 0x1000, false, MARK_S DROP_P);
    tear_down();
}

static void test_notifier_fails(void)
{
    TestNotifier n = { { .notify = notified }, "n" };
    TestNotifier m = { { .notify = notified }, "m" };

    set_up_runs();
    upm_notifier_add(&n.notifier);
    upm_block_watch(blocks[0], true);
    upm_notifier_add(&m.notifier);
    /* m is asked first; n refuses the second run */
    fail_at(&n.failure, 2, -EBUSY);
    expect_error(RUNS_GPA, RUNS_SIZE, false, -EBUSY,
                 MARK1 " " MARK2 " flush "
                 "m:a:1fd000+1000=s n:a:1fd000+1000=s "
                 "m:a:1ff000+1000=s n:a:1ff000+1000=s "
                 "m:a:1ff000+1000=p! "
                 "m:a:1fd000+1000=p! n:a:1fd000+1000=p! " BACK1 " " BACK2
                 " flush",
                 RUNS "refused for 0x1ff000 +0x1000: n objects");
    /* m refuses at once: nobody is told of an undoing */
    fail_at(&n.failure, 0, 0);
    fail_at(&m.failure, 1, -EBUSY);
    expect_error(0, 0x1000, false, -EBUSY,
                 MARK_S " m:a:0+1000=s " MARK_P,
                 "cannot convert 0x0 +0x1000 to shared: refused for "
                 "0x0 +0x1000: m objects");
    upm_notifier_remove(&m.notifier);
    upm_notifier_remove(&n.notifier);
    tear_down();
}

static void test_no_errp(void)
{
    set_up();
    g_assert_cmpint(upm_convert(HOLE, 0x1000, true, UPM_CAUSE_GHCB, 0, NULL),
                    ==, -EINVAL);
    fail_at(&fail_mark, 1, -EIO);
    g_assert_cmpint(upm_convert(0, 0x1000, false, UPM_CAUSE_GHCB, 0, NULL), ==,
                    -EIO);
    g_assert_null(stop_reason);
    tear_down();
}

int main(int argc, char **argv)
{
    world_init(&argc, &argv);

    add_test("failure/mark", test_mark_fails);
    add_test("failure/drop-private", test_drop_private_fails);
    add_test("failure/drop-shared", test_drop_shared_fails);
    add_test("failure/notifier", test_notifier_fails);
    add_test("failure/no-errp", test_no_errp);
    add_test("notifiers/order", test_notifiers);
    return g_test_run();
}
