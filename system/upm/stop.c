/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: a guest that has to stop
 *
 * Either for good, since QEMU can not run it any further, or since it is over
 * by its own account, as a guest that has panicked.
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
#include "system/cpus.h"
#include "system/reset.h"
#include "system/runstate-action.h"
#include "system/runstate.h"
#include "system/upm/host.h"
#include "trace/trace-upm.h"

/* There is one guest.  Protected by stop_lock, but for @watched: by the BQL. */
static QemuMutex stop_lock;
static char *stop_reason;
static bool stop_pending;
static bool panic_pending;
/* vCPUs that do not go on before it is dealt with */
static GSList *panicked;
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
    stop_pending = true;
    if (!g_strcmp0(stop_reason, reason)) {
        return false;
    }
    if (!stop_reason) {
        stop_reason = g_strdup(reason);
    }
    return true;
}

static bool take(bool *pending)
{
    bool taken;

    QEMU_LOCK_GUARD(&stop_lock);
    taken = *pending;
    *pending = false;
    return taken;
}

/* False where the guest is not stopped for good */
static bool stop_again(void)
{
    WITH_QEMU_LOCK_GUARD(&stop_lock) {
        if (!stop_reason) {
            return false;
        }
        stop_pending = true;
        error_report("guest stopped: %s", stop_reason);
    }
    schedule();
    return true;
}

static void wait_for_panic(CPUState *cpu)
{
    QEMU_LOCK_GUARD(&stop_lock);
    panicked = g_slist_prepend(panicked, cpu);
}

static void panic_soon(void)
{
    WITH_QEMU_LOCK_GUARD(&stop_lock) {
        panic_pending = true;
    }
    schedule();
}

/*
 * When something else changes the run state
 */

/* A panic that is still pending has waited for this. */
static void on_change(void *opaque, bool running, RunState state)
{
    if (running) {
        stop_again();
        schedule();
    }
}

/*
 * A vCPU can have asked for S3 before it was stopped; that is tried now, and
 * aborts QEMU in a guest with an internal error and in one that has panicked.
 */
static void on_suspend(Notifier *notifier, void *data)
{
    if (runstate_check(RUN_STATE_GUEST_PANICKED)) {
        panic_soon();
        runstate_set(RUN_STATE_RUNNING);
    } else if (runstate_check(RUN_STATE_INTERNAL_ERROR) && stop_again()) {
        runstate_set(RUN_STATE_PAUSED);
    }
}

/*
 * What is pending has been asked for by the reset itself, or at its side.  A
 * panic is no reason for another one after it, but one that is pending stays.
 */
static void on_reset(void *opaque)
{
    UpmExtent range;
    g_autofree char *poison = upm_poison(&range);

    if (poison) {
        stop_again();
        return;
    }
    WITH_QEMU_LOCK_GUARD(&stop_lock) {
        if (!stop_pending) {
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
 * The main loop
 */

/*
 * Few states may turn into @state, but RUNNING does, and all states in which a
 * guest waits for "cont" or a wake-up may turn into that one.  No vCPU notices,
 * since only the main loop has them continue.
 *
 * Afterwards vm_stop() of @state does what is left to do.  Returns: false while
 * something is under way that ends by on_change(), or by a reset.
 */
static bool prepare(RunState state)
{
    switch (runstate_get()) {
    case RUN_STATE_SUSPENDED:
        runstate_set(RUN_STATE_RUNNING);
        return true;
    case RUN_STATE_DEBUG:
    case RUN_STATE_GUEST_PANICKED:
    case RUN_STATE_IO_ERROR:
    case RUN_STATE_PAUSED:
    case RUN_STATE_PRELAUNCH:
    case RUN_STATE_WATCHDOG:
        runstate_set(RUN_STATE_RUNNING);
        runstate_set(state);
        /* "cont" would abort where the guest was paused in S3 */
        vm_set_suspended(false);
        return true;
    case RUN_STATE_RUNNING:
    case RUN_STATE_INTERNAL_ERROR:
    case RUN_STATE_SHUTDOWN:
        /* The last two need a reset as they are. */
        return true;
    default:
        return false;
    }
}

/* Others may be stopped, too, where a debugger wants it so. */
static void resume_panicked(void)
{
    g_autoptr(GSList) waiting = NULL;
    CPUState *cpu;

    WITH_QEMU_LOCK_GUARD(&stop_lock) {
        waiting = g_steal_pointer(&panicked);
    }
    CPU_FOREACH(cpu) {
        if (runstate_is_running() && g_slist_find(waiting, cpu)) {
            cpu_resume(cpu);
        }
    }
}

/* The user may want to know of a panic only, and a vCPU waits for us then. */
static void panic(void)
{
    if (panic_action != PANIC_ACTION_NONE &&
        !prepare(RUN_STATE_GUEST_PANICKED)) {
        WITH_QEMU_LOCK_GUARD(&stop_lock) {
            panic_pending = true;
        }
        return;
    }
    qemu_system_guest_panicked(NULL);
    resume_panicked();
}

static void enforce(void *opaque)
{
    watch_changes();
    if (take(&stop_pending) && prepare(RUN_STATE_INTERNAL_ERROR)) {
        vm_stop(RUN_STATE_INTERNAL_ERROR);
    }
    if (take(&panic_pending)) {
        panic();
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

void upm_memory_guest_panicked(void)
{
    BQL_LOCK_GUARD();

    trace_upm_guest_panicked(current_cpu ? current_cpu->cpu_index : -1);
    if (current_cpu) {
        current_cpu->crash_occurred = true;
        cpu_stop_current();
        wait_for_panic(current_cpu);
    }
    panic_soon();
}
