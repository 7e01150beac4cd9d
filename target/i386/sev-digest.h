/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch digest: a chain of SHA-384 over what was put into a guest
 *
 * SEV-SNP Firmware ABI (56860), section 8.17.2.  The launch computes it
 * beforehand, the emulated firmware as it launches.
 */
#ifndef TARGET_I386_SEV_DIGEST_H
#define TARGET_I386_SEV_DIGEST_H

#include "sev-abi.h"

/* PAGE_INFO, 56860 table 67: what a page adds to the digest */
typedef struct PspPageInfo {
    uint8_t digest_before[PSP_DIGEST_SIZE];
    uint8_t contents[PSP_DIGEST_SIZE];
    uint16_t length;
    uint8_t page_type;
    uint8_t imi_page;
    uint8_t reserved;
    uint8_t vmpl_perms[3];          /* VMPL3, VMPL2, VMPL1 */
    uint64_t gpa;
} PspPageInfo;

/* VMSAs have no guest-physical address; this one stands for them. */
#define PSP_VMSA_GPA        0xFFFFFFFFF000ULL

/**
 * psp_digest_contents: hash the content of a NORMAL page or of a VMSA
 * @page: PSP_PAGE_SIZE bytes
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool psp_digest_contents(const void *page, uint8_t contents[PSP_DIGEST_SIZE],
                         Error **errp);

/**
 * psp_digest_chain: measure a page of which the content is known by its hash
 * @digest: the digest so far, replaced by the new one; unchanged on failure
 * @gpa: guest-physical address, PSP_VMSA_GPA for a VMSA
 * @vmpl_perms: of VMPL3, VMPL2 and VMPL1
 * @contents: from psp_digest_contents(), NULL for other types of pages
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool psp_digest_chain(uint8_t digest[PSP_DIGEST_SIZE], PspPageType type,
                      uint64_t gpa, const uint8_t vmpl_perms[3],
                      const uint8_t *contents, Error **errp);

/**
 * psp_digest_extend: measure a page
 * @digest: the digest so far, replaced by the new one; unchanged on failure
 * @gpa: guest-physical address, PSP_VMSA_GPA for a VMSA
 * @page: PSP_PAGE_SIZE bytes; only NORMAL and VMSA pages are looked at
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool psp_digest_extend(uint8_t digest[PSP_DIGEST_SIZE], PspPageType type,
                       uint64_t gpa, const void *page, Error **errp);

QEMU_BUILD_BUG_ON(sizeof(PspPageInfo) != 0x70);

#endif
