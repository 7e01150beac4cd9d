/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A conversion that fails has changed nothing: whichever call fails, all of
 * content, map, provider, notifiers and accounts is as it was, with both
 * halves discarded by policy
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "qemu/units.h"
#include "upm/fake-host.c.inc"

/* Small blocks; what one step can not do takes large ones. */
#define FRAMES0 24
#define FRAMES1 8
#define ALL     ((FRAMES0 + FRAMES1) * FRAME)
#define LARGE   (160 * MiB / FRAME)

static int convert(hwaddr gpa, uint64_t size, bool to_private, Error **errp)
{
    return upm_convert(gpa, size, to_private, UPM_CAUSE_HYPERCALL, 0, errp);
}

/* Runs of one frame, of two, and of one that ends in the other block */
static void make_runs(bool shared)
{
    if (shared) {
        convert(0, ALL, false, &error_abort);
    }
    convert(1 * FRAME, FRAME, shared, &error_abort);
    convert(4 * FRAME, 2 * FRAME, shared, &error_abort);
    convert(9 * FRAME, 3 * FRAME, shared, &error_abort);
    convert((FRAMES0 + 2) * FRAME, FRAME, shared, &error_abort);
}

/* Returns how many calls of a kind a whole conversion makes. */
static unsigned int calls_of(int what, bool to_private)
{
    unsigned int n;

    fake_set_up(FRAMES0, FRAMES1, FRAME);
    make_runs(to_private);
    fake_failures[what] = (FakeFailure) { .nth = UINT_MAX };
    convert(0, ALL, to_private, &error_abort);
    n = fake_failures[what].seen;
    fake_check();
    fake_tear_down();
    return n;
}

static void fail_each(int what, bool to_private)
{
    unsigned int n, all = calls_of(what, to_private);

    g_assert_cmpuint(all, >=, 2);
    for (n = 1; n <= all; n++) {
        FakeState *before;
        Error *err = NULL;

        fake_set_up(FRAMES0, FRAMES1, FRAME);
        make_runs(to_private);
        before = fake_state();
        fake_fail(what, n, -ENOSPC);
        g_assert_cmpint(convert(0, ALL, to_private, &err), ==, -ENOSPC);
        g_assert_nonnull(err);
        error_free(err);
        g_assert_null(fake_stop_reason);
        fake_assert_same(before);
        g_byte_array_unref(before);
        /* and then it works */
        fake_forget_failures();
        convert(0, ALL, to_private, &error_abort);
        fake_check();
        fake_tear_down();
    }
}

static void test_each(gconstpointer marks_extents)
{
    int what;

    fake_init(GPOINTER_TO_INT(marks_extents));
    for (what = FAIL_MARK; what <= FAIL_NOTIFY_B; what++) {
        fail_each(what, true);
        fail_each(what, false);
    }
}

/* A discard that fails is none of the guest's business. */
static void test_discard(void)
{
    unsigned int n, all;

    fake_init(true);
    all = calls_of(FAIL_DROP, false);
    g_assert_cmpuint(all, ==, BLOCKS);
    for (n = 1; n <= all; n++) {
        uint64_t hidden;

        fake_set_up(FRAMES0, FRAMES1, FRAME);
        make_runs(false);
        fake_fail(FAIL_DROP, n, -ENOSPC);
        convert(0, ALL, false, &error_abort);
        g_assert_null(fake_stop_reason);
        fake_check();
        hidden = fake_blocks[n - 1].upm->failed_frames[true];
        g_assert_cmpuint(hidden, >, 0);
        g_assert_cmpuint(hidden, ==,
                         fake_blocks[n - 1].upm->hidden_frames[true]);
        g_assert_cmpuint(fake_blocks[2 - n].upm->hidden_frames[true], ==, 0);
        fake_tear_down();
    }
}

/* One call for an extent in which anything changes */
static void test_one_mark(void)
{
    unsigned int before;

    fake_init(true);
    fake_set_up(FRAMES0, FRAMES1, FRAME);
    make_runs(false);
    before = fake_marks;
    convert(0, FRAMES0 * FRAME, false, &error_abort);
    g_assert_cmpuint(fake_marks, ==, before + 1);
    before = fake_marks;
    convert(0, FRAMES0 * FRAME, false, &error_abort);
    g_assert_cmpuint(fake_marks, ==, before);
    fake_tear_down();
}

/* A huge page goes once, and is counted once, however many runs it has. */
static void test_huge_page(void)
{
    const size_t frames = 2 * MiB / FRAME;
    size_t i;

    fake_init(true);
    fake_set_up(frames, 2 * frames, 2 * MiB);
    convert(0, frames * FRAME, false, &error_abort);
    for (i = 0; i < frames; i += 2) {
        convert(i * FRAME, FRAME, true, &error_abort);
    }
    fake_failures[FAIL_DROP] = (FakeFailure) { .nth = UINT_MAX };
    convert(0, frames * FRAME, true, &error_abort);
    g_assert_cmpuint(fake_failures[FAIL_DROP].seen, ==, 1);
    g_assert_cmpuint(fake_blocks[0].upm->discarded[false], ==, 2 * MiB);
    fake_check();
    fake_tear_down();
}

/*
 * A request of several steps is one: who wants a part of its range, or of a
 * huge page of it, waits for the end, so that nothing is discarded that may
 * still be taken back, and nothing is taken back that somebody was promised.
 */
typedef struct Other {
    QemuThread thread;
    hwaddr gpa;
    uint64_t size;
    bool to_private;
    unsigned int marks_until;
} Other;

static Other other;

static void *convert_meanwhile(void *opaque)
{
    rcu_register_thread();
    convert(other.gpa, other.size, other.to_private, &error_abort);
    rcu_unregister_thread();
    return NULL;
}

static void start_other(const UpmExtent *extent)
{
    if (--other.marks_until) {
        return;
    }
    fake_in_mark = NULL;
    qemu_thread_create(&other.thread, "other", convert_meanwhile, NULL,
                       QEMU_THREAD_JOINABLE);
    g_usleep(20 * 1000);
}

static void other_at_step(unsigned int step, hwaddr gpa, uint64_t size,
                          bool to_private)
{
    other = (Other) {
        .gpa = gpa, .size = size, .to_private = to_private,
        .marks_until = step,
    };
    fake_in_mark = start_other;
}

static void test_steps(void)
{
    FakeState *before;

    fake_init(true);
    fake_set_up(LARGE, FRAMES1, FRAME);
    before = fake_state();
    fake_fail(FAIL_MARK, 3, -ENOMEM);
    g_assert_cmpint(convert(0, LARGE * FRAME, false, NULL), ==, -ENOMEM);
    fake_assert_same(before);

    /* what the other one asks for is so already when its turn comes */
    fake_fail(FAIL_NOTIFY_B, 3, -ENOMEM);
    other_at_step(3, 0x3000, 0x2000, true);
    g_assert_cmpint(convert(0, LARGE * FRAME, false, NULL), ==, -ENOMEM);
    qemu_thread_join(&other.thread);
    g_assert_null(fake_stop_reason);
    fake_assert_same(before);
    g_byte_array_unref(before);
    fake_forget_failures();

    /* and comes after it, where there is nothing to be taken back */
    other_at_step(3, 0x3000, 0x2000, true);
    convert(0, LARGE * FRAME, false, &error_abort);
    qemu_thread_join(&other.thread);
    fake_check();
    g_assert_cmpuint(fake_blocks[0].upm->shared_frames, ==, LARGE - 2);
    g_assert_cmpuint(fake_blocks[0].content[true][5], ==, 0);
    g_assert_cmpuint(fake_blocks[0].content[false][3], ==, 0);
    g_assert_cmpuint(fake_blocks[0].upm->discarded[true], ==, LARGE * FRAME);
    g_assert_cmpuint(fake_blocks[0].upm->discarded[false], ==, 2 * FRAME);
    fake_tear_down();
}

/* The page is hidden as a whole for as long as the request is under way. */
static void test_steps_of_huge_pages(void)
{
    fake_init(true);
    fake_set_up(LARGE, FRAMES1, 2 * MiB);
    convert(0, LARGE * FRAME, false, &error_abort);
    fake_blocks[0].content[false][20] = 77;
    fake_fail(FAIL_MARK, 3, -ENOMEM);
    other_at_step(2, 0, 16 * FRAME, true);
    g_assert_cmpint(convert(16 * FRAME, (LARGE - 16) * FRAME, true, NULL),
                    ==, -ENOMEM);
    qemu_thread_join(&other.thread);
    fake_check();
    g_assert_false(upm_block_is_private(fake_blocks[0].upm, 20 * FRAME));
    g_assert_cmpuint(fake_blocks[0].content[false][20], ==, 77);
    g_assert_cmpuint(fake_blocks[0].upm->hidden_frames[false], ==, 16);
    fake_tear_down();
}

/* Memory that went away between two steps is not marked for what is there. */
static void test_gone_meanwhile(void)
{
    FakeState *before;
    Error *err = NULL;

    fake_init(true);
    fake_set_up(LARGE, FRAMES1, FRAME);
    before = fake_state();
    fake_gone_after = 2;
    g_assert_cmpint(convert(0, LARGE * FRAME, false, &err), ==, -EINVAL);
    g_assert_nonnull(strstr(error_get_pretty(err), "has changed meanwhile"));
    error_free(err);
    fake_gone_after = 0;
    /* the map and who is told have gone back; the attributes come by the map */
    memset(fake_blocks[0].private, true, LARGE);
    fake_assert_same(before);
    g_byte_array_unref(before);
    fake_tear_down();
}

static void change_map(const UpmExtent *extent)
{
    fake_map_changes++;
}

/* Memory is looked up once, and again for each step that finds another map. */
static void test_memory_map(void)
{
    fake_init(true);
    fake_set_up(LARGE, FRAMES1, FRAME);
    convert(0, FRAME, false, &error_abort);
    g_assert_cmpuint(fake_lookups, ==, 1);
    convert(0, LARGE * FRAME, false, &error_abort);
    g_assert_cmpuint(fake_marks, >, 2);
    g_assert_cmpuint(fake_lookups, ==, 2);

    fake_in_mark = change_map;
    fake_marks = 0;
    convert(0, LARGE * FRAME, true, &error_abort);
    fake_in_mark = NULL;
    g_assert_cmpuint(fake_lookups, ==, 2 + fake_marks);
    fake_check();
    fake_tear_down();
}

/*
 * What can not be undone stops the guest, and is the last conversion: each of
 * these in a process of its own.
 */

static void expect_poison(int error)
{
    g_autofree char *told = NULL;
    g_autofree char *reason = NULL;
    UpmExtent range;
    Error *err = NULL;

    g_assert_null(upm_poison(&range));
    g_assert_cmpint(convert(0, ALL, false, &err), ==, error);
    reason = g_strdup_printf("%s; its undoing failed as well (Bad address): "
                             "the page state of 0x0 +0x20000 is unknown",
                             error_get_pretty(err));
    g_assert_cmpstr(fake_stop_reason, ==, reason);
    g_clear_pointer(&err, error_free);
    told = upm_poison(&range);
    g_assert_cmpstr(told, ==, reason);
    g_assert_cmphex(range.gpa, ==, 0);
    g_assert_cmphex(range.size, ==, ALL);

    fake_forget_failures();
    fake_marks = 0;
    g_assert_cmpint(convert(0x7000, FRAME, false, &err), ==, -EIO);
    g_assert_nonnull(strstr(error_get_pretty(err),
                            "the page state of 0x0 +0x20000 is unknown"));
    error_free(err);
    g_assert_cmpuint(fake_marks, ==, 0);
    g_assert_null(fake_stop_reason);
}

static void test_poison(gconstpointer what)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        return;
    }
    fake_init(false);
    fake_set_up(FRAMES0, FRAMES1, FRAME);
    make_runs(false);
    switch (GPOINTER_TO_INT(what)) {
    case FAIL_MARK:
        /* the third mark fails, and one that takes back another */
        fake_fail(FAIL_MARK, 3, -EFAULT);
        fake_failures[FAIL_MARK].onwards = true;
        expect_poison(-EFAULT);
        break;
    case FAIL_NOTIFY_A:
        /* the other one refuses, and this one does not take it back */
        fake_fail(FAIL_NOTIFY_B, 3, -EBUSY);
        fake_fail(FAIL_NOTIFY_A, 3, -EFAULT);
        expect_poison(-EBUSY);
        break;
    default:
        /* one step after it was done */
        fake_fail(FAIL_NOTIFY_A, 5, -EBUSY);
        fake_fail(FAIL_MARK, 9, -EFAULT);
        expect_poison(-EBUSY);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/upm-undo/each-run", GINT_TO_POINTER(false),
                         test_each);
    g_test_add_data_func("/upm-undo/each-extent", GINT_TO_POINTER(true),
                         test_each);
    g_test_add_func("/upm-undo/discard", test_discard);
    g_test_add_func("/upm-undo/one-mark", test_one_mark);
    g_test_add_func("/upm-undo/huge-page", test_huge_page);
    g_test_add_func("/upm-undo/steps", test_steps);
    g_test_add_func("/upm-undo/steps-of-huge-pages", test_steps_of_huge_pages);
    g_test_add_func("/upm-undo/gone-meanwhile", test_gone_meanwhile);
    g_test_add_func("/upm-undo/memory-map", test_memory_map);
    g_test_add_data_func("/upm-undo/poison-mark", GINT_TO_POINTER(FAIL_MARK),
                         test_poison);
    g_test_add_data_func("/upm-undo/poison-notify",
                         GINT_TO_POINTER(FAIL_NOTIFY_A), test_poison);
    g_test_add_data_func("/upm-undo/poison-later", GINT_TO_POINTER(-1),
                         test_poison);
    return g_test_run();
}
