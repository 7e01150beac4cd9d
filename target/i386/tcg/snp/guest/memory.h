/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest world's memory: private frames with their RMP entries, and RAM as
 * the hypervisor sees it
 */
#ifndef TARGET_I386_TCG_SNP_GUEST_MEMORY_H
#define TARGET_I386_TCG_SNP_GUEST_MEMORY_H

#include "cpu.h"
#include "system/upm/compat.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"
#include "tcg/snp/guest/view-page.h"
#include "tcg/snp/world.h"

#define SNP_PAGE_2M         (2ULL << 20)
#define SNP_FRAMES_PER_2M   (SNP_PAGE_2M / UPM_FRAME_SIZE)

/**
 * SnpBlock: the private half of a block, UpmBlock's provider_data
 * @rmp: an RMP entry a frame, SNP_RMP_* (atomic); NULL without an RMP
 * @view: where memory is encrypted in place, an SnpViewState a frame (atomic)
 * @number: there, of the block
 * @region, @host: made when the block is first mapped, as blocks cannot be
 *     made while another one is being added; @host is NULL before
 */
typedef struct SnpBlock {
    uint32_t *rmp;
    uint8_t *view;
    uint32_t number;
    MemoryRegion region;
    uint8_t *host;
} SnpBlock;

typedef struct SnpWindow SnpWindow;
typedef struct SnpMap SnpMap;

/**
 * SnpMemory: a guest's physical memory
 * @root: what a vCPU's physical addresses resolve to: @shared below the
 *     C-bit, @private above it, and @ciphertext behind both
 * @ciphertext: a page of noise: what the guest reads of private memory without
 *     the C-bit; SNP guests have it
 * @map: what readers see of the windows; replaced as a whole (RCU)
 * @windows, @changed: all of them, and whether the transaction at hand
 *     changes them (BQL)
 * @stale: a translation in use may be stale (in an exclusive section)
 * @view_key: what encrypts memory in place
 * @view_blocks: number of blocks that there have been (BQL)
 */
typedef struct SnpMemory {
    MemoryRegion root;
    MemoryRegion shared;
    MemoryRegion private;
    MemoryRegion ciphertext;
    SnpMap *map;
    QTAILQ_HEAD(, SnpWindow) windows;
    bool changed;
    bool stale;
    SnpViewKey view_key;
    uint32_t view_blocks;
    MemoryListener listener;
} SnpMemory;

/**
 * SnpFrame: a guest frame that has a private half
 * @extent: its place; size is one frame
 * @rmp: its RMP entry
 * @private_host: host address of its private half
 *
 * Valid in the RCU read section in which it was found.
 */
typedef struct SnpFrame {
    UpmExtent extent;
    uint32_t *rmp;
    uint8_t *private_host;
} SnpFrame;

/*
 * windows.c
 */

/** snp_memory_init: prepare the private half of the physical address space */
void snp_memory_init(SnpMemory *mem, Object *owner, uint32_t cbitpos);

/** snp_memory_add_ciphertext: make SnpMemory.ciphertext */
void snp_memory_add_ciphertext(SnpMemory *mem, Object *owner);

/**
 * snp_block_map: map the private half of a block, if it is not
 *
 * Locking: BQL.  Returns: false where that fails, and the error is reported.
 */
bool snp_block_map(UpmBlock *block);

/**
 * snp_memory_find: the block at a guest-physical address without C-bit
 * @offset: of @gpa in the block
 *
 * Returns: NULL where there is no RAM with a private half.  Locking: the
 * caller is in an RCU read section.
 */
UpmBlock *snp_memory_find(SnpMemory *mem, hwaddr gpa, uint64_t *offset);

/*
 * frames.c; all of them in an RCU read section
 */

/** snp_frame_find: the frame at an address, false where there is none */
bool snp_frame_find(hwaddr gpa, SnpFrame *frame);

/**
 * snp_frame_is_private: the frame's page state, by the map
 *
 * An RMP entry has it, too: SNP_RMP_SHARED.
 */
static inline bool snp_frame_is_private(const SnpFrame *frame)
{
    return upm_block_is_private(frame->extent.block, frame->extent.offset);
}

/**
 * snp_frame_assign: what the hypervisor does when the guest first touches a
 * private frame
 *
 * Assigns the whole 2 MiB around it where that is untouched.  Returns the
 * RMP entry.
 */
uint32_t snp_frame_assign(const SnpFrame *frame);

/** snp_frame_split: PSMASH of the 2 MiB page around a frame, if it is one */
void snp_frame_split(const SnpFrame *frame);

/*
 * shared.c
 */

/**
 * SnpShared: guest RAM as the hypervisor sees it, in its shared half
 * @host: where it is mapped
 * @mr, @offset: its region, see snp_shared_dirty()
 *
 * Valid in the RCU read section in which it was found.  The guest may write
 * it at any time.
 */
typedef struct SnpShared {
    uint8_t *host;
    MemoryRegion *mr;
    hwaddr offset;
} SnpShared;

/**
 * snp_shared_find: the RAM at a guest-physical address
 * @size: in bytes
 * @is_write: ROM will not do
 *
 * Devices are not to be touched in passing.
 *
 * Returns: false where not all of it is RAM.  Locking: the caller is in an
 * RCU read section.
 */
bool snp_shared_find(hwaddr gpa, uint64_t size, bool is_write,
                     SnpShared *shared);

/** snp_shared_dirty: the hypervisor has written the first @size bytes */
void snp_shared_dirty(const SnpShared *shared, uint64_t size);

/**
 * snp_shared_is_mapped: memory that a vCPU reaches without an exit, like an
 * ordinary memory slot
 */
bool snp_shared_is_mapped(hwaddr gpa, bool is_write);

/*
 * provider.c
 */

/** snp_block_removed: a block goes, and with it all that is known of it */
void snp_block_removed(UpmBlock *block);

/** snp_provider_init: page states are made true by this processor */
void snp_provider_init(bool has_rmp);

/*
 * exclusive.c
 */

/**
 * snp_exclusive: run @fn while no vCPU runs guest code
 *
 * For a vCPU thread in the middle of an instruction.  The translation block
 * that called must not be returned to: restore the state first and end with
 * cpu_loop_exit().
 */
void snp_exclusive(CPUState *cs, void (*fn)(void *opaque), void *opaque);

/**
 * snp_flush_others: make other vCPUs forget their translations before they
 * run guest code again; in an exclusive section
 */
void snp_flush_others(CPUState *cs);

/**
 * snp_convert: upm_convert() in an exclusive section, from a vCPU thread
 *
 * Returns: 0, or the negative errno of upm_convert(), whose message has
 * been traced.
 */
int snp_convert(CPUX86State *env, hwaddr gpa, uint64_t size, bool to_private,
                UpmCause cause);

/*
 * plain.c: guests without an RMP
 */

/** snp_plain_access, snp_plain_reset, snp_plain_hypercall: see world.h */
SnpOutcome snp_plain_access(CPUX86State *env, SnpAccess *access);
void snp_plain_reset(X86CPU *cpu);
bool snp_plain_hypercall(CPUX86State *env);

/** snp_plain_elsewhere: an access to what has no private half */
SnpOutcome snp_plain_elsewhere(CPUX86State *env, SnpAccess *access);

/**
 * snp_hypercall: one of KVM's hypercalls
 * @args: RBX, RCX, RDX
 * @wide: the guest is in 64-bit mode; else 32 bits of everything count
 * @user: its CPL is not 0
 *
 * From a vCPU thread, without the BQL.
 *
 * Returns: what RAX is to be, 0 or a negative KVM errno.
 */
uint64_t snp_hypercall(CPUX86State *env, uint64_t nr, const uint64_t args[3],
                       bool wide, bool user);

/*
 * views.c: one memory, seen with and without the key
 */

/** snp_view_new_key: encrypt by another key; no page may be private */
void snp_view_new_key(void);

/** snp_view_init: memory is encrypted in place; before there is any */
void snp_view_init(void);

/**
 * snp_view_create_private: descriptor of the private view of a block
 *
 * Returns: -1 with @errp set where there is none.
 */
int snp_view_create_private(UpmBlock *block, Error **errp);

/**
 * snp_view_encrypt: a part of a block, of any alignment, becomes private as
 * it lies there
 *
 * What else is in these pages is seen through the key afterwards, as on
 * hardware.  The block has to be mapped, see snp_block_map().  Locking: BQL,
 * before the machine runs.
 */
void snp_view_encrypt(UpmBlock *block, uint64_t offset, uint64_t size);

/**
 * snp_view_private: the same without a change of content, for who writes it
 *
 * Returns: where its private view lies.
 */
void *snp_view_private(UpmBlock *block, uint64_t offset, uint64_t size);

/** snp_view_access, snp_view_fault: see world.h */
SnpOutcome snp_view_access(CPUX86State *env, SnpAccess *access);
void snp_view_fault(CPUX86State *env, const SnpAccess *access, bool is_walk,
                    uintptr_t ra);

/*
 * rmp.c: the RMP for the processor, see world.h
 */

SnpOutcome snp_guest_access(CPUX86State *env, SnpAccess *access);
void snp_guest_fault(CPUX86State *env, const SnpAccess *access, bool is_walk,
                     uintptr_t ra);
bool snp_guest_operand(CPUX86State *env, SnpOperand *operand, uintptr_t ra);
bool snp_guest_fit(CPUX86State *env, SnpOperand *operand, bool large,
                   uintptr_t ra);
SnpChange snp_guest_set(CPUX86State *env, SnpOperand *operand, uint32_t mask,
                        uint32_t value);

#endif
