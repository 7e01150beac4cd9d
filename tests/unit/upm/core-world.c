/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that the core asks of others, written down, and failing on request
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qapi/error.h"
#include "core-world.h"

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

char ram_blocks[2];
static int private_fds[2];
UpmBlock *blocks[2];
GString *calls;
bool quiet;

Failure fail_create, fail_added;
Failure fail_mark, fail_drop_shared, fail_drop_private, fail_forget;

static int fails(Failure *failure)
{
    if (!failure->nth || ++failure->seen < failure->nth) {
        return 0;
    }
    return failure->onwards || failure->seen == failure->nth
           ? failure->error : 0;
}

void fail_at(Failure *failure, unsigned int nth, int error)
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

void note_extent(const char *what, const UpmExtent *extent,
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

int last_fd;

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

static int forget(UpmBlock *block)
{
    int ret = fails(&fail_forget);

    note("forget:%s", block->name);
    /* No frame is in another state than it began with. */
    g_assert_cmpuint(block->shared_frames, ==, 0);
    return ret;
}

const UpmProviderOps provider = {
    .name = "unit test",
    .create_private = create_private,
    .block_added = block_added,
    .block_removed = block_removed,
    .mark = mark,
    .flush = flush,
    .drop_private = drop_private,
    .forget = forget,
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

char *stop_reason;

void upm_memory_stop_guest(const char *reason)
{
    g_assert_null(stop_reason);
    stop_reason = g_strdup(reason);
}

/*
 * A notifier
 */

int notified(NotifierWithReturn *notifier, void *data, Error **errp)
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
UpmStorm last_storm;
UpmFailedDiscard last_discard;
unsigned int storms, failed_discards;
static unsigned int failures;

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

const UpmObserver test_observer = {
    .failed = observe_failure,
    .storm = observe_storm,
    .discard_failed = observe_discard,
};

/*
 * Helpers
 */

void forget_failures(void)
{
    fail_create = fail_added = fail_mark = (Failure) {};
    fail_drop_shared = fail_drop_private = fail_forget = (Failure) {};
    g_clear_pointer(&stop_reason, g_free);
    g_string_truncate(calls, 0);
}

UpmBlock *add_block(unsigned int i, const char *name, uint64_t size)
{
    RAMBlock *rb = (RAMBlock *)&ram_blocks[i];
    int fd = upm_block_register(rb, name, size, K4, &error_abort);

    g_assert_cmpint(fd, ==, last_fd);
    blocks[i] = upm_block_find(rb);
    g_assert_nonnull(blocks[i]);
    private_fds[i] = fd;
    return blocks[i];
}

void remove_block(unsigned int i)
{
    int fd = private_fds[i];

    g_assert_true(upm_block_unregister((RAMBlock *)&ram_blocks[i]));
    g_assert_false(upm_block_unregister((RAMBlock *)&ram_blocks[i]));
    g_assert_cmpint(close(fd), ==, 0);
    blocks[i] = NULL;
}

void set_up(void)
{
    upm_set_default_discard(UPM_DISCARD_POLICY_BOTH);
    add_block(0, "a", BLOCK0_SIZE);
    add_block(1, "b", BLOCK1_SIZE);
    forget_failures();
}

void tear_down(void)
{
    forget_failures();
    remove_block(1);
    remove_block(0);
}

void expect(hwaddr gpa, uint64_t size, bool to_private,
            const char *expected)
{
    upm_convert(gpa, size, to_private, UPM_CAUSE_GHCB, 0, &error_abort);
    expect_calls(expected);
}

void to_shared(hwaddr gpa, uint64_t size)
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
void expect_error(hwaddr gpa, uint64_t size, bool to_private, int error,
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

void add_test(const char *path, void (*fn)(void))
{
    g_autofree char *full = g_strdup_printf("/upm/%s", path);

    g_test_add_func(full, fn);
}

void world_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    calls = g_string_new(NULL);
    upm_set_provider(&provider);
    upm_set_observer(&test_observer);
}
