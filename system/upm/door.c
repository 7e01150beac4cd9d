/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: page states and their conversion
 *
 * Page states and the order of a conversion, and no more: who makes a state
 * true is the provider's business, and what guest memory looks like is asked
 * of upm-memory.c.  A unit test puts itself in the place of both.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/lockable.h"
#include "qemu/rcu_queue.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "system/upm/upm.h"
#include "trace/trace-upm.h"

/*
 * Lock order: BQL, ramlist lock, upm.lock.  Blocks are also found without the
 * lock, so they leave by RCU.
 */
static struct {
    QemuMutex lock;
    const UpmProviderOps *provider;
    const UpmObserver *observer;
    UpmDiscardPolicy discard;
    bool begin_shared;
    QLIST_HEAD(, UpmBlock) blocks;
    NotifierWithReturnList notifiers;
    UpmCounters counters;
    /* requests of the last second or less, and when the first came */
    UpmStorm storm;
    int64_t storm_start;
    /* for trace events: the latest request, and the one under way */
    unsigned int last_request;
    unsigned int request;
    /* of the conversion under way; kept, so that most need no allocation */
    GArray *extents;
    GArray *runs;
} upm;

static void __attribute__((constructor)) upm_init(void)
{
    qemu_mutex_init(&upm.lock);
    notifier_with_return_list_init(&upm.notifiers);
    upm.extents = g_array_new(false, false, sizeof(UpmExtent));
    upm.runs = g_array_new(false, false, sizeof(UpmExtent));
}

static const char *state_name(bool private)
{
    return private ? "private" : "shared";
}

void upm_set_provider(const UpmProviderOps *ops)
{
    upm.provider = ops;
}

void upm_set_observer(const UpmObserver *observer)
{
    upm.observer = observer;
}

const char *upm_provider_name(void)
{
    return upm.provider ? upm.provider->name : NULL;
}

void upm_set_default_discard(UpmDiscardPolicy policy)
{
    UpmBlock *block;

    QEMU_LOCK_GUARD(&upm.lock);
    upm.discard = policy;
    QLIST_FOREACH(block, &upm.blocks, next) {
        if (!block->own_discard) {
            block->discard = policy;
        }
    }
}

void upm_set_initial_state(bool private)
{
    upm.begin_shared = !private;
}

/*
 * Blocks
 */

static void block_free(UpmBlock *block)
{
    g_free(block->held_map);
    g_free(block->toggled_map);
    g_free(block->name);
    g_free(block);
}

static UpmBlock *block_new(RAMBlock *rb, const char *name, uint64_t size)
{
    UpmBlock *block = g_new0(UpmBlock, 1);

    block->rb = rb;
    block->name = g_strdup(name);
    block->size = size;
    block->private_fd = -1;
    block->began_shared = upm.begin_shared;
    block->shared_frames = upm.begin_shared ? size >> UPM_FRAME_BITS : 0;
    block->page_size = UPM_FRAME_SIZE;
    block->toggled_map = bitmap_try_new(size >> UPM_FRAME_BITS);
    block->held_map = bitmap_try_new(size >> UPM_FRAME_BITS);
    if (!block->toggled_map || !block->held_map) {
        block_free(block);
        return NULL;
    }
    return block;
}

static bool block_publish(UpmBlock *block, Error **errp)
{
    const UpmProviderOps *provider = upm.provider;

    if (provider->block_added && !provider->block_added(block, errp)) {
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&upm.lock) {
        block->own_discard = block->private_fd < 0;
        block->discard = block->own_discard ? UPM_DISCARD_POLICY_NONE
                                            : upm.discard;
        QLIST_INSERT_HEAD_RCU(&upm.blocks, block, next);
    }
    trace_upm_block_added(block->name, block->size, block->private_fd);
    return true;
}

int upm_block_register(RAMBlock *rb, const char *name, uint64_t size,
                       Error **errp)
{
    ERRP_GUARD();
    UpmBlock *block;

    if (!upm.provider) {
        error_setg(errp, "cannot set up the private half of '%s' (%" PRIu64
                   " bytes): the accelerator cannot keep guest memory private",
                   name, size);
        error_append_hint(errp, "Use an accelerator that supports the "
                          "confidential guest given by "
                          "confidential-guest-support.\n");
        return -1;
    }

    block = block_new(rb, name, size);
    if (!block) {
        error_setg(errp, "cannot set up the private half of '%s' (%" PRIu64
                   " bytes): no memory for its page states", name, size);
        return -1;
    }

    block->private_fd = upm.provider->create_private(size, errp);
    if (block->private_fd < 0) {
        error_prepend(errp, "cannot set up the private half of '%s' (%" PRIu64
                      " bytes): ", name, size);
        block_free(block);
        return -1;
    }

    if (!block_publish(block, errp)) {
        error_prepend(errp, "cannot set up the private half of '%s' (%" PRIu64
                      " bytes): ", name, size);
        close(block->private_fd);
        block_free(block);
        return -1;
    }
    return block->private_fd;
}

bool upm_block_record(RAMBlock *rb, const char *name, uint64_t size,
                      Error **errp)
{
    UpmBlock *block = block_new(rb, name, size);

    if (!block) {
        error_setg(errp, "cannot record page states of '%s' (%" PRIu64
                   " bytes): no memory for them", name, size);
        return false;
    }
    if (!block_publish(block, errp)) {
        block_free(block);
        return false;
    }
    return true;
}

bool upm_block_unregister(RAMBlock *rb)
{
    UpmBlock *block;

    WITH_QEMU_LOCK_GUARD(&upm.lock) {
        block = upm_block_find(rb);
        if (!block) {
            return false;
        }
        QLIST_REMOVE_RCU(block, next);
    }

    trace_upm_block_removed(block->name);
    if (upm.provider->block_removed) {
        upm.provider->block_removed(block);
    }
    /* Readers may still stand on it on their way to another block. */
    call_rcu(block, block_free, rcu);
    return true;
}

UpmBlock *upm_block_find(RAMBlock *rb)
{
    UpmBlock *block;

    QLIST_FOREACH_RCU(block, &upm.blocks, next) {
        if (block->rb == rb) {
            return block;
        }
    }
    return NULL;
}

bool upm_block_is_private(const UpmBlock *block, uint64_t offset)
{
    uint64_t frame = offset >> UPM_FRAME_BITS;
    unsigned long word = qatomic_read(&block->toggled_map[BIT_WORD(frame)]);

    return !!(word & BIT_MASK(frame)) == block->began_shared;
}

void upm_block_set_discard(UpmBlock *block, UpmDiscardPolicy policy)
{
    QEMU_LOCK_GUARD(&upm.lock);
    block->discard = policy;
    block->own_discard = true;
}

void upm_block_set_page_size(UpmBlock *block, uint64_t page_size)
{
    QEMU_LOCK_GUARD(&upm.lock);
    block->page_size = MAX(page_size, UPM_FRAME_SIZE);
}

void upm_foreach_block(void (*fn)(UpmBlock *block, void *opaque),
                       void *opaque)
{
    UpmBlock *block;

    QEMU_LOCK_GUARD(&upm.lock);
    QLIST_FOREACH(block, &upm.blocks, next) {
        fn(block, opaque);
    }
}

UpmCounters upm_counters(void)
{
    QEMU_LOCK_GUARD(&upm.lock);
    return upm.counters;
}

void upm_notifier_add(NotifierWithReturn *notifier)
{
    QEMU_LOCK_GUARD(&upm.lock);
    notifier_with_return_list_add(&upm.notifiers, notifier);
}

void upm_notifier_remove(NotifierWithReturn *notifier)
{
    QEMU_LOCK_GUARD(&upm.lock);
    notifier_with_return_remove(notifier);
}

int upm_punch_hole(int fd, uint64_t offset, uint64_t size)
{
    int ret;

    do {
        ret = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        offset, size);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

/*
 * Conversion
 */

/* What a request has done so far, and would have to undo. */
typedef struct Progress {
    hwaddr gpa;
    uint64_t size;
    bool to_private;
    UpmConversionStep step;
    UpmCause cause;
    unsigned int marked;
    bool in_map;
    unsigned int notified;
} Progress;

static UpmExtent *extent_at(GArray *array, unsigned int i)
{
    return &g_array_index(array, UpmExtent, i);
}

static int G_GNUC_PRINTF(4, 5) refuse(Error **errp, const Progress *p,
                                      int err, const char *fmt, ...)
{
    g_autofree char *why = NULL;
    va_list ap;

    va_start(ap, fmt);
    why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_setg(errp, "cannot convert 0x%" HWADDR_PRIx " +0x%" PRIx64
               " to %s: %s", p->gpa, p->size, state_name(p->to_private), why);
    return err;
}

static int check_range(const Progress *p, Error **errp)
{
    if (!p->size) {
        return refuse(errp, p, -EINVAL, "the range is empty");
    }
    if ((p->gpa | p->size) & (UPM_FRAME_SIZE - 1)) {
        return refuse(errp, p, -EINVAL,
                      "address and size must be multiples of %llu",
                      UPM_FRAME_SIZE);
    }
    if (p->gpa + (p->size - 1) < p->gpa) {
        return refuse(errp, p, -EINVAL,
                      "the range goes beyond the last address");
    }
    return 0;
}

/* g_array_set_size() takes its time, and a conversion needs two of these. */
static void clear(GArray *extents)
{
    extents->len = 0;
}

/* Sections of a memory map may split what is one run of one block. */
static bool extend_last_extent(const UpmExtent *extent)
{
    UpmExtent *last;

    if (!upm.extents->len) {
        return false;
    }
    last = extent_at(upm.extents, upm.extents->len - 1);
    if (last->block != extent->block ||
        last->offset + last->size != extent->offset) {
        return false;
    }
    last->size += extent->size;
    return true;
}

/* An alias: the same frames would be marked and discarded twice. */
static bool overlaps_earlier(const UpmExtent *extent)
{
    unsigned int i;

    for (i = 0; i < upm.extents->len; i++) {
        const UpmExtent *other = extent_at(upm.extents, i);

        if (other->block == extent->block &&
            other->offset < extent->offset + extent->size &&
            extent->offset < other->offset + other->size) {
            return true;
        }
    }
    return false;
}

static int resolve_range(const Progress *p, Error **errp)
{
    uint64_t done = 0;

    clear(upm.extents);
    while (done < p->size) {
        UpmExtent extent;

        if (!upm_memory_resolve(p->gpa + done, p->size - done, &extent)) {
            g_autofree char *what = upm_memory_describe(p->gpa + done);

            return refuse(errp, p, -EINVAL, "at 0x%" HWADDR_PRIx " is %s",
                          p->gpa + done, what);
        }
        if (overlaps_earlier(&extent)) {
            return refuse(errp, p, -EINVAL, "at 0x%" HWADDR_PRIx " is memory "
                          "of '%s' that the range has at another address, too",
                          extent.gpa, extent.block->name);
        }
        if (!extend_last_extent(&extent)) {
            g_array_append_val(upm.extents, extent);
        }
        done += extent.size;
    }
    return 0;
}

/* The next frame from @from on that is in the state @private, or @end. */
static uint64_t next_in_state(const UpmBlock *block, uint64_t end,
                              uint64_t from, bool private)
{
    return private == block->began_shared
           ? find_next_bit(block->toggled_map, end, from)
           : find_next_zero_bit(block->toggled_map, end, from);
}

/*
 * The first run of @extent that is in the state @private and lies at or behind
 * offset @from.  Returns false where there is none.
 */
static bool next_run(const UpmExtent *extent, uint64_t from, bool private,
                     UpmExtent *run)
{
    uint64_t end = (extent->offset + extent->size) >> UPM_FRAME_BITS;
    uint64_t first, last;

    first = next_in_state(extent->block, end, from >> UPM_FRAME_BITS, private);
    if (first >= end) {
        return false;
    }
    last = next_in_state(extent->block, end, first, !private);
    *run = (UpmExtent) {
        .block = extent->block,
        .offset = first << UPM_FRAME_BITS,
        .size = (last - first) << UPM_FRAME_BITS,
    };
    run->gpa = extent->gpa + (run->offset - extent->offset);
    return true;
}

void upm_next_run(const UpmExtent *extent, UpmExtent *run, bool *private)
{
    uint64_t first = extent->offset >> UPM_FRAME_BITS;
    uint64_t end = (extent->offset + extent->size) >> UPM_FRAME_BITS;

    *private = upm_block_is_private(extent->block, extent->offset);
    *run = *extent;
    /* The first frame has the state just read, even if it changes by now. */
    run->size = (next_in_state(extent->block, end, first + 1, !*private) -
                 first) << UPM_FRAME_BITS;
}

uint64_t upm_next_private(const UpmBlock *block, uint64_t page_size,
                          uint64_t *at, uint64_t end)
{
    for (; *at < end; *at += page_size) {
        uint64_t shared = next_in_state(block, end >> UPM_FRAME_BITS,
                                        *at >> UPM_FRAME_BITS, false);
        uint64_t size = QEMU_ALIGN_DOWN(shared << UPM_FRAME_BITS, page_size)
                        - *at;

        if (size) {
            return size;
        }
    }
    return 0;
}

static uint64_t find_runs_of_extent(const UpmExtent *extent, bool to_private)
{
    uint64_t from = extent->offset;
    uint64_t changing = 0;
    UpmExtent run;

    while (next_run(extent, from, !to_private, &run)) {
        g_array_append_val(upm.runs, run);
        changing += run.size;
        from = run.offset + run.size;
    }
    return changing;
}

/* Returns the number of bytes that have to change their state. */
static uint64_t find_runs(bool to_private)
{
    uint64_t changing = 0;
    unsigned int i;

    clear(upm.runs);
    for (i = 0; i < upm.extents->len; i++) {
        changing += find_runs_of_extent(extent_at(upm.extents, i), to_private);
    }
    return changing;
}

static bool any_run(bool to_private)
{
    unsigned int i;
    UpmExtent run;

    for (i = 0; i < upm.extents->len; i++) {
        const UpmExtent *extent = extent_at(upm.extents, i);

        if (next_run(extent, extent->offset, !to_private, &run)) {
            return true;
        }
    }
    return false;
}

void upm_lock(void)
{
    qemu_mutex_lock(&upm.lock);
}

void upm_unlock(void)
{
    qemu_mutex_unlock(&upm.lock);
}

void upm_foreach_shared(const UpmExtent *extent,
                        void (*fn)(const UpmExtent *run, void *opaque),
                        void *opaque)
{
    QEMU_LOCK_GUARD(&upm.lock);
    upm_foreach_shared_locked(extent, fn, opaque);
}

void upm_foreach_shared_locked(const UpmExtent *extent,
                               void (*fn)(const UpmExtent *run, void *opaque),
                               void *opaque)
{
    uint64_t from = extent->offset;
    UpmExtent run;

    while (next_run(extent, from, false, &run)) {
        fn(&run, opaque);
        from = run.offset + run.size;
    }
}

static int mark(const UpmExtent *run, bool to_private)
{
    int ret = upm.provider->mark(run, to_private);

    trace_upm_mark(upm.request, run->block->name, run->gpa, run->offset,
                   run->size, state_name(to_private), ret);
    return ret;
}

static int mark_runs(Progress *p, Error **errp)
{
    for (; p->marked < upm.runs->len; p->marked++) {
        const UpmExtent *run = extent_at(upm.runs, p->marked);
        int ret = mark(run, p->to_private);

        if (ret < 0) {
            return refuse(errp, p, ret, "%s does not mark 0x%" HWADDR_PRIx
                          " +0x%" PRIx64 ": %s", upm.provider->name, run->gpa,
                          run->size, strerror(-ret));
        }
    }
    return 0;
}

static void flush(void)
{
    trace_upm_flush(upm.request);
    if (upm.provider->flush) {
        upm.provider->flush();
    }
}

static void set_map(bool private)
{
    unsigned int i;

    for (i = 0; i < upm.runs->len; i++) {
        const UpmExtent *run = extent_at(upm.runs, i);
        UpmBlock *block = run->block;
        uint64_t first = run->offset >> UPM_FRAME_BITS;
        uint64_t frames = run->size >> UPM_FRAME_BITS;

        if (private == block->began_shared) {
            bitmap_set(block->toggled_map, first, frames);
        } else {
            bitmap_clear(block->toggled_map, first, frames);
        }
        block->shared_frames += private ? -frames : frames;
    }
}

bool upm_policy_discards(UpmDiscardPolicy policy, bool private)
{
    return policy == UPM_DISCARD_POLICY_BOTH ||
           policy == (private ? UPM_DISCARD_POLICY_PRIVATE
                              : UPM_DISCARD_POLICY_SHARED);
}

static int discard_shared(const UpmExtent *run)
{
    int64_t ret = upm_memory_drop_shared(run);

    trace_upm_discard(upm.request, run->block->name, "shared", run->offset,
                      run->size, ret);
    if (ret < 0) {
        return ret;
    }
    upm.counters.discarded_shared += ret;
    run->block->discarded[false] += ret;
    return 0;
}

static int discard_private(const UpmExtent *run)
{
    int ret = upm.provider->drop_private(run);

    trace_upm_discard(upm.request, run->block->name, "private", run->offset,
                      run->size, ret);
    if (ret < 0) {
        return ret;
    }
    upm.counters.discarded_private += run->size;
    run->block->discarded[true] += run->size;
    return 0;
}

static int discard_runs(const Progress *p, Error **errp)
{
    unsigned int i;

    /* The shared half is what private memory will be launched from. */
    if (p->cause == UPM_CAUSE_LAUNCH && p->to_private) {
        return 0;
    }
    for (i = 0; i < upm.runs->len; i++) {
        const UpmExtent *run = extent_at(upm.runs, i);
        int ret;

        if (!upm_policy_discards(run->block->discard, !p->to_private)) {
            continue;
        }
        ret = p->to_private ? discard_shared(run) : discard_private(run);
        if (ret < 0) {
            return refuse(errp, p, ret, "the %s half of 0x%" HWADDR_PRIx
                          " +0x%" PRIx64 " is not given back: %s",
                          state_name(!p->to_private), run->gpa, run->size,
                          strerror(-ret));
        }
    }
    return 0;
}

/*
 * Accounts of what is hidden and still there
 */

static void hold(UpmBlock *block, uint64_t offset, uint64_t size,
                 bool private_half)
{
    uint64_t first = offset >> UPM_FRAME_BITS;
    uint64_t frames = size >> UPM_FRAME_BITS;

    block->held_frames[private_half] += frames -
        bitmap_count_one_with_offset(block->held_map, first, frames);
    bitmap_set(block->held_map, first, frames);
}

static void release(UpmBlock *block, uint64_t offset, uint64_t size,
                    bool private_half)
{
    uint64_t first = offset >> UPM_FRAME_BITS;
    uint64_t frames = size >> UPM_FRAME_BITS;

    if (!block->held_frames[private_half]) {
        return;
    }
    block->held_frames[private_half] -=
        bitmap_count_one_with_offset(block->held_map, first, frames);
    bitmap_clear(block->held_map, first, frames);
}

/* A huge page is there as a whole while any of it is shared. */
static void account_huge_page(UpmBlock *block, uint64_t offset, bool dropped)
{
    UpmExtent page = {
        .block = block, .offset = offset, .size = block->page_size,
    };
    uint64_t from = offset;
    UpmExtent run;

    if (!next_run(&page, offset, false, &run)) {
        if (dropped) {
            release(block, offset, block->page_size, false);
        }
        return;
    }
    while (next_run(&page, from, true, &run)) {
        hold(block, run.offset, run.size, false);
        from = run.offset + run.size;
    }
}

static void account_huge_pages(const UpmExtent *run, bool dropped)
{
    UpmBlock *block = run->block;
    uint64_t at = QEMU_ALIGN_DOWN(run->offset, block->page_size);

    for (; at < run->offset + run->size; at += block->page_size) {
        account_huge_page(block, at, dropped);
    }
}

/* All that comes into sight first: a huge page may have several runs. */
static void account_runs(bool to_private)
{
    unsigned int i;

    for (i = 0; i < upm.runs->len; i++) {
        const UpmExtent *run = extent_at(upm.runs, i);

        release(run->block, run->offset, run->size, to_private);
    }
    for (i = 0; i < upm.runs->len; i++) {
        const UpmExtent *run = extent_at(upm.runs, i);
        bool drops = upm_policy_discards(run->block->discard, !to_private);

        if (!drops) {
            hold(run->block, run->offset, run->size, !to_private);
        }
        if (run->block->page_size > UPM_FRAME_SIZE) {
            account_huge_pages(run, drops && to_private);
        }
    }
}

/* Tell every notifier before @end (NULL: all of them) of one run. */
static int notify_run(UpmConversion *conversion, NotifierWithReturn *end,
                      NotifierWithReturn **failed, Error **errp)
{
    NotifierWithReturn *notifier, *next;
    int result = 0;

    QLIST_FOREACH_SAFE(notifier, &upm.notifiers.notifiers, node, next) {
        int ret;

        if (notifier == end) {
            break;
        }
        ret = notifier->notify(notifier, conversion, errp);
        trace_upm_notify(upm.request, conversion->extent.gpa,
                         conversion->extent.size,
                         state_name(conversion->to_private),
                         conversion->undone, ret);
        if (ret < 0) {
            if (failed) {
                *failed = notifier;
                return ret;
            }
            result = ret;
            errp = NULL;
        }
    }
    return result;
}

static int unnotify_run(const Progress *p, unsigned int i,
                        NotifierWithReturn *end)
{
    UpmConversion conversion = {
        .extent = *extent_at(upm.runs, i),
        .to_private = !p->to_private,
        .undone = true,
    };

    return notify_run(&conversion, end, NULL, NULL);
}

static int notify_runs(Progress *p, Error **errp)
{
    for (; p->notified < upm.runs->len; p->notified++) {
        UpmConversion conversion = {
            .extent = *extent_at(upm.runs, p->notified),
            .to_private = p->to_private,
        };
        NotifierWithReturn *failed = NULL;
        Error *why = NULL;
        int ret = notify_run(&conversion, NULL, &failed, &why);

        if (ret < 0) {
            refuse(errp, p, ret, "refused for 0x%" HWADDR_PRIx " +0x%" PRIx64
                   ": %s", conversion.extent.gpa, conversion.extent.size,
                   why ? error_get_pretty(why) : strerror(-ret));
            error_free(why);
            unnotify_run(p, p->notified, failed);
            return ret;
        }
    }
    return 0;
}

/*
 * Take everything back, last step first.  What was discarded stays lost: the
 * content of neither half outlives a conversion.
 */
static int undo(Progress *p)
{
    int result = 0;

    trace_upm_undo(upm.request, p->gpa, p->size, p->marked);
    while (p->notified > 0) {
        int ret = unnotify_run(p, --p->notified, NULL);

        result = result ?: ret;
    }
    if (p->in_map) {
        set_map(!p->to_private);
    }
    if (!p->marked) {
        return result;
    }
    while (p->marked > 0) {
        int ret = mark(extent_at(upm.runs, --p->marked), !p->to_private);

        result = result ?: ret;
    }
    flush();
    return result;
}

static void undo_or_stop(Progress *p, Error *why)
{
    g_autofree char *reason = NULL;
    int ret = undo(p);

    if (ret >= 0) {
        return;
    }
    reason = g_strdup_printf("%s; its undoing failed as well (%s): the page "
                             "state of 0x%" HWADDR_PRIx " +0x%" PRIx64
                             " is unknown", error_get_pretty(why),
                             strerror(-ret), p->gpa, p->size);
    upm_memory_stop_guest(reason);
}

static int convert_runs(Progress *p, Error **errp)
{
    int ret;

    p->step = UPM_CONVERSION_STEP_MARK;
    ret = mark_runs(p, errp);
    if (ret < 0) {
        return ret;
    }
    flush();
    set_map(p->to_private);
    p->in_map = true;
    p->step = UPM_CONVERSION_STEP_DISCARD;
    ret = discard_runs(p, errp);
    if (ret < 0) {
        return ret;
    }
    p->step = UPM_CONVERSION_STEP_NOTIFY;
    ret = notify_runs(p, errp);
    if (ret < 0) {
        return ret;
    }
    account_runs(p->to_private);
    return 0;
}

static int convert_locked(Progress *p, uint64_t *changing, Error **errp)
{
    ERRP_GUARD();
    int ret = check_range(p, errp);

    if (ret < 0) {
        return ret;
    }
    ret = resolve_range(p, errp);
    if (ret < 0) {
        return ret;
    }
    *changing = find_runs(p->to_private);
    if (!*changing) {
        return 0;
    }
    ret = convert_runs(p, errp);
    if (ret < 0) {
        undo_or_stop(p, *errp);
    }
    return ret;
}

/* Returns true where this conversion makes it a storm. */
static bool count_storm(const Progress *p, UpmCause cause, uint64_t changed,
                        int64_t now)
{
    UpmStorm *storm = &upm.storm;

    if (!storm->requests || now - upm.storm_start >= UPM_STORM_NS) {
        *storm = (UpmStorm) {};
        upm.storm_start = now;
    }
    storm->requests++;
    storm->converted[p->to_private] += changed;
    if (storm->requests != UPM_STORM_REQUESTS) {
        return false;
    }
    storm->gpa = p->gpa;
    storm->size = p->size;
    storm->cause = cause;
    storm->time = now - upm.storm_start;
    return true;
}

/* Returns true where there is a storm to be told of. */
static bool count(const Progress *p, UpmCause cause, uint64_t changed,
                  int64_t now, int ret)
{
    UpmCounters *c = &upm.counters;

    if (ret < 0) {
        c->failed_requests++;
        return false;
    }
    if (!changed) {
        c->unchanged_requests++;
        return false;
    }
    c->requests[cause][p->to_private]++;
    c->converted[cause][p->to_private] += changed;
    return count_storm(p, cause, changed, now);
}

bool upm_convert_needed(hwaddr gpa, uint64_t size, bool to_private)
{
    Progress p = { .gpa = gpa, .size = size, .to_private = to_private };

    QEMU_LOCK_GUARD(&upm.lock);
    RCU_READ_LOCK_GUARD();
    if (check_range(&p, NULL) || resolve_range(&p, NULL) ||
        any_run(to_private)) {
        return true;
    }
    upm.counters.unchanged_requests++;
    return false;
}

static void tell_failure(const Progress *p, UpmCause cause, int ret,
                         const Error *err, uint64_t failed_requests)
{
    UpmFailure failure = {
        .gpa = p->gpa,
        .size = p->size,
        .to_private = p->to_private,
        .cause = cause,
        .step = p->step,
        .error = -ret,
        .reason = error_get_pretty(err),
        .failed_requests = failed_requests,
    };

    if (upm.observer) {
        upm.observer->failed(&failure);
    }
}

int upm_convert(hwaddr gpa, uint64_t size, bool to_private, UpmCause cause,
                Error **errp)
{
    Progress p = {
        .gpa = gpa, .size = size, .to_private = to_private, .cause = cause,
    };
    uint64_t changing = 0;
    uint64_t failures;
    Error *err = NULL;
    int64_t start, end;
    unsigned int request;
    UpmStorm storm;
    bool stormy;
    int ret;

    request = qatomic_fetch_inc(&upm.last_request) + 1;
    trace_upm_convert(request, gpa, size, state_name(to_private),
                      UpmCause_str(cause));
    WITH_QEMU_LOCK_GUARD(&upm.lock) {
        /* Keeps the blocks of the range until the last step. */
        RCU_READ_LOCK_GUARD();
        start = get_clock();
        upm.request = request;
        ret = convert_locked(&p, &changing, &err);
        end = get_clock();
        stormy = count(&p, cause, changing, end, ret);
        upm.counters.time += end - start;
        failures = upm.counters.failed_requests;
        if (stormy) {
            storm = upm.storm;
        }
    }
    trace_upm_convert_done(request, gpa, size, ret < 0 ? 0 : changing, ret);
    if (ret < 0) {
        tell_failure(&p, cause, ret, err, failures);
        error_propagate(errp, err);
    }
    if (stormy && upm.observer) {
        upm.observer->storm(&storm);
    }
    return ret;
}

static int discard_hidden_run(const Progress *p, const UpmExtent *run,
                              Error **errp)
{
    int ret;

    if (!upm_policy_discards(run->block->discard, false)) {
        hold(run->block, run->offset, run->size, false);
        return 0;
    }
    ret = discard_shared(run);
    if (ret < 0) {
        return refuse(errp, p, ret, "the shared half of 0x%" HWADDR_PRIx
                      " +0x%" PRIx64 " is not given back: %s", run->gpa,
                      run->size, strerror(-ret));
    }
    return 0;
}

int upm_discard_hidden(hwaddr gpa, uint64_t size, Error **errp)
{
    Progress p = { .gpa = gpa, .size = size, .to_private = true };
    int ret;

    QEMU_LOCK_GUARD(&upm.lock);
    RCU_READ_LOCK_GUARD();
    ret = check_range(&p, errp) ?: resolve_range(&p, errp);
    if (ret < 0) {
        return ret;
    }
    find_runs(false);
    for (unsigned int i = 0; i < upm.runs->len; i++) {
        ret = discard_hidden_run(&p, extent_at(upm.runs, i), errp);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}
