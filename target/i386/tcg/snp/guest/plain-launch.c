/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launch of SEV and SEV-ES guests: from shared memory into private memory
 *
 * On hardware LAUNCH_UPDATE_DATA encrypts memory where it is.  Here the same
 * address has two halves, and the content moves from one to the other.  The
 * memory may have no guest-physical address yet: firmware is launched while
 * the machine is being made.
 */
#include "qemu/osdep.h"
#include "exec/cpu-common.h"
#include "tcg/snp/guest/guest.h"

/* Returns: false where it is not private memory of one block. */
static bool find(const void *host, uint64_t size, UpmExtent *extent)
{
    ram_addr_t offset;
    RAMBlock *rb = qemu_ram_block_from_host((void *)host, false, &offset);
    UpmBlock *block = rb ? upm_block_find(rb) : NULL;
    uint64_t end;
    UpmExtent run;

    if (!block || !size || offset >= block->size ||
        size > block->size - offset) {
        return false;
    }
    end = ROUND_UP(offset + size, UPM_FRAME_SIZE);
    *extent = (UpmExtent) {
        .block = block,
        .offset = QEMU_ALIGN_DOWN(offset, UPM_FRAME_SIZE),
    };
    extent->size = end - extent->offset;
    return !upm_next_run_in(extent, extent->offset, false, &run) &&
           snp_block_map(block);
}

bool snp_launch_can_encrypt(const void *host, uint64_t size)
{
    return snp_launch_private(host, size);
}

void *snp_launch_private(const void *host, uint64_t size)
{
    UpmExtent extent;
    const SnpBlock *snp;

    if (!find(host, size, &extent)) {
        return NULL;
    }
    snp = extent.block->provider_data;
    return snp->host + extent.offset + (uintptr_t)host % UPM_FRAME_SIZE;
}

void snp_launch_encrypt(const void *host, uint64_t size)
{
    void *private = snp_launch_private(host, size);

    if (private) {
        memcpy(private, host, size);
    }
}

/* The shared half of it is hidden, and shows nothing. */
void snp_launch_private_done(const void *host, uint64_t size)
{
}
