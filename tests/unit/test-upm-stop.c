/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that has to stop
 */
#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "upm/run-state.h"

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

int main(int argc, char **argv)
{
    qemu_init_main_loop(&error_abort);
    g_test_init(&argc, &argv, NULL);
    add_states("/upm-stop", test_state);
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
