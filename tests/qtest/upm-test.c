/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory-backend-memfd-private with a guest, as a user sees it
 */
#include "qemu/osdep.h"
#include <sys/resource.h>
#include "upm/query.h"

static void test_documented_command_line(void)
{
    QTestState *qts;
    QDict *info;

    if (!can_launch()) {
        return;
    }
    qts = launch_guest(",discard=both",
                       ",memory-backend=ram1,kvm-type=protected "
                       "-object " TYPE ",id=ram1,size=256M,share=true "
                       "-m 256M");
    info = query_upm(qts);
    g_assert_true(qdict_haskey(info, "provider"));
    qobject_unref(info);
    expect_block(qts, "ram1", 256 * MiB, "both");
    qtest_quit(qts);
}

static void test_discard(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch_guest(",discard=shared", ",memory-backend=own -m 256M "
                       "-object " TYPE ",id=own,size=256M,discard=none "
                       "-object " TYPE ",id=other,size=64M");
    expect_block(qts, "own", 256 * MiB, "none");
    expect_block(qts, "other", 64 * MiB, "shared");
    qom_set_discard(qts, "/objects/own", "private");
    expect_block(qts, "own", 256 * MiB, "private");
    /* the guest's choice is for those that have none of their own */
    qom_set_discard(qts, "/objects/sev0", "both");
    expect_block(qts, "own", 256 * MiB, "private");
    expect_block(qts, "other", 64 * MiB, "both");
    qtest_quit(qts);
}

static void test_object_add_del(void)
{
    unsigned int fds, i;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M");
    fds = count_fds(qts);
    for (i = 0; i < 3; i++) {
        expect_success(object_add(qts, "'size': 67108864, 'prealloc': true"));
        expect_block(qts, "r", 64 * MiB, "both");
        /* a descriptor for each half */
        g_assert_cmpuint(count_fds(qts), ==, fds + 2);
        expect_success(del_object(qts, "r"));
        wait_for_fds(qts, fds);
        g_assert_null(find_block(qts, "r"));
    }
    qtest_quit(qts);
}

/* Leave @spare descriptors to QEMU; the limit is one of their numbers. */
static void set_spare_fds(QTestState *qts, unsigned int spare)
{
    struct rlimit limits;
    unsigned int limit;

    for (limit = 0; ; limit++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd/%u",
                                                qtest_pid(qts), limit);

        if (access(path, F_OK) && errno == ENOENT && !spare--) {
            break;
        }
    }
    g_assert_cmpint(prlimit(qtest_pid(qts), RLIMIT_NOFILE, NULL, &limits), ==,
                    0);
    limits.rlim_cur = limit;
    g_assert_cmpint(prlimit(qtest_pid(qts), RLIMIT_NOFILE, &limits, NULL), ==,
                    0);
}

/* Size of the address space, proc_pid_statm(5), in bytes */
static uint64_t address_space(QTestState *qts)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/statm", qtest_pid(qts));
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return g_ascii_strtoull(text, NULL, 10) * qemu_real_host_page_size();
}

static void test_fd_limit(void)
{
    unsigned int fds;
    unsigned int spare;
    uint64_t size;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M");
    fds = count_fds(qts);
    size = address_space(qts);
    for (spare = 0; spare < 2; spare++) {
        g_autofree char *desc = NULL;

        set_spare_fds(qts, spare);
        desc = take_error(object_add(qts, "'size': 1073741824"));
        g_test_message("%s", desc);
        g_assert_true(g_str_has_prefix(desc, TYPE " 'r' (1 GiB): "));
        g_assert_true(g_str_has_suffix(desc, "Too many open files"));
        g_assert_cmpuint(count_fds(qts), ==, fds);
        g_assert_null(find_block(qts, "r"));
    }
    /* of the shared half, mapped before the private one failed, nothing */
    g_assert_cmpuint(address_space(qts), <, size + 512 * MiB);

    set_spare_fds(qts, 64);
    expect_success(object_add(qts, "'size': 1073741824"));
    expect_block(qts, "r", GiB, "both");
    qtest_quit(qts);
}

static void test_no_memory(void)
{
    g_autofree char *desc = NULL;
    unsigned int fds;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M");
    fds = count_fds(qts);
    /* more than the largest hole of an address space with 47 bits */
    desc = take_error(object_add(qts, "'size': 109951162777600"));
    g_test_message("%s", desc);
    g_assert_true(g_str_has_prefix(desc, TYPE " 'r' (100 TiB): "));
    g_assert_true(g_str_has_suffix(desc, "Cannot allocate memory"));
    g_assert_cmpuint(count_fds(qts), ==, fds);
    g_assert_null(find_block(qts, "r"));
    qtest_quit(qts);
}

static void test_numa(void)
{
    g_autofree char *twice = NULL;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M -smp 2 "
                 "-object " TYPE ",id=a,size=128M "
                 "-object " TYPE ",id=b,size=128M,discard=none "
                 "-numa node,memdev=a,cpus=0 -numa node,memdev=b,cpus=1");
    expect_block(qts, "a", 128 * MiB, "both");
    expect_block(qts, "b", 128 * MiB, "none");
    qtest_quit(qts);

    twice = g_strdup_printf("-accel tcg -S -nodefaults -bios %s " GUEST " "
                            MACHINE " -m 256M -object " TYPE ",id=a,size=128M "
                            "-numa node,memdev=a -numa node,memdev=a",
                            getenv("UPM_OVMF"));
    expect_exit(twice, "memory backend a can't be used multiple times");
}

static void test_hotplug(void)
{
    g_autofree char *desc = NULL;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(",memory-backend=m -m 256M,slots=2,maxmem=1G "
                 "-object " TYPE ",id=m,size=256M");
    expect_success(object_add(qts, "'size': 134217728"));
    expect_success(qtest_qmp(qts, "{ 'execute': 'device_add', 'arguments': {"
                             " 'driver': 'pc-dimm', 'id': 'd',"
                             " 'memdev': 'r' } }"));
    expect_block(qts, "r", 128 * MiB, "both");
    desc = take_error(del_object(qts, "r"));
    g_assert_cmpstr(desc, ==, "object 'r' is in use, can not be deleted");
    qtest_quit(qts);
}

/* Bytes that QEMU's memfds of a name and size have allocated. */
static uint64_t allocated(QTestState *qts, const char *name, uint64_t size)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", qtest_pid(qts));
    g_autofree char *wanted = g_strdup_printf("/memfd:%s", name);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    uint64_t bytes = 0;
    const char *entry;

    while ((entry = g_dir_read_name(dir))) {
        g_autofree char *fd = g_strconcat(path, "/", entry, NULL);
        g_autofree char *target = g_file_read_link(fd, NULL);
        struct stat st;

        if (target && g_str_has_prefix(target, wanted) &&
            stat(fd, &st) == 0 && st.st_size == size) {
            bytes = MAX(bytes, st.st_blocks * 512);
        }
    }
    return bytes;
}

static void check_prealloc(QTestState *qts, const char *options,
                           uint64_t private, uint64_t shared)
{
    g_autofree char *all = g_strdup_printf("'size': 50331648, %s", options);
    unsigned int fds = count_fds(qts);

    expect_success(object_add(qts, all));
    g_assert_cmpuint(allocated(qts, "snp-private", 48 * MiB), ==, private);
    g_assert_cmpuint(allocated(qts, TYPE, 48 * MiB), ==, shared);
    expect_success(del_object(qts, "r"));
    wait_for_fds(qts, fds);
}

static void test_prealloc(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M -smp 2");
    check_prealloc(qts, "'prealloc': false", 0, 0);
    check_prealloc(qts, "'prealloc': true", 48 * MiB, 0);
    check_prealloc(qts, "'prealloc': true, 'prealloc-threads': 7", 48 * MiB, 0);
    check_prealloc(qts, "'prealloc-shared': true", 0, 48 * MiB);
    check_prealloc(qts, "'prealloc': true, 'prealloc-shared': true",
                   48 * MiB, 48 * MiB);

    expect_success(object_add(qts, "'size': 50331648"));
    expect_success(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/r',"
                             " 'property': 'prealloc', 'value': true } }"));
    g_assert_cmpuint(allocated(qts, "snp-private", 48 * MiB), ==, 48 * MiB);
    g_assert_cmpuint(allocated(qts, TYPE, 48 * MiB), ==, 0);
    qtest_quit(qts);
}

/* What there is one value for on the emulated processor, can be said. */
static void test_upm_mode_emulated(void)
{
    static const char *const modes[] = { "on", "auto" };
    unsigned int i;

    if (!can_launch()) {
        return;
    }
    for (i = 0; i < ARRAY_SIZE(modes); i++) {
        g_autofree char *option = g_strdup_printf(",upm-mode=%s", modes[i]);
        QTestState *qts = launch_guest(option, " -m 256M");

        expect_block(qts, "pc.ram", 256 * MiB, "both");
        qtest_quit(qts);
    }
}

static void test_fixed_after_use(void)
{
    g_autofree char *desc = NULL;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M -object " TYPE ",id=r,size=64M");
    desc = take_error(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                                " 'path': '/objects/r',"
                                " 'property': 'hugetlb', 'value': true } }"));
    g_assert_cmpstr(desc, ==, "hugetlb of 'r' cannot change any more");
    qtest_quit(qts);
}

static void test_no_migration(void)
{
    g_autofree char *desc = NULL;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(" -m 256M");
    desc = take_error(qtest_qmp(qts, "{ 'execute': 'migrate', 'arguments': {"
                                " 'uri': 'exec:cat' } }"));
    g_test_message("%s", desc);
    g_assert_nonnull(strstr(desc, "A guest with private memory can not be "
                            "migrated or saved: QEMU can not read that "
                            "memory"));
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/upm/documented-command-line",
                   test_documented_command_line);
    qtest_add_func("/upm/discard", test_discard);
    qtest_add_func("/upm/object-add-del", test_object_add_del);
    qtest_add_func("/upm/fd-limit", test_fd_limit);
    qtest_add_func("/upm/no-memory", test_no_memory);
    qtest_add_func("/upm/numa", test_numa);
    qtest_add_func("/upm/hotplug", test_hotplug);
    qtest_add_func("/upm/prealloc", test_prealloc);
    qtest_add_func("/upm/mode-emulated", test_upm_mode_emulated);
    qtest_add_func("/upm/fixed-after-use", test_fixed_after_use);
    qtest_add_func("/upm/no-migration", test_no_migration);
    return g_test_run();
}
