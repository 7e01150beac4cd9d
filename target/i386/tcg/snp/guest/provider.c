/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page states are made true by the emulated processor: by its RMP, or, where a
 * guest has none, by the check of each translation
 */
#include "qemu/osdep.h"
#include "qemu/memfd.h"
#include "qapi/error.h"
#include "exec/cputlb.h"
#include "hw/core/cpu.h"
#include "target/i386/upm-compat.h"
#include "tcg/snp/guest/guest.h"

static int snp_create_private(uint64_t size, Error **errp)
{
    return qemu_memfd_create("snp-private", size, false, 0,
                             F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL, errp);
}

static bool plain_block_added(UpmBlock *block, Error **errp)
{
    block->provider_data = g_new0(SnpBlock, 1);
    return true;
}

static bool snp_block_added(UpmBlock *block, Error **errp)
{
    SnpBlock *snp = g_new0(SnpBlock, 1);

    snp->rmp = g_try_new0(uint32_t, block->size >> UPM_FRAME_BITS);
    if (!snp->rmp) {
        error_setg(errp, "no memory for the RMP of %s", block->name);
        g_free(snp);
        return false;
    }
    block->provider_data = snp;
    return true;
}

void snp_block_removed(UpmBlock *block)
{
    SnpBlock *snp = block->provider_data;

    if (snp->host) {
        object_unparent(OBJECT(&snp->region));
    }
    g_free(snp->rmp);
    g_free(snp->view);
    g_free(snp);
}

/*
 * The map has the page states, and no vCPU runs meanwhile, so that the RMP can
 * stay as it is for as long as the conversion may be taken back.
 */
static int snp_mark(const UpmExtent *extent, bool to_private)
{
    SnpBlock *snp = extent->block->provider_data;
    uint64_t first = extent->offset >> UPM_FRAME_BITS;
    uint64_t count = extent->size >> UPM_FRAME_BITS;
    SnpMemory *mem = &snp_guest()->mem;
    uint64_t i;

    for (i = first; i < first + count; i++) {
        if (snp->rmp[i] & SNP_RMP_IMMUTABLE ||
            (snp->rmp[i] & SNP_RMP_IN_USE &&
             !snp_vmsa_evict(extent->gpa + ((i - first) << UPM_FRAME_BITS)))) {
            return -EBUSY;
        }
    }
    for (i = first; i < first + count; i++) {
        /* Of what is assigned there may be one to its ciphertext. */
        mem->stale |= to_private ||
                      snp->rmp[i] & (SNP_RMP_ASSIGNED | SNP_RMP_STALE);
    }
    return 0;
}

/* Without an RMP each translation of either half may be in use. */
static int plain_mark(const UpmExtent *extent, bool to_private)
{
    snp_guest()->mem.stale = true;
    return 0;
}

/*
 * A frame that becomes shared is the hypervisor's; one that becomes private
 * is assigned when the guest touches it, and is not validated until then.
 * Blocks begin private, with all entries clear.
 */
static void snp_settle(const UpmExtent *extent, bool to_private)
{
    SnpBlock *snp = extent->block->provider_data;
    uint64_t first = extent->offset >> UPM_FRAME_BITS;
    uint64_t count = extent->size >> UPM_FRAME_BITS;
    SnpFrame frame = { .extent = *extent, .rmp = &snp->rmp[first] };
    uint64_t i;

    /* A large page that is left in part has to go through small ones. */
    snp_frame_split(&frame);
    frame.extent.offset += extent->size - UPM_FRAME_SIZE;
    frame.extent.gpa += extent->size - UPM_FRAME_SIZE;
    frame.rmp += count - 1;
    snp_frame_split(&frame);

    for (i = first; i < first + count; i++) {
        qatomic_set(&snp->rmp[i], to_private ? 0 : SNP_RMP_SHARED);
    }
}

static void snp_flush(void)
{
    SnpMemory *mem = &snp_guest()->mem;

    if (mem->stale) {
        mem->stale = false;
        snp_flush_others(current_cpu);
    }
}

static int snp_drop_private(const UpmExtent *extent)
{
    SnpBlock *snp = extent->block->provider_data;
    ram_addr_t start;

    if (snp->host) {
        start = memory_region_get_ram_addr(&snp->region) + extent->offset;
        upm_invalidate_code(start, start + extent->size - 1);
    }
    return upm_punch_hole(upm_memory_private_fd(extent->block),
                          extent->offset, extent->size);
}

/*
 * A word that is 0 already is only read: most of a large guest's RMP is never
 * touched.  vCPUs were reset, which takes their translations.
 */
static int snp_forget(UpmBlock *block)
{
    UpmExtent all = { .block = block, .size = block->size };
    SnpBlock *snp = block->provider_data;
    uint64_t count = block->size >> UPM_FRAME_BITS;

    for (uint64_t i = 0; i < count; i++) {
        if (qatomic_read(&snp->rmp[i])) {
            qatomic_set(&snp->rmp[i], 0);
        }
    }
    return snp_drop_private(&all);
}

static int plain_forget(UpmBlock *block)
{
    UpmExtent all = { .block = block, .size = block->size };

    return snp_drop_private(&all);
}

static const UpmProviderOps snp_provider = {
    .name = "emulated SEV-SNP processor",
    .create_private = snp_create_private,
    .block_added = snp_block_added,
    .block_removed = snp_block_removed,
    .mark = snp_mark,
    .flush = snp_flush,
    .settle = snp_settle,
    .drop_private = snp_drop_private,
    .forget = snp_forget,
};

static const UpmProviderOps plain_provider = {
    .name = "emulated processor without an RMP",
    .create_private = snp_create_private,
    .block_added = plain_block_added,
    .block_removed = snp_block_removed,
    .mark = plain_mark,
    .flush = snp_flush,
    .drop_private = snp_drop_private,
    .forget = plain_forget,
};

void snp_provider_init(bool has_rmp)
{
    upm_set_provider(has_rmp ? &snp_provider : &plain_provider);
}
