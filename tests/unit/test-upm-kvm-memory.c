/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM guests whose page states are recorded, where there is no memory for the
 * record: the guest is stopped, and what it goes on to tell is refused
 */
#include "qemu/osdep.h"
#include "upm/fake-kvm.c.inc"

/* Allocations by g_try_new0() until one fails, 0: none does */
static unsigned int fail_in;
static unsigned int tries;

/* In the place of GLib's, which is in another object */
gpointer g_try_malloc0_n(gsize n, gsize size)
{
    tries++;
    if (fail_in && !--fail_in) {
        return NULL;
    }
    return calloc(n, size);
}

gpointer g_try_malloc0(gsize size)
{
    return g_try_malloc0_n(1, size);
}

static void start(unsigned int fails)
{
    upm_kvm.in_use = upm_kvm.can_pre_fault = false;
    forget();
    fail_in = fails;
    tries = 0;
    g_assert_true(upm_kvm_record());
    fail_in = 0;
    blocks[0] = upm_block_find(&ram_blocks[0]);
    blocks[1] = upm_block_find(&ram_blocks[1]);
}

static void stop(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(ram_blocks); i++) {
        upm_block_unregister(&ram_blocks[i]);
    }
    upm_kvm.recording = false;
    n_reset_handlers = 0;
    forget();
    upm_kvm_init();
}

static void test_allocations(void)
{
    start(0);
    g_assert_nonnull(blocks[0]);
    g_assert_nonnull(blocks[1]);
    g_assert_null(stop_reason);
    g_assert_cmpuint(hypercall(0, 4, 0), ==, 0);
    stop();
}

/* One of the bit maps of block @which is not there. */
static void check_missing(unsigned int fails, unsigned int which)
{
    uint64_t there = base[!which], missing = base[which];

    start(fails);
    g_assert_null(blocks[which]);
    g_assert_nonnull(blocks[!which]);
    g_assert_nonnull(stop_reason);
    g_assert_nonnull(strstr(stop_reason, "cannot record page states of"));
    g_assert_nonnull(strstr(stop_reason, "no memory for them"));

    g_assert_cmpuint(hypercall(missing, 1, 0), ==, EINVAL);
    g_assert_cmpuint(hypercall(missing, 1, ENC), ==, EINVAL);
    /* Nothing of a range is recorded that is not recorded in whole. */
    g_assert_cmpuint(hypercall(HIGH - K4, 2, 0), ==, EINVAL);
    g_assert_cmpuint(blocks[!which]->shared_frames, ==, 0);
    g_assert_cmpuint(hypercall(there, 2, 0), ==, 0);
    g_assert_cmpuint(blocks[!which]->shared_frames, ==, 2);
    reset_guest();
    g_assert_cmpuint(blocks[!which]->shared_frames, ==, 0);
    g_assert_cmpuint(hypercall(missing, 1, 0), ==, EINVAL);
    stop();
}

static void test_missing(void)
{
    unsigned int per_block;

    start(0);
    per_block = tries / ARRAY_SIZE(ram_blocks);
    stop();
    g_assert_cmpuint(per_block, >=, 3);
    for (unsigned int i = 0; i < per_block; i++) {
        check_missing(1 + i, 0);
        check_missing(1 + per_block + i, 1);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_fake_kvm();
    g_test_add_func("/upm-kvm-memory/all-there", test_allocations);
    g_test_add_func("/upm-kvm-memory/missing", test_missing);
    return g_test_run();
}
