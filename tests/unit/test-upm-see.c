/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What memory occupies on the host, and a guest's reasons to end
 */
#include "qemu/osdep.h"
#include "qemu/memfd.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qapi/qapi-events-upm.h"
#include "qemu/cutils.h"
#include "system/upm/map.h"
#include "system/upm/events.h"
#include "system/upm/resident.h"

#include "../../accel/kvm/upm/terminated.c"

#define SIZE (64 * MiB)

static void allocate(int fd, uint64_t offset, uint64_t size)
{
    g_assert_cmpint(fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, size), ==, 0);
}

static void punch(int fd, uint64_t offset, uint64_t size)
{
    g_assert_cmpint(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              offset, size), ==, 0);
}

static void expect_file(int fd, uint64_t expected)
{
    uint64_t said = -1, counted = -1;
    int ret = upm_resident_count_file(fd, SIZE, &counted);

    g_assert_true(upm_resident_of_file(fd, SIZE, &said));
    g_assert_cmpuint(said, ==, expected);
    if (ret == -ENOSYS) {
        g_test_message("this kernel has no cachestat()");
        return;
    }
    g_assert_cmpint(ret, ==, 0);
    g_assert_cmpuint(counted, ==, expected);
}

static void test_file(void)
{
    int fd = qemu_memfd_create("test", SIZE, false, 0, 0, &error_abort);
    uint64_t bytes = 77;

    expect_file(fd, 0);
    allocate(fd, 1 * MiB, 5 * MiB);
    expect_file(fd, 5 * MiB);
    allocate(fd, SIZE - MiB, MiB);
    punch(fd, 2 * MiB, 1 * MiB);
    expect_file(fd, 5 * MiB);
    /* only all of a file tells of it */
    g_assert_false(upm_resident_of_file(fd, SIZE / 2, &bytes));
    g_assert_cmpuint(bytes, ==, 77);
    if (upm_resident_count_file(fd, 3 * MiB, &bytes) == 0) {
        g_assert_cmpuint(bytes, ==, 1 * MiB);
    }
    close(fd);
}

static void test_other_files(void)
{
    uint64_t bytes = 77;
    int fd = open("/proc/self/exe", O_RDONLY);
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_false(upm_resident_of_file(fd, st.st_size, &bytes));
    close(fd);
    g_assert_false(upm_resident_of_file(-1, 0, &bytes));
    g_assert_cmpint(upm_resident_count_file(-1, SIZE, &bytes), <, 0);
    g_assert_cmpuint(bytes, ==, 77);
}

static void test_mapping(void)
{
    size_t page = qemu_real_host_page_size();
    char *host = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t bytes = -1;
    size_t i;

    g_assert(host != MAP_FAILED);
    madvise(host, SIZE, MADV_NOHUGEPAGE);
    g_assert_cmpint(upm_resident_count_mapping(host, SIZE, &bytes), ==, 0);
    g_assert_cmpuint(bytes, ==, 0);
    for (i = 0; i < 100; i++) {
        host[i * 97 * page] = 1;
    }
    host[SIZE - 1] = 1;
    g_assert_cmpint(upm_resident_count_mapping(host, SIZE, &bytes), ==, 0);
    g_assert_cmpuint(bytes, ==, 101 * page);
    g_assert_cmpint(upm_resident_count_mapping(host, page, &bytes), ==, 0);
    g_assert_cmpuint(bytes, ==, page);
    munmap(host, SIZE);
    g_assert_cmpint(upm_resident_count_mapping(host, SIZE, &bytes), ==,
                    -ENOMEM);
}

/*
 * Termination
 */

static struct {
    unsigned int number;
    int64_t vcpu;
    bool has_set, has_code;
    uint8_t set, code;
    char reason[80];
} event;

void upm_set_observer(const UpmObserver *observer)
{
}

void qapi_event_send_upm_conversion_failed(uint64_t gpa, uint64_t size,
                                           UpmPageState to, UpmCause cause,
                                           UpmConversionStep step,
                                           int64_t q_errno, const char *reason,
                                           uint64_t failed_requests,
                                           bool was_poisoned)
{
    g_assert_not_reached();
}

void qapi_event_send_upm_conversion_storm(uint64_t requests, uint64_t time,
                                          uint64_t to_private_bytes,
                                          uint64_t to_shared_bytes,
                                          uint64_t gpa, uint64_t size,
                                          UpmCause cause)
{
    g_assert_not_reached();
}

void qapi_event_send_upm_discard_failed(const char *block, UpmPageState half,
                                        uint64_t offset, uint64_t size,
                                        int64_t q_errno, const char *reason,
                                        uint64_t failed_discards)
{
    g_assert_not_reached();
}

void qapi_event_send_upm_guest_terminated(int64_t vcpu, bool has_set,
                                          uint8_t set, bool has_code,
                                          uint8_t code, const char *reason)
{
    event.number++;
    event.vcpu = vcpu;
    event.has_set = has_set;
    event.has_code = has_code;
    event.set = set;
    event.code = code;
    pstrcpy(event.reason, sizeof(event.reason), reason);
}

static void test_decode(void)
{
    unsigned int set = 77, code = 77;

    /* a GHCB's address, as KVM tells it of a request in there */
    g_assert_false(upm_termination_decode(0x12345000, &set, &code));
    g_assert_false(upm_termination_decode(0x12345002, &set, &code));
    g_assert_cmpuint(set, ==, 77);
    g_assert_true(upm_termination_decode(0xffffffffff421100ULL, &set, &code));
    g_assert_cmphex(set, ==, 1);
    g_assert_cmphex(code, ==, 0x42);
    g_assert_true(upm_termination_decode(0xfff100, &set, &code));
    g_assert_cmphex(set, ==, 0xf);
    g_assert_cmphex(code, ==, 0xff);
}

static void test_reasons(void)
{
    static const struct {
        unsigned int set, code;
        const char *reason;
    } cases[] = {
        { 0, 0, "general termination request" },
        { 0, 1, "SEV-ES or GHCB protocol range not supported" },
        { 0, 2, "SEV-SNP features not supported" },
        { 0, 3, "unknown reason" },
        { 1, 0, "GHCB registration failed" },
        { 1, 2, "PVALIDATE failed" },
        { 1, 12, "Secure AVIC failed" },
        { 1, 13, "unknown reason" },
        { 2, 0, "unknown reason" },
        { 15, 255, "unknown reason" },
    };
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        upm_tell_terminated(3, cases[i].set, cases[i].code);
        g_assert_cmpuint(event.number, ==, i + 1);
        g_assert_cmpint(event.vcpu, ==, 3);
        g_assert_true(event.has_set && event.has_code);
        g_assert_cmpuint(event.set, ==, cases[i].set);
        g_assert_cmpuint(event.code, ==, cases[i].code);
        g_assert_cmpstr(event.reason, ==, cases[i].reason);
    }
    upm_tell_terminated_by(0, "why not");
    g_assert_false(event.has_set || event.has_code);
    g_assert_cmpstr(event.reason, ==, "why not");
}

/*
 * The same under KVM
 */

static unsigned int panics;

void upm_memory_guest_panicked(void)
{
    panics++;
}

static void test_kvm(void)
{
    g_autofree CPUState *cpu = g_new0(CPUState, 1);
    g_autofree struct kvm_run *run = g_new0(struct kvm_run, 1);

    cpu->cpu_index = 5;
    run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
    run->system_event.type = KVM_SYSTEM_EVENT_SEV_TERM;
    run->system_event.ndata = 1;
    run->system_event.data[0] = 0x100 | 1 << 12 | 2 << 16;
    upm_kvm_terminated(cpu, run);
    g_assert_cmpint(event.vcpu, ==, 5);
    g_assert_true(event.has_set && event.has_code);
    g_assert_cmpuint(event.set, ==, 1);
    g_assert_cmpuint(event.code, ==, 2);
    g_assert_cmpstr(event.reason, ==, "PVALIDATE failed");
    g_assert_cmpuint(panics, ==, 1);
    /* the address of a GHCB, or nothing */
    run->system_event.data[0] = 0x1000;
    upm_kvm_terminated(cpu, run);
    g_assert_false(event.has_set || event.has_code);
    g_assert_cmpstr(event.reason, ==, "request in the GHCB");
    run->system_event.data[0] = 0x100;
    run->system_event.ndata = 0;
    upm_kvm_terminated(cpu, run);
    g_assert_false(event.has_set || event.has_code);
    g_assert_cmpuint(panics, ==, 3);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/upm-resident/file", test_file);
    g_test_add_func("/upm-resident/other-files", test_other_files);
    g_test_add_func("/upm-resident/mapping", test_mapping);
    g_test_add_func("/upm-terminated/decode", test_decode);
    g_test_add_func("/upm-terminated/reasons", test_reasons);
    g_test_add_func("/upm-terminated/kvm", test_kvm);
    return g_test_run();
}
