/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: page states of memory slots
 *
 * Attributes belong to guest addresses and outlive the slots that they were
 * set for.  So a new slot is given the states that its memory has, unless it
 * still has them (marked.c), and where there is no memory any more they are
 * taken away when somebody meets them.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "system/kvm.h"
#include "system/upm/compat.h"
#include "trace/trace-upm.h"
#include "internal.h"

bool upm_kvm_inhibits(void)
{
    return upm_kvm.in_use;
}

int upm_kvm_mem_flags(int flags)
{
    return flags & KVM_MEM_GUEST_MEMFD ? flags & ~KVM_MEM_LOG_DIRTY_PAGES
                                       : flags;
}

/* Run by run.  Returns 0 or a negative errno. */
static int mark_runs(UpmExtent rest)
{
    int ret = 0;

    while (!ret && rest.size) {
        UpmExtent run;
        bool private;

        upm_next_run(&rest, &run, &private);
        ret = upm_kvm_mark(&run, private);
        upm_extent_skip(&rest, run.size);
    }
    return ret;
}

/*
 * Only where the attributes are not those of this memory already.  There is
 * no claim: nobody is between upm_kvm_enter() and upm_kvm_leave() while slots
 * are added, so that the map does not change, and who has a claim waits for
 * the slots.
 */
static int mark_slot(const UpmExtent *slot)
{
    UpmExtent rest = *slot;
    UpmExtent gap;
    int ret = 0;

    while (!ret && upm_kvm_marked_gap(&rest, &gap)) {
        ret = mark_runs(gap);
    }
    if (ret < 0) {
        upm_kvm_marked_forget(slot->gpa, slot->size);
    } else {
        upm_kvm_marked_add(slot);
    }
    return ret;
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
    ram_addr_t offset;
    RAMBlock *rb;
    int ret;

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
    ret = mark_slot(&slot);
    trace_upm_kvm_slot(slot.block->name, start, offset, size, ret);
    if (ret < 0) {
        slot_failed(&slot, ret);
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
    upm_kvm_marked_forget(gpa, size);
    return !upm_kvm_mark(&page, false);
}
