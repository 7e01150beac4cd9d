/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where both worlds have their chip from: keys that are made in a thread, and
 * keys that cannot be made
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "target/i386/psp/chip-source.c"

/*
 * What it calls
 */

struct PspChip {
    int number;
};

struct PspChipMaker {
    int number;
};

static PspChip chip;
static PspChipMaker maker;
static bool is_made, maker_is_over, can_be_made;
static unsigned makers, opened, freed;

bool psp_chip_is_made(const char *folder)
{
    g_assert_cmpstr(folder, ==, "folder");
    return is_made;
}

PspChip *psp_chip_open(const char *folder, PspProductId product, bool vlek,
                       Error **errp)
{
    opened++;
    if (!can_be_made) {
        error_setg(errp, "opened in place");
        return NULL;
    }
    return &chip;
}

void psp_chip_free(PspChip *freed_chip)
{
    freed += freed_chip != NULL;
}

PspChipMaker *psp_chip_maker_new(const char *folder, PspProductId product,
                                 bool vlek, void (*over)(void *opaque),
                                 void *opaque)
{
    g_assert_cmpstr(folder, ==, "folder");
    makers++;
    maker_is_over = false;
    return &maker;
}

bool psp_chip_maker_is_over(const PspChipMaker *asked)
{
    g_assert_true(asked == &maker);
    return maker_is_over;
}

/* Would wait for the thread */
PspChip *psp_chip_maker_end(PspChipMaker *ended, Error **errp)
{
    g_assert_true(ended == &maker);
    if (!can_be_made) {
        error_setg(errp, "made in a thread");
        return NULL;
    }
    return &chip;
}

void qemu_add_exit_notifier(Notifier *notifier)
{
}

void qemu_remove_exit_notifier(Notifier *notifier)
{
}

/*
 * Tests
 */

static PspChipSource begin(void)
{
    PspChipSource source = { };

    is_made = maker_is_over = can_be_made = false;
    makers = opened = freed = 0;
    psp_chip_source_init(&source);
    return source;
}

static bool is_ready(PspChipSource *source)
{
    return psp_chip_source_is_ready(source, "folder", PSP_PRODUCT_MILAN, false,
                                    NULL, NULL);
}

static void expect_error(PspChipSource *source, const char *words)
{
    Error *err = NULL;

    g_assert_null(psp_chip_source_get(source, "folder", PSP_PRODUCT_MILAN,
                                      false, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), words));
    error_free(err);
}

static void expect_chip(PspChipSource *source)
{
    g_assert_true(psp_chip_source_get(source, "folder", PSP_PRODUCT_MILAN,
                                      false, &error_abort) == &chip);
}

/* Files are read in place, once. */
static void test_made(void)
{
    PspChipSource source = begin();

    is_made = can_be_made = true;
    g_assert_true(is_ready(&source));
    expect_chip(&source);
    expect_chip(&source);
    g_assert_true(is_ready(&source));
    g_assert_cmpuint(makers, ==, 0);
    g_assert_cmpuint(opened, ==, 1);
    psp_chip_source_destroy(&source);
    g_assert_cmpuint(freed, ==, 1);
}

static void test_new(void)
{
    PspChipSource source = begin();

    can_be_made = true;
    g_assert_false(is_ready(&source));
    g_assert_false(is_ready(&source));
    g_assert_cmpuint(makers, ==, 1);
    maker_is_over = true;
    g_assert_true(is_ready(&source));
    expect_chip(&source);
    g_assert_true(is_ready(&source));
    g_assert_cmpuint(makers, ==, 1);
    g_assert_cmpuint(opened, ==, 0);
    psp_chip_source_destroy(&source);
    g_assert_cmpuint(freed, ==, 1);
}

/*
 * Nobody makes them in place, where a reset and others would wait: it is an
 * error until they are made again, in a thread.
 */
static void test_failed(void)
{
    PspChipSource source = begin();

    g_assert_false(is_ready(&source));
    maker_is_over = true;
    g_assert_true(is_ready(&source));
    expect_error(&source, "made in a thread");
    g_assert_cmpint(source.retry, >, g_get_monotonic_time());

    can_be_made = true;
    g_assert_true(is_ready(&source));
    expect_error(&source, "tried again in some seconds");
    expect_error(&source, "tried again in some seconds");
    g_assert_cmpuint(opened, ==, 0);
    g_assert_cmpuint(makers, ==, 1);

    source.retry = g_get_monotonic_time();
    g_assert_false(is_ready(&source));
    g_assert_cmpuint(makers, ==, 2);
    maker_is_over = true;
    g_assert_true(is_ready(&source));
    expect_chip(&source);
    g_assert_cmpint(source.retry, ==, 0);
    g_assert_cmpuint(opened, ==, 0);
    psp_chip_source_destroy(&source);
}

/* Who does not ask first whether it is ready gets the error, too. */
static void test_failed_unasked(void)
{
    PspChipSource source = begin();

    g_assert_false(is_ready(&source));
    maker_is_over = true;
    expect_error(&source, "made in a thread");
    source.retry = g_get_monotonic_time() - 1;
    expect_error(&source, "tried again in some seconds");
    g_assert_cmpuint(opened, ==, 0);
    psp_chip_source_destroy(&source);
    g_assert_cmpuint(freed, ==, 0);
}

/* What is being made when its guest goes is not left behind. */
static void test_end(void)
{
    PspChipSource source = begin();

    can_be_made = true;
    g_assert_false(is_ready(&source));
    source.exit.notify(&source.exit, NULL);
    g_assert_cmpuint(freed, ==, 1);
    psp_chip_source_destroy(&source);
    g_assert_cmpuint(freed, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/psp/chip-source/made", test_made);
    g_test_add_func("/psp/chip-source/new", test_new);
    g_test_add_func("/psp/chip-source/failed", test_failed);
    g_test_add_func("/psp/chip-source/failed-unasked", test_failed_unasked);
    g_test_add_func("/psp/chip-source/end", test_end);
    return g_test_run();
}
