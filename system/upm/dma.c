/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what assigned devices may map
 *
 * Only what is shared may be pinned and reached by a device, while the backing
 * of the rest comes and goes with the conversions.  So devices are told by a
 * RamDiscardManager for each block with a private half.
 *
 * QEMU 10.1 and later have RamBlockAttributes for this, which are not made
 * here: listeners come to them and go without a claim, while conversions that
 * hold no BQL tell them, and they keep the new state where one refuses.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/int128.h"
#include "qemu/queue.h"
#include "qom/object.h"
#include "system/upm/compat.h"
#include "system/upm/dma.h"
#include "system/upm/provider.h"

static int cannot_follow(Error **errp, int ret)
{
    error_setg_errno(errp, -ret, "an assigned device cannot follow");
    return ret;
}

#define TYPE_UPM_DISCARD "upm-discard-manager"

OBJECT_DECLARE_SIMPLE_TYPE(UpmDiscard, UPM_DISCARD)

/*
 * Listeners come and go with the BQL and a claim of the whole block: a
 * listener learns the states of all frames and then of each change, with
 * nothing in between.
 */
struct UpmDiscard {
    Object parent_obj;

    UpmBlock *block;
    QLIST_HEAD(, RamDiscardListener) listeners;
};

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

/*
 * Stops at the first run in a state for which @fn returns something, and
 * returns that.  Locking: a claim of the section.
 */
static int walk_claimed(UpmDiscard *manager,
                        const MemoryRegionSection *section, bool private,
                        RunFn fn, void *opaque)
{
    uint64_t start = section->offset_within_region;
    uint64_t end = start + int128_get64(section->size);
    uint64_t first = QEMU_ALIGN_DOWN(start, UPM_FRAME_SIZE);
    UpmExtent extent = {
        .block = manager->block,
        .offset = first,
        .size = QEMU_ALIGN_UP(end, UPM_FRAME_SIZE) - first,
    };
    UpmExtent run = { .offset = first };

    while (upm_next_run_in(&extent, upm_extent_end(&run), private, &run)) {
        MemoryRegionSection part;
        int ret;

        if (!cut(section, run.offset, run.size, &part)) {
            continue;
        }
        ret = fn(&part, opaque);
        if (ret) {
            return ret;
        }
    }
    return 0;
}

static int walk(UpmDiscard *manager, const MemoryRegionSection *section,
                bool private, RunFn fn, void *opaque)
{
    UpmClaim claim;
    int ret;

    upm_claim(&claim, manager->block, 0, manager->block->size);
    ret = walk_claimed(manager, section, private, fn, opaque);
    upm_release(&claim);
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
    return !walk(UPM_DISCARD(rdm), section, true, found, NULL);
}

static int replay_populated(const RamDiscardManager *rdm,
                            MemoryRegionSection *section, RunFn replay_fn,
                            void *opaque)
{
    return walk(UPM_DISCARD(rdm), section, false, replay_fn, opaque);
}

#ifdef TYPE_RAM_BLOCK_ATTRIBUTES
static int replay_discarded(const RamDiscardManager *rdm,
                            MemoryRegionSection *section,
                            ReplayRamDiscardState replay_fn, void *opaque)
{
    return walk(UPM_DISCARD(rdm), section, true, replay_fn, opaque);
}
#else
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

    walk(UPM_DISCARD(rdm), section, true, replay_one_discarded, &replay);
}
#endif

/*
 * Listeners
 */

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
    UpmClaim claim;
    int ret;

    rdl->section = memory_region_section_new_copy(section);
    upm_claim(&claim, manager->block, 0, manager->block->size);
    QLIST_INSERT_HEAD(&manager->listeners, rdl, next);
    upm_block_watch(manager->block, true);
    ret = walk_claimed(manager, rdl->section, false, populate_one, rdl);
    upm_release(&claim);
    if (ret) {
        error_report("a device can not map shared memory of '%s': %s",
                     memory_region_name(section->mr), strerror(-ret));
    }
}

static void unregister_listener(RamDiscardManager *rdm,
                                RamDiscardListener *rdl)
{
    UpmDiscard *manager = UPM_DISCARD(rdm);
    UpmClaim claim;

    upm_claim(&claim, manager->block, 0, manager->block->size);
    if (rdl->double_discard_supported) {
        rdl->notify_discard(rdl, rdl->section);
    } else {
        walk_claimed(manager, rdl->section, false, discard_one, rdl);
    }
    QLIST_REMOVE(rdl, next);
    upm_block_watch(manager->block, false);
    upm_release(&claim);
    memory_region_section_free_copy(rdl->section);
    rdl->section = NULL;
}

/*
 * Conversions
 */

static void tell_discard(UpmDiscard *manager, const UpmExtent *run,
                         RamDiscardListener *end)
{
    RamDiscardListener *rdl;

    QLIST_FOREACH(rdl, &manager->listeners, next) {
        MemoryRegionSection part;

        if (rdl == end) {
            break;
        }
        if (cut(rdl->section, run->offset, run->size, &part)) {
            rdl->notify_discard(rdl, &part);
        }
    }
}

static int tell_populate(UpmDiscard *manager, const UpmExtent *run)
{
    RamDiscardListener *rdl;

    QLIST_FOREACH(rdl, &manager->listeners, next) {
        MemoryRegionSection part;
        int ret = 0;

        if (cut(rdl->section, run->offset, run->size, &part)) {
            ret = rdl->notify_populate(rdl, &part);
        }
        if (ret) {
            tell_discard(manager, run, rdl);
            return ret;
        }
    }
    return 0;
}

static int converted(NotifierWithReturn *notifier, void *data, Error **errp)
{
    const UpmConversion *c = data;
    UpmDiscard *manager = c->run.block->discard_manager;
    int ret;

    if (!manager) {
        return 0;
    }
    if (c->to_private) {
        tell_discard(manager, &c->run, NULL);
        return 0;
    }
    ret = tell_populate(manager, &c->run);
    return ret ? cannot_follow(errp, ret) : 0;
}

static NotifierWithReturn notifier = { .notify = converted };

void upm_dma_add(UpmBlock *block)
{
    UpmDiscard *manager = UPM_DISCARD(object_new(TYPE_UPM_DISCARD));

    if (!notifier.node.le_prev) {
        upm_notifier_add(&notifier);
    }
    manager->block = block;
    block->discard_manager = manager;
    memory_region_set_ram_discard_manager(block->rb->mr,
                                          RAM_DISCARD_MANAGER(manager));
}

void upm_dma_remove(UpmBlock *block)
{
    if (block->discard_manager) {
        object_unref(OBJECT(block->discard_manager));
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
