/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM as the provider of page states
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

static void expect_missing(unsigned int extension, int value,
                           const char *message)
{
    Error *err = NULL;

    odd_extension = extension;
    odd_value = value;
    g_assert_false(upm_kvm_check(&err));
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
    odd_extension = 0;
}

static void test_check(void)
{
    #define MISSING "this kernel's KVM has no private memory for VMs of this " \
                    "type: "

    g_assert_true(upm_kvm_check(&error_abort));
    expect_missing(KVM_CAP_USER_MEMORY2, 0,
                   MISSING "KVM_CAP_USER_MEMORY2 is missing");
    expect_missing(KVM_CAP_GUEST_MEMFD, -EINVAL,
                   MISSING "KVM_CAP_GUEST_MEMFD is missing");
    expect_missing(KVM_CAP_MEMORY_ATTRIBUTES, 0,
                   MISSING "KVM_MEMORY_ATTRIBUTE_PRIVATE in "
                   "KVM_CAP_MEMORY_ATTRIBUTES is missing");
    expect_missing(KVM_CAP_MEMORY_ATTRIBUTES, 1,
                   MISSING "KVM_MEMORY_ATTRIBUTE_PRIVATE in "
                   "KVM_CAP_MEMORY_ATTRIBUTES is missing");
}

static void test_close_on_exec(void)
{
    set_up();
    g_assert_true(fcntl(ram_blocks[0].guest_memfd, F_GETFD) & FD_CLOEXEC);
    tear_down();
}

/*
 * Hypercalls
 */

static void test_hypercall(void)
{
    UpmCounters before, after;

    set_up();
    before = upm_counters();
    fill_private(0x3000, 0x3000);
    g_assert_cmpuint(hypercall(0x4000, 1, 0), ==, 0);
    g_assert_false(is_private(0x4000));
    g_assert_true(is_private(0x3000));
    g_assert_true(is_private(0x5000));
    g_assert_cmphex(private_byte(0x3fff), ==, 0xa5);
    g_assert_cmphex(private_byte(0x4000), ==, 0);
    g_assert_cmphex(private_byte(0x4fff), ==, 0);
    g_assert_cmphex(private_byte(0x5000), ==, 0xa5);
    expect_agreement();

    g_assert_cmpuint(hypercall(0x4000, 1, ENC), ==, 0);
    g_assert_true(is_private(0x4000));
    g_assert_cmpuint(shared_dropped, ==, K4);
    expect_agreement();

    after = upm_counters();
    g_assert_cmpuint(after.requests[UPM_CAUSE_HYPERCALL][0] -
                     before.requests[UPM_CAUSE_HYPERCALL][0], ==, 1);
    g_assert_cmpuint(after.requests[UPM_CAUSE_HYPERCALL][1] -
                     before.requests[UPM_CAUSE_HYPERCALL][1], ==, 1);
    g_assert_cmpuint(after.requests[UPM_CAUSE_FAULT][0], ==,
                     before.requests[UPM_CAUSE_FAULT][0]);
    tear_down();
}

/*
 * QEMU's own path changes the attributes of all of it, but discards in the
 * first region with a size that goes beyond its end.
 */
static void test_crossing_regions(void)
{
    set_up();
    fill_private(HIGH - K4, K4);
    fill_private(HIGH, 2 * K4);
    g_assert_cmpuint(hypercall(HIGH - K4, 2, 0), ==, 0);
    g_assert_false(is_private(HIGH - K4));
    g_assert_false(is_private(HIGH));
    g_assert_true(is_private(HIGH + K4));
    g_assert_cmphex(private_byte(HIGH - K4), ==, 0);
    g_assert_cmphex(private_byte(HIGH), ==, 0);
    g_assert_cmphex(private_byte(HIGH + K4), ==, 0xa5);
    expect_agreement();
    tear_down();
}

static void test_hypercall_refused(void)
{
    static const struct {
        uint64_t gpa, pages, attributes;
    } cases[] = {
        { 0, 0, 0 },
        { 0, 0, ENC },
        { 0, 1ULL << 52, 0 },
        { 0, (1ULL << 52) - 1, 0 },
        { 0, (1ULL << 52) + 1, 0 },
        { 0, UINT64_MAX, ENC },
        { K4, 1ULL << 51, ENC },
        { -K4, 2, 0 },
        { UINT64_MAX, 1, 0 },
        { 1, 1, 0 },
        { 0x800, 1, ENC },
        { K4 + 8, 1, 0 },
        { MMIO, 1, 0 },
        { MMIO, 1, ENC },
        { MMIO - K4, 2, 0 },
        { MMIO - K4, 2, ENC },
        { 0, FRAMES + 1, 0 },
        { ROM, 1, 0 },
        { ROM, 1, ENC },
        { 0, 1, 0x20 },
        { 0, 1, ENC | 0x20 },
        { 0, 1, 1ULL << 63 },
        { 0, 1, 3 },
        { 0, 1, ENC | 4 },
        { 0, 1, 0xf },
    };
    unsigned int i;

    set_up();
    g_assert_cmpuint(hypercall(0, 16, 0), ==, 0);
    forget();
    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t ret = hypercall(cases[i].gpa, cases[i].pages,
                                 cases[i].attributes);

        g_assert_cmpuint(ret, ==, EINVAL);
        g_assert_cmpuint(set_attributes.calls, ==, 0);
        g_assert_cmpuint(pre_faults.calls, ==, 0);
        g_assert_cmpuint(blocks[0]->shared_frames, ==, 16);
        g_assert_cmpuint(blocks[1]->shared_frames, ==, 0);
        g_assert_null(stop_reason);
    }
    expect_agreement();
    tear_down();
}

/*
 * In RAX an error is negative, for a guest in 32-bit mode as well; the GHCB
 * protocol takes a few positive ones.  KVM says which of the two it is, and
 * Linux 6.12 leaves what it said of one exit for the next.
 */
static void ask(struct kvm_run *run, int64_t answer, UpmCause cause)
{
    UpmCounters before = upm_counters(), after;

    g_assert_true(upm_kvm_handle_hypercall(run));
    g_assert_cmpint(run->hypercall.ret, ==, answer);
    g_assert_cmpuint(run->hypercall.flags, ==, 0);
    after = upm_counters();
    g_assert_cmpuint(after.requests[cause][0] - before.requests[cause][0], ==,
                     !answer);
}

static void ask_twice(bool encrypted, uint64_t flags, int sign,
                      UpmCause cause)
{
    struct kvm_run run = {
        .hypercall.nr = KVM_HC_MAP_GPA_RANGE,
        .hypercall.args = { MMIO, 1, ENC },
        .hypercall.flags = flags,
    };

    set_up();
    registers_encrypted = encrypted;
    ask(&run, sign * EINVAL, cause);
    run.hypercall.args[2] = 0x20;
    run.hypercall.flags = flags;
    ask(&run, sign * EINVAL, cause);
    run.hypercall = (typeof(run.hypercall)) {
        .nr = KVM_HC_MAP_GPA_RANGE, .args = { K4, 1, 0 }, .flags = flags,
    };
    ask(&run, 0, cause);
    registers_encrypted = false;
    tear_down();
}

static void test_answer(void)
{
    uint64_t long_mode = KVM_EXIT_HYPERCALL_LONG_MODE;

    ask_twice(false, long_mode, -1, UPM_CAUSE_HYPERCALL);
    ask_twice(false, 0, -1, UPM_CAUSE_HYPERCALL);
    ask_twice(true, long_mode, -1, UPM_CAUSE_HYPERCALL);
    ask_twice(true, 0, 1, UPM_CAUSE_GHCB);
}

/* No request keeps a vCPU busy for long; where it costs nothing it may. */
static void test_largest_request(void)
{
    struct kvm_run run = {
        .hypercall.nr = KVM_HC_MAP_GPA_RANGE,
        .hypercall.args = { 0, GiB / K4, ENC },
    };
    MapGpa request;

    set_up();
    g_assert_null(upm_kvm_decode_map_gpa(&run, &request));
    g_assert_cmphex(request.size, ==, GiB);
    run.hypercall.args[1]++;
    g_assert_nonnull(upm_kvm_decode_map_gpa(&run, &request));
    upm_kvm.in_use = false;
    g_assert_null(upm_kvm_decode_map_gpa(&run, &request));
    upm_kvm.in_use = true;
    tear_down();
}

/* KVM leaves 2 MiB there when it goes on with the rest of a request. */
static void test_page_size_is_a_hint(void)
{
    set_up();
    g_assert_cmpuint(hypercall(0x5000, 3, KVM_MAP_GPA_RANGE_PAGE_SZ_2M), ==,
                     0);
    g_assert_cmpuint(blocks[0]->shared_frames, ==, 3);
    g_assert_cmpuint(hypercall(0x5000, 1, ENC | KVM_MAP_GPA_RANGE_PAGE_SZ_1G),
                     ==, 0);
    g_assert_cmpuint(blocks[0]->shared_frames, ==, 2);
    expect_agreement();
    tear_down();
}

static void test_other_hypercall(void)
{
    struct kvm_run run = { .hypercall.nr = KVM_HC_MAP_GPA_RANGE + 1 };

    set_up();
    g_assert_false(upm_kvm_handle_hypercall(&run));
    tear_down();
}

/*
 * Failures
 */

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

/*
 * Faults
 */

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

/*
 * Memory slots
 */

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

/*
 * Conversions without the BQL
 */

typedef struct Worker {
    QemuThread thread;
    CPUState *cpu;
    uint64_t gpa;
    bool stop;
    unsigned int done;
} Worker;

/* A vCPU that asks for the same page as shared and as private, for ever */
static void *work(void *opaque)
{
    Worker *worker = opaque;

    rcu_register_thread();
    current_cpu = worker->cpu;
    while (!qatomic_read(&worker->stop)) {
        g_assert_cmpuint(hypercall(worker->gpa, 1, 0), ==, 0);
        g_assert_cmpuint(hypercall(worker->gpa, 1, ENC), ==, 0);
        qatomic_inc(&worker->done);
    }
    rcu_unregister_thread();
    return NULL;
}

static void start_workers(Worker *workers, unsigned int n)
{
    unsigned int i;

    for (i = 0; i < n; i++) {
        workers[i] = (Worker) { .cpu = new_cpu(), .gpa = (i + 1) * 0x10000 };
        qemu_thread_create(&workers[i].thread, "vcpu", work, &workers[i],
                           QEMU_THREAD_JOINABLE);
    }
}

static void stop_workers(Worker *workers, unsigned int n)
{
    unsigned int i;

    for (i = 0; i < n; i++) {
        qatomic_set(&workers[i].stop, true);
    }
    for (i = 0; i < n; i++) {
        qemu_thread_join(&workers[i].thread);
        QTAILQ_REMOVE_RCU(&cpus_queue, workers[i].cpu, node);
        g_free(workers[i].cpu->kvm_run);
        g_free(workers[i].cpu);
    }
}

static void wait_for(const Worker *worker, unsigned int more)
{
    unsigned int before = qatomic_read(&worker->done);

    while (qatomic_read(&worker->done) - before < more) {
        g_usleep(100);
    }
}

/* vCPUs convert while somebody, such as the monitor, has the BQL. */
static void test_without_bql(void)
{
    Worker workers[2];

    set_up();
    start_workers(workers, 2);
    bql_lock();
    wait_for(&workers[0], 10);
    wait_for(&workers[1], 10);
    bql_unlock();
    stop_workers(workers, 2);
    expect_agreement();
    tear_down();
}

static void take_long(void)
{
    g_usleep(1000);
}

/*
 * Where slots are deleted no ioctl is under way, and none begins; who deletes
 * them gets there although vCPUs make one conversion after the other, and can
 * set attributes then.
 */
static void test_slot_deleted(void)
{
    Worker workers[4];
    unsigned int i;

    set_up();
    in_set_attributes = take_long;
    start_workers(workers, 4);
    for (i = 0; i < 50; i++) {
        wait_for(&workers[i % 4], 1);
        bql_lock();
        upm_kvm_marked_forget(HIGH, HIGH_SIZE);
        accel_ioctl_inhibit_begin();
        g_assert_cmpuint(qatomic_read(&under_way), ==, 0);
        g_assert_true(upm_kvm_slot_added(HIGH, host(HIGH), HIGH_SIZE));
        g_assert_cmpuint(qatomic_read(&under_way), ==, 0);
        accel_ioctl_inhibit_end();
        bql_unlock();
    }
    stop_workers(workers, 4);
    expect_agreement();
    tear_down();
}

/*
 * Who deletes slots locks the own place of each vCPU first.  What has passed it
 * is done soon, and nothing follows.
 */
static void test_own_place(void)
{
    unsigned int before;
    Worker worker;

    set_up();
    start_workers(&worker, 1);
    wait_for(&worker, 10);
    qemu_lockcnt_lock(&worker.cpu->in_ioctl_lock);
    before = qatomic_read(&worker.done);
    g_usleep(200 * 1000);
    g_assert_cmpuint(qatomic_read(&worker.done) - before, <=, 2);
    qemu_lockcnt_unlock(&worker.cpu->in_ioctl_lock);
    wait_for(&worker, 10);
    stop_workers(&worker, 1);
    expect_agreement();
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

/*
 * The callers of kvm_convert_memory() that are left
 */

static void test_convert(void)
{
    int ret = 1;

    set_up();
    g_assert_true(upm_kvm_convert(0x1000, K4, false, &ret));
    g_assert_cmpint(ret, ==, 0);
    g_assert_false(is_private(0x1000));
    g_assert_false(upm_kvm_convert(MMIO, K4, false, &ret));
    g_assert_true(upm_kvm_convert(MMIO - K4, 2 * K4, false, &ret));
    g_assert_cmpint(ret, ==, -EINVAL);
    expect_agreement();
    tear_down();
}

/*
 * KVM_PRE_FAULT_MEMORY; the last test switches it off for good
 */

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

/* Pieces of 2 MiB, 64 MiB of a request */
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

/*
 * A million random hypercalls, against an array of states and a plain
 * reading of the ABI
 */

static uint64_t random_64(void)
{
    return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

static uint64_t random_gpa(void)
{
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        return random_64();
    case 1:
        return random_64() & -K4;
    case 2:
        return -(uint64_t)g_test_rand_int_range(0, 64) * K4;
    case 3:
        return g_test_rand_int_range(0, MMIO);
    case 4:
        return MMIO - g_test_rand_int_range(0, 16) * K4;
    default:
        return g_test_rand_int_range(0, FRAMES) * K4;
    }
}

static uint64_t random_pages(void)
{
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        return random_64();
    case 1:
        return (1ULL << 52) + g_test_rand_int_range(-4, 4);
    case 2:
        return (1ULL << g_test_rand_int_range(0, 64)) -
               g_test_rand_int_range(0, 2);
    case 3:
        return g_test_rand_int_range(0, FRAMES + 8);
    default:
        return g_test_rand_int_range(0, 16);
    }
}

static uint64_t random_attributes(void)
{
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        return random_64();
    case 1:
        return 1ULL << g_test_rand_int_range(0, 64);
    case 2:
        return g_test_rand_int_range(0, 0x40);
    default:
        return g_test_rand_bit() ? ENC : 0;
    }
}

static bool is_valid(uint64_t gpa, uint64_t pages, uint64_t attributes)
{
    uint64_t size_bits = attributes & 0xf;

    return !(gpa % K4) && pages && pages <= FRAMES && gpa < MMIO &&
           gpa / K4 + pages <= FRAMES && !(attributes & ~0x1fULL) &&
           size_bits <= 2;
}

static void test_random(void)
{
    static bool private[FRAMES];
    uint64_t accepted = 0;
    unsigned int n;

    set_up();
    /* punching a million holes would be a test of the host */
    upm_block_set_discard(blocks[0], UPM_DISCARD_POLICY_NONE);
    upm_block_set_discard(blocks[1], UPM_DISCARD_POLICY_NONE);
    memset(private, 1, sizeof(private));
    for (n = 0; n < 1000000; n++) {
        uint64_t gpa = random_gpa(), pages = random_pages();
        uint64_t attributes = random_attributes();
        bool valid = is_valid(gpa, pages, attributes);

        g_assert_cmpuint(hypercall(gpa, pages, attributes), ==,
                         valid ? 0 : EINVAL);
        if (valid) {
            memset(private + gpa / K4, !!(attributes & ENC), pages);
            accepted++;
        }
        if (valid || n % 64 == 0) {
            g_assert_cmpmem(private, sizeof(private),
                            attribute_private, sizeof(private));
        }
        if (n % 4096 == 0) {
            expect_agreement();
        }
    }
    expect_agreement();
    g_assert_cmpuint(accepted, >, 100000);
    g_assert_null(stop_reason);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_fake_kvm();
    g_assert_cmpstr(upm_provider_name(), ==, "KVM");

    g_test_add_func("/upm-kvm/not-in-use", test_not_in_use);
    g_test_add_func("/upm-kvm/record/not-offered", test_record_not_offered);
    g_test_add_func("/upm-kvm/record/ok", test_record);
    g_test_add_func("/upm-kvm/record/reset", test_record_reset);
    g_test_add_func("/upm-kvm/record/msr", test_record_msr);
    g_test_add_func("/upm-kvm/record/device-memory",
                    test_record_device_memory);
    g_test_add_func("/upm-kvm/record/no-memory", test_record_no_memory);
    g_test_add_func("/upm-kvm/check", test_check);
    g_test_add_func("/upm-kvm/close-on-exec", test_close_on_exec);
    g_test_add_func("/upm-kvm/hypercall/ok", test_hypercall);
    g_test_add_func("/upm-kvm/hypercall/answer", test_answer);
    g_test_add_func("/upm-kvm/hypercall/crossing-regions",
                    test_crossing_regions);
    g_test_add_func("/upm-kvm/hypercall/refused", test_hypercall_refused);
    g_test_add_func("/upm-kvm/hypercall/largest", test_largest_request);
    g_test_add_func("/upm-kvm/hypercall/page-size", test_page_size_is_a_hint);
    g_test_add_func("/upm-kvm/hypercall/other", test_other_hypercall);
    g_test_add_func("/upm-kvm/hypercall/random", test_random);
    g_test_add_func("/upm-kvm/failure/discard", test_discard_fails);
    g_test_add_func("/upm-kvm/failure/half-way", test_half_way);
    g_test_add_func("/upm-kvm/failure/retried", test_retried);
    g_test_add_func("/upm-kvm/failure/retry-is-bounded",
                    test_retry_is_bounded);
    g_test_add_func("/upm-kvm/failure/no-memory", test_no_memory);
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
    g_test_add_func("/upm-kvm/lock/without-bql", test_without_bql);
    g_test_add_func("/upm-kvm/lock/slot-deleted", test_slot_deleted);
    g_test_add_func("/upm-kvm/lock/own-place", test_own_place);
    g_test_add_func("/upm-kvm/convert", test_convert);
    g_test_add_func("/upm-kvm/pre-fault/ok", test_pre_fault);
    g_test_add_func("/upm-kvm/pre-fault/bounded", test_pre_fault_bounded);
    g_test_add_func("/upm-kvm/pre-fault/yields", test_pre_fault_yields);
    g_test_add_func("/upm-kvm/pre-fault/unwanted", test_pre_fault_unwanted);
    g_test_add_func("/upm-kvm/pre-fault/off", test_pre_fault_off);
    return g_test_run();
}
