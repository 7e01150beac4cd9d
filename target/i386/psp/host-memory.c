/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host's memory, as the firmware may reach it
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include "host.h"
#include "page-state.h"
#include "sev-guest.h"
#include "status.h"

bool psp_ranges_overlap(const PspRange *a, const PspRange *b)
{
    return a->base < b->base + b->size && b->base < a->base + a->size;
}

bool psp_host_is_ram(PspHost *host, uint64_t base, uint64_t size)
{
    PspRange ram;

    for (unsigned i = 0; host->ops->ram(host->platform.opaque, i, &ram); i++) {
        if (base >= ram.base && size <= ram.size &&
            base - ram.base <= ram.size - size) {
            return true;
        }
    }
    return false;
}

static void *map(PspHost *host, uint64_t spa, size_t size, bool is_write)
{
    const PspRange range = { psp_spa(spa), size };

    if (!size || range.base >= PSP_SPA_LIMIT ||
        size > PSP_SPA_LIMIT - range.base ||
        (host->tmr.size && psp_ranges_overlap(&range, &host->tmr))) {
        return NULL;
    }
    return host->platform.ops->map(host->platform.opaque, range.base, size,
                                   is_write);
}

int psp_host_read(PspHost *host, uint64_t spa, void *to, size_t size)
{
    void *from = map(host, spa, size, false);

    if (!from) {
        return SEV_RET_INVALID_ADDRESS;
    }
    memcpy(to, from, size);
    host->platform.ops->unmap(host->platform.opaque, from, size, false);
    return SEV_RET_SUCCESS;
}

int psp_host_write(PspHost *host, uint64_t spa, const void *from, size_t size)
{
    void *to = map(host, spa, size, true);

    if (!to) {
        return SEV_RET_INVALID_ADDRESS;
    }
    memcpy(to, from, size);
    host->platform.ops->unmap(host->platform.opaque, to, size, true);
    return SEV_RET_SUCCESS;
}

int psp_host_writable(PspHost *host, uint64_t spa, uint64_t size)
{
    if (host->platform.snp_state == PSP_PLATFORM_UNINIT) {
        return SEV_RET_SUCCESS;
    }
    /* Each page is looked up, and nothing else runs meanwhile. */
    if (size > PSP_SEV_DATA_MAX) {
        return SEV_RET_INVALID_LEN;
    }
    return psp_pages_writable(&host->platform, spa, size);
}
