/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: who is told of a conversion, and may refuse it
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "request.h"
#include "trace/trace-upm.h"

/* Notifiers are called one at a time.  Taken with a claim. */
static QemuMutex notify_lock;
static NotifierWithReturnList notifiers;

static void __attribute__((constructor)) notify_init(void)
{
    qemu_mutex_init(&notify_lock);
    notifier_with_return_list_init(&notifiers);
}

void upm_notifier_add(NotifierWithReturn *notifier)
{
    QEMU_LOCK_GUARD(&notify_lock);
    notifier_with_return_list_add(&notifiers, notifier);
}

void upm_notifier_remove(NotifierWithReturn *notifier)
{
    QEMU_LOCK_GUARD(&notify_lock);
    notifier_with_return_remove(notifier);
}

static int notify(const UpmRequest *r, NotifierWithReturn *notifier,
                  UpmConversion *conversion, Error **errp)
{
    int ret = notifier->notify(notifier, conversion, errp);

    trace_upm_notify(r->number, conversion->run.gpa, conversion->run.size,
                     upm_state_name(conversion->to_private),
                     conversion->undone, ret);
    return ret;
}

/* Every notifier before @end, NULL: all of them.  Locking: notify_lock. */
static int notify_undone(const UpmRequest *r, const UpmExtent *run,
                         const NotifierWithReturn *end)
{
    UpmConversion conversion = {
        .run = *run, .to_private = !r->to_private, .undone = true,
    };
    NotifierWithReturn *notifier, *next;
    int result = 0;

    QLIST_FOREACH_SAFE(notifier, &notifiers.notifiers, node, next) {
        if (notifier == end) {
            break;
        }
        result = notify(r, notifier, &conversion, NULL) ?: result;
    }
    return result;
}

int upm_notify_undone(const UpmRequest *r, const UpmExtent *run)
{
    QEMU_LOCK_GUARD(&notify_lock);
    return notify_undone(r, run, NULL);
}

static int notify_run(UpmRequest *r, const UpmExtent *run, Error **errp)
{
    UpmConversion conversion = { .run = *run, .to_private = r->to_private };
    NotifierWithReturn *notifier, *next;

    QLIST_FOREACH_SAFE(notifier, &notifiers.notifiers, node, next) {
        Error *why = NULL;
        int ret = notify(r, notifier, &conversion, &why);

        if (ret < 0) {
            upm_refuse(errp, r, ret, "refused for 0x%" HWADDR_PRIx " +0x%"
                       PRIx64 ": %s", run->gpa, run->size,
                       why ? error_get_pretty(why) : strerror(-ret));
            error_free(why);
            r->unknown = notify_undone(r, run, notifier);
            return ret;
        }
    }
    return 0;
}

int upm_notify_step(UpmRequest *r, const UpmStep *step, UpmProgress *p,
                    Error **errp)
{
    UpmExtent run = { .offset = step->extent.offset };
    int ret;

    if (!qatomic_read(&step->extent.block->watchers)) {
        return 0;
    }
    QEMU_LOCK_GUARD(&notify_lock);
    while (upm_step_next(step, upm_extent_end(&run), &run)) {
        ret = notify_run(r, &run, errp);
        if (ret < 0) {
            return ret;
        }
        p->notified++;
    }
    return 0;
}
