/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversions by many threads: who waits for whom, and what is left
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "qemu/units.h"
#include "upm/fake-host.c.inc"

#define FRAMES0 512
#define FRAMES1 64
#define THREADS 4

static QemuEvent inside, go_on, finished;

static void hold_first(const UpmExtent *extent)
{
    if (extent->block == fake_blocks[0].upm && !extent->offset) {
        qemu_event_set(&inside);
        qemu_event_wait(&go_on);
    }
}

static void *convert_first(void *opaque)
{
    rcu_register_thread();
    upm_convert(0, 0x4000, false, UPM_CAUSE_HYPERCALL, 0, &error_abort);
    rcu_unregister_thread();
    return NULL;
}

static void *convert_overlapping(void *opaque)
{
    rcu_register_thread();
    upm_convert(0x3000, 0x2000, true, UPM_CAUSE_HYPERCALL, 0, &error_abort);
    qemu_event_set(&finished);
    rcu_unregister_thread();
    return NULL;
}

/*
 * While one thread is in a call of its provider, nobody waits for it but who
 * wants the same frames.
 */
static void test_nobody_waits(void)
{
    QemuThread first, overlapping;
    UpmClaim claim;

    fake_init(true);
    fake_set_up(FRAMES0, FRAMES1, FRAME);
    qemu_event_reset(&inside);
    qemu_event_reset(&go_on);
    qemu_event_reset(&finished);
    fake_in_mark = hold_first;
    qemu_thread_create(&first, "first", convert_first, NULL,
                       QEMU_THREAD_JOINABLE);
    qemu_event_wait(&inside);

    /* other frames of the block, another block, and who only looks */
    upm_convert(0x5000, 0x2000, false, UPM_CAUSE_HYPERCALL, 0, &error_abort);
    upm_convert(FRAMES0 * FRAME, 0x2000, false, UPM_CAUSE_HYPERCALL, 0,
                &error_abort);
    upm_claim(&claim, fake_blocks[0].upm, 0x4000, FRAME);
    upm_release(&claim);
    upm_counters();
    g_assert_true(upm_block_is_private(fake_blocks[0].upm, 0));

    qemu_thread_create(&overlapping, "overlapping", convert_overlapping, NULL,
                       QEMU_THREAD_JOINABLE);
    g_usleep(20 * 1000);
    g_assert_true(upm_block_is_private(fake_blocks[0].upm, 0x3000));
    qemu_event_set(&go_on);
    qemu_event_wait(&finished);
    qemu_thread_join(&first);
    qemu_thread_join(&overlapping);
    fake_in_mark = NULL;
    fake_check();
    g_assert_true(upm_block_is_private(fake_blocks[0].upm, 0x3000));
    g_assert_false(upm_block_is_private(fake_blocks[0].upm, 0x2000));
    fake_tear_down();
}

static void *convert_neighbour(void *opaque)
{
    rcu_register_thread();
    upm_convert(0x8000, FRAME, false, UPM_CAUSE_HYPERCALL, 0, &error_abort);
    qemu_event_set(&finished);
    rcu_unregister_thread();
    return NULL;
}

/* A huge page is one thing: it is discarded for the sake of any part of it. */
static void test_huge_page(void)
{
    QemuThread first, neighbour;

    fake_init(true);
    fake_set_up(FRAMES0, FRAMES1, 16 * FRAME);
    qemu_event_reset(&inside);
    qemu_event_reset(&go_on);
    qemu_event_reset(&finished);
    fake_in_mark = hold_first;
    qemu_thread_create(&first, "first", convert_first, NULL,
                       QEMU_THREAD_JOINABLE);
    qemu_event_wait(&inside);
    qemu_thread_create(&neighbour, "neighbour", convert_neighbour, NULL,
                       QEMU_THREAD_JOINABLE);
    g_usleep(20 * 1000);
    g_assert_true(upm_block_is_private(fake_blocks[0].upm, 0x8000));
    qemu_event_set(&go_on);
    qemu_event_wait(&finished);
    qemu_thread_join(&first);
    qemu_thread_join(&neighbour);
    fake_in_mark = NULL;
    fake_check();
    fake_tear_down();
}

static bool converting;

/* Random ranges, some of them larger than the others' */
static void *convert_all_the_time(void *opaque)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(GPOINTER_TO_UINT(opaque));
    unsigned int i;

    rcu_register_thread();
    for (i = 0; i < 20000; i++) {
        unsigned int first = g_rand_int_range(rand, 0, FRAMES0 + FRAMES1);
        unsigned int left = FRAMES0 + FRAMES1 - first;
        unsigned int count = g_rand_int_range(rand, 1, 1 + MIN(left, 40));

        upm_convert(first * FRAME, count * FRAME, g_rand_boolean(rand),
                    UPM_CAUSE_HYPERCALL, 0, &error_abort);
    }
    rcu_unregister_thread();
    return NULL;
}

/* A claim of all is had, however busy the others are. */
static void *claim_all_the_time(void *opaque)
{
    unsigned int *times = opaque;

    while (qatomic_read(&converting)) {
        UpmClaim claim;
        size_t i;

        upm_claim(&claim, fake_blocks[0].upm, 0, FRAMES0 * FRAME);
        for (i = 0; i < FRAMES0; i++) {
            check_frame(&fake_blocks[0], i);
        }
        upm_release(&claim);
        ++*times;
    }
    return NULL;
}

static void run_threads(uint64_t page_size)
{
    QemuThread threads[THREADS], claims;
    unsigned int i, times = 0;

    fake_init(true);
    fake_set_up(FRAMES0, FRAMES1, page_size);
    qatomic_set(&converting, true);
    qemu_thread_create(&claims, "claims", claim_all_the_time, &times,
                       QEMU_THREAD_JOINABLE);
    for (i = 0; i < THREADS; i++) {
        qemu_thread_create(&threads[i], "convert", convert_all_the_time,
                           GUINT_TO_POINTER(i + 1), QEMU_THREAD_JOINABLE);
    }
    for (i = 0; i < THREADS; i++) {
        qemu_thread_join(&threads[i]);
    }
    qatomic_set(&converting, false);
    qemu_thread_join(&claims);
    g_assert_cmpuint(times, >, 0);
    fake_check();
    g_assert_null(fake_stop_reason);
    g_assert_cmpuint(fake_blocks[1].upm->hidden_frames[true], ==, 0);
    fake_tear_down();
}

static void test_threads(void)
{
    run_threads(FRAME);
    run_threads(16 * FRAME);
}

/* Frames whose bits are in one word of the map, each by a thread of its own */
static void *convert_own_frame(void *opaque)
{
    unsigned int frame = GPOINTER_TO_UINT(opaque), i;

    rcu_register_thread();
    for (i = 0; i < 50000; i++) {
        bool private = i % 2;

        upm_convert(frame * FRAME, FRAME, private, UPM_CAUSE_HYPERCALL, 0,
                    &error_abort);
        g_assert_cmpint(upm_block_is_private(fake_blocks[0].upm,
                                             frame * FRAME), ==, private);
    }
    rcu_unregister_thread();
    return NULL;
}

static void test_neighbours(void)
{
    QemuThread threads[THREADS];
    unsigned int i;

    fake_init(true);
    fake_set_up(FRAMES0, FRAMES1, FRAME);
    for (i = 0; i < THREADS; i++) {
        qemu_thread_create(&threads[i], "convert", convert_own_frame,
                           GUINT_TO_POINTER(i), QEMU_THREAD_JOINABLE);
    }
    for (i = 0; i < THREADS; i++) {
        qemu_thread_join(&threads[i]);
    }
    g_assert_cmpuint(fake_blocks[0].upm->shared_frames, ==, 0);
    fake_check();
    fake_tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_event_init(&inside, false);
    qemu_event_init(&go_on, false);
    qemu_event_init(&finished, false);
    g_test_add_func("/upm-claims/nobody-waits", test_nobody_waits);
    g_test_add_func("/upm-claims/huge-page", test_huge_page);
    g_test_add_func("/upm-claims/threads", test_threads);
    g_test_add_func("/upm-claims/neighbours", test_neighbours);
    return g_test_run();
}
