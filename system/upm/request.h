/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: a conversion on its way, from file to file
 *
 * door.c has the way.  What a step takes stands in check.c, mark.c, notify.c,
 * undo.c and discard.c, which do not call each other, but for undo.c that
 * marks and notifies again.
 */
#ifndef SYSTEM_UPM_REQUEST_H
#define SYSTEM_UPM_REQUEST_H

#include "qemu/units.h"
#include "core.h"

/*
 * What a change of memory slots waits for at most: the kernel takes some
 * milliseconds for the attributes of so much, if all of it changes its state.
 */
#define UPM_STEP_SIZE (64 * MiB)

/**
 * UpmStep: frames that change their state together, of one block
 * @extent: from the first one to the last
 * @changing: a set bit is a frame of @extent that changes, the others have
 *     the state already; NULL where all change
 * @changed: bytes that change
 * @discarded: all of @extent is discarded, and not accounted yet
 */
struct UpmStep {
    UpmExtent extent;
    unsigned long *changing;
    uint64_t changed;
    bool discarded;
};

/**
 * UpmProgress: how far a step has come
 * @marked, @notified: runs, from the first one
 * @mapped: all of it is in the map
 */
typedef struct UpmProgress {
    unsigned int marked;
    bool mapped;
    unsigned int notified;
} UpmProgress;

/**
 * UpmRequest: a conversion on its way
 * @number: for trace events
 * @block: all of it is meant, wherever it is mapped, and @gpa is 0; else NULL
 * @flags: UPM_KEEP_HIDDEN
 * @at: the step under way, for who is told of a failure
 * @unknown: errno of what could not be taken back, or 0
 * @poisoned: nothing is converted any more
 * @memory_map: the one that the range was checked with
 * @extents: all of the range
 * @claims: one for each extent, from when they are claimed until the end
 * @steps: those that are in effect
 * @one_extent, @one_claim, @one_step: where these are for most requests, which
 *     need no more than one of each, and take no allocation
 */
typedef struct UpmRequest {
    unsigned int number;
    UpmBlock *block;
    hwaddr gpa;
    uint64_t size;
    bool to_private;
    unsigned int flags;
    UpmConversionStep at;
    int unknown;
    bool poisoned;
    const void *memory_map;
    UpmExtent *extents;
    UpmClaim *claims;
    UpmStep *steps;
    unsigned int n_extents;
    unsigned int n_claims;
    unsigned int n_steps;
    UpmExtent one_extent;
    UpmClaim one_claim;
    UpmStep one_step;
} UpmRequest;

/*
 * request.c
 */

/** upm_request_add_extent: behind those that are there */
void upm_request_add_extent(UpmRequest *r, const UpmExtent *extent);

/** upm_request_next_step: room for one behind those that are in effect */
UpmStep *upm_request_next_step(UpmRequest *r);

/** upm_request_free: free what @r points to, once it has no claims */
void upm_request_free(UpmRequest *r);

/** upm_step_make: the step of @extent; false where nothing changes */
bool upm_step_make(UpmStep *step, const UpmExtent *extent, bool to_private);

/**
 * upm_step_next: the next run that changes
 * @from: offset in the block to start from
 *
 * Returns: false where there is none.
 */
bool upm_step_next(const UpmStep *step, uint64_t from, UpmExtent *run);

/** upm_step_free: free what @step points to */
void upm_step_free(UpmStep *step);

/** upm_enter, upm_leave: the provider's, where it has them */
void upm_enter(void);
void upm_leave(void);

/** upm_refuse: set @errp to what was asked for and why not; returns @err */
int upm_refuse(Error **errp, const UpmRequest *r, int err, const char *fmt,
               ...) G_GNUC_PRINTF(4, 5);

/*
 * check.c.  Locking: RCU.
 */

/**
 * upm_check_request: all of the range, before anything changes
 *
 * Adds its extents to @r.  Returns: 0, or -EINVAL with @errp set.
 */
int upm_check_request(UpmRequest *r, Error **errp);

/**
 * upm_still_there: is @extent, which is a part of @r, at its guest address?
 *
 * Looks it up only where the memory map has changed since @r was checked.
 */
bool upm_still_there(const UpmRequest *r, const UpmExtent *extent);

/*
 * The rest is called with a claim of the range and without the core's lock;
 * upm_mark() and what calls it between enter and leave.
 */

/* mark.c */

/** upm_mark: one call of the provider */
int upm_mark(const UpmRequest *r, const UpmExtent *extent, bool to_private);

/** upm_mark_step: in one call where the provider can */
int upm_mark_step(const UpmRequest *r, const UpmStep *step, UpmProgress *p,
                  Error **errp);

/** upm_flush: no vCPU has an older translation on return */
void upm_flush(const UpmRequest *r);

/* notify.c */

/**
 * upm_notify_step: tell everybody, where the block is watched
 *
 * On failure nobody holds the run that was refused for converted, or
 * @r->unknown is set.
 */
int upm_notify_step(UpmRequest *r, const UpmStep *step, UpmProgress *p,
                    Error **errp);

/** upm_notify_undone: tell everybody that @run is taken back */
int upm_notify_undone(const UpmRequest *r, const UpmExtent *run);

/* undo.c */

/**
 * upm_take_back_step: as far as it has come
 *
 * Returns: a negative errno where a state is unknown now, else 0.
 */
int upm_take_back_step(const UpmRequest *r, const UpmStep *step,
                       const UpmProgress *p);

/** upm_take_back: all steps that are in effect; returns as the above */
int upm_take_back(const UpmRequest *r);

/** upm_set_poison: stop the guest since @r could not be taken back */
void upm_set_poison(UpmRequest *r, const Error *why);

/** upm_check_poison: returns -EIO with @errp set where that has happened */
int upm_check_poison(UpmRequest *r, Error **errp);

/* discard.c */

/** upm_discard_hidden_in: what is on account in whole pages of @extent */
void upm_discard_hidden_in(const UpmRequest *r, const UpmExtent *extent);

/** upm_finish_step: settle it, and discard what it hides */
void upm_finish_step(const UpmRequest *r, UpmStep *step);

#endif
