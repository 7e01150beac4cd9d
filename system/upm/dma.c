/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what assigned devices may map
 *
 * A RamDiscardManager for each block with a private half.  Populated is what
 * is shared: only that may be pinned and reached by a device, while the
 * backing of the rest comes and goes with the conversions.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/int128.h"
#include "qemu/queue.h"
#include "qemu/rcu_queue.h"
#include "qom/object.h"
#include "system/upm/upm.h"
#include "system/upm/compat.h"
#include "system/upm/dma.h"

/* Later versions have RamBlockAttributes for this. */
#ifndef TYPE_RAM_BLOCK_ATTRIBUTES

#define TYPE_UPM_DISCARD "upm-discard-manager"

OBJECT_DECLARE_SIMPLE_TYPE(UpmDiscard, UPM_DISCARD)

/*
 * Managers go by RCU.  Listeners come and go with the BQL and the core's lock,
 * which conversions hold: a listener learns the states of all frames and then
 * of each change, with nothing in between.
 */
struct UpmDiscard {
    Object parent_obj;
    struct rcu_head rcu;

    RAMBlock *rb;
    QLIST_HEAD(, RamDiscardListener) listeners;
    QLIST_ENTRY(UpmDiscard) next;
};

static QLIST_HEAD(, UpmDiscard) managers = QLIST_HEAD_INITIALIZER(managers);

/*
 * Sections
 */

/* The part of @section with these bytes of its region; false: there is none */
static bool cut(const MemoryRegionSection *section, uint64_t offset,
                uint64_t size, MemoryRegionSection *part)
{
    uint64_t from = section->offset_within_region;
    uint64_t end = from + int128_get64(section->size);
    uint64_t first = MAX(from, offset);
    uint64_t last = MIN(end, offset + size);

    if (first >= last) {
        return false;
    }
    *part = *section;
    part->offset_within_region = first;
    part->offset_within_address_space += first - from;
    part->size = int128_make64(last - first);
    return true;
}

typedef int (*RunFn)(MemoryRegionSection *part, void *opaque);

/* A walk over the runs of a section that have one state. */
typedef struct Walk {
    MemoryRegionSection *section;
    bool private;
    /* where the last shared run ended */
    uint64_t at;
    RunFn fn;
    void *opaque;
    int ret;
} Walk;

static void walk_part(Walk *walk, uint64_t offset, uint64_t size)
{
    MemoryRegionSection part;

    if (!walk->ret && cut(walk->section, offset, size, &part)) {
        walk->ret = walk->fn(&part, walk->opaque);
    }
}

static void walk_shared_run(const UpmExtent *run, void *opaque)
{
    Walk *walk = opaque;

    if (walk->private) {
        walk_part(walk, walk->at, run->offset - walk->at);
    } else {
        walk_part(walk, run->offset, run->size);
    }
    walk->at = run->offset + run->size;
}

/*
 * Stops at the first run for which @fn returns something, and returns that.
 * Locking: the core's lock.
 */
static int walk_locked(const UpmDiscard *manager,
                        MemoryRegionSection *section, bool private, RunFn fn,
                        void *opaque)
{
    uint64_t start = section->offset_within_region;
    uint64_t end = start + int128_get64(section->size);
    uint64_t first = QEMU_ALIGN_DOWN(start, UPM_FRAME_SIZE);
    UpmExtent extent = {
        .block = upm_block_find(manager->rb),
        .offset = first,
        .size = QEMU_ALIGN_UP(end, UPM_FRAME_SIZE) - first,
    };
    Walk walk = {
        .section = section,
        .private = private,
        .at = first,
        .fn = fn,
        .opaque = opaque,
    };

    upm_foreach_shared_locked(&extent, walk_shared_run, &walk);
    if (private && walk.at < end) {
        walk_part(&walk, walk.at, end - walk.at);
    }
    return walk.ret;
}

static int walk_section(const UpmDiscard *manager,
                        MemoryRegionSection *section, bool private, RunFn fn,
                        void *opaque)
{
    int ret;

    upm_lock();
    ret = walk_locked(manager, section, private, fn, opaque);
    upm_unlock();
    return ret;
}

/*
 * The manager
 */

static uint64_t get_min_granularity(const RamDiscardManager *rdm,
                                    const MemoryRegion *mr)
{
    return UPM_FRAME_SIZE;
}

static int found(MemoryRegionSection *part, void *opaque)
{
    return 1;
}

static bool is_populated(const RamDiscardManager *rdm,
                         const MemoryRegionSection *section)
{
    MemoryRegionSection copy = *section;

    return !walk_section(UPM_DISCARD(rdm), &copy, true, found, NULL);
}

static int replay_populated(const RamDiscardManager *rdm,
                            MemoryRegionSection *section,
                            ReplayRamPopulate replay_fn, void *opaque)
{
    return walk_section(UPM_DISCARD(rdm), section, false, replay_fn, opaque);
}

typedef struct ReplayDiscarded {
    ReplayRamDiscard fn;
    void *opaque;
} ReplayDiscarded;

static int replay_one_discarded(MemoryRegionSection *part, void *opaque)
{
    ReplayDiscarded *replay = opaque;

    replay->fn(part, replay->opaque);
    return 0;
}

static void replay_discarded(const RamDiscardManager *rdm,
                             MemoryRegionSection *section,
                             ReplayRamDiscard replay_fn, void *opaque)
{
    ReplayDiscarded replay = { .fn = replay_fn, .opaque = opaque };

    walk_section(UPM_DISCARD(rdm), section, true, replay_one_discarded,
                 &replay);
}

static int populate_one(MemoryRegionSection *part, void *opaque)
{
    RamDiscardListener *rdl = opaque;

    return rdl->notify_populate(rdl, part);
}

static int discard_one(MemoryRegionSection *part, void *opaque)
{
    RamDiscardListener *rdl = opaque;

    rdl->notify_discard(rdl, part);
    return 0;
}

static void register_listener(RamDiscardManager *rdm, RamDiscardListener *rdl,
                              MemoryRegionSection *section)
{
    UpmDiscard *manager = UPM_DISCARD(rdm);
    int ret;

    rdl->section = memory_region_section_new_copy(section);
    upm_lock();
    QLIST_INSERT_HEAD(&manager->listeners, rdl, next);
    ret = walk_locked(manager, rdl->section, false, populate_one, rdl);
    upm_unlock();
    if (ret) {
        error_report("a device can not map shared memory of '%s': %s",
                     memory_region_name(section->mr), strerror(-ret));
    }
}

static void unregister_listener(RamDiscardManager *rdm,
                                RamDiscardListener *rdl)
{
    UpmDiscard *manager = UPM_DISCARD(rdm);

    upm_lock();
    if (rdl->double_discard_supported) {
        rdl->notify_discard(rdl, rdl->section);
    } else {
        walk_locked(manager, rdl->section, false, discard_one, rdl);
    }
    QLIST_REMOVE(rdl, next);
    upm_unlock();
    memory_region_section_free_copy(rdl->section);
    rdl->section = NULL;
}

/*
 * Conversions
 */

static void tell_discard(UpmDiscard *manager, const UpmExtent *extent,
                         RamDiscardListener *end)
{
    RamDiscardListener *rdl;

    QLIST_FOREACH(rdl, &manager->listeners, next) {
        MemoryRegionSection part;

        if (rdl == end) {
            break;
        }
        if (cut(rdl->section, extent->offset, extent->size, &part)) {
            rdl->notify_discard(rdl, &part);
        }
    }
}

static int tell_populate(UpmDiscard *manager, const UpmExtent *extent)
{
    RamDiscardListener *rdl;

    QLIST_FOREACH(rdl, &manager->listeners, next) {
        MemoryRegionSection part;
        int ret = 0;

        if (cut(rdl->section, extent->offset, extent->size, &part)) {
            ret = rdl->notify_populate(rdl, &part);
        }
        if (ret) {
            tell_discard(manager, extent, rdl);
            return ret;
        }
    }
    return 0;
}

static UpmDiscard *find(RAMBlock *rb)
{
    UpmDiscard *manager;

    QLIST_FOREACH_RCU(manager, &managers, next) {
        if (manager->rb == rb) {
            return manager;
        }
    }
    return NULL;
}

static int converted(NotifierWithReturn *notifier, void *data, Error **errp)
{
    const UpmConversion *c = data;
    UpmDiscard *manager = find(c->extent.block->rb);
    int ret;

    if (!manager) {
        return 0;
    }
    if (c->to_private) {
        tell_discard(manager, &c->extent, NULL);
        return 0;
    }
    ret = tell_populate(manager, &c->extent);
    if (ret) {
        error_setg_errno(errp, -ret, "an assigned device cannot follow");
    }
    return ret;
}

static NotifierWithReturn notifier = { .notify = converted };

void upm_discard_add(RAMBlock *rb, MemoryRegion *mr)
{
    UpmDiscard *manager = UPM_DISCARD(object_new(TYPE_UPM_DISCARD));

    manager->rb = rb;
    if (!notifier.node.le_prev) {
        upm_notifier_add(&notifier);
    }
    QLIST_INSERT_HEAD_RCU(&managers, manager, next);
    memory_region_set_ram_discard_manager(mr, RAM_DISCARD_MANAGER(manager));
}

static void free_manager(struct rcu_head *head)
{
    object_unref(OBJECT(container_of(head, UpmDiscard, rcu)));
}

void upm_discard_remove(RAMBlock *rb)
{
    UpmDiscard *manager = find(rb);

    if (manager) {
        QLIST_REMOVE_RCU(manager, next);
        call_rcu1(&manager->rcu, free_manager);
    }
}

/*
 * The type
 */

static void discard_class_init(ObjectClass *oc, const void *data)
{
    RamDiscardManagerClass *rdmc = RAM_DISCARD_MANAGER_CLASS(oc);

    rdmc->get_min_granularity = get_min_granularity;
    rdmc->is_populated = is_populated;
    rdmc->replay_populated = replay_populated;
    rdmc->replay_discarded = replay_discarded;
    rdmc->register_listener = register_listener;
    rdmc->unregister_listener = unregister_listener;
}

static const TypeInfo discard_info = {
    .name = TYPE_UPM_DISCARD,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(UpmDiscard),
    .class_init = (void *)discard_class_init,
    .interfaces = (InterfaceInfo[]) { { TYPE_RAM_DISCARD_MANAGER }, { } },
};

static void discard_register(void)
{
    type_register_static(&discard_info);
}

type_init(discard_register);

#endif
