/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what assigned devices may map
 */
#ifndef SYSTEM_UPM_DMA_H
#define SYSTEM_UPM_DMA_H

#include "system/upm/compat.h"
#include "system/upm/map.h"

/**
 * upm_dma_add: let assigned devices follow the page states of a block
 * @block: all of its frames have the initial state, and its region is not
 *     mapped yet
 *
 * Locking: BQL.
 */
void upm_dma_add(UpmBlock *block);

/**
 * upm_dma_remove: the end of that, a grace period after @block has left
 *
 * Neither its region nor any listener exists any more.  Locking: BQL.
 */
void upm_dma_remove(UpmBlock *block);

#endif
