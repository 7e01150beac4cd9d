/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what assigned devices may map
 *
 * For QEMU before 10.1, which has no RamBlockAttributes.
 */
#ifndef SYSTEM_UPM_DISCARD_H
#define SYSTEM_UPM_DISCARD_H

#include "exec/cpu-common.h"
#include "system/upm/compat.h"

/**
 * upm_discard_add: offer a RamDiscardManager for a block with a private half
 * @rb: the block, known to the core already
 * @mr: its memory region, not yet mapped anywhere
 *
 * Locking: BQL.
 */
void upm_discard_add(RAMBlock *rb, MemoryRegion *mr);

/**
 * upm_discard_remove: take it back
 *
 * Called when neither the region of @rb nor any listener exists any more.
 *
 * Locking: BQL.
 */
void upm_discard_remove(RAMBlock *rb);

#endif
