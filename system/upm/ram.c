/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what the core asks of QEMU's memory
 */
#include "qemu/osdep.h"
#include "migration/blocker.h"
#include "qapi/error.h"
#include "qemu/mmap-alloc.h"
#include "system/upm/compat.h"
#include "system/upm/dma.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"

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
                            qemu_ram_pagesize(rb), errp);
    if (fd < 0) {
        goto undo_block;
    }
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
    if (rb->guest_memfd >= 0 && upm_block_unregister(rb)) {
        unblock_migration();
    }
}

void upm_memory_prepare(UpmBlock *block)
{
    upm_dma_add(block);
}

/*
 * Called before reclaim_ramblock(), since that was asked for later.  It would
 * take back a demand that is not ours, or attributes that are not there.
 */
void upm_memory_reclaim(UpmBlock *block)
{
    upm_dma_remove(block);
    ram_block_coordinated_discard_require(false);
    close(block->rb->guest_memfd);
    block->rb->guest_memfd = -1;
}

int upm_memory_private_fd(const UpmBlock *block)
{
    return block->rb->guest_memfd;
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

/* A view never changes, and none is freed and made anew in a read section. */
const void *upm_memory_map(void)
{
    return address_space_to_flatview(&address_space_memory);
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
