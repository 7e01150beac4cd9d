/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that is over: it has to stop as one that panicked
 */
#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "upm/run-state.h"

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

int main(int argc, char **argv)
{
    qemu_init_main_loop(&error_abort);
    g_test_init(&argc, &argv, NULL);
    add_states("/upm-stop/panic", test_panic_state);
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
