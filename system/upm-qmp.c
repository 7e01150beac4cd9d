/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: QMP command query-upm, HMP command "info upm"
 */
#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands-upm.h"
#include "qapi/util.h"
#include "qemu/cutils.h"
#include "qemu/module.h"
#include "system/upm.h"

static void add_block(UpmBlock *block, void *opaque)
{
    UpmBlockInfoList **list = opaque;
    UpmBlockInfo *info = g_new0(UpmBlockInfo, 1);

    info->id = g_strdup(block->name);
    info->size = block->size;
    info->shared_bytes = block->shared_frames << UPM_FRAME_BITS;
    info->private_bytes = block->size - info->shared_bytes;
    info->discard = block->discard;
    QAPI_LIST_PREPEND(*list, info);
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
    info->to_private_requests = c->requests[cause][true];
    info->to_private_bytes = c->converted[cause][true];
    info->to_shared_requests = c->requests[cause][false];
    info->to_shared_bytes = c->converted[cause][false];
    QAPI_LIST_APPEND(*tail, info);
}

UpmInfo *qmp_query_upm(Error **errp)
{
    UpmInfo *info = g_new0(UpmInfo, 1);
    UpmConversionInfoList **tail = &info->conversions;
    UpmCounters c = upm_counters();
    UpmCause cause;

    info->provider = g_strdup(upm_provider_name());
    upm_foreach_block(add_block, &info->blocks);
    for (cause = 0; cause < UPM_CAUSE__MAX; cause++) {
        add_conversions(&tail, cause, &c);
    }
    info->unchanged_requests = c.unchanged_requests;
    info->failed_requests = c.failed_requests;
    info->discarded_shared = c.discarded_shared;
    info->discarded_private = c.discarded_private;
    info->held_back = c.held_back;
    info->time = c.time;
    return info;
}

/* Long names lose their beginning, not their end. */
static const char *tail_of(const char *name, size_t width)
{
    size_t length = strlen(name);

    return length > width ? name + length - width : name;
}

static void print_blocks(Monitor *mon, const UpmBlockInfoList *blocks)
{
    monitor_printf(mon, "%-24s %12s %12s %12s  %s\n", "block", "size",
                   "private", "shared", "discard");
    for (; blocks; blocks = blocks->next) {
        const UpmBlockInfo *b = blocks->value;
        g_autofree char *size = size_to_str(b->size);
        g_autofree char *private = size_to_str(b->private_bytes);
        g_autofree char *shared = size_to_str(b->shared_bytes);

        monitor_printf(mon, "%-24s %12s %12s %12s  %s\n", tail_of(b->id, 24),
                       size, private, shared,
                       UpmDiscardPolicy_str(b->discard));
    }
}

static void print_conversions(Monitor *mon, const UpmConversionInfoList *list)
{
    if (!list) {
        return;
    }
    monitor_printf(mon, "\n%-12s %10s %14s %10s %14s\n", "cause",
                   "to private", "bytes", "to shared", "bytes");
    for (; list; list = list->next) {
        const UpmConversionInfo *c = list->value;

        monitor_printf(mon, "%-12s %10" PRIu64 " %14" PRIu64 " %10" PRIu64
                       " %14" PRIu64 "\n", UpmCause_str(c->cause),
                       c->to_private_requests, c->to_private_bytes,
                       c->to_shared_requests, c->to_shared_bytes);
    }
}

static void hmp_info_upm(Monitor *mon, const QDict *qdict)
{
    g_autoptr(UpmInfo) info = qmp_query_upm(NULL);

    if (!info->blocks) {
        monitor_printf(mon, "no memory with a private half; provider: %s\n",
                       info->provider ?: "none");
        return;
    }
    monitor_printf(mon, "provider: %s\n\n", info->provider);
    print_blocks(mon, info->blocks);
    print_conversions(mon, info->conversions);
    monitor_printf(mon, "\nrequests without effect %" PRIu64
                   ", failed %" PRIu64 "\n",
                   info->unchanged_requests, info->failed_requests);
    monitor_printf(mon, "given back: shared %" PRIu64 " bytes, private %"
                   PRIu64 " bytes\n",
                   info->discarded_shared, info->discarded_private);
    monitor_printf(mon, "held back by huge pages %" PRIu64 " bytes\n",
                   info->held_back);
    monitor_printf(mon, "time in conversions %.3f ms\n", info->time / 1e6);
}

static void upm_register_hmp(void)
{
    monitor_register_hmp("upm", true, hmp_info_upm);
}

type_init(upm_register_hmp);
