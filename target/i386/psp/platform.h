/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One emulated AMD-SP: what its firmware knows beyond single guests
 *
 * SEV-SNP Firmware ABI (56860), chapter 4.  A machine has one such object:
 * that of the PSP device in the host world, that of the guest object in the
 * guest world.
 *
 * Locking: the BQL, but where a function says otherwise.
 */
#ifndef TARGET_I386_PSP_PLATFORM_H
#define TARGET_I386_PSP_PLATFORM_H

#include "platform-ops.h"
#include "product.h"

typedef union PspCommandBuffer PspCommandBuffer;
typedef struct PspGuest PspGuest;

/* States of the platform, 56860 section 4.1 and 55766 */
typedef enum PspPlatformState {
    PSP_PLATFORM_UNINIT = 0,
    PSP_PLATFORM_INIT = 1,
} PspPlatformState;

/* PLATFORM_INFO, 56860 table 24: what policies are held against */
#define PSP_PLATFORM_SMT            (1ULL << 0)
#define PSP_PLATFORM_RAPL_DIS       (1ULL << 3)
/* No two addresses are one page's: ALIAS_CHECK_COMPLETE */
#define PSP_PLATFORM_ALIAS_CHECK    (1ULL << 5)

/* An address marks a page that the host has encrypted by this bit. */
#define PSP_CBIT            (1ULL << 51)

/* All memory is below. */
#define PSP_SPA_LIMIT       PSP_CBIT

/**
 * psp_spa: an address without that mark
 *
 * A host with SME sets it in all that it hands over.  Memory is plain text
 * here, and the page is the same one.
 */
static inline uint64_t psp_spa(uint64_t spa)
{
    return spa & ~PSP_CBIT;
}

/* ASIDs that an RMP entry can hold, 0 among them */
#define PSP_ASID_LIMIT      (1U << SEV_RMP_ASID_BITS)

/**
 * PspAsidState: an ASID's way from one guest to the next
 *
 * A dirty one may still be in caches: DF_FLUSH cleans it.
 */
typedef enum PspAsidState {
    PSP_ASID_CLEAN,
    PSP_ASID_OWNED,
    PSP_ASID_DIRTY,
} PspAsidState;

/* Reports without the chip's ID, or without its signature */
#define PSP_CONFIG_MASK_CHIP_ID     (1U << 0)
#define PSP_CONFIG_MASK_CHIP_KEY    (1U << 1)

/* What SNP_CONFIG has set */
typedef struct PspConfig {
    uint64_t reported_tcb;          /* 0: the committed one */
    uint32_t mask;                  /* PSP_CONFIG_MASK_* */
} PspConfig;

/**
 * PspPlatform: the object
 *
 * @ops, @opaque: the machine; constant
 * @product: the chip
 * @report_version: 2, 3 or 5; 0 for the product's own.  By it the firmware's
 *     ABI is 1.55, or from 5 on 1.58
 * @mitigations: its mitigation vector, which never changes
 * @vlek: a VLEK is loaded
 * @platform_info: PSP_PLATFORM_*
 * @signature: the processors', CPUID leaf 1 EAX
 * @max_asid: highest ASID of a guest with encrypted memory (CPUID 8000_001F
 *     ECX), below PSP_ASID_LIMIT
 * @snp_state, @sev_state: by SNP_INIT, and by INIT
 * @rmp_base, @rmp_size: the RMP itself, by SNP_INIT; nothing that a command
 *     names may lie in there.  A size of 0: there is none
 * @asids: PspAsidState by ASID, 0 unused
 * @config: by SNP_CONFIG, gone with SNP_SHUTDOWN
 * @guests: SNP guests, by the address of their Context page
 */
typedef struct PspPlatform {
    const PspPlatformOps *ops;
    void *opaque;
    PspProductId product;
    unsigned report_version;
    uint64_t mitigations;
    bool vlek;
    uint64_t platform_info;
    uint32_t signature;
    unsigned max_asid;
    PspPlatformState snp_state;
    PspPlatformState sev_state;
    uint64_t rmp_base;
    uint64_t rmp_size;
    uint8_t asids[PSP_ASID_LIMIT];
    PspConfig config;
    GHashTable *guests;
} PspPlatform;

/** psp_platform_init: an object without guests, both states UNINIT */
void psp_platform_init(PspPlatform *platform, const PspPlatformOps *ops,
                       void *opaque);

/** psp_platform_reset: as the machine's reset leaves it; forgets all guests */
void psp_platform_reset(PspPlatform *platform);

/** psp_platform_destroy: free what psp_platform_init() made */
void psp_platform_destroy(PspPlatform *platform);

/** psp_platform_chip: who signs reports; NULL with @errp set */
PspChip *psp_platform_chip(PspPlatform *platform, Error **errp);

/** psp_report_version: of the reports that the firmware makes */
unsigned psp_report_version(const PspPlatform *platform);

/** psp_api_minor: minor version of the firmware's ABI, the major one is 1 */
uint8_t psp_api_minor(const PspPlatform *platform);

/** psp_chip_tcb: TCB_VERSION of the chip and its firmware, as a number */
uint64_t psp_chip_tcb(const PspPlatform *platform);

/** psp_reported_tcb: what reports tell, SNP_CONFIG's or the chip's own */
uint64_t psp_reported_tcb(const PspPlatform *platform);

/**
 * psp_snp_guests: SNP guests that were launched and not decommissioned yet
 *
 * GUEST_COUNT of SNP_PLATFORM_STATUS.
 */
unsigned psp_snp_guests(PspPlatform *platform);

/**
 * psp_asid_check: may a guest have this ASID, if it is clean?
 *
 * Returns: SEV_RET_SUCCESS, INVALID_ASID, ASID_OWNED.
 */
int psp_asid_check(const PspPlatform *platform, unsigned asid);

/**
 * psp_asid_take: bind an ASID to a guest
 *
 * Of any kind: SEV, SEV-ES and SNP guests draw from one set.
 *
 * Returns: SEV_RET_SUCCESS, INVALID_ASID, ASID_OWNED, DFFLUSH_REQUIRED.
 */
int psp_asid_take(PspPlatform *platform, unsigned asid);

/**
 * psp_asid_drop: the guest is gone
 * @asid: 0 is ignored
 * @dirty: it may have left something in caches
 */
void psp_asid_drop(PspPlatform *platform, unsigned asid, bool dirty);

/** psp_asids_soil: (SNP_)INIT, make all ASIDs dirty; no guest may have one */
void psp_asids_soil(PspPlatform *platform);

/** psp_df_flush: DF_FLUSH and SNP_DF_FLUSH, make dirty ASIDs clean */
void psp_df_flush(PspPlatform *platform);

/** psp_asids_clean: is no ASID owned or dirty?  SNP_SHUTDOWN wants to know */
bool psp_asids_clean(const PspPlatform *platform);

/**
 * psp_snp_command: run one command of 56860 on guests and on pages
 * @command: 56860 table 22, see command-abi.h
 * @buffer: a copy of the command buffer, of psp_snp_command_size() bytes, that
 *     the machine cannot write to
 *
 * SNP_INIT, SNP_SHUTDOWN, SNP_PLATFORM_STATUS, SNP_CONFIG and their like
 * belong to the mailbox.  Whatever the buffer says, memory that the RMP does
 * not let the firmware touch is not touched.  What is refused is traced, not
 * reported: a machine's software is told by the status.
 *
 * Locking: the BQL.
 *
 * Returns: SEV_RET_* or PSP_STATUS_*; SEV_RET_INVALID_COMMAND where @command
 * is none of these.
 */
int psp_snp_command(PspPlatform *platform, unsigned command,
                    const PspCommandBuffer *buffer);

/**
 * psp_snp_command_size: bytes in the buffer of a command of psp_snp_command()
 *
 * No more than a PspCommandBuffer has.
 *
 * Returns: 0 where it has none, or is not known.
 */
size_t psp_snp_command_size(unsigned command);

#endif
