/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what the core and the rest of QEMU ask of each
 * other
 */
#ifndef SYSTEM_UPM_HOST_H
#define SYSTEM_UPM_HOST_H

#include "system/upm/map.h"

/*
 * RAM blocks come and go
 */

/**
 * upm_block_add: give a RAM block its private half
 *
 * Called by ram_block_add() for blocks with RAM_GUEST_MEMFD, with the
 * ramlist lock held.  Frames start private, see upm_set_initial_state().  On
 * success the block's guest_memfd is set; on failure nothing is left behind.
 *
 * Returns: true, or false with @errp set to a message that names the block,
 * its size and the cause.
 */
bool upm_block_add(RAMBlock *rb, Error **errp);

/**
 * upm_block_remove: forget @rb
 *
 * Called by qemu_ram_free(): from here on nobody finds the block; who has
 * found it goes on until the grace period is over.  Locking: BQL.
 */
void upm_block_remove(RAMBlock *rb);

/**
 * upm_block_register: the part of upm_block_add() that knows no RAMBlock
 * @name: for messages; copied
 * @size: of each half in bytes, a multiple of UPM_FRAME_SIZE
 * @page_size: of the shared half in bytes, UPM_FRAME_SIZE or a multiple
 *
 * Returns: the descriptor of the private half, which belongs to @rb from now
 * on; or -1 with @errp set and nothing left behind.
 */
int upm_block_register(RAMBlock *rb, const char *name, uint64_t size,
                       uint64_t page_size, Error **errp);

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

/**
 * upm_block_unregister: forget @rb
 *
 * A grace period later comes upm_memory_reclaim(), so @rb has to be there
 * until then.  Returns: false where no page states of @rb are kept.
 */
bool upm_block_unregister(RAMBlock *rb);

/*
 * What the core asks of the rest of QEMU: system/upm/ram.c, or a unit test in
 * its place.
 */

/**
 * upm_memory_resolve: the beginning of a guest-physical range
 *
 * Returns: false where @gpa is not RAM with page states; else @extent covers
 * as much of the range as lies in one section of one block.  Locking: RCU
 * read section.
 */
bool upm_memory_resolve(hwaddr gpa, uint64_t size, UpmExtent *extent);

/**
 * upm_memory_map: which memory map upm_memory_resolve() looks at
 *
 * Returns: what is another one when the map has changed since, in the same
 * RCU read section; a map that changes back is another one, too.
 */
const void *upm_memory_map(void);

/**
 * upm_memory_describe: what is at @gpa instead, for a message
 *
 * Returns: a string to be freed.
 */
char *upm_memory_describe(hwaddr gpa);

/** upm_memory_private_fd: descriptor of the private half, -1: there is none */
int upm_memory_private_fd(const UpmBlock *block);

/**
 * upm_memory_drop_shared: discard the shared half of @extent
 *
 * All of it is hidden, and it is made of whole pages of the shared half.
 * Returns: 0 or a negative errno.
 */
int upm_memory_drop_shared(const UpmExtent *extent);

/**
 * upm_memory_prepare: what the host keeps for a block with a private half
 *
 * All of its frames have the initial state, and nothing is mapped yet.
 * Locking: BQL.
 */
void upm_memory_prepare(UpmBlock *block);

/**
 * upm_memory_reclaim: nobody can reach the private half of @block any more
 *
 * Locking: BQL.
 */
void upm_memory_reclaim(UpmBlock *block);

/**
 * upm_memory_stop_guest: stop the guest for good
 * @reason: for a message; copied.  The first one is kept.
 *
 * The main loop does it soon, whatever the guest or "stop", "cont" and their
 * like do at the same time; the run state is RUN_STATE_INTERNAL_ERROR then, or
 * stays RUN_STATE_SHUTDOWN, and leaves it by a system reset only.  After one
 * the guest can run again, unless this was called after the reset began, or
 * upm_poison() has a reason.
 *
 * The calling vCPU, if any, leaves guest code as soon as it can, and may come
 * back before it is stopped.
 *
 * Locking: any thread, with the BQL or without, also in a reset and where no
 * vCPU runs.
 */
void upm_memory_stop_guest(const char *reason);

/**
 * upm_reset_states: all memory is as it was before the guest was launched
 *
 * Every frame gets its initial state by a conversion, and the private half of
 * every block is discarded, whatever the policy: the next guest must not see
 * what the last one has left there.
 *
 * Locking: BQL, and no vCPU runs.  Returns: 0, or a negative errno with @errp
 * naming the RAM block; it may be called again.
 */
int upm_reset_states(Error **errp);

/**
 * upm_memory_guest_panicked: the guest is over, by its own account
 *
 * The main loop soon does what the user wants of a guest that panics (-action
 * panic=, qemu_system_guest_panicked()), whatever the guest or "stop", "cont"
 * and their like do at the same time.  A guest that is paused or suspended to
 * RAM goes into RUN_STATE_GUEST_PANICKED, too; one that needs a reset keeps
 * its state.  Nothing of it is lost while the guest is saved or dumped, or by
 * a system reset that is under way.
 *
 * The calling vCPU, if any, leaves guest code as soon as it can, and comes back
 * where the guest goes on: by "cont", or with panic=none.
 *
 * Locking: any thread; takes the BQL where the caller has it not.
 */
void upm_memory_guest_panicked(void);

#endif
