/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM as the provider of page states: conversions without the BQL
 */
#include "qemu/osdep.h"
#include "upm/fake-kvm.c.inc"

typedef struct Worker {
    QemuThread thread;
    CPUState *cpu;
    uint64_t gpa;
    bool stop;
    unsigned int done;
} Worker;

/* A vCPU that asks for the same page as shared and as private, for ever */
static void *work(void *opaque)
{
    Worker *worker = opaque;

    rcu_register_thread();
    current_cpu = worker->cpu;
    while (!qatomic_read(&worker->stop)) {
        g_assert_cmpuint(hypercall(worker->gpa, 1, 0), ==, 0);
        g_assert_cmpuint(hypercall(worker->gpa, 1, ENC), ==, 0);
        qatomic_inc(&worker->done);
    }
    rcu_unregister_thread();
    return NULL;
}

static void start_workers(Worker *workers, unsigned int n)
{
    unsigned int i;

    for (i = 0; i < n; i++) {
        workers[i] = (Worker) { .cpu = new_cpu(), .gpa = (i + 1) * 0x10000 };
        qemu_thread_create(&workers[i].thread, "vcpu", work, &workers[i],
                           QEMU_THREAD_JOINABLE);
    }
}

static void stop_workers(Worker *workers, unsigned int n)
{
    unsigned int i;

    for (i = 0; i < n; i++) {
        qatomic_set(&workers[i].stop, true);
    }
    for (i = 0; i < n; i++) {
        qemu_thread_join(&workers[i].thread);
        QTAILQ_REMOVE_RCU(&cpus_queue, workers[i].cpu, node);
        g_free(workers[i].cpu->kvm_run);
        g_free(workers[i].cpu);
    }
}

static void wait_for(const Worker *worker, unsigned int more)
{
    unsigned int before = qatomic_read(&worker->done);

    while (qatomic_read(&worker->done) - before < more) {
        g_usleep(100);
    }
}

/* vCPUs convert while somebody, such as the monitor, has the BQL. */
static void test_without_bql(void)
{
    Worker workers[2];

    set_up();
    start_workers(workers, 2);
    bql_lock();
    wait_for(&workers[0], 10);
    wait_for(&workers[1], 10);
    bql_unlock();
    stop_workers(workers, 2);
    expect_agreement();
    tear_down();
}

static void take_long(void)
{
    g_usleep(1000);
}

/*
 * Where slots are deleted no ioctl is under way, and none begins; who deletes
 * them gets there although vCPUs make one conversion after the other, and can
 * set attributes then.
 */
static void test_slot_deleted(void)
{
    Worker workers[4];
    unsigned int i;

    set_up();
    in_set_attributes = take_long;
    start_workers(workers, 4);
    for (i = 0; i < 50; i++) {
        wait_for(&workers[i % 4], 1);
        bql_lock();
        upm_kvm_marked_forget(HIGH, HIGH_SIZE);
        accel_ioctl_inhibit_begin();
        g_assert_cmpuint(qatomic_read(&under_way), ==, 0);
        g_assert_true(upm_kvm_slot_added(HIGH, host(HIGH), HIGH_SIZE));
        g_assert_cmpuint(qatomic_read(&under_way), ==, 0);
        accel_ioctl_inhibit_end();
        bql_unlock();
    }
    stop_workers(workers, 4);
    expect_agreement();
    tear_down();
}

/*
 * Who deletes slots locks the own place of each vCPU first.  What has passed it
 * is done soon, and nothing follows.
 */
static void test_own_place(void)
{
    unsigned int before;
    Worker worker;

    set_up();
    start_workers(&worker, 1);
    wait_for(&worker, 10);
    qemu_lockcnt_lock(&worker.cpu->in_ioctl_lock);
    before = qatomic_read(&worker.done);
    g_usleep(200 * 1000);
    g_assert_cmpuint(qatomic_read(&worker.done) - before, <=, 2);
    qemu_lockcnt_unlock(&worker.cpu->in_ioctl_lock);
    wait_for(&worker, 10);
    stop_workers(&worker, 1);
    expect_agreement();
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_fake_kvm();

    g_test_add_func("/upm-kvm/lock/without-bql", test_without_bql);
    g_test_add_func("/upm-kvm/lock/slot-deleted", test_slot_deleted);
    g_test_add_func("/upm-kvm/lock/own-place", test_own_place);
    return g_test_run();
}
