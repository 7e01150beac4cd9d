/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM as the provider of page states: the attributes of a new memory slot
 */
#include "qemu/osdep.h"
#include "upm/fake-kvm.c.inc"

/* As kvm_region_commit() does. */
static unsigned int add_slot_of(uint64_t gpa, uint64_t memory, uint64_t size)
{
    unsigned int before = set_attributes.calls;

    bql_lock();
    accel_ioctl_inhibit_begin();
    g_assert_true(upm_kvm_slot_added(gpa, host(memory), size));
    accel_ioctl_inhibit_end();
    bql_unlock();
    return set_attributes.calls - before;
}

/* Returns: the ioctls that it took */
static unsigned int add_slot(uint64_t gpa, uint64_t size)
{
    return add_slot_of(gpa, gpa, size);
}

/* QEMU's own path makes all of a new slot private. */
static void test_slot_keeps_shared(void)
{
    set_up();
    g_assert_cmpuint(hypercall(0x2000, 2, 0), ==, 0);
    g_assert_cmpuint(hypercall(0x8000, 1, 0), ==, 0);
    g_assert_cmpuint(hypercall(0, 1, 0), ==, 0);
    g_assert_cmpuint(hypercall(LOW_SIZE - K4, 1, 0), ==, 0);

    /* somebody else's attributes, as left by a slot that was here before */
    memset(attribute_private, 0, sizeof(attribute_private));
    memset(attribute_private + 2, 1, 2);
    memset(attribute_private + HIGH / K4, 1, HIGH_SIZE / K4);
    add_slot(0, LOW_SIZE);
    expect_agreement();

    /* a part of it, whose ends are not those of the block */
    upm_kvm_marked_forget(0x3000, 0x5000);
    memset(attribute_private + 3, 1, 1);
    memset(attribute_private + 4, 0, 4);
    add_slot(0x3000, 0x5000);
    expect_agreement();
    tear_down();
}

static void test_slot_all_of_one_state(void)
{
    set_up();
    memset(attribute_private, 0, sizeof(attribute_private));
    add_slot(0, LOW_SIZE);
    add_slot(HIGH, HIGH_SIZE);
    g_assert_cmpuint(set_attributes.calls, ==, 2);
    expect_agreement();
    g_assert_cmpuint(hypercall(0, FRAMES, 0), ==, 0);
    upm_kvm_marked_forget(0, MMIO);
    set_attributes.calls = 0;
    add_slot(HIGH, HIGH_SIZE);
    g_assert_cmpuint(set_attributes.calls, ==, 1);
    expect_agreement();
    tear_down();
}

/* Every second page of the first block shared, and its slot there */
static void set_up_striped(void)
{
    uint64_t gpa;

    set_up();
    for (gpa = 0; gpa < LOW_SIZE; gpa += 2 * K4) {
        g_assert_cmpuint(hypercall(gpa, 1, 0), ==, 0);
    }
    g_assert_cmpuint(add_slot(0, LOW_SIZE), ==, LOW_SIZE / K4);
}

#define PAM      0xf0000
#define PAM_SIZE 0x10000

/* A guest makes a slot come and go, whole and in parts, as often as it likes */
static void test_slot_comes_back(void)
{
    unsigned int i;

    set_up_striped();
    g_assert_cmpuint(add_slot(0, LOW_SIZE), ==, 0);
    for (i = 0; i < 10000; i++) {
        g_assert_cmpuint(add_slot(0, PAM), ==, 0);
        g_assert_cmpuint(add_slot(PAM, PAM_SIZE), ==, 0);
        g_assert_cmpuint(add_slot(MiB, LOW_SIZE - MiB), ==, 0);
        g_assert_cmpuint(hypercall(PAM, 1, i % 2 ? 0 : ENC), ==, 0);
        g_assert_cmpuint(add_slot(0, LOW_SIZE), ==, 0);
        g_assert_cmpuint(upm_kvm_marked_count(), ==, 1);
    }
    expect_agreement();
    tear_down();
}

/* Only a part has been there, or has had other memory in between. */
static void test_slot_of_other_memory(void)
{
    set_up_striped();
    g_assert_cmpuint(add_slot_of(PAM, HIGH, PAM_SIZE), ==, 1);
    g_assert_cmpuint(upm_kvm_marked_count(), ==, 3);
    g_assert_cmpuint(add_slot(0, PAM), ==, 0);
    g_assert_cmpuint(add_slot(0, LOW_SIZE), ==, PAM_SIZE / K4);
    g_assert_cmpuint(upm_kvm_marked_count(), ==, 1);
    expect_agreement();

    upm_kvm_marked_forget(0, K4);
    upm_kvm_marked_forget(PAM, K4);
    upm_kvm_marked_forget(LOW_SIZE - K4, K4);
    attribute_private[0] = attribute_private[PAM / K4] = true;
    attribute_private[LOW_SIZE / K4 - 1] = false;
    g_assert_cmpuint(add_slot(0, LOW_SIZE), ==, 3);
    expect_agreement();
    tear_down();
}

/* Memory at two addresses: attributes follow where it is converted only. */
static void test_slot_alias(void)
{
    set_up();
    add_slot(HIGH, HIGH_SIZE);
    add_slot_of(ROM - MiB, HIGH, PAM_SIZE);
    g_assert_cmpuint(add_slot_of(ROM - MiB, HIGH, PAM_SIZE), ==, 0);
    g_assert_cmpuint(hypercall(HIGH + K4, 1, 0), ==, 0);
    g_assert_cmpuint(add_slot_of(ROM - MiB, HIGH, PAM_SIZE), ==, 1);
    g_assert_true(attribute_private[(ROM - MiB) / K4]);
    g_assert_false(attribute_private[(ROM - MiB) / K4 + 1]);
    g_assert_cmpuint(add_slot(HIGH, HIGH_SIZE), >, 0);

    /* other memory's slot where this is converted */
    add_slot_of(PAM, HIGH, PAM_SIZE);
    g_assert_cmpuint(hypercall(PAM + K4, 1, 0), ==, 0);
    g_assert_cmpuint(add_slot_of(PAM, HIGH, PAM_SIZE), ==, 1);
    tear_down();
}

static void touch_stale(uint64_t gpa)
{
    nothing_mapped = true;
    g_assert_true(upm_kvm_clear_stale(gpa, K4));
    nothing_mapped = false;
}

static void test_slot_after_stale(void)
{
    uint64_t gpa;

    set_up_striped();
    touch_stale(PAM);
    touch_stale(PAM + K4);
    g_assert_cmpuint(add_slot(0, LOW_SIZE), ==, 2);
    expect_agreement();

    for (gpa = 0; gpa < LOW_SIZE; gpa += 2 * K4) {
        touch_stale(gpa + K4);
    }
    g_assert_cmpuint(upm_kvm_marked_count(), ==, LOW_SIZE / K4 / 2);
    g_assert_cmpuint(add_slot(0, LOW_SIZE), ==, LOW_SIZE / K4 / 2);
    g_assert_cmpuint(upm_kvm_marked_count(), ==, 1);
    expect_agreement();
    tear_down();
}

static void test_slot_block_removed(void)
{
    set_up_striped();
    add_slot(HIGH, HIGH_SIZE);
    g_assert_cmpuint(upm_kvm_marked_count(), ==, 2);
    tear_down();
    g_assert_cmpuint(upm_kvm_marked_count(), ==, 0);
    set_up();
    memset(attribute_private, 0, sizeof(attribute_private));
    g_assert_cmpuint(add_slot(0, LOW_SIZE), ==, 1);
    add_slot(HIGH, HIGH_SIZE);
    expect_agreement();
    tear_down();
}

/* The map goes back, the attributes do not, or may not have. */
static void test_slot_not_taken_back(void)
{
    UpmExtent run = { .block = NULL, .gpa = PAM, .offset = PAM, .size = K4 };

    set_up_striped();
    run.block = blocks[0];
    kvm_provider.unmarked(&run);
    attribute_private[PAM / K4] = true;
    g_assert_cmpuint(add_slot(0, LOW_SIZE), ==, 1);
    expect_agreement();

    set_attributes.always = -ENOMEM;
    g_assert_cmpint(kvm_provider.mark(&run, true), ==, -ENOMEM);
    set_attributes.always = 0;
    g_assert_cmpuint(add_slot(0, LOW_SIZE), ==, 1);
    tear_down();
}

/* The bound holds, and what is left out is small. */
static void test_slot_entries_bounded(void)
{
    UpmExtent large = { .gpa = 1ULL << 40, .size = GiB };
    UpmExtent gap, rest;
    unsigned int i;

    set_up();
    bql_lock();
    for (i = 0; i < 2 * UPM_KVM_MARKED_MAX; i++) {
        UpmExtent small = { .block = blocks[0], .gpa = i * 2 * K4, .size = K4,
                            .offset = i * K4 };

        upm_kvm_marked_add(&small);
    }
    g_assert_cmpuint(upm_kvm_marked_count(), ==, UPM_KVM_MARKED_MAX);
    large.block = blocks[1];
    upm_kvm_marked_add(&large);
    upm_kvm_marked_forget(large.gpa + K4, K4);
    g_assert_cmpuint(upm_kvm_marked_count(), ==, UPM_KVM_MARKED_MAX);
    rest = large;
    upm_extent_skip(&rest, 2 * K4);
    g_assert_false(upm_kvm_marked_gap(&rest, &gap));
    bql_unlock();
    tear_down();
}

static void test_slot_without_private_half(void)
{
    set_up();
    g_assert_false(upm_kvm_slot_added(ROM, host(ROM), K4));
    g_assert_cmpuint(set_attributes.calls, ==, 0);
    tear_down();
}

static void test_slot_flags(void)
{
    set_up();
    g_assert_true(upm_kvm_inhibits());
    g_assert_cmphex(upm_kvm_mem_flags(KVM_MEM_GUEST_MEMFD |
                                      KVM_MEM_LOG_DIRTY_PAGES), ==,
                    KVM_MEM_GUEST_MEMFD);
    g_assert_cmphex(upm_kvm_mem_flags(KVM_MEM_READONLY |
                                      KVM_MEM_LOG_DIRTY_PAGES), ==,
                    KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES);
    tear_down();
}

static bool converted_last_page;

static void *convert_last_page(void *opaque)
{
    rcu_register_thread();
    g_assert_cmpuint(hypercall(LOW_SIZE - K4, 1, 0), ==, 0);
    rcu_unregister_thread();
    qatomic_set(&converted_last_page, true);
    return NULL;
}

/* No conversion gets between the states of a slot and its attributes. */
static void convert_tail(void)
{
    static QemuThread thread;

    if (set_attributes.calls == 1) {
        qemu_thread_create(&thread, "vcpu", convert_last_page, NULL,
                           QEMU_THREAD_DETACHED);
    }
    if (set_attributes.calls <= 3) {
        g_usleep(20000);
    }
}

static void test_slot_against_conversion(void)
{
    set_up();
    g_assert_cmpuint(hypercall(0x2000, 1, 0), ==, 0);
    forget();
    converted_last_page = false;
    in_set_attributes = convert_tail;
    add_slot(0, LOW_SIZE);
    while (!qatomic_read(&converted_last_page)) {
        g_usleep(100);
    }
    expect_agreement();
    tear_down();
}

static void test_slot_fails(void)
{
    set_up();
    g_assert_cmpuint(hypercall(0x2000, 2, 0), ==, 0);
    forget();
    set_attributes.result[1] = -ENOMEM;
    add_slot(0, LOW_SIZE);
    g_assert_cmpuint(set_attributes.calls, ==, 2);
    g_assert_cmpstr(stop_reason, ==, "page states of 'block0' at 0x0 +0x200000"
                    " can not be set in its new memory slot: Cannot allocate "
                    "memory");
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_fake_kvm();

    g_test_add_func("/upm-kvm/slot/keeps-shared", test_slot_keeps_shared);
    g_test_add_func("/upm-kvm/slot/one-state", test_slot_all_of_one_state);
    g_test_add_func("/upm-kvm/slot/no-private-half",
                    test_slot_without_private_half);
    g_test_add_func("/upm-kvm/slot/fails", test_slot_fails);
    g_test_add_func("/upm-kvm/slot/flags", test_slot_flags);
    g_test_add_func("/upm-kvm/slot/comes-back", test_slot_comes_back);
    g_test_add_func("/upm-kvm/slot/other-memory", test_slot_of_other_memory);
    g_test_add_func("/upm-kvm/slot/alias", test_slot_alias);
    g_test_add_func("/upm-kvm/slot/after-stale", test_slot_after_stale);
    g_test_add_func("/upm-kvm/slot/block-removed", test_slot_block_removed);
    g_test_add_func("/upm-kvm/slot/not-taken-back", test_slot_not_taken_back);
    g_test_add_func("/upm-kvm/slot/bounded", test_slot_entries_bounded);
    g_test_add_func("/upm-kvm/slot/against-conversion",
                    test_slot_against_conversion);
    return g_test_run();
}
