/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: for who looks at page states and at conversions
 */
#ifndef SYSTEM_UPM_MAP_H
#define SYSTEM_UPM_MAP_H

#include "exec/cpu-common.h"
#include "qemu/notify.h"
#include "qemu/queue.h"
#include "qemu/rcu.h"
#include "system/upm/upm.h"

typedef struct UpmBlock UpmBlock;

/**
 * UpmExtent: a range of guest frames inside one block.  Where all frames have
 * one page state it is called a run.
 * @block: where the extent lives
 * @gpa: guest-physical address, in bytes
 * @offset: offset inside @block, in bytes
 * @size: length, in bytes
 */
typedef struct UpmExtent {
    UpmBlock *block;
    hwaddr gpa;
    uint64_t offset;
    uint64_t size;
} UpmExtent;

/**
 * UpmBlock: both halves of one RAM block
 * @rb: the shared half, and the owner of the private one
 * @name: for messages
 * @size: of each half, in bytes
 * @recorded: there is no private half, and page states are only recorded
 * @discard: which half is discarded when a conversion hides it
 * @own_discard: @discard was chosen for this block, the default is not for it
 * @began_shared: the state of all frames when the block was made
 * @toggled_map: a set bit is a frame that is in the other state; so most of
 *     the map of a large guest is never touched
 * @shared_frames: number of shared frames
 * @page_size: of the shared half, in bytes; pages are discarded as a whole
 * @hidden_map: by the half that is hidden, [true] is the private one: a set
 *     bit is a frame of which it may occupy memory.  Only where there are such
 *     frames these are ever touched.
 * @hidden_frames: number of set bits
 * @failed_map: those frames whose discard failed; NULL until one does
 * @failed_frames: number of set bits
 * @discarded: bytes discarded so far, by half
 * @provider_data: what the provider keeps for this block
 * @discard_manager: what dma.c keeps for it
 * @watchers: who follows its page states; without any no notifier is called
 *
 * @toggled_map and @shared_frames change together, atomically and with a claim,
 * and are read without; all else is protected by the core's lock.
 */
struct UpmBlock {
    struct rcu_head rcu;
    RAMBlock *rb;
    char *name;
    uint64_t size;
    bool recorded;
    UpmDiscardPolicy discard;
    bool own_discard;
    bool began_shared;
    unsigned long *toggled_map;
    unsigned long shared_frames;
    uint64_t page_size;
    unsigned long *hidden_map[2];
    uint64_t hidden_frames[2];
    unsigned long *failed_map[2];
    uint64_t failed_frames[2];
    uint64_t discarded[2];
    void *provider_data;
    void *discard_manager;
    unsigned int watchers;
    QLIST_ENTRY(UpmBlock) next;
};

/**
 * upm_block_find: the page states of @rb, or NULL where none are kept
 *
 * Locking: an RCU read section, or whatever else keeps @rb alive.
 */
UpmBlock *upm_block_find(RAMBlock *rb);

/**
 * upm_block_watch: begin or end to follow the page states of @block
 *
 * Locking: a claim of all of @block.
 */
void upm_block_watch(UpmBlock *block, bool begin);

/** upm_foreach_block: call @fn for each block, under the core's lock */
void upm_foreach_block(void (*fn)(UpmBlock *block, void *opaque),
                       void *opaque);

/** upm_block_set_discard: the policy of one block, instead of the default */
void upm_block_set_discard(UpmBlock *block, UpmDiscardPolicy policy);

/**
 * upm_policy_discards: is a half discarded when a conversion hides it?
 * @private: the private half is meant
 */
bool upm_policy_discards(UpmDiscardPolicy policy, bool private);

/**
 * upm_block_is_private: page state of the frame at @offset bytes
 *
 * Locking: none; the answer is a snapshot.
 */
bool upm_block_is_private(const UpmBlock *block, uint64_t offset);

/**
 * upm_next_run: the first run of @extent
 * @run: set to it
 * @private: set to its state
 *
 * Locking: none; the answer is a snapshot, unless the caller has a claim
 * (provider.h) of @extent.
 */
void upm_next_run(const UpmExtent *extent, UpmExtent *run, bool *private);

/**
 * upm_next_run_in: the next run of @extent in one state
 * @from: offset in the block to start from, inside @extent
 * @private: the state wanted
 * @run: set to the run
 *
 * Locking: as for upm_next_run().  Returns: false where there is none.
 */
bool upm_next_run_in(const UpmExtent *extent, uint64_t from, bool private,
                     UpmExtent *run);

/** upm_extent_end: the offset behind @extent in its block */
static inline uint64_t upm_extent_end(const UpmExtent *extent)
{
    return extent->offset + extent->size;
}

/**
 * upm_extent_skip: leave out the beginning of @extent
 * @size: bytes, its size at most
 */
static inline void upm_extent_skip(UpmExtent *extent, uint64_t size)
{
    extent->gpa += size;
    extent->offset += size;
    extent->size -= size;
}

/**
 * UpmConversion: what notifiers are told
 * @run: frames that have changed their state
 * @to_private: the new state
 * @undone: the change is being taken back because somebody else refused or a
 *     later step failed; only notifiers that agreed to it are told
 */
typedef struct UpmConversion {
    UpmExtent run;
    bool to_private;
    bool undone;
} UpmConversion;

/**
 * upm_notifier_add: be told of every conversion of blocks that are watched
 *
 * A notifier that returns a negative errno makes the conversion fail.  It is
 * called by the thread that converts, with or without the BQL, and with a claim
 * of the run: no other conversion of it is under way, but those of other runs
 * are.  It must not convert.
 */
void upm_notifier_add(NotifierWithReturn *notifier);
void upm_notifier_remove(NotifierWithReturn *notifier);

/**
 * UpmCounters: what the core has done since the start of the guest, in
 * bytes unless said otherwise
 */
typedef struct UpmCounters {
    /* [cause][to_private]: requests that changed something, and bytes */
    uint64_t requests[UPM_CAUSE__MAX][2];
    uint64_t converted[UPM_CAUSE__MAX][2];
    uint64_t unchanged_requests;
    uint64_t failed_requests;
    /* calls, not requests */
    uint64_t failed_discards;
    uint64_t discarded_shared;
    uint64_t discarded_private;
    /* time inside conversions, in ns */
    uint64_t time;
} UpmCounters;

/** upm_counters: a copy of the counters, taken under the core's lock */
UpmCounters upm_counters(void);

/**
 * UpmFailure: a conversion that was refused or failed
 * @error: positive errno
 * @reason: the message
 * @failed_requests: number of them so far
 * @poisoned: it could not be undone, see upm_poison()
 */
typedef struct UpmFailure {
    hwaddr gpa;
    uint64_t size;
    bool to_private;
    UpmCause cause;
    UpmConversionStep step;
    int error;
    const char *reason;
    uint64_t failed_requests;
    bool poisoned;
} UpmFailure;

/**
 * UPM_STORM_REQUESTS, UPM_STORM_EXTENT, UPM_STORM_NS: so many requests that
 * change something, and no fewer than one for each UPM_STORM_EXTENT bytes of
 * guest memory, are a storm within UPM_STORM_NS
 *
 * A stock Linux guest boots with some 600 requests, whatever its size; one
 * that accepts all of its memory at once makes one for 4 MiB or more.
 */
#define UPM_STORM_REQUESTS 2000
#define UPM_STORM_EXTENT   (2ULL << 20)
#define UPM_STORM_NS       1000000000LL

/**
 * UpmStorm: more conversions than a guest can have a reason for
 * @gpa, @size, @cause: the last of them
 * @requests: their number, those that changed nothing left out
 * @converted: bytes, [true] is those that became private
 * @time: ns that they took from first to last
 */
typedef struct UpmStorm {
    hwaddr gpa;
    uint64_t size;
    UpmCause cause;
    uint64_t requests;
    uint64_t converted[2];
    uint64_t time;
} UpmStorm;

/**
 * UpmFailedDiscard: hidden memory that stays allocated
 * @block: its name
 * @private: the private half is meant
 * @offset, @size: bytes, in the block
 * @error: positive errno
 * @failed_discards: number of them so far
 */
typedef struct UpmFailedDiscard {
    const char *block;
    bool private;
    uint64_t offset;
    uint64_t size;
    int error;
    uint64_t failed_discards;
} UpmFailedDiscard;

/**
 * UpmObserver: who tells the world
 *
 * Called from the thread that converts, without the core's lock, with or
 * without the BQL and maybe in an exclusive section.  @storm is called once a
 * second at most.
 */
typedef struct UpmObserver {
    void (*failed)(const UpmFailure *failure);
    void (*storm)(const UpmStorm *storm);
    void (*discard_failed)(const UpmFailedDiscard *discard);
} UpmObserver;

/**
 * upm_poison: has undoing a conversion failed?
 * @range: set to what it was about; its block is not
 *
 * Such a guest is stopped, and no conversion is made any more.  Returns: the
 * reason, to be freed, or NULL.
 */
char *upm_poison(UpmExtent *range);

/** upm_set_observer: to be called once, before there is a guest */
void upm_set_observer(const UpmObserver *observer);

#endif
