/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM as the provider of page states: what it needs, and what guests ask for
 */
#include "qemu/osdep.h"
#include "upm/fake-kvm.c.inc"

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_fake_kvm();
    g_assert_cmpstr(upm_provider_name(), ==, "KVM");

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
    g_test_add_func("/upm-kvm/convert", test_convert);
    return g_test_run();
}
