/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: QMP command query-upm
 */
#include "qemu/osdep.h"
#include "block/thread-pool.h"
#include "qapi/qapi-commands-upm.h"
#include "qapi/util.h"
#include "qemu/units.h"
#include "system/upm/compat.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"
#include "system/upm/resident.h"
#include "see.h"
#include "trace/trace-upm.h"

/* So much is counted at once, which takes a millisecond or two. */
#define COUNT_AT_ONCE (128 * MiB)

/* Where the figures of one block come from. */
typedef struct Source {
    UpmBlockInfo *info;
    RAMBlock *rb;
    int private_fd;
} Source;

/* One half whose pages have to be counted. */
typedef struct Count {
    const char *block;
    bool private;
    int fd;
    MemoryRegion *mr;
    void *host;
    uint64_t size;
    uint64_t *bytes;
    bool *known;
} Count;

/* Hidden and still there, though nothing went wrong */
static uint64_t hidden_bytes(const UpmBlock *block, bool private)
{
    return (block->hidden_frames[private] - block->failed_frames[private])
           << UPM_FRAME_BITS;
}

static void add_block(UpmBlock *block, void *opaque)
{
    GArray *sources = opaque;
    UpmBlockInfo *info = g_new0(UpmBlockInfo, 1);
    Source source = {
        .info = info, .rb = block->rb,
        .private_fd = upm_memory_private_fd(block),
    };
    bool drops = upm_policy_discards(block->discard, false);
    uint64_t held = hidden_bytes(block, false);
    uint64_t shared = qatomic_read(&block->shared_frames);

    info->id = g_strdup(block->name);
    info->size = block->size;
    info->shared_bytes = shared << UPM_FRAME_BITS;
    info->private_bytes = block->size - info->shared_bytes;
    info->private_held_by_policy = hidden_bytes(block, true);
    info->private_held_by_errors = block->failed_frames[true] << UPM_FRAME_BITS;
    info->shared_held_by_errors = block->failed_frames[false]
                                  << UPM_FRAME_BITS;
    if (drops && block->page_size > UPM_FRAME_SIZE) {
        info->shared_held_by_huge_pages = held;
    } else {
        info->shared_held_by_policy = held;
    }
    info->discarded_private = block->discarded[true];
    info->discarded_shared = block->discarded[false];
    info->discard = block->discard;
    g_array_append_val(sources, source);
}

/*
 * What is resident
 */

static int count_pages(void *opaque)
{
    Count *count = opaque;
    int ret = count->private
        ? upm_resident_count_file(count->fd, count->size, count->bytes)
        : upm_resident_count_mapping(count->host, count->size, count->bytes);

    trace_upm_count_resident(count->block, count->private ? "private"
                             : "shared", count->size, *count->bytes, ret);
    *count->known = !ret;
    return ret;
}

/* Counts what is small; the rest goes to @counts. */
static void count_half(Count *count, uint64_t *budget, GArray *counts)
{
    if (count->size <= *budget) {
        *budget -= count->size;
        count_pages(count);
    } else if (counts) {
        g_array_append_val(counts, *count);
    }
}

static void find_resident(const Source *source, uint64_t *budget,
                          GArray *counts)
{
    UpmBlockInfo *info = source->info;
    Count count = { .block = info->id, .size = info->size };

    info->has_private_resident =
        upm_resident_of_file(source->private_fd, info->size,
                             &info->private_resident);
    if (!info->has_private_resident && source->private_fd >= 0) {
        count.private = true;
        count.fd = source->private_fd;
        count.bytes = &info->private_resident;
        count.known = &info->has_private_resident;
        count_half(&count, budget, counts);
    }
    info->has_shared_resident =
        upm_resident_of_file(source->rb->fd, info->size,
                             &info->shared_resident);
    if (!info->has_shared_resident) {
        count.private = false;
        count.mr = source->rb->mr;
        count.host = source->rb->host;
        count.bytes = &info->shared_resident;
        count.known = &info->has_shared_resident;
        count_half(&count, budget, counts);
    }
}

/* The blocks may go while pages are counted without the BQL. */
static void coroutine_fn count_in_thread(GArray *counts)
{
    unsigned int i;

    for (i = 0; i < counts->len; i++) {
        Count *count = &g_array_index(counts, Count, i);

        if (count->private) {
            count->fd = qemu_dup(count->fd);
        } else {
            memory_region_ref(count->mr);
        }
    }
    for (i = 0; i < counts->len; i++) {
        Count *count = &g_array_index(counts, Count, i);

        thread_pool_submit_co(count_pages, count);
        if (!count->private) {
            memory_region_unref(count->mr);
        } else if (count->fd >= 0) {
            close(count->fd);
        }
    }
}

static void add_to_sums(UpmInfo *info, const UpmBlockInfo *block)
{
    info->size += block->size;
    info->private_bytes += block->private_bytes;
    info->shared_bytes += block->shared_bytes;
    info->has_private_resident &= block->has_private_resident;
    info->private_resident += block->private_resident;
    info->has_shared_resident &= block->has_shared_resident;
    info->shared_resident += block->shared_resident;
    info->private_held_by_policy += block->private_held_by_policy;
    info->shared_held_by_policy += block->shared_held_by_policy;
    info->shared_held_by_huge_pages += block->shared_held_by_huge_pages;
    info->private_held_by_errors += block->private_held_by_errors;
    info->shared_held_by_errors += block->shared_held_by_errors;
}

/* @count: whether to count what takes long, which is for coroutines only */
static void add_blocks(UpmInfo *info, bool count)
{
    g_autoptr(GArray) sources = g_array_new(false, false, sizeof(Source));
    g_autoptr(GArray) counts = g_array_new(false, false, sizeof(Count));
    uint64_t budget = COUNT_AT_ONCE;
    unsigned int i;

    upm_foreach_block(add_block, sources);
    for (i = 0; i < sources->len; i++) {
        Source *source = &g_array_index(sources, Source, i);

        find_resident(source, &budget, count ? counts : NULL);
        QAPI_LIST_PREPEND(info->blocks, source->info);
    }
    count_in_thread(counts);
    info->has_private_resident = info->has_shared_resident = true;
    for (i = 0; i < sources->len; i++) {
        add_to_sums(info, g_array_index(sources, Source, i).info);
    }
}

/*
 * Conversions
 */

static UpmConversionKind kind_of(UpmCause cause)
{
    switch (cause) {
    case UPM_CAUSE_GHCB:
    case UPM_CAUSE_HYPERCALL:
        return UPM_CONVERSION_KIND_EXPLICIT;
    case UPM_CAUSE_FAULT:
        return UPM_CONVERSION_KIND_IMPLICIT;
    default:
        return UPM_CONVERSION_KIND_HOST;
    }
}

static void add_conversions(UpmConversionInfoList ***tail, UpmCause cause,
                            const UpmCounters *c)
{
    UpmConversionInfo *info;

    if (!c->requests[cause][false] && !c->requests[cause][true]) {
        return;
    }
    info = g_new0(UpmConversionInfo, 1);
    info->cause = cause;
    info->kind = kind_of(cause);
    info->to_private_requests = c->requests[cause][true];
    info->to_private_bytes = c->converted[cause][true];
    info->to_shared_requests = c->requests[cause][false];
    info->to_shared_bytes = c->converted[cause][false];
    QAPI_LIST_APPEND(*tail, info);
}

/*
 * Where page states are from
 */

static bool has_told(const UpmCounters *c)
{
    UpmCause cause;

    for (cause = 0; cause < UPM_CAUSE__MAX; cause++) {
        if (c->requests[cause][false] || c->requests[cause][true]) {
            return true;
        }
    }
    return c->unchanged_requests;
}

bool upm_page_states(UpmPageStates *states)
{
    UpmCounters c = upm_counters();

    if (!current_machine || !current_machine->cgs) {
        return false;
    }
    if (machine_require_guest_memfd(current_machine)) {
        *states = UPM_PAGE_STATES_ENFORCED;
    } else if (upm_is_recording() && has_told(&c)) {
        *states = UPM_PAGE_STATES_RECORDED;
    } else {
        *states = UPM_PAGE_STATES_UNKNOWN;
    }
    return true;
}

static UpmPoison *get_poison(void)
{
    UpmExtent range;
    g_autofree char *reason = upm_poison(&range);
    UpmPoison *poison;

    if (!reason) {
        return NULL;
    }
    poison = g_new0(UpmPoison, 1);
    poison->gpa = range.gpa;
    poison->size = range.size;
    poison->reason = g_steal_pointer(&reason);
    return poison;
}

static UpmInfo *get_info(bool count)
{
    UpmInfo *info = g_new0(UpmInfo, 1);
    UpmConversionInfoList **tail = &info->conversions;
    UpmCounters c = upm_counters();
    UpmCause cause;

    info->provider = g_strdup(upm_provider_name());
    info->has_page_states = upm_page_states(&info->page_states);
    info->poison = get_poison();
    if (!info->has_page_states ||
        info->page_states != UPM_PAGE_STATES_UNKNOWN) {
        add_blocks(info, count);
    }
    for (cause = 0; cause < UPM_CAUSE__MAX; cause++) {
        add_conversions(&tail, cause, &c);
    }
    info->unchanged_requests = c.unchanged_requests;
    info->failed_requests = c.failed_requests;
    info->failed_discards = c.failed_discards;
    info->discarded_shared = c.discarded_shared;
    info->discarded_private = c.discarded_private;
    info->time = c.time;
    return info;
}

UpmInfo *upm_info(void)
{
    return get_info(false);
}

UpmInfo *coroutine_fn qmp_query_upm(bool has_count_resident,
                                    bool count_resident, Error **errp)
{
    return get_info(has_count_resident && count_resident);
}
