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
#include "core.h"

/* Protected by the core's lock, but for the observer */
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
        *count -= count_bits(map, extent);
        bitmap_clear(map, extent->offset >> UPM_FRAME_BITS,
                     extent->size >> UPM_FRAME_BITS);
    }
}

static void set_bits(unsigned long *map, const UpmExtent *extent,
                     uint64_t *count)
{
    *count += (extent->size >> UPM_FRAME_BITS) - count_bits(map, extent);
    bitmap_set(map, extent->offset >> UPM_FRAME_BITS,
               extent->size >> UPM_FRAME_BITS);
}

void upm_account_hidden(const UpmExtent *run, bool private)
{
    UpmBlock *block = run->block;

    if (!block->recorded) {
        set_bits(block->hidden_map, run, &block->hidden_frames[private]);
    }
}

static void leave_account(const UpmExtent *extent, bool private)
{
    UpmBlock *block = extent->block;

    clear_bits(block->hidden_map, extent, &block->hidden_frames[private]);
    clear_bits(block->failed_map, extent, &block->failed_frames[private]);
}

/* A huge page is there as a whole while any of it is shared. */
static void hide_rest_of_pages(const UpmExtent *run)
{
    UpmBlock *block = run->block;
    uint64_t first = QEMU_ALIGN_DOWN(run->offset, block->page_size);
    uint64_t end = QEMU_ALIGN_UP(upm_extent_end(run), block->page_size);
    UpmExtent pages = {
        .block = block, .offset = first, .size = end - first,
    };
    UpmExtent rest = { .offset = first };

    while (upm_next_run_in(&pages, upm_extent_end(&rest), true, &rest)) {
        upm_account_hidden(&rest, false);
    }
}

void upm_account_run(const UpmExtent *run, bool to_private)
{
    leave_account(run, to_private);
    upm_account_hidden(run, !to_private);
    if (!to_private && run->block->page_size > UPM_FRAME_SIZE) {
        hide_rest_of_pages(run);
    }
}

void upm_account_discarded(const UpmExtent *extent, bool private)
{
    uint64_t bytes;

    QEMU_LOCK_GUARD(&upm_lock);
    bytes = count_bits(extent->block->hidden_map, extent) << UPM_FRAME_BITS;
    leave_account(extent, private);
    extent->block->discarded[private] += bytes;
    if (private) {
        counters.discarded_private += bytes;
    } else {
        counters.discarded_shared += bytes;
    }
}

/* Where a part of @extent is not on the account, it was discarded before. */
static void note_failed(const UpmExtent *extent, bool private)
{
    UpmBlock *block = extent->block;
    uint64_t end = upm_extent_end(extent) >> UPM_FRAME_BITS;
    uint64_t first = extent->offset >> UPM_FRAME_BITS, last;

    while ((first = find_next_bit(block->hidden_map, end, first)) < end) {
        last = find_next_zero_bit(block->hidden_map, end, first);
        set_bits(block->failed_map, &(UpmExtent) {
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
    bool first;

    QEMU_LOCK_GUARD(&upm_lock);
    first = !block->warned[private];
    block->warned[private] = true;
    failed->failed_discards = ++counters.failed_discards;
    if (!block->failed_map) {
        block->failed_map = bitmap_try_new(block->size >> UPM_FRAME_BITS);
    }
    if (block->failed_map) {
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
        .error = -error,
    };

    if (!count_failed(extent, private, &failed)) {
        return;
    }
    warn_report("the %s half of '%s' cannot be discarded at offset 0x%" PRIx64
                " +0x%" PRIx64 ": %s; the memory stays allocated, see "
                "query-upm", upm_state_name(private), failed.block,
                failed.offset, failed.size, strerror(-error));
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

/* Returns true where this request makes it a storm. */
static bool count_storm(const UpmDone *done, int64_t now)
{
    if (!storm.requests || now - storm_start >= UPM_STORM_NS) {
        storm = (UpmStorm) {};
        storm_start = now;
    }
    storm.requests++;
    storm.converted[done->to_private] += done->changed;
    if (!is_storm(storm.requests)) {
        return false;
    }
    storm.gpa = done->gpa;
    storm.size = done->size;
    storm.cause = done->cause;
    storm.time = now - storm_start;
    return true;
}

/* Returns true where there is a storm to be told of. */
static bool count(const UpmDone *done, int64_t now)
{
    counters.time += now - done->start;
    if (done->ret < 0) {
        counters.failed_requests++;
        return false;
    }
    if (!done->changed) {
        counters.unchanged_requests++;
        return false;
    }
    counters.requests[done->cause][done->to_private]++;
    counters.converted[done->cause][done->to_private] += done->changed;
    return count_storm(done, now);
}

static void tell_failure(const UpmDone *done, const Error *err,
                         uint64_t failed_requests)
{
    UpmFailure failure = {
        .gpa = done->gpa,
        .size = done->size,
        .to_private = done->to_private,
        .cause = done->cause,
        .step = done->step,
        .error = -done->ret,
        .reason = error_get_pretty(err),
        .failed_requests = failed_requests,
        .poisoned = done->poisoned,
    };

    observer->failed(&failure);
}

void upm_account_request(const UpmDone *done, const Error *err)
{
    int64_t now = get_clock();
    uint64_t failures;
    UpmStorm told;
    bool stormy;

    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        stormy = count(done, now);
        failures = counters.failed_requests;
        told = storm;
    }
    if (!observer) {
        return;
    }
    if (err) {
        tell_failure(done, err, failures);
    }
    if (stormy) {
        observer->storm(&told);
    }
}

void upm_account_unchanged(void)
{
    QEMU_LOCK_GUARD(&upm_lock);
    counters.unchanged_requests++;
}
