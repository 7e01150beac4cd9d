/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: for who makes page states true
 */
#ifndef SYSTEM_UPM_PROVIDER_H
#define SYSTEM_UPM_PROVIDER_H

#include "system/upm/map.h"

/**
 * UpmProviderOps: what makes a page state true
 *
 * The core calls in the order of the members.  A provider knows no policy; it
 * must not convert.  From @enter on calls come from the thread that converts,
 * with a claim of the extent and without any lock of the core's.
 *
 * @name: for messages
 * @marks_extents: @mark takes extents in which some frames have the state
 *     already, and gives them one call.  Otherwise it is only asked for runs
 *     that have the other state.
 * @create_private: return a close-on-exec descriptor for the private half of
 *     @size bytes, or -1 with @errp set.  Locking: BQL and ramlist lock.
 * @block_added: prepare @provider_data; all frames have the initial state.
 *     Optional.  Locking: BQL and ramlist lock, so it can not make RAM.
 * @block_removed: release @provider_data, a grace period after the block has
 *     left.  Optional.  Locking: BQL.
 * @records: are page states of a new RAM block to be kept?  Only where they
 *     are recorded, see upm_record().  Optional.  Locking: BQL.
 * @enter: wait until page states may be changed, and keep away who changes
 *     what they depend on, such as memory slots, until @leave: for one step.
 *     With or without the BQL.  Optional.
 * @mark: give every frame of @extent the page state.  Either all of it or,
 *     with a negative errno, nothing of it.  It can be taken back until
 *     @settle, by the other state.
 * @unmarked: the map of @extent goes back to what it was, and @mark is not
 *     asked for that since its memory is not at the address any more.
 *     Optional.
 * @flush: return only when no vCPU can reach a frame by a translation older
 *     than @mark.  Optional.
 * @leave: what @enter kept away may go on.  Optional.
 * @settle: @run has changed its state for good.  Optional.
 * @drop_private: discard the private half of @extent, all of which is hidden.
 *     Returns 0 or a negative errno.
 * @forget: the guest that used @block is gone, and another one begins with it:
 *     all frames have the initial state; discard all of the private half, and
 *     what is known of it.  Optional: without, no guest is launched again.
 *     Returns 0 or a negative errno.  Locking: BQL, and no vCPU runs.
 */
typedef struct UpmProviderOps {
    const char *name;
    bool marks_extents;
    int (*create_private)(uint64_t size, Error **errp);
    bool (*block_added)(UpmBlock *block, Error **errp);
    void (*block_removed)(UpmBlock *block);
    bool (*records)(RAMBlock *rb);
    void (*enter)(void);
    int (*mark)(const UpmExtent *extent, bool to_private);
    void (*unmarked)(const UpmExtent *extent);
    void (*flush)(void);
    void (*leave)(void);
    void (*settle)(const UpmExtent *run, bool to_private);
    int (*drop_private)(const UpmExtent *extent);
    int (*forget)(UpmBlock *block);
} UpmProviderOps;

/**
 * upm_set_provider: say who makes page states true
 *
 * To be called once, by the accelerator, before any RAM block with a private
 * half exists.
 */
void upm_set_provider(const UpmProviderOps *ops);

/** upm_provider_name: the provider's name, NULL where there is none */
const char *upm_provider_name(void);

/**
 * upm_record: keep page states that nobody makes true
 * @ops: whose they are: the name, @block_added, @block_removed and @records;
 *     copied
 *
 * For guests whose memory is encrypted in place.  All of their RAM is private
 * until they say something else; a reset makes it so again.  To be called
 * before any RAM block exists, instead of upm_set_provider().  Locking: BQL.
 */
void upm_record(const UpmProviderOps *ops);

/** upm_is_recording: was upm_record() called? */
bool upm_is_recording(void);

/** upm_punch_hole: the usual way to discard what is behind a descriptor */
int upm_punch_hole(int fd, uint64_t offset, uint64_t size);

/**
 * UpmClaim: frames whose page states do not change
 *
 * In the order of arrival: who claims frames that somebody else has claimed,
 * or waits for, waits for him.
 */
typedef struct UpmClaim {
    struct UpmClaim *owner;
    UpmBlock *block;
    uint64_t first;
    uint64_t end;
    QTAILQ_ENTRY(UpmClaim) next;
} UpmClaim;

/**
 * upm_claim: keep conversions away from a part of a block
 * @claim: to be given to upm_release()
 * @offset, @size: in bytes; whole pages of the shared half are claimed
 *
 * For what has to be in step with conversions, such as a new listener that is
 * told of all shared runs first.  Waits for the requests that are under way
 * there.  Not for between a provider's @enter and @leave, nor for who keeps
 * others from coming there: a request has its claim before it enters.
 *
 * Locking: with or without the BQL; the block must be kept alive.  A thread
 * has one claim at a time.
 */
void upm_claim(UpmClaim *claim, UpmBlock *block, uint64_t offset,
               uint64_t size);
void upm_release(UpmClaim *claim);

#endif
