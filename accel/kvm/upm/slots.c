/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: page states of memory slots
 *
 * Attributes belong to guest addresses and outlive the slots that they were
 * set for.  So a new slot is given the states that its memory has, and where
 * there is no memory any more they are taken away when somebody meets them.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "hw/qdev-core.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "system/kvm.h"
#include "system/upm/compat.h"
#include "trace/trace-upm.h"
#include "internal.h"

bool upm_kvm_inhibits(bool deletes)
{
    return deletes && upm_kvm.in_use;
}

int upm_kvm_mem_flags(int flags)
{
    return flags & KVM_MEM_GUEST_MEMFD ? flags & ~KVM_MEM_LOG_DIRTY_PAGES
                                       : flags;
}

/* How much of a slot has its attributes. */
typedef struct SlotWalk {
    UpmExtent rest;
    int ret;
} SlotWalk;

static void mark_next(SlotWalk *walk, uint64_t size, bool private)
{
    UpmExtent run = walk->rest;

    run.size = size;
    if (!size || walk->ret < 0) {
        return;
    }
    walk->ret = upm_kvm_mark(&run, private);
    walk->rest.gpa += size;
    walk->rest.offset += size;
    walk->rest.size -= size;
}

static void mark_up_to_shared(const UpmExtent *run, void *opaque)
{
    SlotWalk *walk = opaque;

    mark_next(walk, run->offset - walk->rest.offset, true);
    mark_next(walk, run->size, false);
}

static void slot_failed(const UpmExtent *slot, int ret)
{
    g_autofree char *reason =
        g_strdup_printf("page states of '%s' at 0x%" HWADDR_PRIx " +0x%" PRIx64
                        " can not be set in its new memory slot: %s",
                        slot->block->name, slot->gpa, slot->size,
                        strerror(-ret));

    if (!phase_check(PHASE_MACHINE_READY)) {
        error_report("%s", reason);
        exit(EXIT_FAILURE);
    }
    upm_memory_stop_guest(reason);
}

bool upm_kvm_slot_added(hwaddr start, void *host, uint64_t size)
{
    UpmExtent slot = { .gpa = start, .size = size };
    SlotWalk walk;
    ram_addr_t offset;
    RAMBlock *rb;

    if (!upm_kvm.in_use) {
        return false;
    }
    RCU_READ_LOCK_GUARD();
    rb = qemu_ram_block_from_host(host, false, &offset);
    slot.block = rb ? upm_block_find(rb) : NULL;
    if (!slot.block) {
        return false;
    }
    slot.offset = offset;
    walk = (SlotWalk) { .rest = slot };
    upm_lock();
    upm_foreach_shared_locked(&slot, mark_up_to_shared, &walk);
    mark_next(&walk, walk.rest.size, true);
    upm_unlock();
    trace_upm_kvm_slot(slot.block->name, start, offset, size, walk.ret);
    if (walk.ret < 0) {
        slot_failed(&slot, walk.ret);
    }
    return true;
}

/*
 * Attributes outlive the memory that they were set for (see
 * upm_kvm_slot_added()): what is no RAM any more has to be shared, or every
 * access to it would fault.  Where KVM takes the type of an access from the
 * attribute, such a fault is one for private memory.  Memory does not come or
 * go while the BQL is held, so that no attribute is taken from a new slot.
 */
bool upm_kvm_clear_stale(hwaddr gpa, uint64_t size)
{
    UpmExtent page = { .gpa = gpa, .size = size };
    UpmExtent found;

    BQL_LOCK_GUARD();
    WITH_RCU_READ_LOCK_GUARD() {
        if (upm_memory_resolve(gpa, UPM_FRAME_SIZE, &found)) {
            return false;
        }
    }
    return !upm_kvm_mark(&page, false);
}
