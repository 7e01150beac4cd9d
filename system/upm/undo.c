/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: taking a conversion back
 *
 * Everything but a discard can be taken back, and nothing is discarded before
 * all of a request is in effect.  Nobody else has converted any of it, nor
 * discarded what it hides, since the request has its claim to the end.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "request.h"
#include "trace/trace-upm.h"

/*
 * What could not be taken back; written with upm_lock, and never taken away.
 */
static char *poison;
static UpmExtent poisoned;

/*
 * Between two steps memory may have come and gone: what is at the address by
 * now has attributes of its own, and whoever comes back gets them by the map.
 */
static int mark_back(const UpmRequest *r, const UpmExtent *run)
{
    if (upm_still_there(r, run)) {
        return upm_mark(r, run, !r->to_private);
    }
    if (upm_provider->unmarked) {
        upm_provider->unmarked(run);
    }
    return 0;
}

static int take_back_run(const UpmRequest *r, const UpmExtent *run,
                         bool notified, bool mapped)
{
    int ret = notified ? upm_notify_undone(r, run) : 0;

    if (mapped) {
        upm_map_set(run, !r->to_private, run->size);
    }
    return mark_back(r, run) ?: ret;
}

int upm_take_back_step(const UpmRequest *r, const UpmStep *step,
                       const UpmProgress *p)
{
    UpmExtent run = { .offset = step->extent.offset };
    unsigned int i;
    int result = 0;

    trace_upm_undo(r->number, step->extent.gpa, step->extent.size, p->marked);
    for (i = 0; i < p->marked &&
         upm_step_next(step, upm_extent_end(&run), &run); i++) {
        result = take_back_run(r, &run, i < p->notified, p->mapped) ?: result;
    }
    if (p->marked) {
        upm_flush(r);
    }
    return result;
}

int upm_take_back(const UpmRequest *r)
{
    unsigned int i = r->n_steps;
    int result = 0;

    while (i-- > 0) {
        const UpmStep *step = &r->steps[i];
        const UpmProgress all = {
            .marked = UINT_MAX,
            .mapped = true,
            .notified = step->extent.block->watchers ? UINT_MAX : 0,
        };

        upm_enter();
        result = upm_take_back_step(r, step, &all) ?: result;
        upm_leave();
    }
    return result;
}

/*
 * Poison
 */

void upm_set_poison(UpmRequest *r, const Error *why)
{
    g_autofree char *reason =
        g_strdup_printf("%s; its undoing failed as well (%s): the page state "
                        "of 0x%" HWADDR_PRIx " +0x%" PRIx64 " is unknown",
                        error_get_pretty(why), strerror(-r->unknown), r->gpa,
                        r->size);

    r->poisoned = true;
    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        if (!poison) {
            poisoned = (UpmExtent) { .gpa = r->gpa, .size = r->size };
            qatomic_set(&poison, g_strdup(reason));
        }
    }
    upm_memory_stop_guest(reason);
}

/*
 * Looked at without the lock first: who has got a claim sees what the last one
 * to have it has set.
 */
int upm_check_poison(UpmRequest *r, Error **errp)
{
    if (likely(!qatomic_read(&poison))) {
        return 0;
    }
    QEMU_LOCK_GUARD(&upm_lock);
    r->poisoned = true;
    return upm_refuse(errp, r, -EIO, "the page state of 0x%" HWADDR_PRIx
                      " +0x%" PRIx64 " is unknown, so that no memory is "
                      "converted any more; the guest has to be started anew",
                      poisoned.gpa, poisoned.size);
}

char *upm_poison(UpmExtent *range)
{
    QEMU_LOCK_GUARD(&upm_lock);
    *range = poisoned;
    return g_strdup(poison);
}
