/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stopping the guest for good, in a QEMU of which there is only the run state
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/upm/host.h"

#define REASON "ran out of memory"

/*
 * QEMU: a run state, which aborts on what QEMU's aborts on, and what
 * system/upm/stop.c asks to be told of.
 */
__thread CPUState *current_cpu;
static RunState now;
static unsigned int stops;
static const char *poison;
static unsigned int registered;
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

/*
 * What others do
 */

static void run_main_loop(void)
{
    while (aio_poll(iohandler_get_aio_context(), false)) {
        /* once more */
    }
}

/* "cont", but for its vCPUs: false where it is refused */
static bool cont(void)
{
    if (!may_run(now)) {
        return false;
    }
    if (now != RUN_STATE_RUNNING) {
        runstate_set(RUN_STATE_RUNNING);
        if (change) {
            change(NULL, true, now);
        }
    }
    return true;
}

static void suspend_guest(void)
{
    if (suspend) {
        suspend->notify(suspend, NULL);
    }
    runstate_set(RUN_STATE_SUSPENDED);
}

static void reset_guest_with(const char *reason)
{
    if (reason) {
        upm_memory_stop_guest(reason);
    }
    if (reset) {
        reset(NULL);
    }
    if (now != RUN_STATE_RUNNING) {
        runstate_set(RUN_STATE_PRELAUNCH);
    }
}

static void reset_guest(void)
{
    reset_guest_with(NULL);
}

/* A guest that has never been stopped, or not since its last reset */
static void begin(RunState state)
{
    poison = NULL;
    run_main_loop();
    reset_guest();
    now = state;
    stops = 0;
}

static void expect_stopped(void)
{
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_INTERNAL_ERROR);
    g_assert_false(cont());
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_INTERNAL_ERROR);
}

/* As before: a reset, and "cont" has the guest run. */
static void expect_cured(void)
{
    reset_guest();
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_PRELAUNCH);
    g_assert_true(cont());
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_RUNNING);
}

/*
 * The tests
 */

static void test_state(gconstpointer opaque)
{
    RunState state = GPOINTER_TO_INT(opaque);
    bool live = state == RUN_STATE_RUNNING || state == RUN_STATE_SUSPENDED;

    begin(state);
    upm_memory_stop_guest(REASON);
    g_assert_cmpint(now, ==, state);
    expect_stopped();
    g_assert_cmpint(stops, ==, live);
    expect_cured();
}

/* A guest that has shut down needs a reset as it is, and no other stop. */
static void test_shutdown(void)
{
    begin(RUN_STATE_SHUTDOWN);
    upm_memory_stop_guest(REASON);
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_SHUTDOWN);
    g_assert_false(cont());
    expect_cured();
}

/* While "cont" is on its way nothing swallows the request. */
static void test_cont(void)
{
    begin(RUN_STATE_RUNNING);
    upm_memory_stop_guest(REASON);
    g_assert_true(cont());
    expect_stopped();

    begin(RUN_STATE_PAUSED);
    upm_memory_stop_guest(REASON);
    g_assert_true(cont());
    expect_stopped();
    g_assert_cmpint(stops, ==, 1);
}

/* Others stop the guest for a while, and let it run again themselves. */
static void test_dump(void)
{
    begin(RUN_STATE_RUNNING);
    vm_stop(RUN_STATE_SAVE_VM);
    upm_memory_stop_guest(REASON);
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_SAVE_VM);
    g_assert_true(cont());
    expect_stopped();
    expect_cured();
}

/* S3 at the same time: before the main loop stops the guest, and after. */
static void test_suspend(void)
{
    begin(RUN_STATE_RUNNING);
    upm_memory_stop_guest(REASON);
    suspend_guest();
    expect_stopped();

    suspend_guest();
    g_assert_cmpint(now, ==, RUN_STATE_SUSPENDED);
    expect_stopped();
    expect_cured();
    suspend_guest();
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_SUSPENDED);
}

/* A wake-up is there before the main loop has looked. */
static void test_wakeup(void)
{
    begin(RUN_STATE_SUSPENDED);
    upm_memory_stop_guest(REASON);
    runstate_set(RUN_STATE_RUNNING);
    expect_stopped();
}

/* The reset itself fails, of a guest that runs and of one that is stopped. */
static void test_reset_fails(void)
{
    begin(RUN_STATE_RUNNING);
    reset_guest_with(REASON);
    expect_stopped();

    reset_guest_with("another reason");
    expect_stopped();
    suspend_guest();
    expect_stopped();
    expect_cured();
}

/* Neither "cont" nor a reset helps, however often. */
static void test_poison(void)
{
    unsigned int i;

    begin(RUN_STATE_RUNNING);
    poison = REASON;
    upm_memory_stop_guest(poison);
    expect_stopped();
    for (i = 0; i < 3; i++) {
        reset_guest();
        expect_stopped();
    }
    begin(RUN_STATE_RUNNING);
}

static void *stop_often(void *opaque)
{
    unsigned int i;

    for (i = 0; i < 1000; i++) {
        upm_memory_stop_guest(REASON);
    }
    return NULL;
}

static void test_threads(void)
{
    QemuThread threads[4];
    unsigned int i;

    begin(RUN_STATE_RUNNING);
    for (i = 0; i < ARRAY_SIZE(threads); i++) {
        qemu_thread_create(&threads[i], "stop", stop_often, NULL,
                           QEMU_THREAD_JOINABLE);
    }
    for (i = 0; i < ARRAY_SIZE(threads); i++) {
        qemu_thread_join(&threads[i]);
    }
    expect_stopped();
    g_assert_cmpint(stops, ==, 1);
    g_assert_cmpint(registered, ==, 1);
    expect_cured();
}

static void add_state(const char *name, RunState state)
{
    g_autofree char *path = g_strdup_printf("/upm-stop/state/%s", name);

    g_test_add_data_func(path, GINT_TO_POINTER(state), test_state);
}

int main(int argc, char **argv)
{
    qemu_init_main_loop(&error_abort);
    g_test_init(&argc, &argv, NULL);
    add_state("running", RUN_STATE_RUNNING);
    add_state("suspended", RUN_STATE_SUSPENDED);
    add_state("paused", RUN_STATE_PAUSED);
    add_state("prelaunch", RUN_STATE_PRELAUNCH);
    add_state("debug", RUN_STATE_DEBUG);
    add_state("io-error", RUN_STATE_IO_ERROR);
    add_state("watchdog", RUN_STATE_WATCHDOG);
    add_state("guest-panicked", RUN_STATE_GUEST_PANICKED);
    g_test_add_func("/upm-stop/shutdown", test_shutdown);
    g_test_add_func("/upm-stop/cont", test_cont);
    g_test_add_func("/upm-stop/dump", test_dump);
    g_test_add_func("/upm-stop/suspend", test_suspend);
    g_test_add_func("/upm-stop/wakeup", test_wakeup);
    g_test_add_func("/upm-stop/reset-fails", test_reset_fails);
    g_test_add_func("/upm-stop/poison", test_poison);
    g_test_add_func("/upm-stop/threads", test_threads);
    return g_test_run();
}
