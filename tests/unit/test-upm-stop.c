/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that has to stop, in a QEMU of which there is only the run state
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "system/cpus.h"
#include "system/reset.h"
#include "system/runstate-action.h"
#include "system/runstate.h"
#include "system/upm/host.h"

#define REASON "ran out of memory"

/*
 * QEMU: a run state, which aborts on what QEMU's aborts on, and what
 * system/upm/stop.c asks to be told of.
 */
__thread CPUState *current_cpu;
CPUTailQ cpus_queue = QTAILQ_HEAD_INITIALIZER(cpus_queue);
PanicAction panic_action;
static RunState now;
static bool was_suspended;
static unsigned int stops;
static unsigned int panics;
static unsigned int resumes;
static unsigned int shutdowns;
static unsigned int vcpu_stops;
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
        runstate_set(was_suspended ? RUN_STATE_SUSPENDED : RUN_STATE_RUNNING);
        was_suspended = false;
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
    was_suspended = false;
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
    panic_action = PANIC_ACTION_PAUSE;
    stops = panics = resumes = shutdowns = vcpu_stops = 0;
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

/*
 * A guest that is over
 */

static void expect_panicked(void)
{
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_GUEST_PANICKED);
    g_assert_cmpint(panics, ==, 1);
    g_assert_cmpint(shutdowns, ==, 0);
}

/* What "cont" does is the user's affair, and no reason for another panic. */
static void expect_goes_on(void)
{
    g_assert_true(cont());
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_RUNNING);
    g_assert_cmpint(panics, ==, 1);
}

static void test_panic_state(gconstpointer opaque)
{
    RunState state = GPOINTER_TO_INT(opaque);
    bool live = state == RUN_STATE_RUNNING || state == RUN_STATE_SUSPENDED;

    begin(state);
    upm_memory_guest_panicked();
    g_assert_cmpint(now, ==, state);
    g_assert_cmpint(panics, ==, 0);
    expect_panicked();
    g_assert_cmpint(stops, ==, live);
    expect_goes_on();
    g_assert_cmpint(vcpu_stops, ==, 0);
}

/* It needs a reset as it is, and the user is told. */
static void test_panic_over(void)
{
    begin(RUN_STATE_SHUTDOWN);
    upm_memory_guest_panicked();
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_SHUTDOWN);
    g_assert_cmpint(panics, ==, 1);

    begin(RUN_STATE_RUNNING);
    upm_memory_guest_panicked();
    upm_memory_stop_guest(REASON);
    expect_stopped();
    g_assert_cmpint(stops, ==, 1);
    g_assert_cmpint(panics, ==, 1);
    upm_memory_guest_panicked();
    expect_stopped();
    g_assert_cmpint(panics, ==, 2);
    expect_cured();
}

/* What runs meanwhile comes to its end first. */
static void test_panic_dump(void)
{
    begin(RUN_STATE_RUNNING);
    vm_stop(RUN_STATE_SAVE_VM);
    upm_memory_guest_panicked();
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_SAVE_VM);
    g_assert_cmpint(panics, ==, 0);
    g_assert_true(cont());
    expect_panicked();
    expect_goes_on();
}

/* While "cont" or a wake-up is on its way nothing swallows the request. */
static void test_panic_cont(void)
{
    begin(RUN_STATE_PAUSED);
    upm_memory_guest_panicked();
    g_assert_true(cont());
    expect_panicked();

    begin(RUN_STATE_SUSPENDED);
    upm_memory_guest_panicked();
    runstate_set(RUN_STATE_RUNNING);
    expect_panicked();
    expect_goes_on();
}

/* S3 at the same time: before the main loop stops the guest, and after. */
static void test_panic_suspend(void)
{
    begin(RUN_STATE_RUNNING);
    upm_memory_guest_panicked();
    suspend_guest();
    expect_panicked();

    suspend_guest();
    g_assert_cmpint(now, ==, RUN_STATE_SUSPENDED);
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_GUEST_PANICKED);
    g_assert_cmpint(panics, ==, 2);
}

/* "stop" in S3 has "cont" return there, where a panic does not lead to. */
static void test_panic_suspend_paused(void)
{
    begin(RUN_STATE_SUSPENDED);
    vm_stop(RUN_STATE_PAUSED);
    upm_memory_guest_panicked();
    expect_panicked();
    expect_goes_on();
}

/* A reset takes back what came before it, and loses nothing that is pending. */
static void test_panic_reset(void)
{
    begin(RUN_STATE_RUNNING);
    upm_memory_guest_panicked();
    reset_guest();
    expect_panicked();
    reset_guest();
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_PRELAUNCH);
    expect_goes_on();
}

/* The event alone: the guest stays as it is, its vCPU goes on. */
static void test_panic_none(void)
{
    static const RunState states[] = {
        RUN_STATE_RUNNING, RUN_STATE_SUSPENDED, RUN_STATE_PAUSED,
        RUN_STATE_SAVE_VM, RUN_STATE_SHUTDOWN,
    };
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(states); i++) {
        begin(states[i]);
        panic_action = PANIC_ACTION_NONE;
        upm_memory_guest_panicked();
        run_main_loop();
        g_assert_cmpint(now, ==, states[i]);
        g_assert_cmpint(panics, ==, 1);
        g_assert_cmpint(stops, ==, 0);
    }
}

static void panic_of(CPUState *cpu)
{
    current_cpu = cpu;
    upm_memory_guest_panicked();
    current_cpu = NULL;
    g_assert_true(cpu->stop);
}

/*
 * The vCPUs that asked go on, once; a debugger may hold another one, whether
 * that has asked before or not.  One of them has gone meanwhile.
 */
static void test_panic_none_vcpus(void)
{
    CPUState *cpus = g_new0(CPUState, 4);
    unsigned int i;

    begin(RUN_STATE_RUNNING);
    panic_action = PANIC_ACTION_NONE;
    for (i = 0; i < 3; i++) {
        QTAILQ_INSERT_TAIL_RCU(&cpus_queue, &cpus[i], node);
    }
    cpus[2].stop = true;
    panic_of(&cpus[0]);
    panic_of(&cpus[1]);
    panic_of(&cpus[3]);
    run_main_loop();
    g_assert_cmpint(resumes, ==, 2);
    g_assert_false(cpus[0].stop);
    g_assert_false(cpus[1].stop);
    g_assert_true(cpus[2].stop);

    cpus[0].stop = true;
    panic_of(&cpus[1]);
    run_main_loop();
    g_assert_cmpint(resumes, ==, 3);
    g_assert_true(cpus[0].stop);
    for (i = 0; i < 3; i++) {
        QTAILQ_REMOVE_RCU(&cpus_queue, &cpus[i], node);
    }
    g_free(cpus);
}

/* QEMU ends; S3 may come first. */
static void test_panic_shutdown(void)
{
    begin(RUN_STATE_SUSPENDED);
    panic_action = PANIC_ACTION_SHUTDOWN;
    upm_memory_guest_panicked();
    run_main_loop();
    g_assert_cmpint(now, ==, RUN_STATE_GUEST_PANICKED);
    g_assert_cmpint(shutdowns, ==, 1);
    suspend_guest();
    g_assert_cmpint(now, ==, RUN_STATE_SUSPENDED);
}

/* The vCPU that asks does not go on. */
static void test_panic_vcpu(void)
{
    g_autofree CPUState *cpu = g_new0(CPUState, 1);

    begin(RUN_STATE_RUNNING);
    current_cpu = cpu;
    upm_memory_guest_panicked();
    current_cpu = NULL;
    g_assert_true(cpu->crash_occurred);
    g_assert_cmpint(vcpu_stops, ==, 1);
    expect_panicked();
    g_assert_cmpint(resumes, ==, 0);
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
    g_autofree char *panic = g_strdup_printf("/upm-stop/panic/state/%s", name);

    g_test_add_data_func(path, GINT_TO_POINTER(state), test_state);
    g_test_add_data_func(panic, GINT_TO_POINTER(state), test_panic_state);
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
    g_test_add_func("/upm-stop/panic/over", test_panic_over);
    g_test_add_func("/upm-stop/panic/dump", test_panic_dump);
    g_test_add_func("/upm-stop/panic/cont", test_panic_cont);
    g_test_add_func("/upm-stop/panic/suspend", test_panic_suspend);
    g_test_add_func("/upm-stop/panic/suspend-paused",
                    test_panic_suspend_paused);
    g_test_add_func("/upm-stop/panic/reset", test_panic_reset);
    g_test_add_func("/upm-stop/panic/none", test_panic_none);
    g_test_add_func("/upm-stop/panic/none-vcpus", test_panic_none_vcpus);
    g_test_add_func("/upm-stop/panic/shutdown", test_panic_shutdown);
    g_test_add_func("/upm-stop/panic/vcpu", test_panic_vcpu);
    return g_test_run();
}
