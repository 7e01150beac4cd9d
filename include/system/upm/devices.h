/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: devices that deal with memory by their own rules
 */
#ifndef SYSTEM_UPM_DEVICES_H
#define SYSTEM_UPM_DEVICES_H

#include "exec/cpu-common.h"

/**
 * upm_memory_allows: may a device be the one that discards this memory?
 * @rb: the memory that it is made of
 * @device: for the message
 *
 * Returns: false with @errp set where @rb has a private half.
 */
bool upm_memory_allows(const RAMBlock *rb, const char *device, Error **errp);

/**
 * upm_balloon_ignores: is this memory that a balloon cannot take?
 * @rb: may be NULL
 * @offset: into @rb, in bytes
 * @size: bytes
 *
 * A balloon discards what QEMU maps, and of memory with a private half that is
 * the shared one.  Pages that a guest lets go of are private with few
 * exceptions: there is nothing to discard, or what a policy other than
 * discard=both wants to keep.
 *
 * Returns: true where @rb has a private half.
 */
bool upm_balloon_ignores(const RAMBlock *rb, uint64_t offset, uint64_t size);

/**
 * upm_dma_limit: warn that an assigned device may run out of DMA mappings
 * @section: guest memory that the device has just been told of
 * @mappings: what all sections, this one included, may take together
 * @slots: mappings to allow for sections of other memory; one less with each
 *     section of this kind
 * @limit: mappings that the host has
 *
 * The warning comes with the section by which the limit is passed.
 *
 * Locking: BQL; takes the core's lock.
 * Returns: false where @section has no private half.
 */
bool upm_dma_limit(const MemoryRegionSection *section, uint64_t mappings,
                   unsigned int slots, unsigned int limit);

/**
 * upm_dma_limit_message: what upm_dma_limit() warns of
 * @name: of the memory
 * @shared: pages that are shared now
 * @most: pages that can be, of all guest memory
 *
 * Returns: a string to be freed.
 */
char *upm_dma_limit_message(const char *name, uint64_t shared, uint64_t most,
                            unsigned int slots, unsigned int limit);

#endif
