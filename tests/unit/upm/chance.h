/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests by chance: how many inputs, and which
 *
 * UPM_CHANCE_COMMANDS=N in the environment for another number of them,
 * UPM_CHANCE_SEED=N for other ones.
 */
#ifndef TESTS_UNIT_UPM_CHANCE_H
#define TESTS_UNIT_UPM_CHANCE_H

#include "qemu/cutils.h"

#define CHANCE_SEED 20

static inline unsigned chance_number(const char *name, unsigned usual)
{
    const char *asked = g_getenv(name);
    unsigned number = usual;

    if (asked && qemu_strtoui(asked, NULL, 0, &number) < 0) {
        g_error("%s=%s is not a number", name, asked);
    }
    g_test_message("%s=%u", name, number);
    return number;
}

/** chance_count: inputs of this run, @usual if nobody asks for others */
static inline unsigned chance_count(unsigned usual)
{
    return chance_number("UPM_CHANCE_COMMANDS", usual);
}

/** chance_new: the same numbers for the same seed; g_rand_free() it */
static inline GRand *chance_new(void)
{
    return g_rand_new_with_seed(chance_number("UPM_CHANCE_SEED",
                                              CHANCE_SEED));
}

/** chance_in: a number from 0 to @limit - 1 */
static inline unsigned chance_in(GRand *rand, unsigned limit)
{
    return g_rand_int_range(rand, 0, limit);
}

#endif
