/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware commands by system-physical address: what their files share
 *
 * A handler makes the checks of 56860 in the order in which AMD's firmware
 * makes them, so that of several faults the same one is told.
 *
 * Locking: the BQL and the RMP's lock, but where a handler says otherwise.
 */
#ifndef TARGET_I386_PSP_COMMAND_RUN_H
#define TARGET_I386_PSP_COMMAND_RUN_H

#include "command.h"
#include "command-abi.h"
#include "page-state.h"
#include "status.h"

/**
 * PspSnpHandler: run one command
 * @buffer: a copy of the command buffer that nobody else has
 * @errp: may be set where the status leaves a question; for a trace only
 *
 * Returns: SEV_RET_* or PSP_STATUS_*.
 */
typedef int PspSnpHandler(PspPlatform *platform,
                          const PspCommandBuffer *buffer, Error **errp);

PspSnpHandler psp_snp_gctx_create;
PspSnpHandler psp_snp_activate;
PspSnpHandler psp_snp_activate_ex;
PspSnpHandler psp_snp_decommission;
PspSnpHandler psp_snp_guest_status;
PspSnpHandler psp_snp_launch_start;
PspSnpHandler psp_snp_launch_update;
PspSnpHandler psp_snp_launch_finish;
PspSnpHandler psp_snp_dbg_decrypt;
PspSnpHandler psp_snp_dbg_encrypt;
PspSnpHandler psp_snp_page_reclaim;
PspSnpHandler psp_snp_page_unsmash;
PspSnpHandler psp_snp_vlek_load;

/* Takes the RMP's lock itself: making a report may take seconds. */
PspSnpHandler psp_snp_guest_request;

#define PSP_LARGE_PAGE_SIZE (2ULL << 20)

/** psp_is_page: is it the address of a 4 KiB page? */
static inline bool psp_is_page(uint64_t spa)
{
    return !(spa & (PSP_PAGE_SIZE - 1));
}

/** psp_is_large_page: is it the address of a 2 MiB page? */
static inline bool psp_is_large_page(uint64_t spa)
{
    return !(spa & (PSP_LARGE_PAGE_SIZE - 1));
}

/** psp_snp_check_state: INVALID_PLATFORM_STATE before SNP_INIT */
int psp_snp_check_state(const PspPlatform *platform);

/**
 * psp_snp_find_guest: the guest whose Context page is at @gctx_paddr
 *
 * With or without the C-bit.
 *
 * Returns: SEV_RET_SUCCESS; INVALID_PLATFORM_STATE; INVALID_PARAM as
 * psp_page_get() does; INVALID_GUEST.
 */
int psp_snp_find_guest(PspPlatform *platform, uint64_t gctx_paddr,
                       PspGuest **guest);

/**
 * psp_map: the machine's memory, for one command
 * @spa: with or without the C-bit
 *
 * The firmware may read all of it.  Whether it may write, the caller has seen
 * from the states of the pages.
 *
 * Returns: SEV_RET_SUCCESS, then psp_unmap() it; INVALID_PARAM for the RMP
 * itself, INVALID_ADDRESS where it is not RAM.
 */
int psp_map(PspPlatform *platform, uint64_t spa, size_t size, bool is_write,
            void **p);

void psp_unmap(PspPlatform *platform, void *p, size_t size, bool is_write);

/** psp_copy_in, psp_copy_out: copy from there, and to there, as psp_map() */
int psp_copy_in(PspPlatform *platform, uint64_t spa, void *to, size_t size);
int psp_copy_out(PspPlatform *platform, uint64_t spa, const void *from,
                 size_t size);

#endif
