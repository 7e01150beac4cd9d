/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM as the provider of page states: memory faults, and vCPUs that make no
 * progress
 */
#include "qemu/osdep.h"
#include "upm/fake-kvm.c.inc"

static void test_fault(void)
{
    UpmCounters before, after;

    set_up();
    before = upm_counters();
    g_assert_cmpint(fault(0x7000, TO_SHARED), ==, 0);
    g_assert_false(is_private(0x7000));
    g_assert_cmpint(fault(0x7000, TO_PRIVATE), ==, 0);
    g_assert_true(is_private(0x7000));
    /* nothing was asked for, so nothing is made present */
    g_assert_cmpuint(pre_faults.calls, ==, 0);
    expect_agreement();
    after = upm_counters();
    g_assert_cmpuint(after.requests[UPM_CAUSE_FAULT][0] -
                     before.requests[UPM_CAUSE_FAULT][0], ==, 1);
    g_assert_cmpuint(after.requests[UPM_CAUSE_FAULT][1] -
                     before.requests[UPM_CAUSE_FAULT][1], ==, 1);
    g_assert_cmpuint(after.requests[UPM_CAUSE_HYPERCALL][0], ==,
                     before.requests[UPM_CAUSE_HYPERCALL][0]);
    tear_down();
}

/* QEMU's own path ends with no address; a conversion would not help. */
static void test_fault_hardware_error(void)
{
    struct kvm_run run = {
        .exit_reason = KVM_EXIT_MEMORY_FAULT,
        .memory_fault = { .flags = TO_PRIVATE, .gpa = HIGH + K4, .size = K4 },
    };
    int ret = 0;

    set_up();
    g_assert_true(upm_kvm_is_fault(&run, -EHWPOISON));
    g_assert_true(upm_kvm_handle_fault(&run, -EHWPOISON, &ret));
    g_assert_cmpint(ret, ==, EXCP_INTERRUPT);
    expect_stop("hardware error: the host's memory for the private page at "
                "0x201000 is broken: block 'block1', offset 0x1000");
    run.memory_fault.flags = TO_SHARED;
    run.memory_fault.gpa = MMIO;
    g_assert_true(upm_kvm_handle_fault(&run, -EHWPOISON, &ret));
    expect_stop("hardware error: the host's memory for the shared page at "
                "0x400000 is broken");
    g_assert_cmpuint(set_attributes.calls, ==, 0);
    expect_agreement();
    tear_down();
}

static void test_errno_decides(void)
{
    static const int no_fault[] = {
        0, -ENOMEM, -EINVAL, -EIO, -EPERM, -ENOENT, -EBADF,
    };
    struct kvm_run run = {
        .exit_reason = KVM_EXIT_MEMORY_FAULT,
        .memory_fault = { .flags = TO_PRIVATE, .gpa = 0x1000, .size = K4 },
    };
    unsigned int i;

    g_assert_true(upm_kvm_is_fault(&run, -EFAULT));
    g_assert_true(upm_kvm_is_fault(&run, -EHWPOISON));
    for (i = 0; i < ARRAY_SIZE(no_fault); i++) {
        g_assert_false(upm_kvm_is_fault(&run, no_fault[i]));
    }
    run.exit_reason = KVM_EXIT_UNKNOWN;
    g_assert_false(upm_kvm_is_fault(&run, -EFAULT));
    g_assert_false(upm_kvm_is_fault(&run, -EHWPOISON));
}

/* A few of the faults could be for attributes that were left behind. */
static void fault_until_stop(uint64_t gpa, uint64_t flags)
{
    unsigned int n = 0;

    while (!fault(gpa, flags)) {
        g_assert_cmpuint(++n, <=, 16);
    }
}

static void test_fault_elsewhere(void)
{
    set_up();
    fault_until_stop(MMIO, TO_PRIVATE);
    expect_stop("a vCPU used memory as private, but QEMU cannot convert "
                "0x400000 +0x1000 to private: at 0x400000 is nothing");
    fault_until_stop(ROM, TO_PRIVATE);
    expect_stop("a vCPU used memory as private, but QEMU cannot convert "
                "0x1000000 +0x1000 to private: at 0x1000000 is ROM 'bios', "
                "which has no private half");
    g_assert_cmpint(fault(0x1000, TO_PRIVATE | 1), ==, EXCP_INTERRUPT);
    expect_stop("a memory fault at 0x1000 has the unknown flags 0x9");
    expect_agreement();
    tear_down();
}

/*
 * Memory was unplugged and left its attribute behind; QEMU's own path runs
 * the vCPU again for ever.
 */
static void test_fault_stale(void)
{
    set_up();
    g_assert_cmpint(fault(MMIO, TO_SHARED), ==, 0);
    g_assert_cmpuint(set_attributes.calls, ==, 1);
    g_assert_cmpint(fault(ROM, TO_SHARED), ==, 0);
    g_assert_cmpuint(set_attributes.calls, ==, 2);
    g_assert_null(stop_reason);
    set_attributes.always = -ENOMEM;
    g_assert_cmpint(fault(MMIO, TO_SHARED), ==, EXCP_INTERRUPT);
    expect_stop("a vCPU used memory as shared, but QEMU cannot convert "
                "0x400000 +0x1000 to shared: at 0x400000 is nothing");
    forget();
    while (!fault(MMIO, TO_SHARED)) {
        g_assert_cmpuint(set_attributes.calls, <, 10001);
    }
    expect_stop("a vCPU used memory as shared, but QEMU cannot convert "
                "0x400000 +0x1000 to shared: at 0x400000 is nothing");
    expect_agreement();
    tear_down();
}

/* QEMU's own path runs the vCPU again for ever. */
static void test_fault_without_progress(void)
{
    unsigned int n = 0;

    set_up();
    while (fault(0x9000, TO_PRIVATE) == 0) {
        g_assert_cmpuint(++n, <=, 10000);
    }
    g_assert_cmpuint(n, ==, 10000);
    expect_stop("a vCPU used 0x9000 +0x1000 as private 10000 times in a row "
                "and KVM refused it each time, although it is private");
    tear_down();
}

#define TURNS_REASON "a vCPU used 0x9000 +0x1000 as private and as shared " \
    "1000 times by turns without executing an instruction"

/* One instruction wants a page as both; the core converts it each time. */
static void test_fault_alternates(void)
{
    unsigned int n;

    set_up();
    registers = (struct kvm_regs) { .rip = 0x1234 };
    for (n = 0; fault(0x9000, n % 2 ? TO_PRIVATE : TO_SHARED) == 0; n++) {
        g_assert_cmpuint(n, <=, 1100);
    }
    g_assert_cmpuint(n, >=, 1000);
    expect_stop(TURNS_REASON);
    tear_down();
}

/* One that wants two pages as both is seen, too. */
static void alternate_two_pages(unsigned int bound, const char *reason)
{
    static const struct {
        uint64_t gpa, flags;
    } cycle[] = {
        { 0x9000, TO_PRIVATE }, { 0x20000, TO_SHARED },
        { 0x9000, TO_SHARED }, { 0x20000, TO_PRIVATE },
    };
    unsigned int n = 0;

    upm_kvm_stuck_reset();
    while (!fault(cycle[n % 4].gpa, cycle[n % 4].flags)) {
        g_assert_cmpuint(++n, <=, bound);
    }
    g_assert_cmpstr(stop_reason, ==, reason);
    forget();
}

static void test_fault_cycle(void)
{
    set_up();
    registers = (struct kvm_regs) { .rip = 0x1234 };
    alternate_two_pages(1100, "a vCPU used 0x9000 +0x1000 and other pages as "
                        "private and as shared 1000 times by turns without "
                        "executing an instruction");
    tear_down();
}

/* What another vCPU faults on; each has a guard of its own. */
static int fault_of_other(uint64_t gpa, uint64_t flags)
{
    static FaultGuard other;
    FaultGuard own = guard;
    int ret;

    guard = other;
    ret = fault(gpa, flags);
    other = guard;
    guard = own;
    return ret;
}

/* Registers are encrypted: an access elsewhere is progress, ... */
static void test_fault_blind(void)
{
    unsigned int n;

    set_up();
    get_regs_fails = -EINVAL;
    for (n = 0; fault(0x9000, n % 2 ? TO_PRIVATE : TO_SHARED) == 0; n++) {
        g_assert_cmpuint(n, <=, 10100);
    }
    g_assert_cmpuint(n, >=, 10000);
    expect_stop("a vCPU used 0x9000 +0x1000 as private and as shared 10000 "
                "times by turns and shows no progress");
    get_regs_fails = -EINVAL;
    alternate_two_pages(10100, "a vCPU used 0x20000 +0x1000 and other pages "
                        "as private and as shared 10000 times by turns and "
                        "shows no progress");

    /* ... and so is another vCPU that uses the page, whatever the turns; */
    get_regs_fails = -EINVAL;
    for (n = 0; n < 100000; n++) {
        g_assert_cmpint(fault(0xa000, n & 1 ? TO_PRIVATE : TO_SHARED), ==, 0);
        if (n % 1000 < 2) {
            g_assert_cmpint(fault_of_other(0xa000, n & 1 ? TO_SHARED
                                                         : TO_PRIVATE), ==, 0);
        }
    }
    for (n = 0; n < 50000; n++) {
        g_assert_cmpint(fault(0xa000, TO_SHARED), ==, 0);
        g_assert_cmpint(fault(0xa000, TO_PRIVATE), ==, 0);
        g_assert_cmpint(fault_of_other(0xa000, TO_SHARED), ==, 0);
        g_assert_cmpint(fault_of_other(0xa000, TO_PRIVATE), ==, 0);
    }
    g_assert_null(stop_reason);

    /* but not one that uses other pages. */
    for (n = 0; !fault(0x9000, n & 1 ? TO_PRIVATE : TO_SHARED); n++) {
        g_assert_cmpuint(n, <=, 10100);
        fault_of_other(0x10000 + n % 16 * K4, n & 16 ? TO_PRIVATE : TO_SHARED);
    }
    g_assert_nonnull(stop_reason);
    expect_agreement();
    tear_down();
}

/* A page that is used both ways, by one instruction after the other */
static void test_turns_are_progress(void)
{
    unsigned int i;

    set_up();
    g_assert_cmpint(fault(0x8000, TO_SHARED), ==, 0);
    for (i = 0; i < 50; i++) {
        g_assert_cmpint(fault(0x9000, i % 2 ? TO_PRIVATE : TO_SHARED), ==, 0);
    }
    g_assert_cmpuint(get_regs_calls, ==, 0);
    for (i = 0; i < 30000; i++) {
        registers.rip = 0x1000 + i % 2 * 8;
        g_assert_cmpint(fault(0x9000, i % 2 ? TO_PRIVATE : TO_SHARED), ==, 0);
    }
    /* one place, and nothing but a counter tells the turns apart */
    for (i = 0; i < 30000; i++) {
        registers.rcx = i;
        g_assert_cmpint(fault(0x9000, i % 2 ? TO_PRIVATE : TO_SHARED), ==, 0);
    }
    /* the same instruction, which asks in between */
    for (i = 0; i < 30000; i++) {
        g_assert_cmpint(fault(0x9000, i % 2 ? TO_PRIVATE : TO_SHARED), ==, 0);
        if (i % 500 == 0) {
            g_assert_cmpuint(hypercall(0xa000, 1, ENC), ==, 0);
        }
    }
    /* two vCPUs: each only ever wants it as it is not */
    for (i = 0; i < 30000; i++) {
        g_assert_cmpint(fault(0x9000, TO_SHARED), ==, 0);
        g_assert_cmpint(fault_of_other(0x9000, TO_PRIVATE), ==, 0);
    }
    g_assert_null(stop_reason);
    expect_agreement();
    tear_down();
}

/* Attributes stay when their slot goes; an access there is MMIO. */
static void test_fault_where_a_slot_was(void)
{
    set_up();
    attribute_private[MMIO / K4] = true;
    g_assert_cmpint(fault(MMIO, TO_SHARED), ==, 0);
    g_assert_false(attribute_private[MMIO / K4]);
    g_assert_true(attribute_private[MMIO / K4 - 1]);
    g_assert_cmpint(fault(0x1000, TO_SHARED), ==, 0);

    /* KVM takes the type of an access from the attribute on some VMs */
    attribute_private[MMIO / K4] = true;
    g_assert_cmpint(fault(MMIO, TO_PRIVATE), ==, 0);
    g_assert_false(attribute_private[MMIO / K4]);
    fault_until_stop(MMIO, TO_PRIVATE);
    expect_stop("a vCPU used memory as private, but QEMU cannot convert "
                "0x400000 +0x1000 to private: at 0x400000 is nothing");
    expect_agreement();
    tear_down();
}

/* Other vCPUs that convert the page back are no lack of progress. */
static void test_contended_fault(void)
{
    unsigned int i;

    set_up();
    for (i = 0; i < 30000; i++) {
        g_assert_cmpint(fault(0x9000, TO_SHARED), ==, 0);
        if (i % 3) {
            g_assert_cmpuint(hypercall(0x9000, 1, ENC), ==, 0);
        }
    }
    expect_agreement();
    tear_down();
}

static void test_fault_busy(void)
{
    set_up();
    set_attributes.always = -EAGAIN;
    g_assert_cmpint(fault(0x9000, TO_SHARED), ==, 0);
    g_assert_null(stop_reason);
    forget();
    g_assert_cmpint(fault(0x9000, TO_SHARED), ==, 0);
    g_assert_false(is_private(0x9000));
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_fake_kvm();

    g_test_add_func("/upm-kvm/fault/ok", test_fault);
    g_test_add_func("/upm-kvm/fault/errno", test_errno_decides);
    g_test_add_func("/upm-kvm/fault/elsewhere", test_fault_elsewhere);
    g_test_add_func("/upm-kvm/fault/stale", test_fault_stale);
    g_test_add_func("/upm-kvm/fault/no-progress", test_fault_without_progress);
    g_test_add_func("/upm-kvm/fault/alternates", test_fault_alternates);
    g_test_add_func("/upm-kvm/fault/cycle", test_fault_cycle);
    g_test_add_func("/upm-kvm/fault/blind", test_fault_blind);
    g_test_add_func("/upm-kvm/fault/hardware-error",
                    test_fault_hardware_error);
    g_test_add_func("/upm-kvm/fault/turns", test_turns_are_progress);
    g_test_add_func("/upm-kvm/fault/contended", test_contended_fault);
    g_test_add_func("/upm-kvm/fault/where-a-slot-was",
                    test_fault_where_a_slot_was);
    g_test_add_func("/upm-kvm/fault/busy", test_fault_busy);
    return g_test_run();
}
