/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what the files of the core share
 *
 * door.c calls accounts.c and claims.c, all of them blocks.c and map.c.
 */
#ifndef SYSTEM_UPM_CORE_H
#define SYSTEM_UPM_CORE_H

#include "qemu/lockable.h"
#include "system/upm/host.h"
#include "system/upm/map.h"
#include "system/upm/provider.h"

/*
 * The core's lock, for its data: no system call is made with it.  Order: BQL,
 * ramlist lock, claims, this one.
 *
 * A GMutex, since each conversion takes it twice: where nobody waits that is
 * one atomic operation, and a QemuMutex has events to trace around it.
 */
extern QemuLockable upm_lock;

/** upm_lock_wait: qemu_cond_wait() for this lock */
void upm_lock_wait(GCond *cond);

/* blocks.c: the provider, once there is a block */
extern const UpmProviderOps *upm_provider;

/** upm_foreach_block_locked: upm_foreach_block(), with the lock held */
void upm_foreach_block_locked(void (*fn)(UpmBlock *block, void *opaque),
                              void *opaque);

/**
 * upm_claim_all: upm_claim() for several extents at once
 * @all: as many as there are @extents
 */
void upm_claim_all(UpmClaim *all, const UpmExtent *extents,
                   unsigned int count);

/** upm_release_all: the opposite.  Locking: the lock. */
void upm_release_all(UpmClaim *all, unsigned int count);

/**
 * upm_convert_block: upm_convert() of all of a block, mapped or not
 *
 * Messages and observers have offsets in place of guest addresses.  Not for a
 * provider that goes by these.  Locking: whatever keeps @block alive.
 */
int upm_convert_block(UpmBlock *block, bool to_private, UpmCause cause,
                      Error **errp);

/** upm_state_name: "private" or "shared" */
static inline const char *upm_state_name(bool private)
{
    return private ? "private" : "shared";
}

/**
 * upm_map_set: give all frames of @extent a state
 * @changed: bytes of those that had the other one
 *
 * Locking: a claim.
 */
void upm_map_set(const UpmExtent *extent, bool private, uint64_t changed);

/** upm_map_copy: bits of @extent's frames, set for those in one state */
void upm_map_copy(unsigned long *bits, const UpmExtent *extent, bool private);

/*
 * accounts.c.  Who calls these has a claim and not the lock, unless it says
 * something else.
 */

typedef struct UpmStep UpmStep;

/** upm_account_shown: a half of what has changed is in sight */
void upm_account_shown(const UpmStep *step, bool private);

/** upm_account_hidden: a half of what has changed is hidden and still there */
void upm_account_hidden(const UpmStep *step, bool private);

/** upm_account_source: QEMU has written to the shared half of @extent */
void upm_account_source(const UpmExtent *extent);

/** upm_account_pages: what is hidden in @extent is discarded */
void upm_account_pages(const UpmExtent *extent, bool private);

/**
 * upm_account_failed: what is hidden in @extent could not be discarded
 * @error: why, a positive errno
 */
void upm_account_failed(const UpmExtent *extent, bool private, int error);

/**
 * upm_account_discarded: a half of what has changed is discarded, and of what
 * else is hidden between it
 *
 * Locking: the lock, and a claim.
 */
void upm_account_discarded(const UpmStep *step, bool private);

/**
 * UpmDone: a request that has come to its end
 * @step: that failed, where @ret is not 0
 * @start, @end: ns
 * @failed_requests: number of them so far
 * @storm: what this one makes a storm; NULL where it makes none
 */
typedef struct UpmDone {
    hwaddr gpa;
    uint64_t size;
    bool to_private;
    UpmCause cause;
    UpmConversionStep step;
    uint64_t changed;
    int64_t start;
    int64_t end;
    bool poisoned;
    int ret;
    uint64_t failed_requests;
    UpmStorm *storm;
} UpmDone;

/**
 * upm_account_request: count a request
 *
 * Sets the last two members.  Locking: the lock.
 */
void upm_account_request(UpmDone *done);

/**
 * upm_tell_request: tell observers, where there is something to be told
 * @done: its @storm is freed
 * @err: why it failed, NULL where it did not
 *
 * Locking: neither the lock nor a claim.
 */
void upm_tell_request(const UpmDone *done, const Error *err);

/**
 * upm_account_unchanged: a request that was not made, as nothing was left
 *
 * Locking: as above.
 */
void upm_account_unchanged(void);

#endif
