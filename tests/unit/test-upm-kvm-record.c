/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's guests without private memory: nothing is done for them, or their
 * page states are recorded
 */
#include "qemu/osdep.h"
#include "upm/fake-kvm.c.inc"

/*
 * Before there is any private memory
 */

static void test_not_in_use(void)
{
    struct kvm_run run = {
        .exit_reason = KVM_EXIT_HYPERCALL,
        .hypercall.nr = KVM_HC_MAP_GPA_RANGE,
        .hypercall.args = { 0, 1, ENC },
        .hypercall.ret = 0xdead,
    };
    int ret;

    g_assert_false(upm_kvm_handle_hypercall(&run));
    g_assert_cmpuint(run.hypercall.ret, ==, 0xdead);
    g_assert_false(upm_kvm_handle_fault(&run, -EFAULT, &ret));
    g_assert_false(upm_kvm_slot_added(0, host(ROM), K4));
    g_assert_false(upm_kvm_inhibits());
    run.exit_reason = KVM_EXIT_MEMORY_FAULT;
    g_assert_false(upm_kvm_is_fault(&run, -EHWPOISON));
    g_assert_true(upm_kvm_is_fault(&run, -EFAULT));
    g_assert_cmpuint(set_attributes.calls, ==, 0);
}

/*
 * Guests without private memory
 */

static void start_recording(bool with_device)
{
    second_is_device = with_device;
    upm_kvm.in_use = upm_kvm.can_pre_fault = false;
    forget();
    g_assert_true(upm_kvm_record());
    blocks[0] = upm_block_find(&ram_blocks[0]);
    blocks[1] = upm_block_find(&ram_blocks[1]);
    g_assert_nonnull(blocks[0]);
}

static void stop_recording(void)
{
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(ram_blocks); i++) {
        upm_block_unregister(&ram_blocks[i]);
    }
    upm_kvm.recording = upm_kvm.has_migration_control = false;
    second_is_device = false;
    n_reset_handlers = 0;
    upm_kvm_init();
}

static void test_record_not_offered(void)
{
    upm_kvm.in_use = false;
    enable_caps.result[0] = -EINVAL;
    g_assert_false(upm_kvm_record());
    g_assert_cmphex(upm_kvm_features(), ==, 0);
    g_assert_cmpstr(upm_provider_name(), ==, "KVM");
    test_not_in_use();
    forget();
}

static void test_record(void)
{
    UpmCounters before = upm_counters(), after;
    int ret;

    start_recording(false);
    g_assert_cmpstr(upm_provider_name(), ==, "KVM, encrypted in place: page "
                    "states are only recorded");
    g_assert_cmphex(upm_kvm_features(), ==, 1 << 16);
    g_assert_cmpstr(blocks[0]->name, ==, "region0");
    g_assert_true(blocks[0]->recorded);
    g_assert_cmpint(blocks[0]->discard, ==, UPM_DISCARD_POLICY_NONE);
    upm_set_default_discard(UPM_DISCARD_POLICY_BOTH);
    g_assert_cmpint(blocks[0]->discard, ==, UPM_DISCARD_POLICY_NONE);

    /* across two blocks, and back in part */
    g_assert_cmpuint(hypercall(HIGH - 2 * K4, 4, 0), ==, 0);
    g_assert_cmpuint(hypercall(HIGH, 1, ENC), ==, 0);
    g_assert_cmpuint(blocks[0]->shared_frames, ==, 2);
    g_assert_cmpuint(blocks[1]->shared_frames, ==, 1);
    g_assert_false(is_private(HIGH - K4));
    g_assert_true(is_private(HIGH));
    g_assert_false(is_private(HIGH + K4));
    after = upm_counters();
    g_assert_cmpuint(after.converted[UPM_CAUSE_HYPERCALL][0] -
                     before.converted[UPM_CAUSE_HYPERCALL][0], ==, 4 * K4);

    /* what cannot be is refused as ever */
    g_assert_cmpuint(hypercall(MMIO, 1, 0), ==, EINVAL);
    g_assert_cmpuint(hypercall(0, 0, 0), ==, EINVAL);
    g_assert_cmpuint(hypercall(0, 1ULL << 52, 0), ==, EINVAL);
    g_assert_cmpuint(hypercall(0, 1, 0x20), ==, EINVAL);

    /* and nothing but the record has changed */
    g_assert_cmpuint(set_attributes.calls, ==, 0);
    g_assert_cmpuint(pre_faults.calls, ==, 0);
    g_assert_cmpuint(shared_dropped, ==, 0);
    g_assert_cmpuint(after.discarded_private, ==, before.discarded_private);

    /* slots, faults and other callers are none of its business */
    g_assert_false(upm_kvm_slot_added(0, host(0), LOW_SIZE));
    g_assert_false(upm_kvm_convert(0, K4, false, &ret));
    g_assert_false(upm_kvm_handle_fault(&(struct kvm_run) {},
                                        -EFAULT, &ret));
    stop_recording();
}

static void test_record_reset(void)
{
    start_recording(false);
    g_assert_cmpuint(hypercall(0, 4, 0), ==, 0);
    reset_guest();
    blocks[0] = upm_block_find(&ram_blocks[0]);
    blocks[1] = upm_block_find(&ram_blocks[1]);
    g_assert_cmpuint(blocks[0]->shared_frames, ==, 0);
    g_assert_true(is_private(0));
    g_assert_cmpuint(hypercall(0, 4, 0), ==, 0);
    g_assert_cmpuint(blocks[0]->shared_frames, ==, 4);
    stop_recording();
}

/*
 * Linux and OVMF tell page states only where they find bit 17 beside bit 16,
 * and expect the MSR then.
 */
static bool (*rdmsr)(struct ArchCPU *cpu, uint32_t msr, uint64_t *value);
static bool (*wrmsr)(struct ArchCPU *cpu, uint32_t msr, uint64_t value);
static int filter_fails;

static int filter_msr(KVMState *s, uint32_t msr,
                      bool (*read)(struct ArchCPU *cpu, uint32_t msr,
                                   uint64_t *value),
                      bool (*write)(struct ArchCPU *cpu, uint32_t msr,
                                    uint64_t value))
{
    g_assert_cmphex(msr, ==, 0x4b564d08);
    rdmsr = read;
    wrmsr = write;
    return filter_fails;
}

static uint64_t migration_control(void)
{
    uint64_t value = UINT64_MAX;

    g_assert_true(rdmsr(NULL, 0x4b564d08, &value));
    return value;
}

static void test_record_msr(void)
{
    /* whom nobody asked to record finds nothing of it */
    rdmsr = NULL;
    upm_kvm_filter_msr(NULL, filter_msr);
    g_assert_null(rdmsr);
    g_assert_cmphex(upm_kvm_features(), ==, 0);

    start_recording(false);
    upm_kvm_filter_msr(NULL, filter_msr);
    g_assert_cmphex(upm_kvm_features(), ==, 1 << 16 | 1 << 17);
    g_assert_cmphex(migration_control(), ==, 0);
    g_assert_true(wrmsr(NULL, 0x4b564d08, 1));
    g_assert_cmphex(migration_control(), ==, 1);
    g_assert_false(wrmsr(NULL, 0x4b564d08, 2));
    g_assert_false(wrmsr(NULL, 0x4b564d08, 1ULL << 63 | 1));
    g_assert_cmphex(migration_control(), ==, 1);
    g_assert_true(wrmsr(NULL, 0x4b564d08, 0));
    g_assert_cmphex(migration_control(), ==, 0);
    g_assert_true(wrmsr(NULL, 0x4b564d08, 1));
    reset_guest();
    g_assert_cmphex(migration_control(), ==, 0);
    stop_recording();

    start_recording(false);
    filter_fails = -ENOSPC;
    upm_kvm_filter_msr(NULL, filter_msr);
    filter_fails = 0;
    g_assert_cmphex(upm_kvm_features(), ==, 1 << 16);
    stop_recording();
}

static void test_record_device_memory(void)
{
    start_recording(true);
    g_assert_null(upm_block_find(&ram_blocks[1]));
    stop_recording();
}

/* Nobody can be asked any more whether memory may come. */
static bool no_states(UpmBlock *block, Error **errp)
{
    error_setg(errp, "no memory for the states of %s", block->name);
    return false;
}

static void test_record_no_memory(void)
{
    static const UpmProviderOps ops = {
        .name = "records nothing", .block_added = no_states,
    };

    forget();
    upm_record(&ops);
    g_assert_nonnull(stop_reason);
    g_assert_true(g_str_has_prefix(stop_reason, "no memory for the states"));
    g_assert_null(upm_block_find(&ram_blocks[0]));
    g_clear_pointer(&stop_reason, g_free);
    stop_recording();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_fake_kvm();

    g_test_add_func("/upm-kvm/not-in-use", test_not_in_use);
    g_test_add_func("/upm-kvm/record/not-offered", test_record_not_offered);
    g_test_add_func("/upm-kvm/record/ok", test_record);
    g_test_add_func("/upm-kvm/record/reset", test_record_reset);
    g_test_add_func("/upm-kvm/record/msr", test_record_msr);
    g_test_add_func("/upm-kvm/record/device-memory",
                    test_record_device_memory);
    g_test_add_func("/upm-kvm/record/no-memory", test_record_no_memory);
    return g_test_run();
}
