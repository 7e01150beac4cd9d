/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: one bit a frame, and the runs that they make
 *
 * Nothing else than a block's map and the number of its shared frames is read
 * or written here.  Both are written by who has a claim: what several claims
 * have in common, a word of bits and the number, changes atomically.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "core.h"

bool upm_block_is_private(const UpmBlock *block, uint64_t offset)
{
    uint64_t frame = offset >> UPM_FRAME_BITS;
    unsigned long word = qatomic_read(&block->toggled_map[BIT_WORD(frame)]);

    return !!(word & BIT_MASK(frame)) == block->began_shared;
}

/* The next frame from @from on that is in the state @private, or @end. */
static uint64_t next_in_state(const UpmBlock *block, uint64_t end,
                              uint64_t from, bool private)
{
    return private == block->began_shared
           ? find_next_bit(block->toggled_map, end, from)
           : find_next_zero_bit(block->toggled_map, end, from);
}

bool upm_next_run_in(const UpmExtent *extent, uint64_t from, bool private,
                     UpmExtent *run)
{
    uint64_t end = upm_extent_end(extent) >> UPM_FRAME_BITS;
    uint64_t first, last;

    first = next_in_state(extent->block, end, from >> UPM_FRAME_BITS, private);
    if (first >= end) {
        return false;
    }
    last = next_in_state(extent->block, end, first, !private);
    *run = (UpmExtent) {
        .block = extent->block,
        .offset = first << UPM_FRAME_BITS,
        .size = (last - first) << UPM_FRAME_BITS,
    };
    run->gpa = extent->gpa + (run->offset - extent->offset);
    return true;
}

void upm_next_run(const UpmExtent *extent, UpmExtent *run, bool *private)
{
    uint64_t first = extent->offset >> UPM_FRAME_BITS;
    uint64_t end = upm_extent_end(extent) >> UPM_FRAME_BITS;

    *private = upm_block_is_private(extent->block, extent->offset);
    *run = *extent;
    /* The first frame has the state just read, even if it changes by now. */
    run->size = (next_in_state(extent->block, end, first + 1, !*private) -
                 first) << UPM_FRAME_BITS;
}

void upm_map_copy(unsigned long *bits, const UpmExtent *extent, bool private)
{
    uint64_t frames = extent->size >> UPM_FRAME_BITS;

    bitmap_copy_with_src_offset(bits, extent->block->toggled_map,
                                extent->offset >> UPM_FRAME_BITS, frames);
    if (private != extent->block->began_shared) {
        bitmap_complement(bits, bits, frames);
    }
}

static void toggle(UpmBlock *block, uint64_t frame, bool set)
{
    if (set) {
        set_bit_atomic(frame, block->toggled_map);
    } else {
        clear_bit_atomic(frame, block->toggled_map);
    }
}

void upm_map_set(const UpmExtent *extent, bool private, uint64_t changed)
{
    UpmBlock *block = extent->block;
    uint64_t first = extent->offset >> UPM_FRAME_BITS;
    uint64_t frames = extent->size >> UPM_FRAME_BITS;

    if (frames == 1) {
        toggle(block, first, private == block->began_shared);
    } else if (private == block->began_shared) {
        bitmap_set_atomic(block->toggled_map, first, frames);
    } else {
        bitmap_test_and_clear_atomic(block->toggled_map, first, frames);
    }
    changed >>= UPM_FRAME_BITS;
    qatomic_add(&block->shared_frames, private ? -changed : changed);
}
