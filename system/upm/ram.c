/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what the core asks of QEMU's memory
 */
#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "migration/blocker.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/mmap-alloc.h"
#include "system/runstate.h"
#include "system/upm/upm.h"
#include "system/upm/compat.h"
#include "system/upm/dma.h"
#include "trace/trace-upm.h"

/*
 * Nothing can read private memory, so nothing can send it elsewhere; that
 * covers savevm and all modes of migration.  Protected by the BQL.
 */
static Error *migration_blocker;
static unsigned int blocks_that_block;

static bool block_migration(Error **errp)
{
    if (!blocks_that_block) {
        error_setg(&migration_blocker, "A guest with private memory can not "
                   "be migrated or saved: QEMU can not read that memory");
        if (migrate_add_blocker(&migration_blocker, errp) < 0) {
            return false;
        }
    }
    blocks_that_block++;
    return true;
}

static void unblock_migration(void)
{
    if (!--blocks_that_block) {
        migrate_del_blocker(&migration_blocker);
    }
}

/*
 * Assigned devices follow page states, so that discarding is coordinated with
 * them: from QEMU 10.1 on through an object that ram_block_add() makes and
 * reclaim_ramblock() destroys, before that through one of ours.
 */
#ifdef TYPE_RAM_BLOCK_ATTRIBUTES
static int tell_attributes(NotifierWithReturn *notifier, void *data,
                           Error **errp)
{
    const UpmConversion *c = data;
    int ret = ram_block_attributes_state_change(c->extent.block->rb->attributes,
                                                c->extent.offset,
                                                c->extent.size, c->to_private);

    if (ret) {
        error_setg_errno(errp, -ret, "an assigned device cannot follow");
    }
    return ret;
}

static NotifierWithReturn attributes_notifier = { .notify = tell_attributes };

static bool make_attributes(RAMBlock *rb, Error **errp)
{
    rb->attributes = ram_block_attributes_create(rb);
    if (!rb->attributes) {
        error_setg(errp, "cannot set up page states of '%s' for assigned "
                   "devices", memory_region_name(rb->mr));
        return false;
    }
    if (!attributes_notifier.node.le_prev) {
        upm_notifier_add(&attributes_notifier);
    }
    return true;
}

#else
static bool make_attributes(RAMBlock *rb, Error **errp)
{
    upm_discard_add(rb, rb->mr);
    return true;
}
#endif

static bool require_discard(RAMBlock *rb, Error **errp)
{
    ERRP_GUARD();
    int ret = ram_block_coordinated_discard_require(true);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot set up the private half of '%s' "
                         "(%" PRIu64 " bytes): discarding memory is blocked",
                         memory_region_name(rb->mr), (uint64_t)rb->max_length);
        error_append_hint(errp, "Remove assigned devices, which pin all of "
                          "guest memory.\n");
        return false;
    }
    return true;
}

static bool add_private_half(RAMBlock *rb, Error **errp)
{
    int fd;

    if (!require_discard(rb, errp)) {
        return false;
    }
    if (!block_migration(errp)) {
        goto undo_require;
    }
    fd = upm_block_register(rb, memory_region_name(rb->mr), rb->max_length,
                            errp);
    if (fd < 0) {
        goto undo_block;
    }
    if (!make_attributes(rb, errp)) {
        upm_block_unregister(rb);
        close(fd);
        goto undo_block;
    }
    upm_block_set_page_size(upm_block_find(rb), qemu_ram_pagesize(rb));
    rb->guest_memfd = fd;
    return true;

undo_block:
    unblock_migration();
undo_require:
    ram_block_coordinated_discard_require(false);
    return false;
}

bool upm_block_add(RAMBlock *rb, Error **errp)
{
    if (add_private_half(rb, errp)) {
        return true;
    }
    /* Of a block made from a descriptor the caller keeps no mapping. */
    if (rb->fd >= 0) {
        qemu_ram_munmap(rb->fd, rb->host, rb->max_length);
        rb->host = NULL;
    }
    return false;
}

void upm_block_remove(RAMBlock *rb)
{
    if (!upm_block_unregister(rb)) {
        return;
    }
    unblock_migration();
#ifndef TYPE_RAM_BLOCK_ATTRIBUTES
    /* QEMU would take back a demand that is not ours. */
    upm_discard_remove(rb);
    ram_block_coordinated_discard_require(false);
    close(rb->guest_memfd);
    rb->guest_memfd = -1;
#endif
}

bool upm_memory_resolve(hwaddr gpa, uint64_t size, UpmExtent *extent)
{
    hwaddr offset, length = size;
    UpmBlock *block;
    MemoryRegion *mr;

    mr = address_space_translate(&address_space_memory, gpa, &offset, &length,
                                 true, MEMTXATTRS_UNSPECIFIED);
    if (!memory_region_is_ram(mr)) {
        return false;
    }
    block = upm_block_find(mr->ram_block);
    length = QEMU_ALIGN_DOWN(length, UPM_FRAME_SIZE);
    if (!block || !length || !QEMU_IS_ALIGNED(offset, UPM_FRAME_SIZE)) {
        return false;
    }

    *extent = (UpmExtent) {
        .block = block,
        .gpa = gpa,
        .offset = offset,
        .size = length,
    };
    return true;
}

char *upm_memory_describe(hwaddr gpa)
{
    hwaddr offset, length = UPM_FRAME_SIZE;
    const char *kind;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&address_space_memory, gpa, &offset, &length,
                                 true, MEMTXATTRS_UNSPECIFIED);
    if (!mr->name || (!memory_region_is_ram(mr) && !mr->container)) {
        return g_strdup("nothing");
    }
    if (memory_region_is_rom(mr) || memory_region_is_romd(mr)) {
        kind = "ROM";
    } else if (memory_region_is_ram(mr)) {
        kind = "RAM";
    } else {
        kind = "MMIO";
    }
    return g_strdup_printf("%s '%s', which has no private half", kind,
                           mr->name);
}

/*
 * A hole in the file of a shared mapping takes the pages from every mapping,
 * so that the second look at QEMU's own that ram_block_discard_range() takes,
 * and KVM with it, can be saved.
 */
static int drop_shared(RAMBlock *rb, uint64_t offset, uint64_t size)
{
    if (rb->fd < 0 || !qemu_ram_is_shared(rb)) {
        return ram_block_discard_range(rb, offset, size);
    }
    return upm_punch_hole(rb->fd, rb->fd_offset + offset, size);
}

/* A huge page can only go as a whole, and only where all of it is private. */
static int64_t drop_huge_pages(const UpmExtent *extent, size_t page_size)
{
    uint64_t at = QEMU_ALIGN_DOWN(extent->offset, page_size);
    uint64_t end = QEMU_ALIGN_UP(extent->offset + extent->size, page_size);
    int64_t dropped = 0;
    uint64_t size;

    while ((size = upm_next_private(extent->block, page_size, &at, end))) {
        int ret = drop_shared(extent->block->rb, at, size);

        if (ret < 0) {
            return ret;
        }
        dropped += size;
        at += size;
    }
    return dropped;
}

int64_t upm_memory_drop_shared(const UpmExtent *extent)
{
    RAMBlock *rb = extent->block->rb;
    size_t page_size = qemu_ram_pagesize(rb);
    int ret;

    if (page_size > UPM_FRAME_SIZE) {
        return drop_huge_pages(extent, page_size);
    }
    ret = drop_shared(rb, extent->offset, extent->size);
    return ret < 0 ? ret : extent->size;
}

void upm_memory_stop_guest(const char *reason)
{
    trace_upm_stop_guest(reason);
    error_report("guest stopped: %s", reason);
    /* The main loop stops the vCPUs: a caller may lack the BQL for that. */
    qemu_system_vmstop_request_prepare();
    qemu_system_vmstop_request(RUN_STATE_INTERNAL_ERROR);
    if (current_cpu) {
        cpu_exit(current_cpu);
    }
}
