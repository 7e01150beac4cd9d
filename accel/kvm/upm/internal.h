/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: what the files of this folder ask of one
 * another
 */
#ifndef ACCEL_KVM_UPM_INTERNAL_H
#define ACCEL_KVM_UPM_INTERNAL_H

#include "system/upm/host.h"
#include "system/upm/map-gpa.h"
#include "system/upm/provider.h"
#include "upm-kvm.h"

/**
 * UpmKvm: what is known of the VM; a process has one, as it has one kvm_state
 * @in_use: it has private memory
 * @recording: it has none, and its requests are only recorded
 * @has_migration_control: and it has MSR_KVM_MIGRATION_CONTROL
 * @migration_ready: bit 0 of that
 * @no_pre_fault: the user does not want it
 * @can_pre_fault: KVM_PRE_FAULT_MEMORY works, as far as is known; any thread
 *     may find out that it does not
 */
typedef struct UpmKvm {
    bool in_use;
    bool recording;
    bool has_migration_control;
    bool migration_ready;
    bool no_pre_fault;
    bool can_pre_fault;
} UpmKvm;

extern UpmKvm upm_kvm;

/**
 * upm_kvm_again: is an ioctl that returned @ret to be tried once more?
 * @tries: how many tries there were; begins with 0
 *
 * True for EAGAIN and EINTR, up to a bound; sleeps between later tries.
 */
bool upm_kvm_again(int ret, unsigned int *tries);

/**
 * upm_kvm_mark: set the memory attribute of an extent
 * @extent: has the guest address, which is what KVM wants for the whole VM,
 *     and block and offset, which is what a guest_memfd would want that keeps
 *     the states itself
 *
 * The one place that sets attributes; it says what is so, and does not decide.
 * Locking: BQL, or between upm_kvm_enter() and upm_kvm_leave().
 * Returns: 0, or a negative errno and nothing has changed.
 */
int upm_kvm_mark(const UpmExtent *extent, bool to_private);

/**
 * upm_kvm_enter: no memory slot changes from here to upm_kvm_leave()
 *
 * With the BQL held neither does anything, since slots change under it.
 * Does not nest; upm_convert() calls both for each of its steps.
 */
void upm_kvm_enter(void);
void upm_kvm_leave(void);

/*
 * Whose states the attributes have, marked.c
 */

/* far more than there are slots in one machine */
#define UPM_KVM_MARKED_MAX 1024

/**
 * upm_kvm_marked_add: the attributes of @extent are those of its memory
 *
 * Locking: BQL, and no conversion is between its attributes and its map.
 */
void upm_kvm_marked_add(const UpmExtent *extent);

/**
 * upm_kvm_marked_gap: the next part whose attributes may be other ones
 * @rest: where to look; set to what is behind @gap
 * @gap: set to the part
 *
 * Locking: as above.  Returns: false where there is none.
 */
bool upm_kvm_marked_gap(UpmExtent *rest, UpmExtent *gap);

/**
 * upm_kvm_marked_converted: @extent is converted where it has its guest address
 *
 * So the attributes of its memory at other addresses are old now, and those at
 * this address are not other memory's.
 */
void upm_kvm_marked_converted(const UpmExtent *extent);

/** upm_kvm_marked_forget: the attributes of a range are nobody's */
void upm_kvm_marked_forget(hwaddr gpa, uint64_t size);

/** upm_kvm_marked_forget_block: a block has gone */
void upm_kvm_marked_forget_block(UpmBlock *block);

/** upm_kvm_marked_count: number of entries, UPM_KVM_MARKED_MAX at most */
unsigned int upm_kvm_marked_count(void);

/**
 * upm_kvm_decode_map_gpa: upm_decode_map_gpa() of an exit, and the bound that
 * there is where pages are converted
 */
const char *upm_kvm_decode_map_gpa(const struct kvm_run *run,
                                   MapGpa *request);

/**
 * upm_kvm_is_page_state_change: does KVM pass on a request that the guest made
 * in its GHCB or by the GHCB MSR, and not by the hypercall?
 */
bool upm_kvm_is_page_state_change(const struct kvm_run *run);

/**
 * upm_kvm_answer: answer a KVM_EXIT_HYPERCALL
 * @error: 0, EINVAL or EAGAIN
 */
void upm_kvm_answer(struct kvm_run *run, int error);

/**
 * upm_kvm_pre_fault: map a range that became private ahead of its use
 *
 * Where that is wanted and KVM can; in part, where the range is large or the
 * vCPU is wanted elsewhere.  For the vCPU that this thread runs.
 */
void upm_kvm_pre_fault(const MapGpa *request);

/*
 * What this thread's vCPU faulted on, so that one that gets nowhere is seen
 */

/** upm_kvm_stuck_reset: the vCPU has asked for something, so it goes on */
void upm_kvm_stuck_reset(void);

/** upm_kvm_stuck_converted: pages were converted as a vCPU asked for it */
void upm_kvm_stuck_converted(hwaddr gpa, uint64_t size);

/**
 * upm_kvm_stuck_fault: note a fault
 *
 * Returns: has the vCPU faulted on this page lately, and wanted the same state
 * when it last did?
 */
bool upm_kvm_stuck_fault(hwaddr gpa, bool to_private);

/**
 * upm_kvm_stuck: note what became of that fault
 * @changed: the page had the other state, and was converted
 *
 * To be called once for a fault at most.
 * Returns: true where the vCPU gets nowhere, by the rule in stuck.c.
 */
bool upm_kvm_stuck(hwaddr gpa, bool to_private, bool changed);

/** upm_kvm_stuck_repeats: faults of the vCPU since it last made progress */
unsigned int upm_kvm_stuck_repeats(void);

/** upm_kvm_stuck_reason: the message of a vCPU that gets nowhere */
char *upm_kvm_stuck_reason(hwaddr gpa, uint64_t size, bool to_private);

/**
 * upm_kvm_clear_stale: make an address shared that is no RAM any more
 *
 * Locking: takes the BQL, so not for between upm_kvm_enter() and
 * upm_kvm_leave().  Returns: false where there is RAM, or KVM refuses.
 */
bool upm_kvm_clear_stale(hwaddr gpa, uint64_t size);

#endif
