/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM as the provider of page states: what fails in the kernel
 */
#include "qemu/osdep.h"
#include "upm/fake-kvm.c.inc"

/* What cannot be discarded is no reason to refuse a guest's request. */
static void test_discard_fails(void)
{
    uint64_t failed = upm_counters().failed_discards;
    int fd;

    set_up();
    fd = ram_blocks[0].guest_memfd;
    ram_blocks[0].guest_memfd = open("/dev/null", O_RDONLY);
    g_assert_cmpuint(hypercall(0, 4, 0), ==, 0);
    g_assert_false(is_private(0));
    close(ram_blocks[0].guest_memfd);
    ram_blocks[0].guest_memfd = fd;
    g_assert_cmpuint(upm_counters().failed_discards, ==, failed + 1);
    g_assert_cmpuint(blocks[0]->failed_frames[true], ==, 4);

    drop_shared_fails = -EIO;
    g_assert_cmpuint(hypercall(0, 4, ENC), ==, 0);
    g_assert_true(is_private(0));
    g_assert_cmpuint(upm_counters().failed_discards, ==, failed + 2);
    g_assert_cmpuint(blocks[0]->failed_frames[true], ==, 0);
    g_assert_cmpuint(blocks[0]->failed_frames[false], ==, 4);
    expect_agreement();
    g_assert_null(stop_reason);
    tear_down();
}

/*
 * One call for what lies in one block, whatever the states in there; where the
 * second one fails, frames have the attributes back that they had.
 */
static void test_half_way(void)
{
    set_up();
    g_assert_cmpuint(hypercall(HIGH - 2 * K4, 1, 0), ==, 0);
    forget();
    set_attributes.result[1] = -EIO;
    g_assert_cmpuint(hypercall(HIGH - 3 * K4, 5, 0), ==, EINVAL);
    g_assert_cmpuint(blocks[0]->shared_frames, ==, 1);
    g_assert_cmpuint(blocks[1]->shared_frames, ==, 0);
    expect_agreement();
    g_assert_null(stop_reason);
    forget();
    g_assert_cmpuint(hypercall(HIGH - 3 * K4, 5, 0), ==, 0);
    g_assert_cmpuint(set_attributes.calls, ==, 2);
    expect_agreement();
    tear_down();
}

static void test_retried(void)
{
    set_up();
    set_attributes.result[0] = -EAGAIN;
    set_attributes.result[1] = -EINTR;
    set_attributes.result[2] = -EAGAIN;
    g_assert_cmpuint(hypercall(0, 1, 0), ==, 0);
    g_assert_cmpuint(set_attributes.calls, ==, 4);
    expect_agreement();
    tear_down();
}

static void test_retry_is_bounded(void)
{
    set_up();
    set_attributes.always = -EAGAIN;
    g_assert_cmpuint(hypercall(0, 1, 0), ==, EAGAIN);
    g_assert_cmpuint(set_attributes.calls, ==, 100);
    g_assert_null(stop_reason);
    set_attributes = (Script) { .always = -EINTR };
    g_assert_cmpuint(hypercall(0, 1, 0), ==, EAGAIN);
    g_assert_cmpuint(set_attributes.calls, ==, 100);
    forget();
    expect_agreement();
    g_assert_cmpuint(hypercall(0, 1, 0), ==, 0);
    tear_down();
}

static void test_no_memory(void)
{
    set_up();
    set_attributes.result[0] = -ENOMEM;
    g_assert_cmpuint(hypercall(0x2000, 2, 0), ==, EAGAIN);
    expect_stop("cannot convert 0x2000 +0x2000 to shared: KVM does not mark "
                "0x2000 +0x2000: Cannot allocate memory");
    expect_agreement();

    set_attributes.result[0] = -ENOMEM;
    g_assert_cmpint(fault(0x3000, TO_SHARED), ==, EXCP_INTERRUPT);
    expect_stop("a vCPU used memory as shared, but QEMU cannot convert 0x3000 "
                "+0x1000 to shared: KVM does not mark 0x3000 +0x1000: Cannot "
                "allocate memory");
    expect_agreement();
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_fake_kvm();

    g_test_add_func("/upm-kvm/failure/discard", test_discard_fails);
    g_test_add_func("/upm-kvm/failure/half-way", test_half_way);
    g_test_add_func("/upm-kvm/failure/retried", test_retried);
    g_test_add_func("/upm-kvm/failure/retry-is-bounded",
                    test_retry_is_bounded);
    g_test_add_func("/upm-kvm/failure/no-memory", test_no_memory);
    return g_test_run();
}
