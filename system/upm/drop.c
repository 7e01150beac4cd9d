/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: the shared half of a run, discarded
 */
#include "qemu/osdep.h"
#include "system/upm/compat.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"

/*
 * QEMU 11.1's ram_block_discard_range() discards the private half as well,
 * and this is what has its old meaning there.  Older ones do not have it, and
 * then this is NULL.
 */
static __typeof__(ram_block_discard_range) discard_shared_range
    __attribute__((weakref("ram_block_discard_shared_range")));

static int drop_mapped(RAMBlock *rb, const UpmExtent *extent)
{
    return (discard_shared_range ?: ram_block_discard_range)(
        rb, extent->offset, extent->size);
}

/*
 * A hole in the file of a shared mapping takes the pages from every mapping,
 * so that the second look at QEMU's own that drop_mapped() takes, and KVM with
 * it, can be saved.
 */
int upm_memory_drop_shared(const UpmExtent *extent)
{
    RAMBlock *rb = extent->block->rb;

    if (rb->fd < 0 || !qemu_ram_is_shared(rb)) {
        return drop_mapped(rb, extent);
    }
    return upm_punch_hole(rb->fd, rb->fd_offset + extent->offset,
                          extent->size);
}
