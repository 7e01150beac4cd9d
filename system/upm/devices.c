/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: devices that deal with memory by their own rules
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/int128.h"
#include "system/upm/compat.h"
#include "system/upm/devices.h"
#include "system/upm/map.h"
#include "trace/trace-upm.h"

static bool has_private_half(const RAMBlock *rb)
{
    return rb && rb->guest_memfd >= 0;
}

bool upm_memory_allows(const RAMBlock *rb, const char *device, Error **errp)
{
    ERRP_GUARD();

    if (!has_private_half(rb)) {
        return true;
    }
    error_setg(errp, "%s cannot discard private memory", device);
    error_append_hint(errp, "A guest with private memory has it discarded by "
                      "its conversions, see discard=.\n");
    return false;
}

bool upm_balloon_ignores(const RAMBlock *rb, uint64_t offset, uint64_t size)
{
    if (!has_private_half(rb)) {
        return false;
    }
    trace_upm_balloon_ignored(rb->idstr, offset, size);
    return true;
}

/*
 * VFIO type1 has one mapping for each granule of a RamDiscardManager, which is
 * a page here, and Linux bounds their number (dma_entry_limit of
 * vfio_iommu_type1; uapi/linux/vfio.h: vfio_iommu_type1_info_dma_avail).
 */

typedef struct Pages {
    uint64_t shared;
    uint64_t all;
} Pages;

static void count_pages(UpmBlock *block, void *opaque)
{
    Pages *pages = opaque;

    pages->shared += qatomic_read(&block->shared_frames);
    pages->all += block->size / UPM_FRAME_SIZE;
}

char *upm_dma_limit_message(const char *name, uint64_t shared, uint64_t most,
                            unsigned int slots, unsigned int limit)
{
    return g_strdup_printf("'%s': an assigned device has a DMA mapping for "
                           "each shared page. %" PRIu64 " pages of the guest "
                           "are shared now and at most %" PRIu64 ", and the "
                           "host has %u mappings: vfio_iommu_type1 needs "
                           "dma_entry_limit=%" PRIu64, name, shared, most,
                           limit, most + slots);
}

bool upm_dma_limit(const MemoryRegionSection *section, uint64_t mappings,
                   unsigned int slots, unsigned int limit)
{
    uint64_t own = int128_get64(section->size) / UPM_FRAME_SIZE;
    g_autofree char *message = NULL;
    Pages pages = {};

    if (!has_private_half(section->mr->ram_block)) {
        return false;
    }
    /* without this section there was one slot more */
    if (mappings - own + slots + 1 > limit) {
        return true;
    }
    upm_foreach_block(count_pages, &pages);
    message = upm_dma_limit_message(section->mr->name, pages.shared,
                                    MAX(pages.all, mappings), slots, limit);
    warn_report("%s", message);
    error_printf("A conversion that needs one more mapping is refused.  Set "
                 "dma_entry_limit where the module\nis loaded, or assign the "
                 "device by iommufd, which has no such limit: -object "
                 "iommufd,id=ID\n-device vfio-pci,host=ADDRESS,iommufd=ID\n");
    return true;
}
