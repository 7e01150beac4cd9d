/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: frames that one thread at a time deals with
 *
 * One list in the order of arrival, of claims that hold and claims that wait.
 * A claim holds when no earlier one overlaps it, so nobody can be overtaken
 * for ever, and with one claim a thread no two can wait for each other.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "core.h"

static QTAILQ_HEAD(, UpmClaim) claims = QTAILQ_HEAD_INITIALIZER(claims);
static QemuCond released;
static unsigned int waiting;

static void __attribute__((constructor)) claims_init(void)
{
    qemu_cond_init(&released);
}

static bool must_wait(const UpmClaim *claim)
{
    const UpmClaim *other;

    QTAILQ_FOREACH(other, &claims, next) {
        if (other == claim) {
            return false;
        }
        if (other->block == claim->block && other->first < claim->end &&
            claim->first < other->end) {
            return true;
        }
    }
    g_assert_not_reached();
}

void upm_claim(UpmClaim *claim, UpmBlock *block, uint64_t offset,
               uint64_t size)
{
    QEMU_LOCK_GUARD(&upm_lock);
    /* A huge page is discarded as a whole, for the sake of any part of it. */
    *claim = (UpmClaim) {
        .block = block,
        .first = QEMU_ALIGN_DOWN(offset, block->page_size),
        .end = QEMU_ALIGN_UP(offset + size, block->page_size),
    };
    QTAILQ_INSERT_TAIL(&claims, claim, next);
    while (must_wait(claim)) {
        waiting++;
        qemu_cond_wait(&released, &upm_lock);
        waiting--;
    }
}

void upm_release(UpmClaim *claim)
{
    QEMU_LOCK_GUARD(&upm_lock);
    QTAILQ_REMOVE(&claims, claim, next);
    if (waiting) {
        qemu_cond_broadcast(&released);
    }
}
