/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded, it gives a QEMU's main thread an io_uring that has something to
 * tell while KVM runs LAUNCH_UPDATE
 *
 * A timeout is submitted before each of these commands.  Its completion is
 * work for the thread, which makes KVM break off as a signal does (Linux,
 * include/linux/sched/signal.h, signal_pending()).  The delays differ, so that
 * some find the command before its first page, and others among its pages.
 *
 * At the end it says on standard error how many commands there were, how many
 * failed, and how many did a part only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* In turns: about as long as the way to the first page, and among pages */
#define SHORT_NS    4000
#define LONG_NS     400000
#define DELAYS      8

static struct io_uring ring;
static unsigned commands, failures, parts;

static int next_ioctl(int fd, unsigned long request, void *argument)
{
    static int (*next)(int, unsigned long, ...);

    if (!next) {
        next = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    }
    return next(fd, request, argument);
}

static void tell(void)
{
    fprintf(stderr, "io_uring: %u updates, %u failed, %u in part\n", commands,
            failures, parts);
}

/* The delay that the command meets, in nanoseconds */
static void submit_timeout(unsigned number)
{
    struct __kernel_timespec delay = {
        .tv_nsec = (number / 2 % DELAYS + number % 2) *
                   (number % 2 ? LONG_NS : SHORT_NS),
    };
    struct io_uring_sqe *sqe;
    struct io_uring_cqe *cqe;

    while (!io_uring_peek_cqe(&ring, &cqe)) {
        io_uring_cqe_seen(&ring, cqe);
    }
    sqe = io_uring_get_sqe(&ring);
    if (!sqe) {
        abort();
    }
    io_uring_prep_timeout(sqe, &delay, 0, 0);
    if (io_uring_submit(&ring) != 1) {
        abort();
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    struct kvm_sev_snp_launch_update *update;
    const struct kvm_sev_cmd *command;
    void *argument;
    va_list list;
    int ret;

    va_start(list, request);
    argument = va_arg(list, void *);
    va_end(list);
    command = argument;
    if (request != KVM_MEMORY_ENCRYPT_OP ||
        command->id != KVM_SEV_SNP_LAUNCH_UPDATE) {
        return next_ioctl(fd, request, argument);
    }
    update = (void *)(uintptr_t)command->data;
    if (!commands && (io_uring_queue_init(8, &ring, 0) || atexit(tell))) {
        abort();
    }
    submit_timeout(commands++);
    ret = next_ioctl(fd, request, argument);
    failures += ret != 0;
    parts += !ret && update->len;
    return ret;
}
