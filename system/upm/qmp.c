/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: QMP command query-upm, HMP command "info upm"
 */
#include "qemu/osdep.h"
#include "block/thread-pool.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands-upm.h"
#include "qapi/util.h"
#include "qemu/cutils.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "system/upm/upm.h"
#include "system/upm/compat.h"
#include "system/upm/resident.h"
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

static void add_block(UpmBlock *block, void *opaque)
{
    GArray *sources = opaque;
    UpmBlockInfo *info = g_new0(UpmBlockInfo, 1);
    Source source = {
        .info = info, .rb = block->rb, .private_fd = block->private_fd,
    };
    bool drops = upm_policy_discards(block->discard, false);
    uint64_t held = block->held_frames[false] << UPM_FRAME_BITS;

    info->id = g_strdup(block->name);
    info->size = block->size;
    info->shared_bytes = block->shared_frames << UPM_FRAME_BITS;
    info->private_bytes = block->size - info->shared_bytes;
    info->private_held_by_policy = block->held_frames[true] << UPM_FRAME_BITS;
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

static UpmInfo *get_info(bool count)
{
    UpmInfo *info = g_new0(UpmInfo, 1);
    UpmConversionInfoList **tail = &info->conversions;
    UpmCounters c = upm_counters();
    UpmCause cause;

    info->provider = g_strdup(upm_provider_name());
    add_blocks(info, count);
    for (cause = 0; cause < UPM_CAUSE__MAX; cause++) {
        add_conversions(&tail, cause, &c);
    }
    info->unchanged_requests = c.unchanged_requests;
    info->failed_requests = c.failed_requests;
    info->discarded_shared = c.discarded_shared;
    info->discarded_private = c.discarded_private;
    info->time = c.time;
    return info;
}

UpmInfo *coroutine_fn qmp_query_upm(bool has_count_resident,
                                    bool count_resident, Error **errp)
{
    return get_info(has_count_resident && count_resident);
}

/*
 * The monitor
 */

/* Long names lose their beginning, not their end. */
static const char *tail_of(const char *name, size_t width)
{
    size_t length = strlen(name);

    return length > width ? name + length - width : name;
}

static void print_size(Monitor *mon, bool known, uint64_t bytes)
{
    g_autofree char *text = known ? size_to_str(bytes) : g_strdup("?");

    monitor_printf(mon, " %9s", text);
}

static void print_memory(Monitor *mon, const char *name, const UpmMemory *m)
{
    monitor_printf(mon, "%-18s", tail_of(name, 18));
    print_size(mon, true, m->size);
    print_size(mon, true, m->private_bytes);
    print_size(mon, m->has_private_resident, m->private_resident);
    print_size(mon, true, m->shared_bytes);
    print_size(mon, m->has_shared_resident, m->shared_resident);
}

static void print_blocks(Monitor *mon, const UpmInfo *info)
{
    const UpmBlockInfoList *blocks;

    monitor_printf(mon, "%-18s %9s %9s %9s %9s %9s  %s\n", "block", "size",
                   "private", "resident", "shared", "resident", "discard");
    for (blocks = info->blocks; blocks; blocks = blocks->next) {
        const UpmBlockInfo *b = blocks->value;

        print_memory(mon, b->id, qapi_UpmBlockInfo_base(b));
        monitor_printf(mon, "  %s\n", UpmDiscardPolicy_str(b->discard));
    }
    print_memory(mon, "(all)", qapi_UpmInfo_base(info));
    monitor_printf(mon, "\n");
}

static void print_conversions(Monitor *mon, const UpmConversionInfoList *list)
{
    if (!list) {
        return;
    }
    monitor_printf(mon, "\n%-9s %-8s %11s %17s %11s %17s\n", "cause", "kind",
                   "to private", "bytes", "to shared", "bytes");
    for (; list; list = list->next) {
        const UpmConversionInfo *c = list->value;

        monitor_printf(mon, "%-9s %-8s %11" PRIu64 " %17" PRIu64 " %11" PRIu64
                       " %17" PRIu64 "\n", UpmCause_str(c->cause),
                       UpmConversionKind_str(c->kind),
                       c->to_private_requests, c->to_private_bytes,
                       c->to_shared_requests, c->to_shared_bytes);
    }
}

static void hmp_info_upm(Monitor *mon, const QDict *qdict)
{
    g_autoptr(UpmInfo) info = get_info(false);

    if (!info->blocks) {
        monitor_printf(mon, "no memory with a private half; provider: %s\n",
                       info->provider ?: "none");
        return;
    }
    monitor_printf(mon, "provider: %s\n\n", info->provider);
    print_blocks(mon, info);
    print_conversions(mon, info->conversions);
    monitor_printf(mon, "\nrequests without effect %" PRIu64
                   ", failed %" PRIu64 "\n",
                   info->unchanged_requests, info->failed_requests);
    monitor_printf(mon, "given back: private %" PRIu64 " bytes, shared %"
                   PRIu64 " bytes\n",
                   info->discarded_private, info->discarded_shared);
    monitor_printf(mon, "held back by policy: private %" PRIu64
                   " bytes, shared %" PRIu64 " bytes\n",
                   info->private_held_by_policy, info->shared_held_by_policy);
    monitor_printf(mon, "held back by huge pages: shared %" PRIu64 " bytes\n",
                   info->shared_held_by_huge_pages);
    monitor_printf(mon, "time in conversions %.3f ms\n", info->time / 1e6);
}

static void upm_register_hmp(void)
{
    monitor_register_hmp("upm", true, hmp_info_upm);
}

type_init(upm_register_hmp);
