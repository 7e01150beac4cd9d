/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages come back to the hypervisor, and small pages become a large one
 *
 * SEV-SNP Firmware ABI (56860): SNP_PAGE_RECLAIM, SNP_PAGE_UNSMASH.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "command-run.h"

#define SMALL_PAGES 512

/* What a page becomes that the firmware lets go of; only IMMUTABLE is lost. */
static PspPageState reclaimed(PspPageState state)
{
    switch (state) {
    case PSP_PAGE_STATE_METADATA:
    case PSP_PAGE_STATE_FIRMWARE:
        return PSP_PAGE_STATE_RECLAIM;
    case PSP_PAGE_STATE_PRE_GUEST:
        return PSP_PAGE_STATE_GUEST_INVALID;
    case PSP_PAGE_STATE_PRE_SWAP:
        return PSP_PAGE_STATE_GUEST_VALID;
    default:
        return PSP_PAGE_STATE_INVALID;
    }
}

int psp_snp_page_reclaim(PspPlatform *platform, const PspCommandBuffer *buffer,
                         Error **errp)
{
    uint64_t paddr = le64_to_cpu(buffer->page.page_paddr);
    bool large = paddr & PSP_PAGE_BUFFER_2M;
    PspPage page;
    int status;

    if (paddr & PSP_PAGE_BUFFER_RESERVED) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_snp_check_state(platform) ?:
             psp_page_get(platform, paddr, &page);
    if (status) {
        return status;
    }
    if (large != (psp_page_size(&page) != PSP_PAGE_SIZE)) {
        return PSP_STATUS_INVALID_PAGE_SIZE;
    }
    if (large && !psp_is_large_page(page.spa)) {
        return SEV_RET_INVALID_ADDRESS;
    }
    if (page.state != PSP_PAGE_STATE_DEFAULT &&
        !(page.entry.lo & SEV_RMP_IMMUTABLE)) {
        return SEV_RET_SUCCESS;
    }
    if (reclaimed(page.state) == PSP_PAGE_STATE_INVALID) {
        return PSP_STATUS_INVALID_PAGE_STATE;
    }
    psp_page_set(platform, &page, reclaimed(page.state));
    return SEV_RET_SUCCESS;
}

/*
 * SNP_PAGE_UNSMASH
 */

/* May @page be the one of @index in the 2 MiB page that begins with @first? */
static bool fits(const PspPage *page, const PspPage *first, unsigned index)
{
    const SevRmpEntry *entry = &page->entry;
    uint64_t gpa = sev_rmp_gpa(&first->entry);

    return psp_page_size(page) == PSP_PAGE_SIZE &&
           entry->lo & SEV_RMP_IMMUTABLE && !(entry->lo & SEV_RMP_VMSA) &&
           sev_rmp_asid(entry) && page->state == first->state &&
           sev_rmp_asid(entry) == sev_rmp_asid(&first->entry) &&
           entry->perms == first->entry.perms && psp_is_large_page(gpa) &&
           sev_rmp_gpa(entry) == gpa + index * (uint64_t)PSP_PAGE_SIZE;
}

static int check_small_pages(PspPlatform *platform, const PspPage *first)
{
    for (unsigned i = 0; i < SMALL_PAGES; i++) {
        PspPage page;
        int status = psp_page_get(platform, first->spa +
                                  i * (uint64_t)PSP_PAGE_SIZE, &page);

        if (status) {
            return SEV_RET_INVALID_ADDRESS;
        }
        if (!fits(&page, first, i)) {
            return PSP_STATUS_INVALID_PAGE_STATE;
        }
    }
    return SEV_RET_SUCCESS;
}

int psp_snp_page_unsmash(PspPlatform *platform, const PspCommandBuffer *buffer,
                         Error **errp)
{
    uint64_t paddr = le64_to_cpu(buffer->page.page_paddr);
    PspPage first;
    int status;

    if (!psp_is_large_page(paddr)) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_snp_check_state(platform) ?:
             psp_page_get(platform, paddr, &first);
    if (status) {
        return status;
    }
    status = check_small_pages(platform, &first);
    if (status) {
        return status;
    }
    first.entry.lo |= SEV_RMP_PAGE_2M;
    psp_page_put(platform, &first);
    platform->ops->flush(platform->opaque);
    return SEV_RET_SUCCESS;
}
