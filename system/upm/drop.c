/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: the shared half of a run, discarded
 */
#include "qemu/osdep.h"
#include "system/upm/compat.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"

/*
 * A hole in the file of a shared mapping takes the pages from every mapping,
 * so that the second look at QEMU's own, which discarding a mapping takes, and
 * KVM with it, can be saved.
 */
int upm_memory_drop_shared(const UpmExtent *extent)
{
    RAMBlock *rb = extent->block->rb;

    if (rb->fd < 0 || !qemu_ram_is_shared(rb)) {
        return upm_discard_shared_range(rb, extent->offset, extent->size);
    }
    return upm_punch_hole(rb->fd, rb->fd_offset + extent->offset,
                          extent->size);
}
