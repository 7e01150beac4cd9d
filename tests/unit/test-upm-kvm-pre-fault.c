/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM as the provider of page states: KVM_PRE_FAULT_MEMORY
 *
 * The last test switches it off for good.
 */
#include "qemu/osdep.h"
#include "upm/fake-kvm.c.inc"

static void test_pre_fault(void)
{
    set_up();
    g_assert_cmpuint(hypercall(0x1000, 16, 0), ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 0);
    g_assert_cmpuint(hypercall(0x1000, 16, ENC), ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    g_assert_cmpuint(pre_faulted, ==, 16 * K4);

    /* partial progress */
    forget();
    pre_fault_step = K4;
    g_assert_cmpuint(hypercall(0x1000, 16, ENC), ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 16);
    g_assert_cmpuint(pre_faulted, ==, 16 * K4);

    /* refused for now */
    forget();
    pre_faults.result[0] = -EAGAIN;
    g_assert_cmpuint(hypercall(0x1000, 16, ENC), ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 1);

    /* a signal, and what the guest will see for itself */
    forget();
    pre_faults.always = -EINTR;
    g_assert_cmpuint(hypercall(0x1000, 16, ENC), ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    forget();
    pre_faults.always = -ENOMEM;
    g_assert_cmpuint(hypercall(0x1000, 16, ENC), ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    g_assert_null(stop_reason);
    tear_down();
}

/* Neither a page or two nor more than is used at once */
static void test_pre_fault_bounded(void)
{
    MapGpa request = { .gpa = 3 * K4, .to_private = true };

    set_up();
    request.size = 15 * K4;
    upm_kvm_pre_fault(&request);
    request.size = 2 * MiB + K4;
    upm_kvm_pre_fault(&request);
    g_assert_cmpuint(pre_faults.calls, ==, 0);
    request.size = 16 * K4;
    upm_kvm_pre_fault(&request);
    request.size = 2 * MiB;
    upm_kvm_pre_fault(&request);
    g_assert_cmpuint(pre_faults.calls, ==, 2);
    g_assert_cmpuint(largest_pre_fault, ==, 2 * MiB);
    /* KVM says that it is done and has not begun */
    forget();
    pre_fault_step = UINT64_MAX;
    upm_kvm_pre_fault(&request);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    tear_down();
}

static void want_elsewhere(void)
{
    current_cpu->exit_request = true;
}

static void kick(void)
{
    current_cpu->kvm_run->immediate_exit = 1;
}

/* The vCPU is wanted while a piece is mapped, or before the first one. */
static void test_pre_fault_yields(void)
{
    MapGpa request = { .size = 2 * MiB, .to_private = true };

    set_up();
    pre_fault_step = MiB;
    in_pre_fault = want_elsewhere;
    upm_kvm_pre_fault(&request);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    upm_kvm_pre_fault(&request);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    current_cpu->exit_request = false;

    forget();
    pre_fault_step = MiB;
    in_pre_fault = kick;
    upm_kvm_pre_fault(&request);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    upm_kvm_pre_fault(&request);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    current_cpu->kvm_run->immediate_exit = 0;
    tear_down();
}

static void test_pre_fault_unwanted(void)
{
    set_up();
    upm_kvm_set_pre_fault(false);
    g_assert_cmpuint(hypercall(0x1000, 16, ENC), ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 0);
    upm_kvm_set_pre_fault(true);
    g_assert_cmpuint(hypercall(0x1000, 16, ENC), ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    tear_down();
}

static void test_pre_fault_off(void)
{
    set_up();
    pre_faults.always = -EOPNOTSUPP;
    g_assert_cmpuint(hypercall(0x1000, 16, ENC), ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    g_assert_cmpuint(hypercall(0x1000, 16, ENC), ==, 0);
    g_assert_cmpuint(hypercall(0x20000, 16, ENC), ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 1);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_fake_kvm();

    g_test_add_func("/upm-kvm/pre-fault/ok", test_pre_fault);
    g_test_add_func("/upm-kvm/pre-fault/bounded", test_pre_fault_bounded);
    g_test_add_func("/upm-kvm/pre-fault/yields", test_pre_fault_yields);
    g_test_add_func("/upm-kvm/pre-fault/unwanted", test_pre_fault_unwanted);
    g_test_add_func("/upm-kvm/pre-fault/off", test_pre_fault_off);
    return g_test_run();
}
