/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: taking a conversion back
 *
 * Everything but a discard can be taken back, and nothing is discarded before
 * all of a request is in effect.  Between two steps others may have converted
 * what this request had changed; what they did stays.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "request.h"
#include "trace/trace-upm.h"

/* What could not be taken back; protected by upm_lock. */
static char *poison;
static UpmExtent poisoned;

static int take_back(const UpmRequest *r, const UpmExtent *run, bool notified)
{
    int ret = notified ? upm_notify_undone(r, run) : 0;

    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        upm_map_set(run, !r->to_private);
    }
    return upm_mark(r, run, !r->to_private) ?: ret;
}

/* Of a run that is in the map, what nobody else has converted since */
static int take_back_mapped(const UpmRequest *r, const UpmExtent *run,
                            bool notified)
{
    UpmExtent left = { .offset = run->offset };
    int result = 0;

    while (upm_next_run_in(run, upm_extent_end(&left), r->to_private, &left)) {
        result = take_back(r, &left, notified) ?: result;
    }
    return result;
}

int upm_take_back_runs(const UpmRequest *r, const UpmProgress *p)
{
    unsigned int i = p->end;
    int result = 0;

    trace_upm_undo(r->number, r->gpa, r->size, p->marked - p->first);
    while (i-- > p->first) {
        const UpmExtent *run = upm_run_at(r, i);

        if (i < p->mapped) {
            result = take_back_mapped(r, run, i < p->notified) ?: result;
        } else if (i < p->marked) {
            result = upm_mark(r, run, !r->to_private) ?: result;
        }
    }
    if (p->marked > p->first) {
        upm_flush(r);
    }
    return result;
}

int upm_take_back_steps(const UpmRequest *r)
{
    unsigned int first, end;
    int result = 0;

    for (first = 0; first < r->runs->len; first = end) {
        UpmProgress all = { .first = first };
        UpmExtent extent;
        UpmClaim claim;

        all.end = end = upm_group_end(r, first);
        all.marked = all.mapped = all.notified = end;
        extent = upm_span(r, first, end);
        upm_begin_turn(&claim, &extent);
        result = upm_take_back_runs(r, &all) ?: result;
        upm_end_turn(&claim);
    }
    return result;
}

/*
 * Poison
 */

void upm_set_poison(const UpmRequest *r, const Error *why)
{
    g_autofree char *reason =
        g_strdup_printf("%s; its undoing failed as well (%s): the page state "
                        "of 0x%" HWADDR_PRIx " +0x%" PRIx64 " is unknown",
                        error_get_pretty(why), strerror(-r->unknown), r->gpa,
                        r->size);

    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        if (!poison) {
            poison = g_strdup(reason);
            poisoned = (UpmExtent) { .gpa = r->gpa, .size = r->size };
        }
    }
    upm_memory_stop_guest(reason);
}

int upm_check_poison(const UpmRequest *r, Error **errp)
{
    QEMU_LOCK_GUARD(&upm_lock);
    if (!poison) {
        return 0;
    }
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
