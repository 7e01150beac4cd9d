/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversions by chance, against plain arrays
 *
 * With --bench: conversions a second, all of it spent in the core.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "upm/core-world.h"

enum { FRAMES = BLOCK0_SIZE / K4, FRAMES_A_PAGE = 16 };
static bool model_shared[FRAMES], model_held[FRAMES];

/* A page is there as a whole while any of it is shared. */
static void model_page(unsigned int first)
{
    unsigned int i, shared = 0;

    for (i = first; i < first + FRAMES_A_PAGE; i++) {
        shared += model_shared[i];
    }
    for (i = first; shared && i < first + FRAMES_A_PAGE; i++) {
        model_held[i] |= !model_shared[i];
    }
}

/* From the first frame that changed to the last, all that is hidden goes. */
static void model_discard(unsigned int first, unsigned int end,
                          bool to_private)
{
    unsigned int page = to_private ? blocks[0]->page_size / K4 : 1;
    unsigned int at, i;

    for (at = first / page * page; at < end; at += page) {
        bool hidden = true;

        for (i = at; i < at + page; i++) {
            hidden &= model_shared[i] != to_private;
        }
        for (i = at; hidden && i < at + page; i++) {
            model_held[i] = false;
        }
    }
}

static void model_convert(unsigned int first, unsigned int count,
                          bool to_private)
{
    unsigned int i, low = FRAMES, high = 0;

    for (i = first; i < first + count; i++) {
        if (model_shared[i] == to_private) {
            model_shared[i] = !to_private;
            model_held[i] = true;
            low = MIN(low, i);
            high = i + 1;
        }
    }
    for (i = low / FRAMES_A_PAGE * FRAMES_A_PAGE;
         i < high && blocks[0]->page_size > K4 && !to_private;
         i += FRAMES_A_PAGE) {
        model_page(i);
    }
    if (high && upm_policy_discards(blocks[0]->discard, !to_private)) {
        model_discard(low, high, to_private);
    }
}

static void check_model(void)
{
    uint64_t shared = 0, held[2] = {};
    unsigned int i;

    for (i = 0; i < FRAMES; i++) {
        g_assert_cmpint(upm_block_is_private(blocks[0], i * K4), ==,
                        !model_shared[i]);
        g_assert_cmpint(test_bit(i, blocks[0]->hidden_map[model_shared[i]]),
                        ==, model_held[i]);
        g_assert_false(test_bit(i, blocks[0]->hidden_map[!model_shared[i]]));
        shared += model_shared[i];
        held[model_shared[i]] += model_held[i];
    }
    g_assert_cmpuint(blocks[0]->shared_frames, ==, shared);
    g_assert_cmpuint(blocks[0]->hidden_frames[false], ==, held[false]);
    g_assert_cmpuint(blocks[0]->hidden_frames[true], ==, held[true]);
}

static void random_requests(uint64_t page_size)
{
    unsigned int n;

    set_up();
    quiet = true;
    memset(model_shared, 0, sizeof(model_shared));
    memset(model_held, 0, sizeof(model_held));
    blocks[0]->page_size = page_size;
    for (n = 0; n < 10000; n++) {
        unsigned int first = g_test_rand_int_range(0, FRAMES);
        unsigned int count = g_test_rand_int_range(1, FRAMES - first + 1);
        bool to_private = g_test_rand_bit();

        if (g_test_rand_bit()) {
            fail_at(&fail_mark, g_test_rand_int_range(1, 4), -EIO);
        }
        upm_block_set_discard(blocks[0], n / 16 % UPM_DISCARD_POLICY__MAX);
        if (upm_convert(first * K4, count * K4, to_private, UPM_CAUSE_GHCB, 0,
                        NULL) == 0) {
            model_convert(first, count, to_private);
        }
        fail_at(&fail_mark, 0, 0);
        g_assert_null(stop_reason);
        check_model();
    }
    quiet = false;
    tear_down();
}

static void test_random(void)
{
    random_requests(K4);
    random_requests(FRAMES_A_PAGE * K4);
}

/*
 * Conversions a second, all of it spent in the core
 */

static double conversions_per_second(uint64_t size)
{
    const uint64_t range = BLOCK0_SIZE;
    int64_t start = get_clock(), now;
    uint64_t gpa = 0, done = 0;
    bool to_private = false;

    do {
        unsigned int i;

        for (i = 0; i < 10000; i++) {
            upm_convert(gpa, size, to_private, UPM_CAUSE_GHCB, 0, &error_abort);
            gpa += size;
            if (gpa >= range) {
                gpa = 0;
                to_private = !to_private;
            }
        }
        done += i;
        now = get_clock();
    } while (now - start < NANOSECONDS_PER_SECOND);
    return done * (double)NANOSECONDS_PER_SECOND / (now - start);
}

static int bench(void)
{
    set_up();
    quiet = true;
    printf("core-conversions-per-s-4k %.0f\n", conversions_per_second(K4));
    printf("core-conversions-per-s-2m %.0f\n",
           conversions_per_second(2 * MiB));
    printf("map-bytes-per-gib %llu\n",
           BITS_TO_LONGS(GiB / UPM_FRAME_SIZE) * sizeof(unsigned long));
    quiet = false;
    tear_down();
    return 0;
}

int main(int argc, char **argv)
{
    bool is_bench = argc == 2 && !strcmp(argv[1], "--bench");

    if (is_bench) {
        argc = 1;
    }
    world_init(&argc, &argv);
    if (is_bench) {
        return bench();
    }
    add_test("range/random", test_random);
    return g_test_run();
}
