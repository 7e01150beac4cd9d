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
 * What others wait for at most: the kernel takes some milliseconds for the
 * attributes and the holes of so much, if all of it changes its state.
 */
#define UPM_STEP_SIZE (64 * MiB)

/**
 * UpmRequest: a conversion on its way
 * @number: for trace events
 * @flags: UPM_KEEP_HIDDEN
 * @step: the one under way, for who is told of a failure
 * @unknown: errno of what could not be taken back, or 0
 * @finished: @runs are settled and discarded
 * @runs: UpmExtent, what it has changed or is changing, in order of addresses
 */
typedef struct UpmRequest {
    unsigned int number;
    hwaddr gpa;
    uint64_t size;
    bool to_private;
    unsigned int flags;
    UpmConversionStep step;
    int unknown;
    bool finished;
    GArray *runs;
} UpmRequest;

/**
 * UpmProgress: how far the runs of one step have come
 * @first, @end: which ones of the request these are
 * @marked, @mapped, @notified: the first one that is not
 */
typedef struct UpmProgress {
    unsigned int first;
    unsigned int end;
    unsigned int marked;
    unsigned int mapped;
    unsigned int notified;
} UpmProgress;

/*
 * request.c
 */

static inline UpmExtent *upm_run_at(const UpmRequest *r, unsigned int i)
{
    return &g_array_index(r->runs, UpmExtent, i);
}

/** upm_span: from the first frame to the last of runs of one claim */
UpmExtent upm_span(const UpmRequest *r, unsigned int first, unsigned int end);

/**
 * upm_group_end: the runs from @first on that one claim can have
 *
 * Of one block, at their places, and no more than a step.  Returns: where the
 * next ones begin.
 */
unsigned int upm_group_end(const UpmRequest *r, unsigned int first);

/**
 * upm_begin_turn: the provider's @enter, and a claim of @extent
 *
 * Then page states may change, until upm_end_turn().
 */
void upm_begin_turn(UpmClaim *claim, const UpmExtent *extent);
void upm_end_turn(UpmClaim *claim);

/** upm_enter, upm_leave: the provider's, where it has them */
void upm_enter(void);
void upm_leave(void);

/** upm_refuse: set @errp to what was asked for and why not; returns @err */
int upm_refuse(Error **errp, const UpmRequest *r, int err, const char *fmt,
               ...) G_GNUC_PRINTF(4, 5);

/*
 * check.c.  All return 0 or -EINVAL with @errp set.  Locking: RCU.
 */

/** upm_check_range: without a look at what is there */
int upm_check_range(const UpmRequest *r, Error **errp);

/** upm_find_extent: the extent at @gpa, of @size bytes at most */
int upm_find_extent(const UpmRequest *r, hwaddr gpa, uint64_t size,
                    UpmExtent *extent, Error **errp);

/**
 * upm_check_request: all of the range
 * @extent: set to the beginning of the range
 */
int upm_check_request(const UpmRequest *r, UpmExtent *extent, Error **errp);

/*
 * The rest is called with a claim, between enter and leave, and without the
 * core's lock.
 */

/* mark.c */

/** upm_mark: one call of the provider */
int upm_mark(const UpmRequest *r, const UpmExtent *extent, bool to_private);

/** upm_mark_runs: all runs of a step, in one call where the provider can */
int upm_mark_runs(const UpmRequest *r, UpmProgress *p, Error **errp);

/** upm_flush: no vCPU has an older translation on return */
void upm_flush(const UpmRequest *r);

/* notify.c */

/**
 * upm_notify_runs: tell everybody of the runs of a step
 *
 * On failure nobody holds the run that was refused for converted, or
 * @r->unknown is set.
 */
int upm_notify_runs(UpmRequest *r, UpmProgress *p, Error **errp);

/** upm_notify_undone: tell everybody that @run is taken back */
int upm_notify_undone(const UpmRequest *r, const UpmExtent *run);

/* undo.c */

/**
 * upm_take_back_runs: of one step, the last run first
 *
 * Returns: a negative errno where a state is unknown now, else 0.
 */
int upm_take_back_runs(const UpmRequest *r, const UpmProgress *p);

/**
 * upm_take_back_steps: all that the request has changed so far
 *
 * Called outside of any step.  Returns: as upm_take_back_runs().
 */
int upm_take_back_steps(const UpmRequest *r);

/** upm_set_poison: stop the guest since @r could not be taken back */
void upm_set_poison(const UpmRequest *r, const Error *why);

/** upm_check_poison: returns -EIO with @errp set where that has happened */
int upm_check_poison(const UpmRequest *r, Error **errp);

/* discard.c */

/** upm_discard_hidden_in: all that is hidden in @extent, by policy */
void upm_discard_hidden_in(const UpmRequest *r, UpmExtent extent);

/** upm_finish_runs: settle the runs of a step, and discard what they hide */
void upm_finish_runs(const UpmRequest *r, unsigned int first,
                     unsigned int end);

/** upm_finish_steps: the same for all of the request, outside of any step */
void upm_finish_steps(const UpmRequest *r);

#endif
