/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: QMP command query-upm-map
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-upm.h"
#include "qapi/util.h"
#include "qemu/int128.h"
#include "qemu/units.h"
#include "system/upm/compat.h"
#include "system/upm/map.h"
#include "see.h"

#define LIMIT_DEFAULT 256
#define LIMIT_MAX 4096
/* A look at this much of a map takes some 0.2 ms. */
#define BYTES_AT_ONCE (64 * GiB)

typedef struct MapWalk {
    UpmMap *map;
    UpmRangeList **tail;
    UpmRange *last;
    /* where to go on */
    hwaddr at;
    /* ranges and bytes that may still be looked at */
    uint32_t ranges;
    uint64_t bytes;
} MapWalk;

/* Memory may be mapped in several sections, yet be one run of its block. */
static bool extends_last(const MapWalk *walk, const UpmExtent *run,
                         UpmPageState state)
{
    const UpmRange *last = walk->last;

    return last && last->state == state &&
           last->gpa + last->size == run->gpa &&
           last->offset + last->size == run->offset &&
           !strcmp(last->block, run->block->name);
}

/* Returns false where there is no room for one more range. */
static bool add_run(MapWalk *walk, const UpmExtent *run, bool private)
{
    UpmPageState state = private ? UPM_PAGE_STATE_PRIVATE
                                 : UPM_PAGE_STATE_SHARED;

    if (extends_last(walk, run, state)) {
        walk->last->size += run->size;
        return true;
    }
    if (!walk->ranges) {
        return false;
    }
    walk->ranges--;
    walk->last = g_new0(UpmRange, 1);
    walk->last->gpa = run->gpa;
    walk->last->size = run->size;
    walk->last->state = state;
    walk->last->block = g_strdup(run->block->name);
    walk->last->offset = run->offset;
    QAPI_LIST_APPEND(walk->tail, walk->last);
    return true;
}

/* Returns true to end the walk: there is more, but not for this call. */
static bool walk_extent(MapWalk *walk, UpmExtent *extent)
{
    while (extent->size) {
        UpmExtent part = *extent, run;
        bool private;

        part.size = MIN(part.size, walk->bytes);
        if (part.size) {
            upm_next_run(&part, &run, &private);
        }
        if (!part.size || !add_run(walk, &run, private)) {
            walk->map->has_next = true;
            walk->map->next = extent->gpa;
            return true;
        }
        walk->bytes -= run.size;
        upm_extent_skip(extent, run.size);
    }
    return false;
}

static bool walk_section(Int128 start, Int128 len, const MemoryRegion *mr,
                         hwaddr offset, void *opaque)
{
    MapWalk *walk = opaque;
    UpmExtent extent = { .gpa = int128_get64(start) };
    uint64_t skip;

    if (!memory_region_is_ram((MemoryRegion *)mr)) {
        return false;
    }
    extent.block = upm_block_find(mr->ram_block);
    /* Other RAM may have any size. */
    if (!extent.block ||
        !QEMU_IS_ALIGNED(extent.gpa | offset, UPM_FRAME_SIZE)) {
        return false;
    }
    extent.offset = offset;
    extent.size = QEMU_ALIGN_DOWN(int128_get64(len), UPM_FRAME_SIZE);
    skip = walk->at > extent.gpa ? walk->at - extent.gpa : 0;
    if (skip >= extent.size) {
        return false;
    }
    upm_extent_skip(&extent, skip);
    return walk_extent(walk, &extent);
}

static bool check_arguments(uint64_t start, uint32_t limit, Error **errp)
{
    if (!QEMU_IS_ALIGNED(start, UPM_FRAME_SIZE)) {
        error_setg(errp, "start 0x%" PRIx64 " is not a multiple of %llu",
                   start, UPM_FRAME_SIZE);
        return false;
    }
    if (!limit || limit > LIMIT_MAX) {
        error_setg(errp, "limit must be between 1 and %d, and is %" PRIu32,
                   LIMIT_MAX, limit);
        return false;
    }
    return true;
}

UpmMap *qmp_query_upm_map(bool has_start, uint64_t start, bool has_limit,
                          uint32_t limit, Error **errp)
{
    g_autoptr(UpmMap) map = g_new0(UpmMap, 1);
    MapWalk walk = {
        .map = map,
        .tail = &map->ranges,
        .at = has_start ? start : 0,
        .ranges = has_limit ? limit : LIMIT_DEFAULT,
        .bytes = BYTES_AT_ONCE,
    };
    UpmPageStates states;

    if (!check_arguments(walk.at, walk.ranges, errp)) {
        return NULL;
    }
    if (upm_page_states(&states) && states == UPM_PAGE_STATES_UNKNOWN) {
        error_setg(errp, "the guest has not told its page states, or nobody "
                   "listens: see upm-mode=");
        return NULL;
    }
    WITH_RCU_READ_LOCK_GUARD() {
        flatview_for_each_range(
            address_space_to_flatview(&address_space_memory), walk_section,
            &walk);
    }
    if (!map->ranges) {
        error_setg(errp, "there is no memory with a private half at 0x%"
                   PRIx64 " or above", walk.at);
        return NULL;
    }
    return g_steal_pointer(&map);
}
