/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory policy and allocation of a private half, on memfds
 */
#include "qemu/osdep.h"
#ifdef CONFIG_NUMA
#include <numaif.h>
#endif
#include <sys/mman.h>
#include "qapi/error.h"
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
    g_assert_true(upm_prealloc(fd, "r", size, threads, NULL, &error_abort));
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

    g_assert_false(upm_prealloc(fd, "r", size, threads, NULL, &err));
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
static void test_bind(void)
{
    unsigned long nodes = 1, found = 0;
    int fd = make_file(1 * MiB), mode = -1;
    void *mapping;
    Error *err = NULL;

    if (get_mempolicy(NULL, NULL, 0, NULL, 0) < 0) {
        g_test_skip("no NUMA policies here");
        close(fd);
        return;
    }
    g_assert_true(upm_bind(fd, 1 * MiB, MPOL_BIND, &nodes, 1, &error_abort));
    /* seen through another mapping: the file has it */
    mapping = mmap(NULL, 1 * MiB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_cmpint(get_mempolicy(&mode, &found, 64, mapping, MPOL_F_ADDR),
                    ==, 0);
    g_assert_cmpint(mode, ==, MPOL_BIND);
    g_assert_cmphex(found, ==, 1);
    munmap(mapping, 1 * MiB);
    close(fd);

    /* what a guest_memfd answers */
    fd = open("/dev", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    g_assert_false(upm_bind(fd, 1 * MiB, MPOL_BIND, &nodes, 1, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "host-nodes and policy cannot "
                    "reach the private half, which this kernel does not map: "
                    "No such device");
    error_free(err);
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
#endif
    return g_test_run();
}
