/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: page states of a guest that has none
 *
 * The memory of an SEV or SEV-ES guest is encrypted in place: the guest's
 * page tables alone make a page private, and what the guest tells of it is
 * only written down.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "system/reset.h"
#include "system/upm/compat.h"
#include "system/upm/host.h"
#include "core.h"

static int mark(const UpmExtent *extent, bool to_private)
{
    return 0;
}

static UpmProviderOps recorder;

static RAMBlock *block_at(void *host)
{
    ram_addr_t offset;

    RCU_READ_LOCK_GUARD();
    return qemu_ram_block_from_host(host, false, &offset);
}

/* What it shares would not be known. */
static void stop_guest(Error *err)
{
    upm_memory_stop_guest(error_get_pretty(err));
    error_free(err);
}

static void ram_added(RAMBlockNotifier *n, void *host, size_t size,
                      size_t max_size)
{
    RAMBlock *rb = block_at(host);
    Error *err = NULL;

    /* The memory of an assigned device is not encrypted. */
    if (!rb || memory_region_is_ram_device(rb->mr) ||
        (recorder.records && !recorder.records(rb))) {
        return;
    }
    if (!upm_block_record(rb, memory_region_name(rb->mr), max_size, &err)) {
        stop_guest(err);
    }
}

static void ram_removed(RAMBlockNotifier *n, void *host, size_t size,
                        size_t max_size)
{
    RAMBlock *rb = block_at(host);

    if (rb) {
        upm_block_unregister(rb);
    }
}

static RAMBlockNotifier ram_notifier = {
    .ram_block_added = ram_added,
    .ram_block_removed = ram_removed,
};

/* No conversion can be made where blocks are found, with the lock held. */
static void collect_shared(UpmBlock *block, void *opaque)
{
    if (block->shared_frames) {
        g_ptr_array_add(opaque, block);
    }
}

static void forget_states(void *opaque)
{
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();

    RCU_READ_LOCK_GUARD();
    upm_foreach_block(collect_shared, blocks);
    for (unsigned int i = 0; i < blocks->len; i++) {
        Error *err = NULL;

        if (upm_convert_block(g_ptr_array_index(blocks, i), true,
                              UPM_CAUSE_RESET, &err) < 0) {
            error_prepend(&err, "reset: ");
            stop_guest(err);
        }
    }
}

bool upm_is_recording(void)
{
    return recorder.name;
}

void upm_record(const UpmProviderOps *ops)
{
    recorder = *ops;
    recorder.mark = mark;
    upm_set_provider(&recorder);
    ram_block_notifier_add(&ram_notifier);
    qemu_register_reset(forget_states, NULL);
}
