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
#include "qemu/error-report.h"
#include "exec/cpu-common.h"
#include "tcg/snp/guest/guest.h"

/* Returns: false where it is not private memory of one block. */
static bool find(RAMBlock *rb, uint64_t offset, uint64_t size,
                 UpmExtent *extent)
{
    UpmBlock *block = rb ? upm_block_find(rb) : NULL;
    UpmExtent frames, run;

    if (!block || !size || offset >= block->size ||
        size > block->size - offset) {
        return false;
    }
    *extent = (UpmExtent) {
        .block = block, .offset = offset, .size = size,
    };
    frames = *extent;
    frames.offset = QEMU_ALIGN_DOWN(offset, UPM_FRAME_SIZE);
    frames.size = ROUND_UP(offset + size, UPM_FRAME_SIZE) - frames.offset;
    return !upm_next_run_in(&frames, frames.offset, false, &run) &&
           snp_block_map(block);
}

static bool find_host(const void *host, uint64_t size, UpmExtent *extent)
{
    ram_addr_t offset = 0;
    RAMBlock *rb = qemu_ram_block_from_host((void *)host, false, &offset);

    return find(rb, offset, size, extent);
}

/* Its content belongs to the device, and no private half is ever mapped. */
static bool is_flash(const void *host)
{
    ram_addr_t offset = 0;
    RAMBlock *rb = qemu_ram_block_from_host((void *)host, false, &offset);

    return rb && rb->mr->rom_device;
}

/*
 * Memory that is encrypted in place leaves flash as it is: its device writes
 * to it, and the guest reads it as it is.
 */
static bool stays_plain(const void *host)
{
    return snp_guest()->kind.views && is_flash(host);
}

const char *snp_launch_unencryptable(const void *host, uint64_t size)
{
    UpmExtent extent;

    if (stays_plain(host) || find_host(host, size, &extent)) {
        return NULL;
    }
    return is_flash(host) ? "flash, which has no private memory: use -bios"
                          : "not private memory of one RAM block";
}

void *snp_launch_private(const void *host, uint64_t size)
{
    UpmExtent extent;
    const SnpBlock *snp;

    if (stays_plain(host) || !find_host(host, size, &extent)) {
        return NULL;
    }
    if (extent.block->recorded) {
        return snp_view_private(extent.block, extent.offset, extent.size);
    }
    snp = extent.block->provider_data;
    return snp->host + extent.offset;
}

void snp_launch_forget(void)
{
    if (snp_guest()->kind.views) {
        snp_view_new_key();
    }
}

void snp_launch_encrypt(const void *host, uint64_t size)
{
    UpmExtent extent;

    if (stays_plain(host)) {
        warn_report_once("firmware in a flash device is measured, and is not"
                         " encrypted: use -bios to see it as the guest's own"
                         " memory");
        return;
    }
    if (!find_host(host, size, &extent)) {
        return;
    }
    if (extent.block->recorded) {
        snp_view_encrypt(extent.block, extent.offset, extent.size);
    } else {
        const SnpBlock *snp = extent.block->provider_data;

        memcpy(snp->host + extent.offset, host, size);
    }
}
