/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: frames that one thread at a time deals with
 *
 * One list in the order of arrival, of claims that hold and claims that wait.
 * A claim holds when no earlier one overlaps it, so nobody can be overtaken
 * for ever.  All that a thread claims stands together in the list, so that no
 * two threads can wait for each other.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "core.h"

static QTAILQ_HEAD(, UpmClaim) claims = QTAILQ_HEAD_INITIALIZER(claims);
static GCond released;
static unsigned int waiting;

static bool overlaps(const UpmClaim *a, const UpmClaim *b)
{
    return a->block == b->block && a->first < b->end && b->first < a->end;
}

/* Only for what stands before the claims of the same @owner */
static bool must_wait(const UpmClaim *claim)
{
    const UpmClaim *other;

    QTAILQ_FOREACH(other, &claims, next) {
        if (other->owner == claim->owner) {
            break;
        }
        if (overlaps(other, claim)) {
            return true;
        }
    }
    return false;
}

static void wait_in_line(const UpmClaim *claim)
{
    while (must_wait(claim)) {
        waiting++;
        upm_lock_wait(&released);
        waiting--;
    }
}

/* A huge page is discarded as a whole, for the sake of any part of it. */
static void get_in_line(UpmClaim *claim, UpmClaim *owner, UpmBlock *block,
                        uint64_t offset, uint64_t size)
{
    *claim = (UpmClaim) {
        .owner = owner,
        .block = block,
        .first = QEMU_ALIGN_DOWN(offset, block->page_size),
        .end = QEMU_ALIGN_UP(offset + size, block->page_size),
    };
    QTAILQ_INSERT_TAIL(&claims, claim, next);
}

void upm_claim(UpmClaim *claim, UpmBlock *block, uint64_t offset,
               uint64_t size)
{
    QEMU_LOCK_GUARD(&upm_lock);
    get_in_line(claim, claim, block, offset, size);
    wait_in_line(claim);
}

void upm_claim_all(UpmClaim *all, const UpmExtent *extents,
                   unsigned int count)
{
    unsigned int i;

    QEMU_LOCK_GUARD(&upm_lock);
    for (i = 0; i < count; i++) {
        get_in_line(&all[i], all, extents[i].block, extents[i].offset,
                    extents[i].size);
    }
    for (i = 0; i < count; i++) {
        wait_in_line(&all[i]);
    }
}

void upm_release_all(UpmClaim *all, unsigned int count)
{
    unsigned int i;

    for (i = 0; i < count; i++) {
        QTAILQ_REMOVE(&claims, &all[i], next);
    }
    if (count && waiting) {
        g_cond_broadcast(&released);
    }
}

void upm_release(UpmClaim *claim)
{
    QEMU_LOCK_GUARD(&upm_lock);
    upm_release_all(claim, 1);
}
