/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: accounts of what is hidden, counters, storms
 *
 * What a conversion hides goes on the account of its block, and leaves it
 * when it is discarded or comes into sight again.  What stays there is still
 * allocated: by policy, as part of a huge page, or since its discard failed.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "request.h"

/* Protected by the core's lock, but for the observer, which never changes. */
static const UpmObserver *observer;
static UpmCounters counters;
/* requests of the last second or less, and when the first came */
static UpmStorm storm;
static int64_t storm_start;

void upm_set_observer(const UpmObserver *new_observer)
{
    observer = new_observer;
}

UpmCounters upm_counters(void)
{
    QEMU_LOCK_GUARD(&upm_lock);
    return counters;
}

/*
 * What is hidden
 */

static uint64_t count_bits(const unsigned long *map, const UpmExtent *extent)
{
    return bitmap_count_one_with_offset(map, extent->offset >> UPM_FRAME_BITS,
                                        extent->size >> UPM_FRAME_BITS);
}

static void clear_bits(unsigned long *map, const UpmExtent *extent,
                       uint64_t *count)
{
    if (map && *count) {
        qatomic_set_u64(count, *count - count_bits(map, extent));
        bitmap_clear(map, extent->offset >> UPM_FRAME_BITS,
                     extent->size >> UPM_FRAME_BITS);
    }
}

static void set_bits(unsigned long *map, const UpmExtent *extent,
                     uint64_t *count)
{
    qatomic_set_u64(count, *count + (extent->size >> UPM_FRAME_BITS) -
                           count_bits(map, extent));
    bitmap_set(map, extent->offset >> UPM_FRAME_BITS,
               extent->size >> UPM_FRAME_BITS);
}

static void hide(const UpmExtent *run, bool private)
{
    UpmBlock *block = run->block;

    set_bits(block->hidden_map[private], run, &block->hidden_frames[private]);
}

static void show(const UpmExtent *extent, bool private)
{
    UpmBlock *block = extent->block;

    clear_bits(block->hidden_map[private], extent,
               &block->hidden_frames[private]);
    clear_bits(block->failed_map[private], extent,
               &block->failed_frames[private]);
}

/* Every private frame of a page hides a part of it, once one is shared. */
static bool is_all_hidden(const UpmExtent *page)
{
    const UpmBlock *block = page->block;
    uint64_t shared = count_bits(block->toggled_map, page);

    if (block->began_shared) {
        shared = (page->size >> UPM_FRAME_BITS) - shared;
    }
    return count_bits(block->hidden_map[false], page) + shared ==
           page->size >> UPM_FRAME_BITS;
}

static void hide_private(const UpmExtent *extent)
{
    UpmExtent run = { .offset = extent->offset };

    while (upm_next_run_in(extent, upm_extent_end(&run), true, &run)) {
        hide(&run, false);
    }
}

/* A huge page is there as a whole while any of it is shared. */
static void hide_rest_of_pages(const UpmExtent *extent)
{
    uint64_t page_size = extent->block->page_size;
    UpmExtent page = {
        .block = extent->block,
        .offset = QEMU_ALIGN_DOWN(extent->offset, page_size),
        .size = page_size,
    };

    for (; page.offset < upm_extent_end(extent); page.offset += page_size) {
        if (!is_all_hidden(&page)) {
            hide_private(&page);
        }
    }
}

/*
 * Mostly there is nothing on account.  What of @step is, has been since before
 * it was claimed: who sees none without the lock sees none with it.
 */
void upm_account_shown(const UpmStep *step, bool private)
{
    const UpmBlock *block = step->extent.block;
    bool huge = block->page_size > UPM_FRAME_SIZE;

    if (!huge && !qatomic_read_u64(&block->hidden_frames[private])) {
        return;
    }
    QEMU_LOCK_GUARD(&upm_lock);
    /* What has the state already is on no account of this half. */
    show(&step->extent, private);
    if (huge && !private) {
        hide_rest_of_pages(&step->extent);
    }
}

void upm_account_hidden(const UpmStep *step, bool private)
{
    UpmExtent run = { .offset = step->extent.offset };

    if (step->extent.block->recorded) {
        return;
    }
    QEMU_LOCK_GUARD(&upm_lock);
    while (upm_step_next(step, upm_extent_end(&run), &run)) {
        hide(&run, private);
    }
}

void upm_account_source(const UpmExtent *extent)
{
    QEMU_LOCK_GUARD(&upm_lock);
    hide_private(extent);
}

/*
 * What of @extent was on account, and @bytes that were not.  Locking: the
 * lock.
 */
static void account_discarded(const UpmExtent *extent, bool private,
                              uint64_t bytes)
{
    UpmBlock *block = extent->block;

    if (block->hidden_frames[private]) {
        bytes += count_bits(block->hidden_map[private], extent)
                 << UPM_FRAME_BITS;
        show(extent, private);
    }
    block->discarded[private] += bytes;
    if (private) {
        counters.discarded_private += bytes;
    } else {
        counters.discarded_shared += bytes;
    }
}

void upm_account_discarded(const UpmStep *step, bool private)
{
    account_discarded(&step->extent, private, step->changed);
}

void upm_account_pages(const UpmExtent *extent, bool private)
{
    QEMU_LOCK_GUARD(&upm_lock);
    account_discarded(extent, private, 0);
}

/* Where a part of @extent is not on the account, it was discarded before. */
static void note_failed(const UpmExtent *extent, bool private)
{
    UpmBlock *block = extent->block;
    const unsigned long *hidden = block->hidden_map[private];
    uint64_t end = upm_extent_end(extent) >> UPM_FRAME_BITS;
    uint64_t first = extent->offset >> UPM_FRAME_BITS, last;

    while ((first = find_next_bit(hidden, end, first)) < end) {
        last = find_next_zero_bit(hidden, end, first);
        set_bits(block->failed_map[private], &(UpmExtent) {
            .offset = first << UPM_FRAME_BITS,
            .size = (last - first) << UPM_FRAME_BITS,
        }, &block->failed_frames[private]);
        first = last;
    }
}

/* Returns true for the first failure of a half. */
static bool count_failed(const UpmExtent *extent, bool private,
                         UpmFailedDiscard *failed)
{
    UpmBlock *block = extent->block;
    unsigned long **map = &block->failed_map[private];
    bool first;

    QEMU_LOCK_GUARD(&upm_lock);
    failed->failed_discards = ++counters.failed_discards;
    first = !*map;
    *map = *map ?: bitmap_try_new(block->size >> UPM_FRAME_BITS);
    if (*map) {
        note_failed(extent, private);
    }
    return first;
}

void upm_account_failed(const UpmExtent *extent, bool private, int error)
{
    UpmFailedDiscard failed = {
        .block = extent->block->name,
        .private = private,
        .offset = extent->offset,
        .size = extent->size,
        .error = error,
    };

    if (!count_failed(extent, private, &failed)) {
        return;
    }
    warn_report("the %s half of '%s' cannot be discarded at offset 0x%" PRIx64
                " +0x%" PRIx64 ": %s; the memory stays allocated, see "
                "query-upm", upm_state_name(private), failed.block,
                failed.offset, failed.size, strerror(error));
    if (observer && observer->discard_failed) {
        observer->discard_failed(&failed);
    }
}

/*
 * Requests
 */

static void add_size(UpmBlock *block, void *opaque)
{
    *(uint64_t *)opaque += block->size;
}

static bool is_storm(uint64_t requests)
{
    uint64_t size = 0;

    if (requests < UPM_STORM_REQUESTS) {
        return false;
    }
    upm_foreach_block_locked(add_size, &size);
    return requests == MAX(UPM_STORM_REQUESTS, size / UPM_STORM_EXTENT);
}

static void count_storm(UpmDone *done)
{
    if (!storm.requests || done->end - storm_start >= UPM_STORM_NS) {
        storm = (UpmStorm) {};
        storm_start = done->end;
    }
    storm.requests++;
    storm.converted[done->to_private] += done->changed;
    if (!is_storm(storm.requests)) {
        return;
    }
    done->storm = g_memdup2(&storm, sizeof(storm));
    done->storm->gpa = done->gpa;
    done->storm->size = done->size;
    done->storm->cause = done->cause;
    done->storm->time = done->end - storm_start;
}

void upm_account_request(UpmDone *done)
{
    counters.time += done->end - done->start;
    if (done->ret < 0) {
        done->failed_requests = ++counters.failed_requests;
    } else if (!done->changed) {
        counters.unchanged_requests++;
    } else {
        counters.requests[done->cause][done->to_private]++;
        counters.converted[done->cause][done->to_private] += done->changed;
        count_storm(done);
    }
}

static void tell_failure(const UpmDone *done, const Error *err)
{
    UpmFailure failure = {
        .gpa = done->gpa,
        .size = done->size,
        .to_private = done->to_private,
        .cause = done->cause,
        .step = done->step,
        .error = -done->ret,
        .reason = error_get_pretty(err),
        .failed_requests = done->failed_requests,
        .poisoned = done->poisoned,
    };

    observer->failed(&failure);
}

static void tell_storm(UpmStorm *told)
{
    if (observer) {
        observer->storm(told);
    }
    g_free(told);
}

void upm_tell_request(const UpmDone *done, const Error *err)
{
    if (err && observer) {
        tell_failure(done, err);
    }
    if (done->storm) {
        tell_storm(done->storm);
    }
}

void upm_account_unchanged(void)
{
    QEMU_LOCK_GUARD(&upm_lock);
    counters.unchanged_requests++;
}
