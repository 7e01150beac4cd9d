/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: HMP command "info upm"
 */
#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qemu/cutils.h"
#include "qemu/module.h"
#include "see.h"

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
    g_autoptr(UpmInfo) info = upm_info();

    if (info->has_page_states &&
        info->page_states == UPM_PAGE_STATES_UNKNOWN) {
        monitor_printf(mon, "the guest has not told its page states\n");
        return;
    }
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
    monitor_printf(mon, "discarded: private %" PRIu64 " bytes, shared %"
                   PRIu64 " bytes\n",
                   info->discarded_private, info->discarded_shared);
    monitor_printf(mon, "held back by policy: private %" PRIu64
                   " bytes, shared %" PRIu64 " bytes\n",
                   info->private_held_by_policy, info->shared_held_by_policy);
    monitor_printf(mon, "held back by huge pages: shared %" PRIu64 " bytes\n",
                   info->shared_held_by_huge_pages);
    monitor_printf(mon, "held back by errors: private %" PRIu64
                   " bytes, shared %" PRIu64 " bytes, %" PRIu64 " errors\n",
                   info->private_held_by_errors, info->shared_held_by_errors,
                   info->failed_discards);
    if (info->poison) {
        monitor_printf(mon, "not converting any more: %s\n",
                       info->poison->reason);
    }
    monitor_printf(mon, "time in conversions %.3f ms\n", info->time / 1e6);
}

static void upm_register_hmp(void)
{
    monitor_register_hmp("upm", true, hmp_info_upm);
}

type_init(upm_register_hmp);
