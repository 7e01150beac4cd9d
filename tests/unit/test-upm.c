/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page states and their conversion, with a provider and a guest memory that
 * fail at each step on request
 *
 * All that the core asks of others is written down; a test compares what was
 * asked, and in which order.  With --bench: conversions a second.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"
#include "../../system/upm/core.h"

#define K4 (4 * KiB)

/*
 * Guest memory: block 0 at 0, block 1 right behind it, a hole, block 0 once
 * more.  A RAMBlock is only an address to the core.
 */
#define BLOCK0_SIZE (2 * MiB)
#define BLOCK1_GPA  BLOCK0_SIZE
#define BLOCK1_SIZE (1 * MiB)
#define HOLE        (BLOCK1_GPA + BLOCK1_SIZE)
#define ALIAS_GPA   (16 * MiB)
#define NEIGHBOURS  (64 * MiB)

typedef struct Region {
    hwaddr gpa;
    uint64_t size;
    unsigned int block;
    uint64_t offset;
} Region;

static const Region memory_map[] = {
    /* the first block in two sections, as a memory map may have it */
    { 0, 1 * MiB, 0, 0 },
    { 1 * MiB, 1 * MiB, 0, 1 * MiB },
    { BLOCK1_GPA, BLOCK1_SIZE, 1, 0 },
    { ALIAS_GPA, BLOCK0_SIZE, 0, 0 },
    { ALIAS_GPA + BLOCK0_SIZE, BLOCK0_SIZE, 0, 0 },
    /* two blocks whose offsets go on where their addresses do */
    { NEIGHBOURS, K4, 0, 0 },
    { NEIGHBOURS + K4, K4, 1, K4 },
    /* the last bytes of the address space */
    { -BLOCK1_SIZE, BLOCK1_SIZE, 1, 0 },
};

static char ram_blocks[2];
static int private_fds[2];
static UpmBlock *blocks[2];
static GString *calls;
static bool quiet;

/*
 * Which call fails: the Nth of a kind, from 1; 0 is none.  With @onwards all
 * later ones fail, too.
 */
typedef struct Failure {
    unsigned int nth;
    unsigned int seen;
    int error;
    bool onwards;
} Failure;

static Failure fail_create, fail_added;
static Failure fail_mark, fail_drop_shared, fail_drop_private;

static int fails(Failure *failure)
{
    if (!failure->nth || ++failure->seen < failure->nth) {
        return 0;
    }
    return failure->onwards || failure->seen == failure->nth
           ? failure->error : 0;
}

static void fail_at(Failure *failure, unsigned int nth, int error)
{
    *failure = (Failure) { .nth = nth, .error = error };
}

static void G_GNUC_PRINTF(1, 2) note(const char *fmt, ...)
{
    va_list ap;

    if (quiet) {
        return;
    }
    if (calls->len) {
        g_string_append_c(calls, ' ');
    }
    va_start(ap, fmt);
    g_string_append_vprintf(calls, fmt, ap);
    va_end(ap);
}

static void note_extent(const char *what, const UpmExtent *extent,
                       const char *state)
{
    if (!quiet) {
        note("%s:%s:%" HWADDR_PRIx "+%" PRIx64 "%s", what, extent->block->name,
             extent->gpa, extent->size, state);
    }
}

/*
 * The provider
 */

static int last_fd;

static int create_private(uint64_t size, Error **errp)
{
    int ret = fails(&fail_create);

    if (ret) {
        error_setg_errno(errp, -ret, "no private half today");
        return -1;
    }
    last_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return last_fd;
}

static bool block_added(UpmBlock *block, Error **errp)
{
    if (fails(&fail_added)) {
        error_setg(errp, "no room for one more");
        return false;
    }
    block->provider_data = block;
    return true;
}

static void block_removed(UpmBlock *block)
{
    g_assert(block->provider_data == block);
}

static int mark(const UpmExtent *extent, bool to_private)
{
    int ret = fails(&fail_mark);

    note_extent("mark", extent, to_private ? "=p" : "=s");
    return ret;
}

static void flush(void)
{
    note("flush");
}

static int drop_private(const UpmExtent *extent)
{
    int ret = fails(&fail_drop_private);

    note_extent("drop-private", extent, "");
    return ret;
}

static const UpmProviderOps provider = {
    .name = "unit test",
    .create_private = create_private,
    .block_added = block_added,
    .block_removed = block_removed,
    .mark = mark,
    .flush = flush,
    .drop_private = drop_private,
};

/*
 * The rest of QEMU, in the place of upm-memory.c
 */

bool upm_memory_resolve(hwaddr gpa, uint64_t size, UpmExtent *extent)
{
    const Region *region;

    for (region = memory_map;
         region < memory_map + ARRAY_SIZE(memory_map); region++) {
        uint64_t into = gpa - region->gpa;

        if (gpa < region->gpa || into >= region->size) {
            continue;
        }
        *extent = (UpmExtent) {
            .block = blocks[region->block],
            .gpa = gpa,
            .offset = region->offset + into,
            .size = MIN(size, region->size - into),
        };
        return true;
    }
    return false;
}

const void *upm_memory_map(void)
{
    return memory_map;
}

char *upm_memory_describe(hwaddr gpa)
{
    return g_strdup(gpa == HOLE ? "a hole" : "something else");
}

void upm_memory_prepare(UpmBlock *block)
{
}

void upm_memory_reclaim(UpmBlock *block)
{
    g_assert(block->provider_data == block);
}

int upm_memory_private_fd(const UpmBlock *block)
{
    return private_fds[(char *)block->rb - ram_blocks];
}

int upm_memory_drop_shared(const UpmExtent *extent)
{
    int ret = fails(&fail_drop_shared);

    note_extent("drop-shared", extent, "");
    /* The map is up to date by now. */
    g_assert(upm_block_is_private(extent->block, extent->offset));
    return ret;
}

static char *stop_reason;

void upm_memory_stop_guest(const char *reason)
{
    g_assert_null(stop_reason);
    stop_reason = g_strdup(reason);
}

/*
 * A notifier
 */

typedef struct TestNotifier {
    NotifierWithReturn notifier;
    const char *name;
    Failure failure;
    Failure undo_failure;
} TestNotifier;

static int notified(NotifierWithReturn *notifier, void *data, Error **errp)
{
    TestNotifier *t = container_of(notifier, TestNotifier, notifier);
    UpmConversion *c = data;
    int ret = fails(c->undone ? &t->undo_failure : &t->failure);
    g_autofree char *state = g_strconcat(c->to_private ? "=p" : "=s",
                                         c->undone ? "!" : "", NULL);

    note_extent(t->name, &c->run, state);
    if (ret) {
        error_setg(errp, "%s objects", t->name);
    }
    return ret;
}

/*
 * An observer
 */

static UpmFailure last_failure;
static UpmStorm last_storm;
static UpmFailedDiscard last_discard;
static unsigned int failures, storms, failed_discards;

static void observe_failure(const UpmFailure *failure)
{
    /* The lock is free, or this would be a deadlock. */
    UpmCounters c = upm_counters();

    g_assert_cmpuint(failure->failed_requests, ==, c.failed_requests);
    last_failure = *failure;
    failures++;
}

static void observe_storm(const UpmStorm *storm)
{
    upm_counters();
    last_storm = *storm;
    storms++;
}

static void observe_discard(const UpmFailedDiscard *failed)
{
    upm_counters();
    last_discard = *failed;
    failed_discards++;
}

static const UpmObserver test_observer = {
    .failed = observe_failure,
    .storm = observe_storm,
    .discard_failed = observe_discard,
};

/*
 * Helpers
 */

static void forget_failures(void)
{
    fail_create = fail_added = fail_mark = (Failure) {};
    fail_drop_shared = fail_drop_private = (Failure) {};
    g_clear_pointer(&stop_reason, g_free);
    g_string_truncate(calls, 0);
}

static UpmBlock *add_block(unsigned int i, const char *name, uint64_t size)
{
    RAMBlock *rb = (RAMBlock *)&ram_blocks[i];
    int fd = upm_block_register(rb, name, size, K4, &error_abort);

    g_assert_cmpint(fd, ==, last_fd);
    blocks[i] = upm_block_find(rb);
    g_assert_nonnull(blocks[i]);
    private_fds[i] = fd;
    return blocks[i];
}

static void remove_block(unsigned int i)
{
    int fd = private_fds[i];

    g_assert_true(upm_block_unregister((RAMBlock *)&ram_blocks[i]));
    g_assert_false(upm_block_unregister((RAMBlock *)&ram_blocks[i]));
    g_assert_cmpint(close(fd), ==, 0);
    blocks[i] = NULL;
}

static void set_up(void)
{
    upm_set_default_discard(UPM_DISCARD_POLICY_BOTH);
    add_block(0, "a", BLOCK0_SIZE);
    add_block(1, "b", BLOCK1_SIZE);
    forget_failures();
}

static void tear_down(void)
{
    forget_failures();
    remove_block(1);
    remove_block(0);
}

#define expect_calls(text) do {                         \
        g_assert_cmpstr(calls->str, ==, text);          \
        g_string_truncate(calls, 0);                    \
    } while (0)

static void expect(hwaddr gpa, uint64_t size, bool to_private,
                   const char *expected)
{
    upm_convert(gpa, size, to_private, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_calls(expected);
}

static void to_shared(hwaddr gpa, uint64_t size)
{
    upm_convert(gpa, size, false, UPM_CAUSE_LAUNCH, 0, &error_abort);
    g_string_truncate(calls, 0);
}

/* The step follows from the message. */
static UpmConversionStep step_of(const char *message)
{
    return strstr(message, "does not mark") ? UPM_CONVERSION_STEP_MARK
        : strstr(message, "objects") ? UPM_CONVERSION_STEP_NOTIFY
        : UPM_CONVERSION_STEP_CHECK;
}

/* A request that fails leaves no trace but @expected calls and its error. */
static void expect_error(hwaddr gpa, uint64_t size, bool to_private, int error,
                         const char *expected, const char *message)
{
    uint64_t shared[] = { blocks[0]->shared_frames, blocks[1]->shared_frames };
    UpmCounters before = upm_counters(), after;
    unsigned int told = failures;
    Error *err = NULL;
    int ret = upm_convert(gpa, size, to_private, UPM_CAUSE_GHCB, 0, &err);

    g_assert_cmpint(ret, ==, error);
    g_assert_nonnull(err);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
    g_assert_cmpuint(failures, ==, told + 1);
    g_assert_cmphex(last_failure.gpa, ==, gpa);
    g_assert_cmphex(last_failure.size, ==, size);
    g_assert_cmpint(last_failure.to_private, ==, to_private);
    g_assert_cmpint(last_failure.cause, ==, UPM_CAUSE_GHCB);
    g_assert_cmpint(last_failure.error, ==, -error);
    g_assert_cmpint(last_failure.step, ==, step_of(message));
    expect_calls(expected);

    after = upm_counters();
    g_assert_cmpuint(after.failed_requests, ==, before.failed_requests + 1);
    g_assert_cmpmem(after.requests, sizeof(after.requests),
                    before.requests, sizeof(before.requests));
    g_assert_cmpmem(after.converted, sizeof(after.converted),
                    before.converted, sizeof(before.converted));
    g_assert_cmpuint(shared[0], ==, blocks[0]->shared_frames);
    g_assert_cmpuint(shared[1], ==, blocks[1]->shared_frames);
    g_assert_cmpuint(bitmap_count_one(blocks[0]->toggled_map, BLOCK0_SIZE / K4),
                     ==, blocks[0]->shared_frames);
    g_assert_cmpuint(bitmap_count_one(blocks[1]->toggled_map, BLOCK1_SIZE / K4),
                     ==, blocks[1]->shared_frames);

    forget_failures();
}

/*
 * Blocks
 */

static void test_no_provider(void)
{
    Error *err = NULL;

    upm_set_provider(NULL);
    g_assert_null(upm_provider_name());
    g_assert_cmpint(upm_block_register((RAMBlock *)ram_blocks, "ram", MiB,
                                       K4, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "cannot set up the private half of 'ram' (1048576 bytes): "
                    "the accelerator cannot keep guest memory private");
    error_free(err);
    g_assert_null(upm_block_find((RAMBlock *)ram_blocks));
    upm_set_provider(&provider);
    g_assert_cmpstr(upm_provider_name(), ==, "unit test");
}

static void test_create_fails(void)
{
    RAMBlock *rb = (RAMBlock *)ram_blocks;
    Error *err = NULL;

    fail_at(&fail_create, 1, -EMFILE);
    g_assert_cmpint(upm_block_register(rb, "ram", MiB, K4, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "cannot set up the private half of 'ram' (1048576 bytes): "
                    "no private half today: Too many open files");
    error_free(err);
    g_assert_null(upm_block_find(rb));
    forget_failures();
}

static void test_added_fails(void)
{
    RAMBlock *rb = (RAMBlock *)ram_blocks;
    Error *err = NULL;

    fail_at(&fail_added, 1, -1);
    g_assert_cmpint(upm_block_register(rb, "ram", MiB, K4, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "cannot set up the private half of 'ram' (1048576 bytes): "
                    "no room for one more");
    error_free(err);
    g_assert_null(upm_block_find(rb));
    /* its descriptor is closed */
    g_assert_cmpint(fcntl(last_fd, F_GETFD), ==, -1);
    forget_failures();
}

static void count_block(UpmBlock *block, void *opaque)
{
    unsigned int *count = opaque;

    ++*count;
}

static void test_blocks(void)
{
    unsigned int count = 0;

    set_up();
    upm_foreach_block(count_block, &count);
    g_assert_cmpuint(count, ==, 2);
    g_assert(upm_block_find((RAMBlock *)&ram_blocks[0]) == blocks[0]);
    g_assert(upm_block_find((RAMBlock *)&ram_blocks[1]) == blocks[1]);
    g_assert_null(upm_block_find(NULL));
    g_assert_true(upm_block_is_private(blocks[0], 0));
    g_assert_true(upm_block_is_private(blocks[1], BLOCK1_SIZE - 1));
    tear_down();

    count = 0;
    upm_foreach_block(count_block, &count);
    g_assert_cmpuint(count, ==, 0);
}

static void test_begin_shared(void)
{
    upm_set_initial_state(false);
    set_up();
    upm_set_initial_state(true);
    g_assert_false(upm_block_is_private(blocks[0], 0));
    g_assert_false(upm_block_is_private(blocks[1], BLOCK1_SIZE - K4));
    g_assert_cmpuint(blocks[0]->shared_frames, ==, BLOCK0_SIZE / K4);
    expect(0, K4, false, "");
    expect(0, K4, true, "mark:a:0+1000=p flush drop-shared:a:0+1000");
    g_assert_cmpuint(blocks[0]->shared_frames, ==, BLOCK0_SIZE / K4 - 1);
    tear_down();
}

static void test_map_bytes(void)
{
    UpmBlock *block = add_block(0, "big", GiB);

    /* the allocator rounds up, by less than this */
    g_assert_cmpuint(BITS_TO_LONGS(GiB / K4) * sizeof(long), ==, 32768);
#ifdef CONFIG_MALLOC_TRIM
    g_assert_cmpuint(malloc_usable_size(block->toggled_map), >=, 32768);
    g_assert_cmpuint(malloc_usable_size(block->toggled_map), <, 32768 + 64);
#endif
    g_assert_true(upm_block_is_private(block, GiB - 1));
    remove_block(0);
}

/*
 * Ranges
 */

static void test_order(void)
{
    set_up();
    expect(0x1000, 0x2000, false,
           "mark:a:1000+2000=s flush drop-private:a:1000+2000");
    g_assert_false(upm_block_is_private(blocks[0], 0x1000));
    g_assert_false(upm_block_is_private(blocks[0], 0x2fff));
    g_assert_true(upm_block_is_private(blocks[0], 0xfff));
    g_assert_true(upm_block_is_private(blocks[0], 0x3000));
    g_assert_cmpuint(blocks[0]->shared_frames, ==, 2);
    expect(0x1000, 0x1000, true,
           "mark:a:1000+1000=p flush drop-shared:a:1000+1000");
    g_assert_true(upm_block_is_private(blocks[0], 0x1000));
    g_assert_false(upm_block_is_private(blocks[0], 0x2000));
    g_assert_cmpuint(blocks[0]->shared_frames, ==, 1);
    tear_down();
}

static void test_idempotent(void)
{
    UpmCounters before, after;

    set_up();
    before = upm_counters();
    expect(0, BLOCK0_SIZE + BLOCK1_SIZE, true, "");
    to_shared(0, BLOCK0_SIZE);
    expect(0x5000, 0x100000, false, "");
    /* asked beforehand, such a request is counted as well */
    g_assert_false(upm_convert_needed(0x5000, 0x100000, false));
    g_assert_true(upm_convert_needed(0x5000, 0x100000, true));
    g_assert_true(upm_convert_needed(BLOCK0_SIZE - 0x1000, 0x2000, false));
    g_assert_true(upm_convert_needed(0x5001, 0x1000, false));
    g_assert_true(upm_convert_needed(HOLE, 0x1000, false));
    expect_calls("");
    after = upm_counters();
    g_assert_cmpuint(after.unchanged_requests, ==,
                     before.unchanged_requests + 3);
    tear_down();
}

static void test_only_changed(void)
{
    set_up();
    to_shared(0x2000, 0x1000);
    to_shared(0x5000, 0x2000);
    expect(0, 0x9000, false,
           "mark:a:0+2000=s mark:a:3000+2000=s mark:a:7000+2000=s flush "
           "drop-private:a:0+9000");
    expect(0, 0xa000, true, "mark:a:0+9000=p flush drop-shared:a:0+9000");
    tear_down();
}

static void test_sections_are_one_run(void)
{
    set_up();
    expect(0, BLOCK0_SIZE, false,
           "mark:a:0+200000=s flush drop-private:a:0+200000");
    tear_down();
}

static void test_crossing_blocks(void)
{
    set_up();
    expect(BLOCK1_GPA - 0x1000, 0x3000, false,
           "mark:a:1ff000+1000=s flush mark:b:200000+2000=s flush "
           "drop-private:a:1ff000+1000 drop-private:b:200000+2000");
    g_assert_false(upm_block_is_private(blocks[0], BLOCK0_SIZE - 1));
    g_assert_false(upm_block_is_private(blocks[1], 0x1fff));
    g_assert_true(upm_block_is_private(blocks[1], 0x2000));
    upm_convert(BLOCK1_GPA, 0x2000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    g_string_truncate(calls, 0);
    expect(NEIGHBOURS, 0x2000, false,
           "mark:a:4000000+1000=s flush mark:b:4001000+1000=s flush "
           "drop-private:a:4000000+1000 drop-private:b:4001000+1000");
    tear_down();
}

static void test_last_bytes(void)
{
    set_up();
    expect(-0x1000ULL, 0x1000, false,
           "mark:b:fffffffffffff000+1000=s flush "
           "drop-private:b:fffffffffffff000+1000");
    g_assert_false(upm_block_is_private(blocks[1], BLOCK1_SIZE - 0x1000));
    tear_down();
}

static void test_bad_ranges(void)
{
    set_up();
    expect_error(0, 0, false, -EINVAL, "",
                 "cannot convert 0x0 +0x0 to shared: the range is empty");
    expect_error(0x800, 0x1000, false, -EINVAL, "",
                 "cannot convert 0x800 +0x1000 to shared: "
                 "address and size must be multiples of 4096");
    expect_error(0x1000, 0x801, true, -EINVAL, "",
                 "cannot convert 0x1000 +0x801 to private: "
                 "address and size must be multiples of 4096");
    expect_error(0x1000, -0x1000ULL, false, -EINVAL, "",
                 "cannot convert 0x1000 +0xfffffffffffff000 to shared: "
                 "at 0x300000 is a hole");
    expect_error(0x2000, -0x1000ULL, false, -EINVAL, "",
                 "cannot convert 0x2000 +0xfffffffffffff000 to shared: "
                 "the range goes beyond the last address");
    tear_down();
}

static void test_holes(void)
{
    set_up();
    expect_error(HOLE, 0x1000, false, -EINVAL, "",
                 "cannot convert 0x300000 +0x1000 to shared: "
                 "at 0x300000 is a hole");
    /* nothing before the hole changes either */
    expect_error(0, HOLE + 0x1000, false, -EINVAL, "",
                 "cannot convert 0x0 +0x301000 to shared: "
                 "at 0x300000 is a hole");
    expect_error(ALIAS_GPA - 0x1000, 0x2000, false, -EINVAL, "",
                 "cannot convert 0xfff000 +0x2000 to shared: "
                 "at 0xfff000 is something else");
    tear_down();
}

static void test_alias(void)
{
    set_up();
    expect_error(ALIAS_GPA, 2 * BLOCK0_SIZE, false, -EINVAL, "",
                 "cannot convert 0x1000000 +0x400000 to shared: "
                 "at 0x1200000 is memory of 'a' that the range has at another "
                 "address, too");
    /* the end of the one and the beginning of the other do not overlap */
    expect(ALIAS_GPA + BLOCK0_SIZE - 0x1000, 0x2000, false,
           "mark:a:11ff000+1000=s flush mark:a:1200000+1000=s flush "
           "drop-private:a:11ff000+1000 drop-private:a:1200000+1000");
    /* one frame, one state, whatever its address */
    expect(0x1ff000, 0x1000, false, "");
    expect(ALIAS_GPA + 0x1000, BLOCK0_SIZE, true,
           "mark:a:11ff000+1000=p flush mark:a:1200000+1000=p flush "
           "drop-shared:a:11ff000+1000 drop-shared:a:1200000+1000");
    tear_down();
}

/*
 * Policies
 */

static void check_policy(UpmDiscardPolicy policy, const char *shared_calls,
                         const char *private_calls)
{
    expect(0, 0x1000, false, shared_calls);
    expect(0, 0x1000, true, private_calls);
    g_assert_cmpint(blocks[0]->discard, ==, policy);
}

#define MARK_S "mark:a:0+1000=s flush"
#define MARK_P "mark:a:0+1000=p flush"
#define DROP_S " drop-shared:a:0+1000"
#define DROP_P " drop-private:a:0+1000"

static void test_policies(void)
{
    set_up();
    check_policy(UPM_DISCARD_POLICY_BOTH, MARK_S DROP_P, MARK_P DROP_S);
    upm_set_default_discard(UPM_DISCARD_POLICY_SHARED);
    check_policy(UPM_DISCARD_POLICY_SHARED, MARK_S, MARK_P DROP_S);
    upm_set_default_discard(UPM_DISCARD_POLICY_PRIVATE);
    check_policy(UPM_DISCARD_POLICY_PRIVATE, MARK_S DROP_P, MARK_P);
    upm_set_default_discard(UPM_DISCARD_POLICY_NONE);
    check_policy(UPM_DISCARD_POLICY_NONE, MARK_S, MARK_P);
    tear_down();
}

static void test_policy_of_block(void)
{
    set_up();
    upm_block_set_discard(blocks[1], UPM_DISCARD_POLICY_NONE);
    upm_set_default_discard(UPM_DISCARD_POLICY_PRIVATE);
    g_assert_cmpint(blocks[0]->discard, ==, UPM_DISCARD_POLICY_PRIVATE);
    g_assert_cmpint(blocks[1]->discard, ==, UPM_DISCARD_POLICY_NONE);
    expect(BLOCK1_GPA - 0x1000, 0x2000, false,
           "mark:a:1ff000+1000=s flush mark:b:200000+1000=s flush "
           "drop-private:a:1ff000+1000");
    remove_block(0);
    /* a later block has the default, too */
    add_block(0, "a", BLOCK0_SIZE);
    g_assert_cmpint(blocks[0]->discard, ==, UPM_DISCARD_POLICY_PRIVATE);
    tear_down();
}

/*
 * Counters
 */

static void test_counters(void)
{
    UpmCounters a, b;

    set_up();
    a = upm_counters();
    upm_convert(0, 0x3000, false, UPM_CAUSE_FAULT, 0, &error_abort);
    upm_convert(0x1000, 0x1000, true, UPM_CAUSE_HYPERCALL, 0, &error_abort);
    upm_convert(0, 0x3000, false, UPM_CAUSE_HYPERCALL, 0, &error_abort);
    b = upm_counters();
    g_assert_cmpuint(b.requests[UPM_CAUSE_FAULT][0] -
                     a.requests[UPM_CAUSE_FAULT][0], ==, 1);
    g_assert_cmpuint(b.converted[UPM_CAUSE_FAULT][0] -
                     a.converted[UPM_CAUSE_FAULT][0], ==, 0x3000);
    g_assert_cmpuint(b.converted[UPM_CAUSE_HYPERCALL][1] -
                     a.converted[UPM_CAUSE_HYPERCALL][1], ==, 0x1000);
    /* only what changed counts */
    g_assert_cmpuint(b.converted[UPM_CAUSE_HYPERCALL][0] -
                     a.converted[UPM_CAUSE_HYPERCALL][0], ==, 0x1000);
    g_assert_cmpuint(b.converted[UPM_CAUSE_GHCB][0], ==,
                     a.converted[UPM_CAUSE_GHCB][0]);
    g_assert_cmpuint(b.discarded_private - a.discarded_private, ==, 0x4000);
    g_assert_cmpuint(b.discarded_shared - a.discarded_shared, ==, 0x1000);
    g_assert_cmpuint(blocks[0]->discarded[true], ==, 0x4000);
    g_assert_cmpuint(blocks[0]->discarded[false], ==, 0x1000);
    g_assert_cmpuint(blocks[1]->discarded[true], ==, 0);
    g_assert_cmpuint(b.time, >, a.time);
    tear_down();
}

static void expect_held(uint64_t private, uint64_t shared)
{
    g_assert_cmpuint(blocks[0]->hidden_frames[true] * K4, ==, private);
    g_assert_cmpuint(blocks[0]->hidden_frames[false] * K4, ==, shared);
    g_string_truncate(calls, 0);
}

static void test_held_by_policy(void)
{
    set_up();
    upm_convert(0, 0x4000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0);
    upm_set_default_discard(UPM_DISCARD_POLICY_NONE);
    upm_convert(0x3000, 0x3000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0x2000, 0);
    upm_convert(0x2000, 0x3000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0x1000, 0x3000);
    /* what lies between two runs and was kept goes with them */
    upm_set_default_discard(UPM_DISCARD_POLICY_SHARED);
    upm_convert(0, 0x8000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0);
    upm_convert(0, 0x8000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0x8000, 0);
    upm_set_default_discard(UPM_DISCARD_POLICY_BOTH);
    upm_convert(0, 0x8000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0);
    /* what a launch was made from */
    upm_discard_hidden(0, 0x1000, &error_abort);
    expect_held(0, 0);
    upm_set_default_discard(UPM_DISCARD_POLICY_NONE);
    upm_discard_hidden(0, 0x2000, &error_abort);
    upm_discard_hidden(0x1000, 0x3000, &error_abort);
    expect_held(0, 0x4000);
    upm_set_default_discard(UPM_DISCARD_POLICY_BOTH);
    upm_convert(0, 0x8000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    upm_convert(0, 0x8000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0);
    /* what was refused holds nothing */
    upm_set_default_discard(UPM_DISCARD_POLICY_NONE);
    fail_at(&fail_mark, 1, -EIO);
    upm_convert(0, 0x8000, false, UPM_CAUSE_GHCB, 0, NULL);
    expect_held(0, 0);
    tear_down();
}

static void test_held_by_huge_pages(void)
{
    set_up();
    blocks[0]->page_size = 0x4000;
    /* a huge page is there from its first shared frame to its last */
    upm_convert(0, 0x1000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0x3000);
    upm_convert(0x1000, 0x4000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0x3000);
    upm_convert(0, 0x3000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0x6000);
    upm_convert(0x3000, 0x2000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0);
    upm_set_default_discard(UPM_DISCARD_POLICY_PRIVATE);
    upm_convert(0, 0x1000, false, UPM_CAUSE_GHCB, 0, &error_abort);
    upm_convert(0, 0x1000, true, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_held(0, 0x4000);
    tear_down();
}

static void convert_often(unsigned int times)
{
    unsigned int i;

    for (i = 0; i < times; i++) {
        upm_convert(0x5000, 0x1000, blocks[0]->shared_frames,
                    UPM_CAUSE_FAULT, 0, &error_abort);
    }
}

static void test_storm(void)
{
    set_up();
    quiet = true;
    /* whatever was converted before belongs to another second */
    g_usleep(1100 * 1000);
    storms = 0;
    convert_often(UPM_STORM_REQUESTS - 1);
    upm_convert(0x5000, 0x1000, false, UPM_CAUSE_FAULT, 0, &error_abort);
    upm_convert(HOLE, 0x1000, false, UPM_CAUSE_FAULT, 0, NULL);
    g_assert_cmpuint(storms, ==, 0);
    convert_often(1);
    g_assert_cmpuint(storms, ==, 1);
    g_assert_cmphex(last_storm.gpa, ==, 0x5000);
    g_assert_cmphex(last_storm.size, ==, 0x1000);
    g_assert_cmpint(last_storm.cause, ==, UPM_CAUSE_FAULT);
    g_assert_cmpuint(last_storm.requests, ==, UPM_STORM_REQUESTS);
    g_assert_cmpuint(last_storm.converted[true], ==,
                     UPM_STORM_REQUESTS / 2 * K4);
    g_assert_cmpuint(last_storm.converted[false], ==,
                     UPM_STORM_REQUESTS / 2 * K4);
    g_assert_cmpuint(last_storm.time, >, 0);
    g_assert_cmpuint(last_storm.time, <, UPM_STORM_NS);
    /* one in a second, however long it goes on */
    convert_often(2 * UPM_STORM_REQUESTS);
    g_assert_cmpuint(storms, ==, 1);
    quiet = false;
    tear_down();
}

/* One that begins when another one has not been told of is another one. */
static void test_two_storms(void)
{
    int64_t start = get_clock() + UPM_STORM_NS;
    UpmDone first = { .gpa = 0x5000, .size = K4, .changed = K4 };
    UpmDone next = { .gpa = 0x6000, .size = K4, .changed = K4 };
    unsigned int i;

    set_up();
    storms = 0;
    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        for (i = 0; i < UPM_STORM_REQUESTS; i++) {
            first.end = start;
            upm_account_request(&first);
        }
        for (i = 0; i < UPM_STORM_REQUESTS; i++) {
            next.end = start + UPM_STORM_NS + 2 * (i > 0);
            upm_account_request(&next);
        }
    }
    upm_tell_request(&first, NULL);
    g_assert_cmpuint(storms, ==, 1);
    g_assert_cmphex(last_storm.gpa, ==, 0x5000);
    g_assert_cmpuint(last_storm.time, ==, 0);
    upm_tell_request(&next, NULL);
    g_assert_cmpuint(storms, ==, 2);
    g_assert_cmphex(last_storm.gpa, ==, 0x6000);
    g_assert_cmpuint(last_storm.time, ==, 2);
    tear_down();
}

/*
 * Failure of each step
 */

/* Three runs in two blocks, to become shared. */
#define RUNS_GPA  (BLOCK1_GPA - 0x3000)
#define RUNS_SIZE 0x4000
#define MARK1 "mark:a:1fd000+1000=s"
#define MARK2 "mark:a:1ff000+1000=s"
#define MARK3 "mark:b:200000+1000=s"
#define BACK1 "mark:a:1fd000+1000=p"
#define BACK2 "mark:a:1ff000+1000=p"
#define BACK3 "mark:b:200000+1000=p"
#define DROP12 "drop-private:a:1fd000+3000"
#define DROP3 "drop-private:b:200000+1000"
#define RUNS  "cannot convert 0x1fd000 +0x4000 to shared: "

static void set_up_runs(void)
{
    set_up();
    to_shared(BLOCK1_GPA - 0x2000, 0x1000);
}

static void test_mark_fails(void)
{
    set_up_runs();
    fail_at(&fail_mark, 1, -ENOMEM);
    expect_error(RUNS_GPA, RUNS_SIZE, false, -ENOMEM, MARK1,
                 RUNS "unit test does not mark 0x1fd000 +0x1000: "
                 "Cannot allocate memory");
    fail_at(&fail_mark, 2, -EIO);
    expect_error(RUNS_GPA, RUNS_SIZE, false, -EIO,
                 MARK1 " " MARK2 " " BACK1 " flush",
                 RUNS "unit test does not mark 0x1ff000 +0x1000: "
                 "Input/output error");
    fail_at(&fail_mark, 3, -EIO);
    expect_error(RUNS_GPA, RUNS_SIZE, false, -EIO,
                 MARK1 " " MARK2 " flush " MARK3 " " BACK1 " " BACK2 " flush",
                 RUNS "unit test does not mark 0x200000 +0x1000: "
                 "Input/output error");
    /* and then it works, with all that it takes */
    expect(RUNS_GPA, RUNS_SIZE, false, MARK1 " " MARK2 " flush " MARK3
           " flush " DROP12 " " DROP3);
    tear_down();
}

static void expect_failed(uint64_t private, uint64_t shared,
                          unsigned int discards)
{
    g_assert_cmpuint(blocks[0]->failed_frames[true] * K4, ==, private);
    g_assert_cmpuint(blocks[0]->failed_frames[false] * K4, ==, shared);
    g_assert_cmpuint(blocks[0]->hidden_frames[true] * K4, ==, private);
    g_assert_cmpuint(blocks[0]->hidden_frames[false] * K4, ==, shared);
    g_assert_cmpuint(failed_discards, ==, discards);
}

/* What the guest asked for is done, and the account has what is left. */
static void test_drop_private_fails(void)
{
    UpmCounters before, after;

    set_up_runs();
    failed_discards = 0;
    before = upm_counters();
    fail_at(&fail_drop_private, 1, -ENOSPC);
    expect(RUNS_GPA, RUNS_SIZE, false, MARK1 " " MARK2 " flush " MARK3
           " flush " DROP12 " " DROP3);
    after = upm_counters();
    g_assert_cmpuint(after.failed_discards, ==, before.failed_discards + 1);
    g_assert_cmpuint(after.failed_requests, ==, before.failed_requests);
    g_assert_cmpuint(after.discarded_private, ==,
                     before.discarded_private + 0x1000);
    g_assert_cmpstr(last_discard.block, ==, "a");
    g_assert_true(last_discard.private);
    g_assert_cmphex(last_discard.offset, ==, 0x1fd000);
    g_assert_cmphex(last_discard.size, ==, 0x3000);
    g_assert_cmpint(last_discard.error, ==, ENOSPC);
    g_assert_cmpuint(last_discard.failed_discards, ==, after.failed_discards);
    /* the frame between them was discarded before */
    expect_failed(0x2000, 0, 1);
    /* said once, counted each time */
    fail_at(&fail_drop_private, 1, -ENOSPC);
    expect(0, 0x1000, false, MARK_S DROP_P);
    expect_failed(0x3000, 0, 1);
    after = upm_counters();
    g_assert_cmpuint(after.failed_discards, ==, before.failed_discards + 2);
    /* it is off the account when it comes into sight, or goes after all */
    expect(0, 0x1000, true, MARK_P DROP_S);
    expect_failed(0x2000, 0, 1);
    expect(RUNS_GPA - 0x1000, 0x1000, false, "mark:a:1fc000+1000=s flush "
           "drop-private:a:1fc000+1000");
    expect_failed(0x2000, 0, 1);
    expect(RUNS_GPA, 0x1000, true, "mark:a:1fd000+1000=p flush "
           "drop-shared:a:1fd000+1000");
    expect_failed(0x1000, 0, 1);
    tear_down();
}

static void test_drop_shared_fails(void)
{
    set_up();
    failed_discards = 0;
    to_shared(0, 0x2000);
    fail_at(&fail_drop_shared, 1, -EPERM);
    expect(0, 0x2000, true, "mark:a:0+2000=p flush drop-shared:a:0+2000");
    g_assert_true(upm_block_is_private(blocks[0], 0));
    g_assert_false(last_discard.private);
    expect_failed(0, 0x2000, 1);
    tear_down();
}

static void test_notifiers(void)
{
    TestNotifier n = { { .notify = notified }, "n" };
    TestNotifier m = { { .notify = notified }, "m" };

    set_up();
    upm_notifier_add(&n.notifier);
    upm_block_watch(blocks[0], true);
    expect(0, 0x1000, false, MARK_S " n:a:0+1000=s" DROP_P);
    upm_notifier_add(&m.notifier);
    expect(0, 0x1000, true, MARK_P " m:a:0+1000=p n:a:0+1000=p" DROP_S);
    expect(0, 0x1000, true, "");
    upm_notifier_remove(&m.notifier);
    upm_notifier_remove(&n.notifier);
    expect(0, 0x1000, false, MARK_S DROP_P);
    tear_down();
}

static void test_notifier_fails(void)
{
    TestNotifier n = { { .notify = notified }, "n" };
    TestNotifier m = { { .notify = notified }, "m" };

    set_up_runs();
    upm_notifier_add(&n.notifier);
    upm_block_watch(blocks[0], true);
    upm_notifier_add(&m.notifier);
    /* m is asked first; n refuses the second run */
    fail_at(&n.failure, 2, -EBUSY);
    expect_error(RUNS_GPA, RUNS_SIZE, false, -EBUSY,
                 MARK1 " " MARK2 " flush "
                 "m:a:1fd000+1000=s n:a:1fd000+1000=s "
                 "m:a:1ff000+1000=s n:a:1ff000+1000=s "
                 "m:a:1ff000+1000=p! "
                 "m:a:1fd000+1000=p! n:a:1fd000+1000=p! " BACK1 " " BACK2
                 " flush",
                 RUNS "refused for 0x1ff000 +0x1000: n objects");
    /* m refuses at once: nobody is told of an undoing */
    fail_at(&n.failure, 0, 0);
    fail_at(&m.failure, 1, -EBUSY);
    expect_error(0, 0x1000, false, -EBUSY,
                 MARK_S " m:a:0+1000=s " MARK_P,
                 "cannot convert 0x0 +0x1000 to shared: refused for "
                 "0x0 +0x1000: m objects");
    upm_notifier_remove(&m.notifier);
    upm_notifier_remove(&n.notifier);
    tear_down();
}

static void test_no_errp(void)
{
    set_up();
    g_assert_cmpint(upm_convert(HOLE, 0x1000, true, UPM_CAUSE_GHCB, 0, NULL),
                    ==, -EINVAL);
    fail_at(&fail_mark, 1, -EIO);
    g_assert_cmpint(upm_convert(0, 0x1000, false, UPM_CAUSE_GHCB, 0, NULL), ==,
                    -EIO);
    g_assert_null(stop_reason);
    tear_down();
}

static void expect_extents(UpmExtent extent, const char *expected)
{
    while (extent.size) {
        bool private;
        UpmExtent run;

        upm_next_run(&extent, &run, &private);
        note_extent("run", &run, private ? "=p" : "=s");
        upm_extent_skip(&extent, run.size);
    }
    expect_calls(expected);
}

static void test_next_run(void)
{
    set_up();
    expect_extents((UpmExtent) { blocks[0], 0x40001000, 0x1000, 0x8000 },
                  "run:a:40001000+8000=p");
    to_shared(0, 0x2000);
    to_shared(0x4000, 0x1000);
    to_shared(0x8000, 0x4000);
    expect_extents((UpmExtent) { blocks[0], 0x40001000, 0x1000, 0x8000 },
                  "run:a:40001000+1000=s run:a:40002000+2000=p "
                  "run:a:40004000+1000=s run:a:40005000+3000=p "
                  "run:a:40008000+1000=s");
    expect_extents((UpmExtent) { blocks[0], 0, BLOCK0_SIZE - K4, K4 },
                  "run:a:0+1000=p");
    tear_down();
}

/* Random requests, against plain arrays. */
enum { FRAMES = BLOCK0_SIZE / K4, FRAMES_A_PAGE = 16 };
static bool model_shared[FRAMES], model_held[FRAMES];

/* A page is there as a whole while any of it is shared. */
static void model_page(unsigned int first)
{
    unsigned int i, shared = 0;

    for (i = first; i < first + FRAMES_A_PAGE; i++) {
        shared += model_shared[i];
    }
    for (i = first; shared && i < first + FRAMES_A_PAGE; i++) {
        model_held[i] |= !model_shared[i];
    }
}

/* From the first frame that changed to the last, all that is hidden goes. */
static void model_discard(unsigned int first, unsigned int end,
                          bool to_private)
{
    unsigned int page = to_private ? blocks[0]->page_size / K4 : 1;
    unsigned int at, i;

    for (at = first / page * page; at < end; at += page) {
        bool hidden = true;

        for (i = at; i < at + page; i++) {
            hidden &= model_shared[i] != to_private;
        }
        for (i = at; hidden && i < at + page; i++) {
            model_held[i] = false;
        }
    }
}

static void model_convert(unsigned int first, unsigned int count,
                          bool to_private)
{
    unsigned int i, low = FRAMES, high = 0;

    for (i = first; i < first + count; i++) {
        if (model_shared[i] == to_private) {
            model_shared[i] = !to_private;
            model_held[i] = true;
            low = MIN(low, i);
            high = i + 1;
        }
    }
    for (i = low / FRAMES_A_PAGE * FRAMES_A_PAGE;
         i < high && blocks[0]->page_size > K4 && !to_private;
         i += FRAMES_A_PAGE) {
        model_page(i);
    }
    if (high && upm_policy_discards(blocks[0]->discard, !to_private)) {
        model_discard(low, high, to_private);
    }
}

static void check_model(void)
{
    uint64_t shared = 0, held[2] = {};
    unsigned int i;

    for (i = 0; i < FRAMES; i++) {
        g_assert_cmpint(upm_block_is_private(blocks[0], i * K4), ==,
                        !model_shared[i]);
        g_assert_cmpint(test_bit(i, blocks[0]->hidden_map[model_shared[i]]),
                        ==, model_held[i]);
        g_assert_false(test_bit(i, blocks[0]->hidden_map[!model_shared[i]]));
        shared += model_shared[i];
        held[model_shared[i]] += model_held[i];
    }
    g_assert_cmpuint(blocks[0]->shared_frames, ==, shared);
    g_assert_cmpuint(blocks[0]->hidden_frames[false], ==, held[false]);
    g_assert_cmpuint(blocks[0]->hidden_frames[true], ==, held[true]);
}

static void random_requests(uint64_t page_size)
{
    unsigned int n;

    set_up();
    quiet = true;
    memset(model_shared, 0, sizeof(model_shared));
    memset(model_held, 0, sizeof(model_held));
    blocks[0]->page_size = page_size;
    for (n = 0; n < 10000; n++) {
        unsigned int first = g_test_rand_int_range(0, FRAMES);
        unsigned int count = g_test_rand_int_range(1, FRAMES - first + 1);
        bool to_private = g_test_rand_bit();

        if (g_test_rand_bit()) {
            fail_at(&fail_mark, g_test_rand_int_range(1, 4), -EIO);
        }
        upm_block_set_discard(blocks[0], n / 16 % UPM_DISCARD_POLICY__MAX);
        if (upm_convert(first * K4, count * K4, to_private, UPM_CAUSE_GHCB, 0,
                        NULL) == 0) {
            model_convert(first, count, to_private);
        }
        fail_at(&fail_mark, 0, 0);
        g_assert_null(stop_reason);
        check_model();
    }
    quiet = false;
    tear_down();
}

static void test_random(void)
{
    random_requests(K4);
    random_requests(FRAMES_A_PAGE * K4);
}

/*
 * Conversions a second, all of it spent in the core
 */

static double conversions_per_second(uint64_t size)
{
    const uint64_t range = BLOCK0_SIZE;
    int64_t start = get_clock(), now;
    uint64_t gpa = 0, done = 0;
    bool to_private = false;

    do {
        unsigned int i;

        for (i = 0; i < 10000; i++) {
            upm_convert(gpa, size, to_private, UPM_CAUSE_GHCB, 0, &error_abort);
            gpa += size;
            if (gpa >= range) {
                gpa = 0;
                to_private = !to_private;
            }
        }
        done += i;
        now = get_clock();
    } while (now - start < NANOSECONDS_PER_SECOND);
    return done * (double)NANOSECONDS_PER_SECOND / (now - start);
}

static int bench(void)
{
    upm_set_provider(&provider);
    set_up();
    quiet = true;
    printf("core-conversions-per-s-4k %.0f\n", conversions_per_second(K4));
    printf("core-conversions-per-s-2m %.0f\n",
           conversions_per_second(2 * MiB));
    printf("map-bytes-per-gib %llu\n",
           BITS_TO_LONGS(GiB / UPM_FRAME_SIZE) * sizeof(unsigned long));
    quiet = false;
    tear_down();
    return 0;
}

static void add_test(const char *path, void (*fn)(void))
{
    g_autofree char *full = g_strdup_printf("/upm/%s", path);

    g_test_add_func(full, fn);
}

int main(int argc, char **argv)
{
    calls = g_string_new(NULL);
    if (argc == 2 && !strcmp(argv[1], "--bench")) {
        return bench();
    }
    g_test_init(&argc, &argv, NULL);
    upm_set_provider(&provider);
    upm_set_observer(&test_observer);

    add_test("block/no-provider", test_no_provider);
    add_test("block/create-fails", test_create_fails);
    add_test("block/added-fails", test_added_fails);
    add_test("block/add-and-remove", test_blocks);
    add_test("block/begin-shared", test_begin_shared);
    add_test("block/map-bytes", test_map_bytes);
    add_test("range/order", test_order);
    add_test("range/idempotent", test_idempotent);
    add_test("range/only-changed", test_only_changed);
    add_test("range/sections", test_sections_are_one_run);
    add_test("range/crossing-blocks", test_crossing_blocks);
    add_test("range/last-bytes", test_last_bytes);
    add_test("range/refused", test_bad_ranges);
    add_test("range/holes", test_holes);
    add_test("range/alias", test_alias);
    add_test("range/random", test_random);
    add_test("range/next-run", test_next_run);
    add_test("policy/all", test_policies);
    add_test("policy/block", test_policy_of_block);
    add_test("counters/conversions", test_counters);
    add_test("counters/held-by-policy", test_held_by_policy);
    add_test("counters/held-by-huge-pages", test_held_by_huge_pages);
    add_test("counters/storm", test_storm);
    add_test("counters/two-storms", test_two_storms);
    add_test("failure/mark", test_mark_fails);
    add_test("failure/drop-private", test_drop_private_fails);
    add_test("failure/drop-shared", test_drop_shared_fails);
    add_test("failure/notifier", test_notifier_fails);
    add_test("failure/no-errp", test_no_errp);
    add_test("notifiers/order", test_notifiers);
    return g_test_run();
}
