/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: stopping the guest for good
 *
 * A request by vm_stop() of a vCPU is not enough: the main loop drops it where
 * the guest is paused just then or about to continue, and aborts where another
 * vCPU has suspended the guest to RAM.  So it is remembered here, and the main
 * loop looks at the run state when no other change of it is under way.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "hw/core/cpu.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/upm/host.h"
#include "trace/trace-upm.h"

/* There is one guest.  Protected by stop_lock, but for @watched: by the BQL. */
static QemuMutex stop_lock;
static char *stop_reason;
static bool pending;
static bool watched;

static void __attribute__((__constructor__)) init_stop_lock(void)
{
    qemu_mutex_init(&stop_lock);
}

static void enforce(void *opaque);

/*
 * Not in the main context, which is polled in the midst of other changes, and
 * by vCPU threads as well.
 */
static void schedule(void)
{
    aio_bh_schedule_oneshot(iohandler_get_aio_context(), enforce, NULL);
}

/* False where just that was the reason: a vCPU that is not stopped yet */
static bool remember(const char *reason)
{
    QEMU_LOCK_GUARD(&stop_lock);
    pending = true;
    if (!g_strcmp0(stop_reason, reason)) {
        return false;
    }
    if (!stop_reason) {
        stop_reason = g_strdup(reason);
    }
    return true;
}

static bool take_pending(void)
{
    bool taken;

    QEMU_LOCK_GUARD(&stop_lock);
    taken = pending;
    pending = false;
    return taken;
}

/* False where there is nothing to enforce */
static bool enforce_again(void)
{
    WITH_QEMU_LOCK_GUARD(&stop_lock) {
        if (!stop_reason) {
            return false;
        }
        pending = true;
        error_report("guest stopped: %s", stop_reason);
    }
    schedule();
    return true;
}

/*
 * When something else changes the run state
 */

static void on_change(void *opaque, bool running, RunState state)
{
    if (running) {
        enforce_again();
    }
}

/*
 * A vCPU can have asked for S3 before it was stopped; that is tried now, and
 * aborts QEMU in a guest with an internal error.
 */
static void on_suspend(Notifier *notifier, void *data)
{
    if (runstate_check(RUN_STATE_INTERNAL_ERROR) && enforce_again()) {
        runstate_set(RUN_STATE_PAUSED);
    }
}

/* What is pending has been asked for by the reset itself, or at its side. */
static void on_reset(void *opaque)
{
    UpmExtent range;
    g_autofree char *poison = upm_poison(&range);

    if (poison) {
        enforce_again();
        return;
    }
    WITH_QEMU_LOCK_GUARD(&stop_lock) {
        if (!pending) {
            g_clear_pointer(&stop_reason, g_free);
        }
    }
}

static void watch_changes(void)
{
    static Notifier suspend = { .notify = on_suspend };

    if (watched) {
        return;
    }
    watched = true;
    qemu_add_vm_change_state_handler(on_change, NULL);
    qemu_register_suspend_notifier(&suspend);
    qemu_register_reset(on_reset, NULL);
}

/*
 * Few states may turn into an internal error, but RUNNING does, and all states
 * in which a guest waits for "cont" or a wake-up may turn into that one.  No
 * vCPU notices, since only the main loop has them continue.
 */
static void enforce(void *opaque)
{
    if (!take_pending()) {
        return;
    }
    watch_changes();

    switch (runstate_get()) {
    case RUN_STATE_SUSPENDED:
        runstate_set(RUN_STATE_RUNNING);
        /* fall through */
    case RUN_STATE_RUNNING:
        vm_stop(RUN_STATE_INTERNAL_ERROR);
        break;
    case RUN_STATE_DEBUG:
    case RUN_STATE_GUEST_PANICKED:
    case RUN_STATE_IO_ERROR:
    case RUN_STATE_PAUSED:
    case RUN_STATE_PRELAUNCH:
    case RUN_STATE_WATCHDOG:
        runstate_set(RUN_STATE_RUNNING);
        runstate_set(RUN_STATE_INTERNAL_ERROR);
        break;
    default:
        /* It needs a reset as it is, or what runs now ends by on_change(). */
        break;
    }
}

void upm_memory_stop_guest(const char *reason)
{
    trace_upm_stop_guest(reason);
    if (remember(reason)) {
        error_report("guest stopped: %s", reason);
    }
    schedule();
    if (current_cpu) {
        cpu_exit(current_cpu);
    }
}
