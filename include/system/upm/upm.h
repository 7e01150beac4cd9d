/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: for who converts
 *
 * Every RAM block of a confidential guest has two halves of the same size:
 * a shared one, which QEMU and its devices map, and a private one behind a
 * descriptor that the VMM never reads or writes.  Which of the two a guest
 * frame uses is its page state.  upm_convert() is the only door to it.
 *
 * The core knows no accelerator.  A provider (provider.h) makes a page state
 * true: KVM by memory attributes, the emulated SEV-SNP processor by its RMP.
 * Who only looks at page states wants map.h; what the core and the rest of
 * QEMU ask of each other stands in host.h.
 */
#ifndef SYSTEM_UPM_UPM_H
#define SYSTEM_UPM_UPM_H

#include "exec/hwaddr.h"
#include "qapi/qapi-types-upm.h"

/* Page states are kept for frames of this size on every target. */
#define UPM_FRAME_BITS 12
#define UPM_FRAME_SIZE (1ULL << UPM_FRAME_BITS)

/**
 * UPM_KEEP_HIDDEN: do not discard what the conversion hides
 *
 * For a launch, which fills private memory from the shared half; see
 * upm_discard_hidden().
 */
#define UPM_KEEP_HIDDEN (1u << 0)

/**
 * upm_convert: change the page state of a range of guest-physical memory
 * @gpa: first byte, a multiple of UPM_FRAME_SIZE
 * @size: bytes, a multiple of UPM_FRAME_SIZE, not 0
 * @to_private: the state asked for
 * @cause: for the counters
 * @flags: UPM_KEEP_HIDDEN or 0
 *
 * The only code that changes a page state.  The range is checked in full
 * before anything changes.  Then, step by step of 64 MiB at most: mark
 * (provider), flush, map, notify (who may refuse); and when all of the range
 * has its new state, the half that is hidden now is discarded by policy.
 *
 * A step that fails is undone, and those before it are, to the last bit; the
 * request has changed nothing then.  What is discarded could not come back,
 * so it comes last and never fails a request: what cannot be discarded stays
 * on the account of what is hidden.  Where undoing fails, the guest is
 * stopped, the range named and every later conversion refused.
 *
 * Frames that have the state already are left as they are, and where all
 * have it, no system call is made.
 *
 * Locking: none is needed.  Between two steps others may convert parts of
 * the same range; what they did stays.  The emulated provider wants the
 * caller inside an exclusive section (start_exclusive()).
 *
 * Returns: 0; -EINVAL for a range that is empty, misaligned, wraps, or has a
 * byte that is not RAM with a private half; -EIO where an earlier conversion
 * could not be undone; else the errno of the step that failed.  @errp is set
 * whenever the result is not 0.
 */
int upm_convert(hwaddr gpa, uint64_t size, bool to_private, UpmCause cause,
                unsigned int flags, Error **errp);

/**
 * upm_convert_needed: would upm_convert() do or refuse anything?
 *
 * For callers to whom a call is dear: most requests of a booting guest ask
 * for what is so already.  Such a request is counted here.
 *
 * Locking: none is needed, nor an exclusive section.
 */
bool upm_convert_needed(hwaddr gpa, uint64_t size, bool to_private);

/**
 * upm_discard_hidden: discard shared memory that a launch was made from
 * @gpa: first byte, a multiple of UPM_FRAME_SIZE
 * @size: bytes, a multiple of UPM_FRAME_SIZE, not 0
 *
 * Where the discard policy says so; frames that are shared are left alone,
 * and what cannot be discarded stays on the account of what is hidden.
 *
 * Returns: 0, or -EINVAL with @errp set for a range that upm_convert() would
 * refuse.
 */
int upm_discard_hidden(hwaddr gpa, uint64_t size, Error **errp);

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
 * upm_choose_accelerator: replace the accelerators that were asked for where
 * the guest will not be run
 *
 * To be called before the accelerators are configured.
 */
void upm_choose_accelerator(void);

#endif
