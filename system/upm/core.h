/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what the files of the core share
 *
 * door.c calls accounts.c and claims.c, all of them blocks.c and map.c.
 */
#ifndef SYSTEM_UPM_CORE_H
#define SYSTEM_UPM_CORE_H

#include "qemu/thread.h"
#include "system/upm/host.h"
#include "system/upm/map.h"
#include "system/upm/provider.h"

/*
 * The core's lock, for its data: no system call is made with it.  Order: BQL,
 * ramlist lock, claims, this one.
 */
extern QemuMutex upm_lock;

/* blocks.c: the provider, once there is a block */
extern const UpmProviderOps *upm_provider;

/** upm_foreach_block_locked: upm_foreach_block(), with the lock held */
void upm_foreach_block_locked(void (*fn)(UpmBlock *block, void *opaque),
                              void *opaque);

/** upm_state_name: "private" or "shared" */
const char *upm_state_name(bool private);

/** upm_map_set: give all frames of @run the other state; with the lock */
void upm_map_set(const UpmExtent *run, bool private);

/*
 * accounts.c
 */

/**
 * upm_account_run: @run has changed its state for good
 *
 * What is hidden now may occupy memory, and what is in sight is on no account
 * any more.  Locking: the lock, and a claim of @run.
 */
void upm_account_run(const UpmExtent *run, bool to_private);

/**
 * upm_account_hidden: a half that is hidden was written to
 * @private: the private half was
 *
 * Locking: the lock, and a claim of @run, all of which hides that half.
 */
void upm_account_hidden(const UpmExtent *run, bool private);

/**
 * upm_account_discarded: what is hidden in @extent was discarded
 * @private: the private half was
 *
 * Locking: a claim of @extent.
 */
void upm_account_discarded(const UpmExtent *extent, bool private);

/**
 * upm_account_failed: what is hidden in @extent could not be discarded
 * @error: negative errno
 *
 * Locking: a claim of @extent.
 */
void upm_account_failed(const UpmExtent *extent, bool private, int error);

/** UpmDone: a request that has come to its end */
typedef struct UpmDone {
    hwaddr gpa;
    uint64_t size;
    bool to_private;
    UpmCause cause;
    UpmConversionStep step;
    uint64_t changed;
    int64_t start;
    bool poisoned;
    int ret;
} UpmDone;

/**
 * upm_account_request: count a request, and tell observers
 * @err: why it failed, NULL where it did not
 *
 * Locking: neither the lock nor a claim.
 */
void upm_account_request(const UpmDone *done, const Error *err);

/** upm_account_unchanged: a request that was not made, as nothing was left */
void upm_account_unchanged(void);

#endif
