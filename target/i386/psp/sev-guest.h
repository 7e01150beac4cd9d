/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SEV and SEV-ES guests, as the firmware knows them
 *
 * Secure Encrypted Virtualization API (55766), chapter 6.  Memory is plain
 * text here, so a guest has no key of its own for it.
 *
 * Locking: the BQL.
 */
#ifndef TARGET_I386_PSP_SEV_GUEST_H
#define TARGET_I386_PSP_SEV_GUEST_H

#include "crypto/hash.h"
#include "qemu/units.h"
#include "host.h"
#include "sev-channel.h"

/* GSTATE, 55766 table 46 */
typedef enum PspSevState {
    PSP_SEV_INVALID = 0,
    PSP_SEV_LUPDATE = 1,
    PSP_SEV_LSECRET = 2,
    PSP_SEV_RUNNING = 3,
} PspSevState;

/* Guest policy, 55766 table 2 */
#define PSP_SEV_POLICY_NODBG        (1U << 0)
#define PSP_SEV_POLICY_NOKS         (1U << 1)
#define PSP_SEV_POLICY_ES           (1U << 2)
#define PSP_SEV_POLICY_RESERVED     0xffc0U
#define PSP_SEV_POLICY_MAJOR_SHIFT  16
#define PSP_SEV_POLICY_MINOR_SHIFT  24

/**
 * PspSevGuest: the guest context
 * @asid: 0 until ACTIVATE and after DEACTIVATE
 * @channel: to the owner, until LAUNCH_FINISH
 * @measuring: the launch digest as it grows, NULL from LAUNCH_MEASURE on
 * @digest: the launch digest, from LAUNCH_MEASURE on
 */
struct PspSevGuest {
    PspSevState state;
    uint32_t policy;
    unsigned asid;
    PspSevChannel channel;
    QCryptoHash *measuring;
    uint8_t digest[PSP_SEV_DIGEST_SIZE];
};

/** psp_sev_guest: by its handle; NULL where there is none */
PspSevGuest *psp_sev_guest(PspHost *host, uint32_t handle);

/**
 * psp_sev_find_guest: what commands on a guest look at first
 * @handle: as it lies in the command buffer, little-endian
 *
 * Returns: SEV_RET_SUCCESS, INVALID_PLATFORM_STATE, INVALID_GUEST.
 */
int psp_sev_find_guest(PspHost *host, uint32_t handle, PspSevGuest **guest);

/**
 * psp_sev_guest_add: give a guest a handle; it is the host's from now on
 *
 * Returns: 0 where all handles are in use.
 */
uint32_t psp_sev_guest_add(PspHost *host, PspSevGuest *guest);

/** psp_sev_guest_free: forget a guest that has no handle; NULL is ignored */
void psp_sev_guest_free(PspSevGuest *guest);

/** psp_sev_guests_forget: SHUTDOWN; their ASIDs are dirty where they ran */
void psp_sev_guests_forget(PspHost *host);

/* Data of guests comes in units of 16 bytes, and is worked on in pieces. */
#define PSP_SEV_GRANULE     16
#define PSP_SEV_PIECE       (64 * KiB)

/* More in one command than any host sends; all vCPUs wait for it. */
#define PSP_SEV_DATA_MAX    (64 * MiB)

static inline bool psp_sev_is_aligned(uint64_t value)
{
    return value % PSP_SEV_GRANULE == 0;
}

/** psp_sev_is_working: is the platform initialised and has guests? */
bool psp_sev_is_working(const PspHost *host);

#endif
