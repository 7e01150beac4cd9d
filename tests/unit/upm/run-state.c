/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QEMU of which there is only the run state, see run-state.h
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "hw/core/cpu.h"
#include "qemu/main-loop.h"
#include "system/cpus.h"
#include "system/reset.h"
#include "run-state.h"

__thread CPUState *current_cpu;
CPUTailQ cpus_queue = QTAILQ_HEAD_INITIALIZER(cpus_queue);
PanicAction panic_action;
RunState now;
bool was_suspended;
unsigned int stops;
unsigned int panics;
unsigned int resumes;
unsigned int shutdowns;
unsigned int vcpu_stops;
const char *poison;
unsigned int registered;
static VMChangeStateHandler *change;
static Notifier *suspend;
static QEMUResetHandler *reset;

static bool may_become_error(RunState state)
{
    return state == RUN_STATE_RUNNING || state == RUN_STATE_INMIGRATE ||
           state == RUN_STATE_FINISH_MIGRATE;
}

static bool may_run(RunState state)
{
    return state != RUN_STATE_INTERNAL_ERROR && state != RUN_STATE_SHUTDOWN;
}

static bool may_change(RunState from, RunState to)
{
    switch (to) {
    case RUN_STATE_INTERNAL_ERROR:
        return may_become_error(from);
    case RUN_STATE_RUNNING:
        return may_run(from);
    case RUN_STATE_PAUSED:
        return from == RUN_STATE_RUNNING || from == RUN_STATE_SUSPENDED ||
               from == RUN_STATE_INTERNAL_ERROR || from == RUN_STATE_SHUTDOWN;
    case RUN_STATE_SUSPENDED:
        return from == RUN_STATE_RUNNING || from == RUN_STATE_PAUSED;
    case RUN_STATE_PRELAUNCH:
        return true;
    default:
        return from == RUN_STATE_RUNNING;
    }
}

RunState runstate_get(void)
{
    return now;
}

bool runstate_check(RunState state)
{
    return now == state;
}

void runstate_set(RunState state)
{
    g_assert_true(now == state || may_change(now, state));
    now = state;
}

int vm_stop(RunState state)
{
    if (now == RUN_STATE_RUNNING || now == RUN_STATE_SUSPENDED) {
        was_suspended = now == RUN_STATE_SUSPENDED;
        runstate_set(state);
        stops++;
        if (change) {
            change(NULL, false, state);
        }
    }
    return 0;
}

VMChangeStateEntry *qemu_add_vm_change_state_handler(VMChangeStateHandler *cb,
                                                     void *opaque)
{
    registered++;
    change = cb;
    return NULL;
}

void qemu_register_suspend_notifier(Notifier *notifier)
{
    suspend = notifier;
}

void qemu_register_reset(QEMUResetHandler *func, void *opaque)
{
    reset = func;
}

char *upm_poison(UpmExtent *range)
{
    return g_strdup(poison);
}

void cpu_exit(CPUState *cpu)
{
    g_assert_not_reached();
}

void cpu_stop_current(void)
{
    g_assert_nonnull(current_cpu);
    current_cpu->stop = true;
    vcpu_stops++;
}

bool runstate_is_running(void)
{
    return now == RUN_STATE_RUNNING;
}

void cpu_resume(CPUState *cpu)
{
    cpu->stop = false;
    resumes++;
}

void vm_set_suspended(bool suspended)
{
    was_suspended = suspended;
}

void qemu_system_guest_panicked(GuestPanicInformation *info)
{
    g_assert_null(info);
    g_assert_null(current_cpu);
    panics++;
    if (panic_action != PANIC_ACTION_NONE) {
        vm_stop(RUN_STATE_GUEST_PANICKED);
    }
    shutdowns += panic_action == PANIC_ACTION_SHUTDOWN;
}

/*
 * What others do
 */

void run_main_loop(void)
{
    while (aio_poll(iohandler_get_aio_context(), false)) {
        /* once more */
    }
}

bool cont(void)
{
    if (!may_run(now)) {
        return false;
    }
    if (now != RUN_STATE_RUNNING) {
        runstate_set(was_suspended ? RUN_STATE_SUSPENDED : RUN_STATE_RUNNING);
        was_suspended = false;
        if (change) {
            change(NULL, true, now);
        }
    }
    return true;
}

void suspend_guest(void)
{
    if (suspend) {
        suspend->notify(suspend, NULL);
    }
    runstate_set(RUN_STATE_SUSPENDED);
}

void reset_guest_with(const char *reason)
{
    if (reason) {
        upm_memory_stop_guest(reason);
    }
    if (reset) {
        reset(NULL);
    }
    was_suspended = false;
    if (now != RUN_STATE_RUNNING) {
        runstate_set(RUN_STATE_PRELAUNCH);
    }
}

void reset_guest(void)
{
    reset_guest_with(NULL);
}

void begin(RunState state)
{
    poison = NULL;
    run_main_loop();
    reset_guest();
    now = state;
    panic_action = PANIC_ACTION_PAUSE;
    stops = panics = resumes = shutdowns = vcpu_stops = 0;
}

void expect_stopped(void)
{
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_INTERNAL_ERROR);
    g_assert_false(cont());
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_INTERNAL_ERROR);
}

void expect_cured(void)
{
    reset_guest();
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_PRELAUNCH);
    g_assert_true(cont());
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_RUNNING);
}

void add_states(const char *prefix, GTestDataFunc test)
{
    static const struct {
        const char *name;
        RunState state;
    } states[] = {
        { "running", RUN_STATE_RUNNING },
        { "suspended", RUN_STATE_SUSPENDED },
        { "paused", RUN_STATE_PAUSED },
        { "prelaunch", RUN_STATE_PRELAUNCH },
        { "debug", RUN_STATE_DEBUG },
        { "io-error", RUN_STATE_IO_ERROR },
        { "watchdog", RUN_STATE_WATCHDOG },
        { "guest-panicked", RUN_STATE_GUEST_PANICKED },
    };

    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        g_autofree char *path = g_strdup_printf("%s/state/%s", prefix,
                                                states[i].name);

        g_test_add_data_func(path, GINT_TO_POINTER(states[i].state), test);
    }
}
