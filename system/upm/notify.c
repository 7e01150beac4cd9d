/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: who is told of a conversion, and may refuse it
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "request.h"
#include "trace/trace-upm.h"

/* Taken with a claim, to read by who converts: these do not wait. */
static GRWLock notify_lock;
static NotifierWithReturnList notifiers;

static void __attribute__((constructor)) notify_init(void)
{
    g_rw_lock_init(&notify_lock);
    notifier_with_return_list_init(&notifiers);
}

void upm_notifier_add(NotifierWithReturn *notifier)
{
    g_autoptr(GRWLockWriterLocker) locker =
        g_rw_lock_writer_locker_new(&notify_lock);

    notifier_with_return_list_add(&notifiers, notifier);
}

void upm_notifier_remove(NotifierWithReturn *notifier)
{
    g_autoptr(GRWLockWriterLocker) locker =
        g_rw_lock_writer_locker_new(&notify_lock);

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
    g_autoptr(GRWLockReaderLocker) locker =
        g_rw_lock_reader_locker_new(&notify_lock);

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
    g_autoptr(GRWLockReaderLocker) locker =
        g_rw_lock_reader_locker_new(&notify_lock);
    UpmExtent run = { .offset = step->extent.offset };

    while (upm_step_next(step, upm_extent_end(&run), &run)) {
        int ret = notify_run(r, &run, errp);

        if (ret < 0) {
            return ret;
        }
        p->notified++;
    }
    return 0;
}
