/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory policy and allocation of a private half, on memfds
 */
#include "qemu/osdep.h"
#ifdef CONFIG_NUMA
#include <numa.h>
#include <numaif.h>
#endif
#include <sys/mman.h>
#include <sys/syscall.h>
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "qemu/units.h"
#include "system/upm/prealloc.h"

void thread_context_create_thread(ThreadContext *tc, QemuThread *thread,
                                  const char *name,
                                  void *(*start_routine)(void *), void *arg,
                                  int mode)
{
    g_assert_not_reached();
}

static int make_file(uint64_t size)
{
    int fd = memfd_create("upm-prealloc", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    return fd;
}

static uint64_t allocated(int fd)
{
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    return st.st_blocks * 512;
}

static void check_allocation(uint64_t size, unsigned int threads)
{
    int fd = make_file(size);
    struct stat st;

    g_assert_cmpuint(allocated(fd), ==, 0);
    g_assert_true(upm_prealloc(fd, "r", size, threads, NULL, NULL,
                               &error_abort));
    g_assert_cmpuint(allocated(fd), ==, size);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpuint(st.st_size, ==, size);
    close(fd);
}

static void test_allocation(void)
{
    check_allocation(4 * KiB, 1);
    check_allocation(4 * KiB, 8);
    check_allocation(64 * MiB, 2);
    check_allocation(64 * MiB + 4 * KiB, 1);
    check_allocation(200 * MiB, 3);
}

static void expect_error(int fd, uint64_t size, unsigned int threads,
                         const char *message)
{
    Error *err = NULL;

    g_assert_false(upm_prealloc(fd, "r", size, threads, NULL, NULL, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static void test_failure(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    expect_error(fd, 4 * KiB, 1, "cannot allocate private memory at offset "
                 "0x0, after 0 MiB: No such device");
    expect_error(fd, 1 * GiB, 1, "cannot allocate private memory at offset "
                 "0x0, after 0 MiB: No such device");
    close(fd);
    expect_error(-1, 4 * KiB, 4, "cannot allocate private memory at offset "
                 "0x0, after 0 MiB: Bad file descriptor");
}

#ifdef CONFIG_NUMA
/*
 * System calls, in the place of the C library's and libnuma's: they note the
 * policy of the threads that allocate, and answer as a guest_memfd does.
 */

static QemuMutex seen_lock;
static GString *seen;
static int no_policy;
static int unmappable_fd = -1;

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    unsigned long nodes = 0;
    int policy = -1;

    if (seen) {
        QEMU_LOCK_GUARD(&seen_lock);
        g_assert_cmpint(get_mempolicy(&policy, &nodes, 64, NULL, 0), ==, 0);
        g_string_append_printf(seen, "%d:%lx ", policy, nodes);
    }
    return syscall(SYS_fallocate, fd, mode, offset, length);
}

long set_mempolicy(int mode, const unsigned long *nodes, unsigned long bits)
{
    if (no_policy) {
        errno = no_policy;
        return -1;
    }
    return syscall(SYS_set_mempolicy, mode, nodes, bits);
}

void *mmap(void *addr, size_t length, int prot, int flags, int fd,
           off_t offset)
{
    if (fd >= 0 && fd == unmappable_fd) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
}

/* The last node that this process may use; skips the test where it has none */
static bool find_node(UpmNumaPolicy *policy, unsigned long *nodes)
{
    struct bitmask *allowed;
    int node;

    if (numa_available() < 0) {
        g_test_skip("no NUMA policies here");
        return false;
    }
    allowed = numa_get_mems_allowed();
    for (node = 63; !numa_bitmask_isbitset(allowed, node); node--) {
        g_assert_cmpint(node, >, 0);
    }
    numa_bitmask_free(allowed);
    *nodes = 1UL << node;
    *policy = (UpmNumaPolicy) {
        .mode = MPOL_BIND,
        .nodes = nodes,
        .bits = node + 1,
    };
    return true;
}

/* The file's own policy, seen through another mapping */
static void check_file_policy(int fd, int mode, unsigned long nodes)
{
    void *mapping = mmap(NULL, 1 * MiB, PROT_READ | PROT_WRITE, MAP_SHARED,
                         fd, 0);
    unsigned long found = 0;
    int found_mode = -1;

    g_assert_cmpint(get_mempolicy(&found_mode, &found, 64, mapping,
                                  MPOL_F_ADDR), ==, 0);
    g_assert_cmpint(found_mode, ==, mode);
    g_assert_cmphex(found, ==, nodes);
    munmap(mapping, 1 * MiB);
}

static void test_bind(void)
{
    unsigned long nodes[2] = {};
    UpmNumaPolicy policy;
    Error *err = NULL;
    int fd;

    if (!find_node(&policy, nodes)) {
        return;
    }
    fd = make_file(1 * MiB);
    g_assert_true(upm_bind(fd, "r", 1 * MiB, false, &policy, &error_abort));
    check_file_policy(fd, MPOL_BIND, nodes[0]);
    close(fd);

    g_assert_false(upm_bind(-1, "r", 1 * MiB, false, &policy, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "host-nodes and policy need a "
                    "mapping of the private half, which cannot be made: "
                    "Bad file descriptor");
    error_free(err);

    fd = make_file(1 * MiB);
    nodes[0] = 0;
    err = NULL;
    g_assert_false(upm_bind(fd, "r", 1 * MiB, false, &policy, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "host-nodes and policy cannot "
                    "be set for the private half: Invalid argument");
    error_free(err);
    close(fd);
}

static void bind_unmappable(bool prealloc)
{
    unsigned long nodes[2] = { 1 };
    UpmNumaPolicy policy = { .mode = MPOL_BIND, .nodes = nodes, .bits = 1 };

    unmappable_fd = make_file(1 * MiB);
    g_assert_true(upm_bind(unmappable_fd, "the object", 1 * MiB, prealloc,
                           &policy, &error_abort));
}

/* A file that no mapping reaches is no error; what is not bound is said. */
static void test_unmappable(void)
{
    if (g_test_subprocess()) {
        bind_unmappable(false);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*warning: the object: host-nodes and policy "
                              "hold for the shared half only: *prealloc=on*"
                              "numactl*");
}

static void test_unmappable_preallocated(void)
{
    if (g_test_subprocess()) {
        bind_unmappable(true);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*info: the object: *as it is preallocated*");
    g_test_trap_assert_stderr_unmatched("*warning*");
}

static void check_nodes(int fd, uint64_t size, int node)
{
    char *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_POPULATE, fd, 0);
    uint64_t i;

    for (i = 0; i < size; i += 4 * KiB) {
        void *page = mapping + i;
        int found = -1;

        g_assert_cmpint(move_pages(0, 1, &page, NULL, &found, 0), ==, 0);
        g_assert_cmpint(found, ==, node);
    }
    munmap(mapping, size);
}

/* Every thread allocates with the policy, and the caller keeps its own. */
static void test_policy(void)
{
    g_autofree char *one = NULL;
    unsigned long nodes[2] = {}, found = 0;
    UpmNumaPolicy policy;
    int fd, mode = -1;

    if (!find_node(&policy, nodes)) {
        return;
    }
    fd = make_file(129 * MiB);
    seen = g_string_new("");
    qemu_mutex_init(&seen_lock);
    g_assert_true(upm_prealloc(fd, "r", 129 * MiB, 2, NULL, &policy,
                               &error_abort));
    one = g_strdup_printf("%d:%lx ", MPOL_BIND, nodes[0]);
    g_assert_cmpuint(seen->len, ==, 3 * strlen(one));
    g_assert_true(g_str_has_prefix(seen->str, one));
    g_assert_true(g_str_has_prefix(seen->str + strlen(one), one));
    g_assert_true(g_str_has_suffix(seen->str, one));
    g_assert_cmpuint(allocated(fd), ==, 129 * MiB);
    check_nodes(fd, 1 * MiB, policy.bits - 1);
    g_assert_cmpint(get_mempolicy(&mode, &found, 64, NULL, 0), ==, 0);
    g_assert_cmpint(mode, ==, MPOL_DEFAULT);
    close(fd);

    /* without one, threads have what their caller has */
    fd = make_file(1 * MiB);
    g_string_truncate(seen, 0);
    g_assert_true(upm_prealloc(fd, "r", 1 * MiB, 2, NULL, NULL,
                               &error_abort));
    g_assert_cmpstr(seen->str, ==, "0:0 ");
    close(fd);
    qemu_mutex_destroy(&seen_lock);
    g_string_free(seen, true);
    seen = NULL;
}

/* Nothing is allocated where it should not be. */
static void test_policy_refused(void)
{
    unsigned long nodes[2] = { 1 };
    UpmNumaPolicy policy = { .mode = MPOL_BIND, .nodes = nodes, .bits = 1 };
    int fd = make_file(1 * MiB);
    Error *err = NULL;

    no_policy = EPERM;
    g_assert_false(upm_prealloc(fd, "r", 1 * MiB, 3, NULL, &policy, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "host-nodes and policy cannot "
                    "be set for the threads that allocate private memory: "
                    "Operation not permitted");
    g_assert_cmpuint(allocated(fd), ==, 0);
    error_free(err);
    no_policy = 0;
    close(fd);
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/upm-prealloc/allocation", test_allocation);
    g_test_add_func("/upm-prealloc/failure", test_failure);
#ifdef CONFIG_NUMA
    g_test_add_func("/upm-prealloc/bind", test_bind);
    g_test_add_func("/upm-prealloc/unmappable", test_unmappable);
    g_test_add_func("/upm-prealloc/unmappable-preallocated",
                    test_unmappable_preallocated);
    g_test_add_func("/upm-prealloc/policy", test_policy);
    g_test_add_func("/upm-prealloc/policy-refused", test_policy_refused);
#endif
    return g_test_run();
}
