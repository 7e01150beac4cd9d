/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: memory policy and allocation of a private half
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#ifdef CONFIG_NUMA
#include <numaif.h>
#endif
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"
#include "qemu/thread-context.h"
#include "qemu/units.h"
#include "system/upm/prealloc.h"

/* What a thread takes at a time: some 15 ms of work */
#define CHUNK (64 * MiB)

/* Time between two messages about progress */
#define REPORT_MS 5000

/* Tries after a signal, which makes fallocate() forget what it did. */
#define TRIES 100

typedef struct Prealloc {
    int fd;
    uint64_t size;
    const UpmNumaPolicy *policy;
    QemuSemaphore thread_done;
    QemuMutex lock;
    /* the rest is protected by @lock */
    uint64_t next;
    uint64_t done;
    int error;
    uint64_t error_offset;
    /* @error is of a thread that could not take @policy */
    bool no_policy;
} Prealloc;

/*
 * Of the calling thread, for what it allocates from now on where the file has
 * no policy of its own.  Returns 0 or an errno.
 */
static int take_policy(const UpmNumaPolicy *policy)
{
#ifdef CONFIG_NUMA
    /* Linux reads one bit less than it is told. */
    if (policy && set_mempolicy(policy->mode, policy->nodes,
                                policy->bits + 1) < 0) {
        return errno;
    }
#endif
    return 0;
}

static int allocate(int fd, uint64_t offset, uint64_t size)
{
    unsigned int tries = 0;

    while (fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, size) < 0) {
        if (errno != EINTR || ++tries >= TRIES) {
            return errno;
        }
    }
    return 0;
}

static bool take_chunk(Prealloc *p, uint64_t *offset, uint64_t *size)
{
    QEMU_LOCK_GUARD(&p->lock);
    if (p->error || p->next >= p->size) {
        return false;
    }
    *offset = p->next;
    *size = MIN(CHUNK, p->size - p->next);
    p->next += *size;
    return true;
}

static void finish_chunk(Prealloc *p, uint64_t offset, uint64_t size,
                         int error)
{
    QEMU_LOCK_GUARD(&p->lock);
    if (!error) {
        p->done += size;
    } else if (!p->error) {
        p->error = error;
        p->error_offset = offset;
    }
}

static void refuse_policy(Prealloc *p, int error)
{
    QEMU_LOCK_GUARD(&p->lock);
    if (!p->error) {
        p->error = error;
        p->no_policy = true;
    }
}

/* The policy ends with the thread, which does nothing else. */
static void *prealloc_thread(void *opaque)
{
    Prealloc *p = opaque;
    uint64_t offset, size;
    int error = take_policy(p->policy);

    if (error) {
        refuse_policy(p, error);
    }
    while (take_chunk(p, &offset, &size)) {
        finish_chunk(p, offset, size, allocate(p->fd, offset, size));
    }
    qemu_sem_post(&p->thread_done);
    return NULL;
}

static void report_progress(Prealloc *p, const char *name)
{
    uint64_t done;

    WITH_QEMU_LOCK_GUARD(&p->lock) {
        done = p->done;
    }
    info_report("%s: %" PRIu64 " of %" PRIu64 " MiB of private memory are "
                "allocated", name, done / MiB, p->size / MiB);
}

static void run_threads(Prealloc *p, const char *name, unsigned int threads,
                        ThreadContext *context)
{
    g_autofree QemuThread *thread = g_new0(QemuThread, threads);
    unsigned int i, running = threads;

    for (i = 0; i < threads; i++) {
        if (context) {
            thread_context_create_thread(context, &thread[i], "upm-prealloc",
                                         prealloc_thread, p,
                                         QEMU_THREAD_JOINABLE);
        } else {
            qemu_thread_create(&thread[i], "upm-prealloc", prealloc_thread, p,
                               QEMU_THREAD_JOINABLE);
        }
    }
    while (running) {
        if (qemu_sem_timedwait(&p->thread_done, REPORT_MS) == 0) {
            running--;
        } else {
            report_progress(p, name);
        }
    }
    for (i = 0; i < threads; i++) {
        qemu_thread_join(&thread[i]);
    }
}

static void report_error(const Prealloc *p, Error **errp)
{
    if (p->no_policy) {
        error_setg_errno(errp, p->error, "host-nodes and policy cannot be set "
                         "for the threads that allocate private memory");
        return;
    }
    error_setg_errno(errp, p->error, "cannot allocate private memory at "
                     "offset 0x%" PRIx64 ", after %" PRIu64 " MiB",
                     p->error_offset, p->done / MiB);
}

bool upm_prealloc(int fd, const char *name, uint64_t size,
                  unsigned int threads, ThreadContext *context,
                  const UpmNumaPolicy *policy, Error **errp)
{
    Prealloc p = { .fd = fd, .size = size, .policy = policy };
    uint64_t chunks = DIV_ROUND_UP(size, CHUNK);

    qemu_mutex_init(&p.lock);
    qemu_sem_init(&p.thread_done, 0);
    run_threads(&p, name, MIN(threads, chunks), context);
    qemu_sem_destroy(&p.thread_done);
    qemu_mutex_destroy(&p.lock);
    if (p.error) {
        report_error(&p, errp);
        return false;
    }
    return true;
}

#ifdef CONFIG_NUMA
static void warn_unbound(const char *name, bool prealloc)
{
    if (prealloc) {
        info_report("%s: host-nodes and policy hold for the shared half and "
                    "for private memory as it is preallocated; what is "
                    "discarded and allocated again goes to the node of the "
                    "vCPU that uses it", name);
        return;
    }
    warn_report("%s: host-nodes and policy hold for the shared half only: "
                "Linux binds no guest_memfd, and private memory goes to the "
                "node of the vCPU that first uses it", name);
    error_printf("Let prealloc=on allocate it where host-nodes and policy say, "
                 "or run all of QEMU\nunder numactl.\n");
}

bool upm_bind(int fd, const char *name, uint64_t size, bool prealloc,
              const UpmNumaPolicy *policy, Error **errp)
{
    void *mapping = mmap(NULL, size, PROT_NONE, MAP_SHARED | MAP_NORESERVE,
                         fd, 0);
    int ret;

    if (mapping == MAP_FAILED && errno == ENODEV) {
        warn_unbound(name, prealloc);
        return true;
    }
    if (mapping == MAP_FAILED) {
        error_setg_errno(errp, errno, "host-nodes and policy need a mapping of "
                         "the private half, which cannot be made");
        return false;
    }
    /* Linux reads one bit less than it is told. */
    ret = mbind(mapping, size, policy->mode, policy->nodes, policy->bits + 1,
                0) < 0 ? errno : 0;
    munmap(mapping, size);
    if (ret) {
        error_setg_errno(errp, ret, "host-nodes and policy cannot be set for "
                         "the private half");
        return false;
    }
    return true;
}
#else
bool upm_bind(int fd, const char *name, uint64_t size, bool prealloc,
              const UpmNumaPolicy *policy, Error **errp)
{
    error_setg(errp, "this QEMU was built without NUMA");
    return false;
}
#endif
