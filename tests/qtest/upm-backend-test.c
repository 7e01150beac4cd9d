/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory-backend-memfd-private: what it replaces, where its memory is, and
 * devices that deal with memory by rules of their own
 */
#include "qemu/osdep.h"
#include <sys/resource.h>
#include "libqos/libqos-malloc.h"
#include "libqos/malloc-pc.h"
#include "libqos/pci-pc.h"
#include "libqos/virtio-pci.h"
#include "standard-headers/linux/virtio_balloon.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_ids.h"
#include "standard-headers/linux/virtio_ring.h"
#include "upm/query.h"

/* More than any host has in huge pages, and a size that nothing allocates */
#define HUGE "'size': 1099511627776, 'hugetlb': true, 'hugetlbsize': 2097152"

/*
 * replaces=
 */

static void add_other(QTestState *qts, uint64_t size)
{
    g_autofree char *options =
        g_strdup_printf("'size': %" PRIu64 ", 'reserve': false", size);

    expect_success(add_object(qts, "memory-backend-ram", "other", options));
}

static void test_replaces(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M");
    add_other(qts, 48 * MiB);
    expect_success(add_object(qts, TYPE, "r",
                              "'size': 50331648, 'replaces': 'other'"));
    g_assert_false(has_backend(qts, "other"));
    g_assert_true(has_backend(qts, "r"));
    g_assert_true(has_block(qts, "r"));
    qtest_quit(qts);
}

/* As libvirt does it: the machine's memory goes for one of another name. */
static void test_replaces_machine_memory(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(",memory-backend=pc.ram -m 256M "
                 "-object memory-backend-memfd,id=pc.ram,size=256M,share=on "
                 "-object " TYPE ",id=r,size=256M,replaces=pc.ram "
                 "-machine memory-backend=r");
    g_assert_false(has_backend(qts, "pc.ram"));
    g_assert_false(has_block(qts, "pc.ram"));
    g_assert_true(has_block(qts, "r"));
    qtest_quit(qts);
}

/* Where a backend cannot be made, the one to be replaced is still there. */
static void test_replaces_nothing(void)
{
    static const struct {
        uint64_t size;
        const char *options;
        const char *message;
    } cases[] = {
        { TiB, HUGE, "of 2 MiB for the shared half" },
        { TiB, HUGE ", 'reserve': false, 'prealloc-shared': true",
          "preallocating memory failed" },
        { 48 * MiB, "'size': 50331648, 'hugetlb': true,"
          " 'hugetlbsize': 8388608", "failed to create memfd" },
        { 48 * MiB, "'size': 50331648, 'host-nodes': [ 127 ],"
          " 'policy': 'bind'", "cannot bind memory to host NUMA nodes" },
        { 48 * MiB, "'size': 50331648, 'share': false",
          "share=off cannot hold" },
        { 32 * MiB, "'size': 50331648", "that one has 32 MiB" },
    };
    QTestState *qts;
    unsigned int i;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M,slots=2,maxmem=4T");
    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *options = g_strconcat(cases[i].options,
                                               ", 'replaces': 'other'", NULL);
        g_autofree char *desc = NULL;

        add_other(qts, cases[i].size);
        desc = take_error(add_object(qts, TYPE, "r", options));
        g_test_message("%s", desc);
        g_assert_nonnull(strstr(desc, cases[i].message));
        g_assert_true(has_backend(qts, "other"));
        g_assert_false(has_backend(qts, "r"));
        expect_success(del_object(qts, "other"));
    }
    add_other(qts, 128 * MiB);
    g_free(take_error(add_object(qts, TYPE, "r", "'size': 134217728,"
                                 " 'host-nodes': [ 127 ], 'policy': 'bind',"
                                 " 'replaces': 'other'")));
    expect_success(add_device(qts, "'driver': 'pc-dimm', 'memdev': 'other'"));
    expect_error(add_object(qts, TYPE, "r", "'size': 134217728,"
                            " 'replaces': 'other'"),
                 TYPE " 'r' (128 MiB): replaces=other: that one is in use");
    g_assert_false(has_backend(qts, "r"));
    qtest_quit(qts);
}

/* Leave QEMU one descriptor; the limit is one of their numbers. */
static void leave_one_fd(QTestState *qts)
{
    struct rlimit limits;
    unsigned int limit, left = 2;

    for (limit = 0; left; limit++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd/%u",
                                                qtest_pid(qts), limit);

        if (access(path, F_OK) && errno == ENOENT) {
            left--;
        }
    }
    g_assert_cmpint(prlimit(qtest_pid(qts), RLIMIT_NOFILE, NULL, &limits), ==,
                    0);
    limits.rlim_cur = limit - 1;
    g_assert_cmpint(prlimit(qtest_pid(qts), RLIMIT_NOFILE, &limits, NULL), ==,
                    0);
}

/* The shared half is there, and the private one is not to be had. */
static void test_replaces_nothing_without_fds(void)
{
    g_autofree char *desc = NULL;
    struct rlimit limits;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M");
    add_other(qts, 48 * MiB);
    g_assert_cmpint(prlimit(qtest_pid(qts), RLIMIT_NOFILE, NULL, &limits), ==,
                    0);
    leave_one_fd(qts);
    desc = take_error(add_object(qts, TYPE, "r", "'size': 50331648,"
                                 " 'replaces': 'other'"));
    g_assert_true(g_str_has_suffix(desc, "Too many open files"));
    g_assert_true(has_backend(qts, "other"));
    g_assert_cmpint(prlimit(qtest_pid(qts), RLIMIT_NOFILE, &limits, NULL), ==,
                    0);
    expect_success(add_object(qts, TYPE, "r", "'size': 50331648,"
                              " 'replaces': 'other'"));
    g_assert_false(has_backend(qts, "other"));
    qtest_quit(qts);
}

/*
 * Where memory is
 */

/* Is there a mapping of a memfd of this name and policy? */
static void expect_policy(QTestState *qts, const char *name,
                          const char *policy)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/numa_maps",
                                            qtest_pid(qts));
    g_autofree char *file = g_strdup_printf("file=/memfd:%s", name);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned int found = 0;
    char **line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (line = lines; *line; line++) {
        if (strstr(*line, file) && strstr(*line, policy)) {
            found++;
        }
    }
    g_assert_cmpuint(found, >, 0);
}

static void test_nodes(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    if (access("/proc/self/numa_maps", R_OK)) {
        g_test_skip("no NUMA policies here");
        return;
    }
    /* the emulated processor maps the private half of the machine's memory */
    qts = launch(",memory-backend=m -m 256M "
                 "-object " TYPE ",id=m,size=256M,host-nodes=0,policy=bind");
    expect_policy(qts, TYPE, " bind:0 ");
    expect_policy(qts, "snp-private", " bind:0 ");
    qtest_quit(qts);
}

/* The shared half of a guest wants all of its size, unless told otherwise. */
static void test_huge_pages(void)
{
    g_autofree char *desc = NULL;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    if (access("/sys/kernel/mm/hugepages/hugepages-2048kB", R_OK)) {
        g_test_skip("no huge pages of 2 MiB here");
        return;
    }
    qts = launch(" -m 256M");
    desc = take_error(add_object(qts, TYPE, "r", HUGE));
    g_test_message("%s", desc);
    g_assert_true(g_str_has_prefix(desc, TYPE " 'r' (1 TiB): reserve=on wants "
                                   "524288 huge pages of 2 MiB for the shared "
                                   "half, and "));
    g_assert_true(g_str_has_suffix(desc, " are free: unable to map backing "
                                   "store for guest RAM: Cannot allocate "
                                   "memory"));
    expect_success(add_object(qts, TYPE, "r", HUGE ", 'reserve': false"));
    g_assert_true(has_block(qts, "r"));
    qtest_quit(qts);
}

/*
 * Devices
 */

static void test_virtio_mem(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M,maxmem=1G -device pcie-root-port,id=p");
    expect_success(add_object(qts, TYPE, "r", "'size': 134217728"));
    expect_error(add_device(qts, "'driver': 'virtio-mem-pci', 'bus': 'p',"
                            " 'memdev': 'r'"),
                 "virtio-mem cannot discard private memory");
    qtest_quit(qts);
}

enum { INFLATE, DEFLATE, STATS, REPORT, QUEUES };

typedef struct Balloon {
    QTestState *qts;
    QGuestAllocator alloc;
    QPCIBus *bus;
    QVirtioPCIDevice *pci;
    QVirtQueue *queues[QUEUES];
} Balloon;

static void start_balloon(Balloon *b, QTestState *qts)
{
    QPCIAddress address = { .devfn = QPCI_DEVFN(4, 0) };
    QVirtioDevice *device;
    unsigned int i;

    b->qts = qts;
    pc_alloc_init(&b->alloc, qts, 0);
    b->bus = qpci_new_pc(qts, &b->alloc);
    b->pci = virtio_pci_new(b->bus, &address);
    g_assert_nonnull(b->pci);
    device = &b->pci->vdev;
    g_assert_cmpint(device->device_type, ==, VIRTIO_ID_BALLOON);
    qvirtio_pci_device_enable(b->pci);
    qvirtio_start_device(device);
    qvirtio_set_features(device, qvirtio_get_features(device) &
                         ~(QVIRTIO_F_BAD_FEATURE |
                           1ULL << VIRTIO_RING_F_INDIRECT_DESC |
                           1ULL << VIRTIO_RING_F_EVENT_IDX));
    for (i = 0; i < QUEUES; i++) {
        b->queues[i] = qvirtqueue_setup(device, &b->alloc, i);
    }
    qvirtio_set_driver_ok(device);
}

static void stop_balloon(Balloon *b)
{
    unsigned int i;

    for (i = 0; i < QUEUES; i++) {
        qvirtqueue_cleanup(b->pci->vdev.bus, b->queues[i], &b->alloc);
    }
    qvirtio_pci_device_disable(b->pci);
    g_free(b->pci->pdev);
    g_free(b->pci);
    qpci_free_pc(b->bus);
    alloc_destroy(&b->alloc);
    qtest_quit(b->qts);
}

static void request(Balloon *b, unsigned int queue, uint64_t gpa,
                    uint32_t size, bool write)
{
    QVirtQueue *vq = b->queues[queue];
    uint32_t head = qvirtqueue_add(b->qts, vq, gpa, size, write, false);

    qvirtqueue_kick(b->qts, &b->pci->vdev, vq, head);
    qvirtio_wait_used_elem(b->qts, &b->pci->vdev, vq, head, NULL,
                           60 * G_USEC_PER_SEC);
}

static void request_page(Balloon *b, unsigned int queue, uint64_t gpa)
{
    uint64_t number = guest_alloc(&b->alloc, 4);

    qtest_writel(b->qts, number, gpa >> VIRTIO_BALLOON_PFN_SHIFT);
    request(b, queue, number, 4, false);
    guest_free(&b->alloc, number);
}

static bool is_filled(Balloon *b, uint64_t gpa, uint8_t value)
{
    uint8_t bytes[4 * KiB], wanted[sizeof(bytes)];

    qtest_memread(b->qts, gpa, bytes, sizeof(bytes));
    memset(wanted, value, sizeof(wanted));
    return !memcmp(bytes, wanted, sizeof(bytes));
}

/* A page for each way to the balloon; what QEMU maps then holds @value. */
static void check_balloon(QTestState *qts, uint8_t value)
{
    Balloon b = {};
    uint64_t gpa;

    start_balloon(&b, qts);
    gpa = guest_alloc(&b.alloc, 8 * KiB);
    qtest_memset(qts, gpa, 0x5a, 8 * KiB);
    request_page(&b, INFLATE, gpa);
    g_assert_true(is_filled(&b, gpa, value));
    request_page(&b, DEFLATE, gpa);
    g_assert_true(is_filled(&b, gpa, value));
    request(&b, REPORT, gpa + 4 * KiB, 4 * KiB, true);
    g_assert_true(is_filled(&b, gpa + 4 * KiB, value));
    stop_balloon(&b);
}

#define BALLOON " -device virtio-balloon-pci,id=b,addr=4," \
                "free-page-reporting=on,deflate-on-oom=on"

static void test_balloon(void)
{
    g_autofree char *log = NULL;
    g_autofree char *options = NULL;
    g_autofree char *text = NULL;
    int fd;

    if (!can_launch()) {
        return;
    }
    fd = g_file_open_tmp("upm-balloon-XXXXXX", &log, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    options = g_strdup_printf(" -m 256M" BALLOON
                              " -trace upm_balloon_ignored -D %s", log);
    check_balloon(launch(options), 0x5a);

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    if (*text) {
        g_assert_nonnull(strstr(text, "block 'pc.ram' offset 0x"));
    }
    unlink(log);
}

/* Where memory has one half, the same requests do discard it. */
static void test_balloon_of_others(void)
{
    check_balloon(qtest_init("-machine q35 -S -nodefaults -m 256M" BALLOON),
                  0);
}

/* What can be asked of a balloon by the monitor */
static void test_balloon_by_monitor(void)
{
    QDict *response;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M" BALLOON);
    expect_success(qtest_qmp(qts, "{ 'execute': 'balloon',"
                             " 'arguments': { 'value': 134217728 } }"));
    response = qtest_qmp(qts, "{ 'execute': 'query-balloon' }");
    g_assert_cmpint(qdict_get_int(qdict_get_qdict(response, "return"),
                                  "actual"), ==, 256 * MiB);
    qobject_unref(response);
    expect_success(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/machine/peripheral/b', 'property':"
                             " 'guest-stats-polling-interval', 'value': 1 }"
                             " }"));
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/upm-backend/replaces", test_replaces);
    qtest_add_func("/upm-backend/replaces-machine-memory",
                   test_replaces_machine_memory);
    qtest_add_func("/upm-backend/replaces-nothing", test_replaces_nothing);
    qtest_add_func("/upm-backend/replaces-nothing-without-fds",
                   test_replaces_nothing_without_fds);
    qtest_add_func("/upm-backend/nodes", test_nodes);
    qtest_add_func("/upm-backend/huge-pages", test_huge_pages);
    qtest_add_func("/upm-backend/virtio-mem", test_virtio_mem);
    qtest_add_func("/upm-backend/balloon", test_balloon);
    qtest_add_func("/upm-backend/balloon-of-others", test_balloon_of_others);
    qtest_add_func("/upm-backend/balloon-by-monitor", test_balloon_by_monitor);
    return g_test_run();
}
