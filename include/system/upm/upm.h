/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: page states and their conversion
 *
 * Every RAM block of a confidential guest has two halves of the same size:
 * a shared one, which QEMU and its devices map, and a private one behind a
 * descriptor that the VMM never reads or writes.  Which of the two a guest
 * frame uses is its page state.  This file is the only door to it.
 *
 * The core knows no accelerator.  A provider makes a page state true: KVM by
 * memory attributes, the emulated SEV-SNP processor by its RMP.  A provider
 * knows no policy.
 */
#ifndef SYSTEM_UPM_H
#define SYSTEM_UPM_H

#include "exec/cpu-common.h"
#include "qapi/qapi-types-upm.h"
#include "qemu/notify.h"
#include "qemu/queue.h"
#include "qemu/rcu.h"

/* Page states are kept for frames of this size on every target. */
#define UPM_FRAME_BITS 12
#define UPM_FRAME_SIZE (1ULL << UPM_FRAME_BITS)

typedef struct UpmBlock UpmBlock;

/**
 * UpmExtent: a run of guest frames inside one block
 * @block: where the run lives
 * @gpa: guest-physical address of the run, in bytes
 * @offset: offset of the run inside @block, in bytes
 * @size: length of the run, in bytes
 */
typedef struct UpmExtent {
    UpmBlock *block;
    hwaddr gpa;
    uint64_t offset;
    uint64_t size;
} UpmExtent;

/**
 * UpmBlock: both halves of one RAM block
 * @rb: the shared half
 * @name: for messages
 * @size: of each half, in bytes
 * @private_fd: the private half; owned by @rb.  -1 where there is none, and
 *     page states are only recorded.
 * @discard: which half gives its backing back on a conversion
 * @own_discard: @discard was chosen for this block, the default is not for it
 * @began_shared: the state of all frames when the block was made
 * @toggled_map: a set bit is a frame that is in the other state; so most of
 *     the map of a large guest is never touched
 * @shared_frames: number of shared frames
 * @page_size: of the shared half, in bytes; pages go back as a whole
 * @held_map: a set bit is a frame whose hidden half was used and not given
 *     back; only where there are such frames this map is ever touched
 * @held_frames: number of set bits, by the half that is hidden; [true] is
 *     the private one
 * @discarded: bytes given back so far, by half
 * @provider_data: what the provider keeps for this block
 */
struct UpmBlock {
    struct rcu_head rcu;
    RAMBlock *rb;
    char *name;
    uint64_t size;
    int private_fd;
    UpmDiscardPolicy discard;
    bool own_discard;
    bool began_shared;
    unsigned long *toggled_map;
    uint64_t shared_frames;
    uint64_t page_size;
    unsigned long *held_map;
    uint64_t held_frames[2];
    uint64_t discarded[2];
    void *provider_data;
    QLIST_ENTRY(UpmBlock) next;
};

/**
 * UpmProviderOps: what makes a page state true
 *
 * The core calls in the order of the members.  All calls but the first three
 * come with the core's lock held; a provider must not call the core back, nor
 * take the BQL, which ranks above that lock.
 *
 * @name: for messages
 * @create_private: return a close-on-exec descriptor for the private half of
 *     @size bytes, or -1 with @errp set.  Called with the ramlist lock held.
 * @block_added: prepare @provider_data; all frames have the initial state.
 *     Called with the ramlist lock held, so it can not make RAM.  Optional.
 * @block_removed: release @provider_data.  Called with the BQL held, when
 *     nobody can reach the block any more.  Optional.
 * @mark: give every frame of @extent the page state.  Either all of it or,
 *     with a negative errno, nothing of it.  It is only asked for frames
 *     that have the other state.
 * @flush: return only when no vCPU can reach a frame by a translation older
 *     than @mark.  Optional.
 * @drop_private: give back the backing of the private half of @extent.
 *     Returns 0 or a negative errno.
 */
typedef struct UpmProviderOps {
    const char *name;
    int (*create_private)(uint64_t size, Error **errp);
    bool (*block_added)(UpmBlock *block, Error **errp);
    void (*block_removed)(UpmBlock *block);
    int (*mark)(const UpmExtent *extent, bool to_private);
    void (*flush)(void);
    int (*drop_private)(const UpmExtent *extent);
} UpmProviderOps;

/**
 * UpmConversion: what notifiers are told
 * @extent: frames that have changed their state
 * @to_private: the new state
 * @undone: the change is being taken back because a later step failed; only
 *     notifiers that agreed to it are told
 */
typedef struct UpmConversion {
    UpmExtent extent;
    bool to_private;
    bool undone;
} UpmConversion;

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
    uint64_t discarded_shared;
    uint64_t discarded_private;
    /* time inside conversions, in ns */
    uint64_t time;
} UpmCounters;

/**
 * UpmFailure: a conversion that was refused or failed
 * @error: positive errno
 * @reason: the message
 * @failed_requests: number of them so far
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
} UpmFailure;

/* So many requests that change something are a storm, within this time. */
#define UPM_STORM_REQUESTS 2000
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
 * UpmObserver: who tells the world
 *
 * Called from the thread that converts, without the core's lock, with or
 * without the BQL and maybe in an exclusive section.  @storm is called once a
 * second at most.
 */
typedef struct UpmObserver {
    void (*failed)(const UpmFailure *failure);
    void (*storm)(const UpmStorm *storm);
} UpmObserver;

/** upm_set_observer: to be called once, before there is a guest */
void upm_set_observer(const UpmObserver *observer);

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
 * upm_set_default_discard: the policy of blocks that name none
 *
 * Applies to the blocks that exist and to later ones.
 */
void upm_set_default_discard(UpmDiscardPolicy policy);

/**
 * upm_set_initial_state: the page state that frames of later blocks begin
 * with; private unless something else is said
 *
 * For the accelerator or the guest object, before any RAM block exists.
 */
void upm_set_initial_state(bool private);

/**
 * upm_block_add: give a RAM block its private half
 *
 * Called by ram_block_add() for blocks with RAM_GUEST_MEMFD, with the
 * ramlist lock held.  Frames start private, see upm_set_initial_state().  On
 * success the block's
 * guest_memfd is set; on failure nothing is left behind.
 *
 * Returns: true, or false with @errp set to a message that names the block,
 * its size and the cause.
 */
bool upm_block_add(RAMBlock *rb, Error **errp);

/**
 * upm_block_remove: forget @rb
 *
 * The caller closes its descriptor where there is one left.
 */
void upm_block_remove(RAMBlock *rb);

/**
 * upm_block_register: the part of upm_block_add() that knows no RAMBlock
 * @name: for messages; copied
 * @size: of each half in bytes, a multiple of UPM_FRAME_SIZE
 *
 * Returns: the descriptor of the private half, which the caller closes after
 * upm_block_unregister(); or -1 with @errp set and nothing left behind.
 */
int upm_block_register(RAMBlock *rb, const char *name, uint64_t size,
                       Error **errp);

/**
 * upm_block_record: keep the page states of a RAM block that has no private
 * half
 * @name: for messages; copied
 * @size: in bytes, a multiple of UPM_FRAME_SIZE
 *
 * Nothing of it is ever discarded.  Returns: true, or false with @errp set.
 */
bool upm_block_record(RAMBlock *rb, const char *name, uint64_t size,
                      Error **errp);

/** upm_block_unregister: returns false where no page states of @rb are kept */
bool upm_block_unregister(RAMBlock *rb);

/**
 * upm_block_find: the page states of @rb, or NULL where none are kept
 *
 * Locking: an RCU read section, or whatever else keeps @rb alive.
 */
UpmBlock *upm_block_find(RAMBlock *rb);

/**
 * upm_block_is_private: page state of the frame at @offset bytes
 *
 * Locking: none; the answer is a snapshot.
 */
bool upm_block_is_private(const UpmBlock *block, uint64_t offset);

/**
 * upm_next_private: the next pages of which all frames are private
 * @page_size: bytes, a power of 2 and at least UPM_FRAME_SIZE
 * @at: offset to start from, a multiple of @page_size; on return the offset
 *     of the first such page
 * @end: offset to stop at, a multiple of @page_size
 *
 * Locking: the core's lock, so for providers and ram.c only.
 * Returns: bytes of such pages in a row, 0 where there are none.
 */
uint64_t upm_next_private(const UpmBlock *block, uint64_t page_size,
                          uint64_t *at, uint64_t end);

/**
 * upm_next_run: the beginning of @extent that has one page state
 * @run: set to it; its @size is less than that of @extent where the state
 *     changes
 * @private: set to its state
 *
 * Locking: none, so that conversions go on; the answer is a snapshot.
 */
void upm_next_run(const UpmExtent *extent, UpmExtent *run, bool *private);

/** upm_block_set_page_size: of the shared half, where it is a huge page */
void upm_block_set_page_size(UpmBlock *block, uint64_t page_size);

/**
 * upm_policy_discards: does a half give its backing back when it is hidden?
 * @private: the private half is meant
 */
bool upm_policy_discards(UpmDiscardPolicy policy, bool private);

/** upm_block_set_discard: the policy of one block, instead of the default */
void upm_block_set_discard(UpmBlock *block, UpmDiscardPolicy policy);

/**
 * upm_convert: change the page state of a range of guest-physical memory
 * @gpa: first byte, a multiple of UPM_FRAME_SIZE
 * @size: bytes, a multiple of UPM_FRAME_SIZE, not 0
 * @to_private: the state asked for
 * @cause: for the counters
 *
 * The only code that changes a page state.  The range is checked in full
 * before anything changes; then: mark (provider), flush, discard by policy,
 * notify.  A step that fails undoes the ones before it.  Where undoing fails
 * as well, the guest is stopped and the range named.  Frames that have the
 * state already are left alone, and cost no system call.  A launch keeps the
 * shared half that it fills private memory from, see upm_discard_hidden().
 *
 * Locking: takes the core's lock.  The emulated provider wants the caller
 * inside an exclusive section (start_exclusive()).
 *
 * Returns: 0; -EINVAL for a range that is empty, misaligned, wraps, or has a
 * byte that is not RAM with a private half; else the errno of the step that
 * failed.  @errp is set whenever the result is not 0.
 */
int upm_convert(hwaddr gpa, uint64_t size, bool to_private, UpmCause cause,
                Error **errp);

/**
 * upm_discard_hidden: give back shared memory that a launch was made from
 * @gpa: first byte, a multiple of UPM_FRAME_SIZE
 * @size: bytes, a multiple of UPM_FRAME_SIZE, not 0
 *
 * Where the discard policy says so; frames that are shared are left alone.
 *
 * Locking: takes the core's lock.  Returns: 0, or a negative errno with @errp
 * set.
 */
int upm_discard_hidden(hwaddr gpa, uint64_t size, Error **errp);

/**
 * upm_convert_needed: would upm_convert() do or refuse anything?
 *
 * For callers to whom a call is dear: most requests of a booting guest ask
 * for what is so already.  Such a request is counted here.
 *
 * Locking: takes the core's lock; no exclusive section is needed.
 */
bool upm_convert_needed(hwaddr gpa, uint64_t size, bool to_private);

/**
 * upm_notifier_add: be told of every conversion, see UpmConversion
 *
 * A notifier that returns a negative errno makes the conversion fail.  It is
 * called with the core's lock held.
 */
void upm_notifier_add(NotifierWithReturn *notifier);
void upm_notifier_remove(NotifierWithReturn *notifier);

/** upm_counters: a copy of the counters, taken under the core's lock */
UpmCounters upm_counters(void);

/**
 * upm_foreach_block: call @fn for each block, under the core's lock
 */
void upm_foreach_block(void (*fn)(UpmBlock *block, void *opaque),
                       void *opaque);

/**
 * upm_foreach_shared: call @fn for each run of shared frames of @extent, under
 * the core's lock
 */
void upm_foreach_shared(const UpmExtent *extent,
                        void (*fn)(const UpmExtent *run, void *opaque),
                        void *opaque);

/**
 * upm_record: keep page states that nobody makes true
 * @name: of the provider that this is, for messages
 *
 * For guests whose memory is encrypted in place.  All of their RAM is private
 * until they say something else; a reset makes it so again.  To be called
 * before any RAM block exists.  Locking: BQL.
 */
void upm_record(const char *name);

/**
 * upm_lock: keep conversions away
 *
 * For what has to be in step with them, such as a new listener that is told
 * of all shared frames first.  Nothing that takes the lock
 * itself may be called before upm_unlock().
 */
void upm_lock(void);
void upm_unlock(void);

/** upm_foreach_shared_locked: upm_foreach_shared(), inside upm_lock() */
void upm_foreach_shared_locked(const UpmExtent *extent,
                               void (*fn)(const UpmExtent *run, void *opaque),
                               void *opaque);

/** upm_punch_hole: the usual way to give back the backing of a descriptor */
int upm_punch_hole(int fd, uint64_t offset, uint64_t size);

/**
 * upm_choose_accelerator: replace the accelerators that were asked for where
 * the guest will not be run
 *
 * To be called before the accelerators are configured.
 */
void upm_choose_accelerator(void);

/*
 * What the core asks of the rest of QEMU: system/upm/ram.c, or a unit
 * test in its place.
 */

/**
 * upm_memory_resolve: the first extent of a guest-physical range
 *
 * Returns: false where @gpa is not RAM with a private half; else @extent
 * covers as much of the range as lies in one block.
 */
bool upm_memory_resolve(hwaddr gpa, uint64_t size, UpmExtent *extent);

/**
 * upm_memory_describe: what is at @gpa instead, for a message
 *
 * Returns: a string to be freed.
 */
char *upm_memory_describe(hwaddr gpa);

/**
 * upm_memory_drop_shared: give back the backing of the shared half
 *
 * Returns: bytes given back, or a negative errno.  They are less than the
 * extent where huge pages are in part still shared, and more where the extent
 * was the last shared part of one.  Called when the map has the new state.
 */
int64_t upm_memory_drop_shared(const UpmExtent *extent);

/** upm_memory_stop_guest: stop the guest for good, with a reason */
void upm_memory_stop_guest(const char *reason);

#endif
