/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page states: what the firmware may do with a page of memory
 *
 * SEV-SNP Firmware ABI (56860), chapter 5.  A state is a combination of bits
 * of the page's RMP entry; here is the only place that knows which.
 *
 * Locking: the RMP's lock, PspPlatformOps.rmp_lock.
 */
#ifndef TARGET_I386_PSP_PAGE_STATE_H
#define TARGET_I386_PSP_PAGE_STATE_H

#include "platform.h"

typedef enum PspPageState {
    PSP_PAGE_STATE_INVALID,         /* a combination that has no name */
    PSP_PAGE_STATE_DEFAULT,         /* outside of the RMP */
    PSP_PAGE_STATE_HYPERVISOR,
    PSP_PAGE_STATE_HV_FIXED,
    PSP_PAGE_STATE_RECLAIM,
    PSP_PAGE_STATE_FIRMWARE,
    PSP_PAGE_STATE_FIRMWARE_IOMMU,
    PSP_PAGE_STATE_CONTEXT,
    PSP_PAGE_STATE_METADATA,
    PSP_PAGE_STATE_PRE_GUEST,
    PSP_PAGE_STATE_PRE_SWAP,
    PSP_PAGE_STATE_GUEST_INVALID,
    PSP_PAGE_STATE_GUEST_VALID,
    PSP_PAGE_STATE_LIMIT,
} PspPageState;

/**
 * PspPage: a page and its state, as psp_page_get() found it
 * @spa: of the 4 KiB page, without the C-bit
 * @entry: all zero for a page in the Default state
 */
typedef struct PspPage {
    uint64_t spa;
    SevRmpEntry entry;
    PspPageState state;
} PspPage;

/** psp_page_state: the state that an entry's bits stand for */
PspPageState psp_page_state(const SevRmpEntry *entry);

/**
 * psp_page_get: look a page up
 * @spa: anywhere in it, with or without the C-bit
 *
 * Its state is DEFAULT outside of the RMP.  Each 4 KiB of a page of 2 MiB have
 * the state, the size and the ASID of the whole.
 *
 * Returns: SEV_RET_SUCCESS, or INVALID_PARAM for the memory of the RMP itself,
 * which no command may name.
 */
int psp_page_get(PspPlatform *platform, uint64_t spa, PspPage *page);

/** psp_page_size: bytes of a page, 4 KiB or 2 MiB */
uint64_t psp_page_size(const PspPage *page);

/**
 * psp_page_set: bring a page into another state
 *
 * Only such bits change as tell @page's state from @state; whether that step
 * is allowed is the caller's to know.  No translation is flushed: a step that
 * takes access away from the processors needs PspPlatformOps.flush.
 */
void psp_page_set(PspPlatform *platform, PspPage *page, PspPageState state);

/**
 * psp_page_put: write @page's entry back as the caller has changed it
 *
 * Flushes no more than psp_page_set() does.
 */
void psp_page_put(PspPlatform *platform, PspPage *page);

/**
 * psp_pages_writable: may the firmware write to a range?
 *
 * It may where each page is in the Firmware or the Default state.  Takes the
 * RMP's lock itself.
 *
 * Returns: SEV_RET_SUCCESS, PSP_STATUS_INVALID_PAGE_STATE, INVALID_PARAM as
 * psp_page_get() does, or SEV_RET_INVALID_ADDRESS for a range that ends
 * beyond PSP_SPA_LIMIT.
 */
int psp_pages_writable(PspPlatform *platform, uint64_t spa, uint64_t size);

#endif
