/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: the RMP check of what devices behind the IOMMU write
 *
 * AMD64 APM volume 2, 15.36.10: a page that is assigned can be read and not
 * written.  A write that is refused goes nowhere; it is not an event in the
 * IOMMU's log, which works in QEMU 10.2 only, and would have one for each four
 * bytes.
 *
 * What a device has mapped before a page changes its owner stays mapped, as a
 * write that is under way: hosts take a page out of use first.  vhost takes
 * each translation for one to write, too, and the IOMMU's own writes, such as
 * those of COMPLETION_WAIT, are not translated: neither is checked.
 */
#include "qemu/osdep.h"
#include "system/upm/compat.h"
#include "tcg/snp/host/internal.h"
#include "tcg/snp/host/rmp.h"
#include "trace.h"

#define SMALL_PAGE_MASK MAKE_64BIT_MASK(0, 12)

static bool checks(SnpHost *host)
{
    return host &&
           qatomic_read(&snp_host_vcpu(host, 0)->syscfg) & SYSCFG_SNP_EN;
}

void snp_host_check_dma(IOMMUTLBEntry *entry, uint64_t iova, bool writes)
{
    SnpHost *host = snp_host();
    uint64_t spa;

    if (!checks(host) || !(entry->perm & IOMMU_WO)) {
        return;
    }
    /* The next page may have another owner. */
    spa = entry->translated_addr | (iova & entry->addr_mask);
    entry->iova = iova & ~SMALL_PAGE_MASK;
    entry->translated_addr = spa & ~SMALL_PAGE_MASK;
    entry->addr_mask = SMALL_PAGE_MASK;
    if (!writes) {
        entry->perm &= ~IOMMU_WO;
    } else if (!snp_rmp_host_owns(host, spa, false)) {
        entry->perm &= ~IOMMU_WO;
        trace_snp_host_dma_refused(iova, spa);
    }
}
