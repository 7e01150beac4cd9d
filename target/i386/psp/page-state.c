/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page states, as the bits of RMP entries spell them
 *
 * SEV-SNP Firmware ABI (56860), chapter 5.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "page-state.h"
#include "status.h"

#define PAGE_4K     (4 * KiB)
#define PAGE_2M     (2 * MiB)

/* What a bit or a field has to be: 0, not 0, or anything */
typedef enum Want {
    ZERO,
    SET,
    ANY,
} Want;

/*
 * Firmware, Context, Metadata and IOMMU pages have all bits in common but for
 * the GPA, which no guest uses then: what it holds is the firmware's own
 * matter.  1 frame stands for the IOMMU here, anything above for the address
 * of the guest context that a Metadata page belongs to.
 */
#define GPA_IOMMU   PAGE_4K

typedef struct Pattern {
    PspPageState state;
    Want assigned, validated, asid, immutable, gpa, vmsa;
} Pattern;

static const Pattern patterns[] = {
    /* state                          asgn  valid asid  immut gpa   vmsa */
    { PSP_PAGE_STATE_HYPERVISOR,      ZERO, ZERO, ZERO, ZERO, ANY,  ANY },
    { PSP_PAGE_STATE_HV_FIXED,        ZERO, ZERO, ZERO, SET,  ANY,  ANY },
    { PSP_PAGE_STATE_RECLAIM,         SET,  ZERO, ZERO, ZERO, ANY,  ANY },
    { PSP_PAGE_STATE_FIRMWARE,        SET,  ZERO, ZERO, SET,  ZERO, ZERO },
    { PSP_PAGE_STATE_CONTEXT,         SET,  ZERO, ZERO, SET,  ZERO, SET },
    { PSP_PAGE_STATE_FIRMWARE_IOMMU,  SET,  ZERO, ZERO, SET,  SET,  ZERO },
    { PSP_PAGE_STATE_METADATA,        SET,  ZERO, ZERO, SET,  SET,  ANY },
    { PSP_PAGE_STATE_PRE_GUEST,       SET,  ZERO, SET,  SET,  ANY,  ANY },
    { PSP_PAGE_STATE_PRE_SWAP,        SET,  SET,  SET,  SET,  ANY,  ANY },
    { PSP_PAGE_STATE_GUEST_INVALID,   SET,  ZERO, SET,  ZERO, ANY,  ANY },
    { PSP_PAGE_STATE_GUEST_VALID,     SET,  SET,  SET,  ZERO, ANY,  ANY },
};

static bool fits(Want want, uint64_t value)
{
    return want == ANY || (want == SET) == (value != 0);
}

static bool matches(const Pattern *pattern, const SevRmpEntry *entry)
{
    if (pattern->state == PSP_PAGE_STATE_FIRMWARE_IOMMU &&
        sev_rmp_gpa(entry) != GPA_IOMMU) {
        return false;
    }
    return fits(pattern->assigned, entry->lo & SEV_RMP_ASSIGNED) &&
           fits(pattern->validated, entry->lo & SEV_RMP_VALIDATED) &&
           fits(pattern->asid, sev_rmp_asid(entry)) &&
           fits(pattern->immutable, entry->lo & SEV_RMP_IMMUTABLE) &&
           fits(pattern->gpa, sev_rmp_gpa(entry)) &&
           fits(pattern->vmsa, entry->lo & SEV_RMP_VMSA);
}

PspPageState psp_page_state(const SevRmpEntry *entry)
{
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        if (matches(&patterns[i], entry)) {
            return patterns[i].state;
        }
    }
    return PSP_PAGE_STATE_INVALID;
}

int psp_page_get(PspPlatform *platform, uint64_t spa, PspPage *page)
{
    *page = (PspPage) {
        .spa = psp_spa(spa) & ~(PAGE_4K - 1),
        .state = PSP_PAGE_STATE_DEFAULT,
    };
    if (page->spa - platform->rmp_base < platform->rmp_size) {
        return SEV_RET_INVALID_PARAM;
    }
    if (platform->ops->rmp_get(platform->opaque, page->spa, &page->entry)) {
        page->state = psp_page_state(&page->entry);
    } else {
        memset(&page->entry, 0, sizeof(page->entry));
    }
    return SEV_RET_SUCCESS;
}

uint64_t psp_page_size(const PspPage *page)
{
    return page->entry.lo & SEV_RMP_PAGE_2M ? PAGE_2M : PAGE_4K;
}

static void set_bit_as(uint64_t *lo, uint64_t bit, Want want)
{
    if (want == SET) {
        *lo |= bit;
    } else if (want == ZERO) {
        *lo &= ~bit;
    }
}

void psp_page_set(PspPlatform *platform, PspPage *page, PspPageState state)
{
    const Pattern *pattern = patterns;

    while (pattern->state != state) {
        pattern++;
    }
    set_bit_as(&page->entry.lo, SEV_RMP_ASSIGNED, pattern->assigned);
    set_bit_as(&page->entry.lo, SEV_RMP_VALIDATED, pattern->validated);
    set_bit_as(&page->entry.lo, SEV_RMP_IMMUTABLE, pattern->immutable);
    set_bit_as(&page->entry.lo, SEV_RMP_VMSA, pattern->vmsa);
    if (pattern->asid == ZERO) {
        page->entry.lo &= ~MAKE_64BIT_MASK(SEV_RMP_ASID_SHIFT,
                                           SEV_RMP_ASID_BITS);
    }
    if (pattern->gpa == ZERO) {
        page->entry.lo &= ~SEV_RMP_GPA_MASK;
    } else if (state == PSP_PAGE_STATE_FIRMWARE_IOMMU) {
        page->entry.lo &= ~SEV_RMP_GPA_MASK;
        page->entry.lo |= GPA_IOMMU;
    }
    psp_page_put(platform, page);
}

void psp_page_put(PspPlatform *platform, PspPage *page)
{
    platform->ops->rmp_set(platform->opaque, page->spa, &page->entry);
    page->state = psp_page_state(&page->entry);
}

static int range_writable(PspPlatform *platform, uint64_t spa, uint64_t size)
{
    for (uint64_t done = 0; done < size; done += PAGE_4K) {
        PspPage page;
        int status = psp_page_get(platform, spa + done, &page);

        if (status) {
            return status;
        }
        if (page.state != PSP_PAGE_STATE_FIRMWARE &&
            page.state != PSP_PAGE_STATE_DEFAULT) {
            return PSP_STATUS_INVALID_PAGE_STATE;
        }
    }
    return SEV_RET_SUCCESS;
}

int psp_pages_writable(PspPlatform *platform, uint64_t spa, uint64_t size)
{
    uint64_t offset = spa & (PAGE_4K - 1);
    int status;

    spa = psp_spa(spa);
    if (spa >= PSP_SPA_LIMIT || size > PSP_SPA_LIMIT - spa) {
        return SEV_RET_INVALID_ADDRESS;
    }
    platform->ops->rmp_lock(platform->opaque);
    status = range_writable(platform, spa - offset, size ? size + offset : 0);
    platform->ops->rmp_unlock(platform->opaque);
    return status;
}
