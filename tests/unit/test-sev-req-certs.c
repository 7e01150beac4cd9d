/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Certificates for SEV-SNP guests: the file, and KVM's exit for them
 *
 * No kernel takes part: struct kvm_run is made up here as Linux 7.3 lays it
 * out.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <linux/kvm.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "system/kvm.h"

#include "upm/fake-kvm.h"
#include "../../target/i386/kvm/sev-req-certs.c"
#include "system/upm/compat.h"

#define GPA     0x12340000
#define PAGES   8
#define POISON  0xa5

KVMState *kvm_state;
AddressSpace address_space_memory;

static char *path;
static const char *given_path;
static uint8_t memory[PAGES * 4096];
static MemTxResult memory_result;
static int ioctl_result;
static unsigned ioctls;

const char *upm_guest_certs_path(void)
{
    return given_path;
}

int kvm_vm_ioctl(KVMState *s, unsigned long type, ...)
{
    struct kvm_sev_cmd *command;
    va_list ap;

    va_start(ap, type);
    command = va_arg(ap, struct kvm_sev_cmd *);
    va_end(ap);
    g_assert_cmphex(type, ==, 0xc008aeba);
    g_assert_cmpuint(command->id, ==, 103);
    ioctls++;
    return ioctl_result;
}

MemTxResult address_space_write(AddressSpace *as, hwaddr addr,
                                MemTxAttrs attrs, const void *buf,
                                hwaddr len)
{
    g_assert_true(as == &address_space_memory);
    g_assert_cmphex(addr, ==, GPA);
    g_assert_cmpuint(len, <=, sizeof(memory));
    if (memory_result == MEMTX_OK) {
        memcpy(memory, buf, len);
    }
    return memory_result;
}

/* A table with one certificate of @size bytes of @fill, as a file */
static void write_table(size_t size, uint8_t fill)
{
    g_autofree uint8_t *cert = g_malloc(size);
    SevCert entry = { &sev_cert_vcek, cert, size };
    g_autoptr(GByteArray) table = NULL;

    memset(cert, fill, size);
    table = sev_certs_table(&entry, 1);
    g_assert_cmpuint(table->len, ==, 48 + size);
    g_assert_true(g_file_set_contents(path, (char *)table->data, table->len,
                                      NULL));
}

static void set_up(void)
{
    given_path = path;
    memory_result = MEMTX_OK;
    memset(memory, POISON, sizeof(memory));
    write_table(5000, 0x11);
}

/* exit_reason @8, the union @32: gpa, npages, ret */
static uint64_t serve(struct kvm_run *run, uint64_t *pages)
{
    uint8_t *raw = (uint8_t *)run;

    memset(run, 0, sizeof(*run));
    stl_le_p(raw + 8, 43);
    stq_le_p(raw + 32, GPA);
    stq_le_p(raw + 40, *pages);
    stq_le_p(raw + 48, 0);
    g_assert_true(sev_req_certs_handle_exit(run));
    g_assert_cmphex(ldq_le_p(raw + 32), ==, GPA);
    *pages = ldq_le_p(raw + 40);
    return ldq_le_p(raw + 48);
}

/* What who replaces the certificates does: 0 or an errno */
static int try_write_lock(int *fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    *fd = open(path, O_RDWR);
    g_assert_cmpint(*fd, >=, 0);
    return fcntl(*fd, F_OFD_SETLK, &lock) < 0 ? errno : 0;
}

static bool is_locked(void)
{
    int fd, ret = try_write_lock(&fd);

    close(fd);
    return ret;
}

static void test_served(void)
{
    struct kvm_run run;
    uint64_t pages = 2;

    set_up();
    g_assert_cmpuint(serve(&run, &pages), ==, 0);
    g_assert_cmpuint(pages, ==, 2);
    g_assert_cmphex(memory[0], ==, 0x63);
    g_assert_cmphex(memory[48], ==, 0x11);
    g_assert_cmphex(memory[48 + 4999], ==, 0x11);
    g_assert_cmphex(memory[48 + 5000], ==, POISON);
    /* Locked until KVM has asked the firmware */
    g_assert_cmpuint(run.immediate_exit, ==, 1);
    g_assert_true(is_locked());
    sev_req_certs_after_run();
    g_assert_false(is_locked());
    sev_req_certs_after_run();
}

static void test_room(void)
{
    struct kvm_run run;

    set_up();
    for (uint64_t room = 0; room < 2; room++) {
        uint64_t pages = room;

        g_assert_cmpuint(serve(&run, &pages), ==, ENOSPC);
        g_assert_cmpuint(pages, ==, 2);
        g_assert_cmphex(memory[0], ==, POISON);
        g_assert_cmpuint(run.immediate_exit, ==, 0);
        g_assert_false(is_locked());
    }
}

static void test_exact_room(void)
{
    struct kvm_run run;
    uint64_t pages = 1;

    set_up();
    write_table(4096 - 48, 0x22);
    g_assert_cmpuint(serve(&run, &pages), ==, 0);
    sev_req_certs_after_run();
    write_table(4096 - 47, 0x22);
    g_assert_cmpuint(serve(&run, &pages), ==, ENOSPC);
    g_assert_cmpuint(pages, ==, 2);
}

/* Another table from one request to the next, in place or by rename */
static void test_changes(void)
{
    struct kvm_run run;
    uint64_t pages = PAGES;

    set_up();
    for (uint8_t fill = 1; fill < 5; fill++) {
        write_table(100 * fill, fill);
        g_assert_cmpuint(serve(&run, &pages), ==, 0);
        g_assert_cmphex(memory[48 + 100 * fill - 1], ==, fill);
        sev_req_certs_after_run();
    }
}

static void test_busy(void)
{
    struct kvm_run run;
    uint64_t pages = PAGES;
    int fd;

    set_up();
    g_assert_cmpint(try_write_lock(&fd), ==, 0);
    g_assert_cmpuint(serve(&run, &pages), ==, EAGAIN);
    g_assert_cmphex(memory[0], ==, POISON);
    close(fd);
    g_assert_cmpuint(serve(&run, &pages), ==, 0);
    sev_req_certs_after_run();
}

static void test_failures(void)
{
    struct kvm_run run;
    uint64_t pages = PAGES;

    set_up();
    given_path = "/nonexistent/certs.bin";
    g_assert_cmpuint(serve(&run, &pages), ==, EIO);
    set_up();
    g_assert_true(g_file_set_contents(path, "-----BEGIN CERT", -1, NULL));
    g_assert_cmpuint(serve(&run, &pages), ==, EIO);
    set_up();
    memory_result = MEMTX_DECODE_ERROR;
    g_assert_cmpuint(serve(&run, &pages), ==, EIO);
    g_assert_cmpuint(run.immediate_exit, ==, 0);
    g_assert_false(is_locked());
    set_up();
    write_table(SEV_CERTS_MAX, 0x33);
    g_assert_cmpuint(serve(&run, &pages), ==, EIO);
}

static void test_not_ours(void)
{
    struct kvm_run run = { .exit_reason = KVM_EXIT_HLT };

    set_up();
    g_assert_false(sev_req_certs_handle_exit(&run));
    run.exit_reason = EXIT_SNP_REQ_CERTS;
    given_path = NULL;
    g_assert_false(sev_req_certs_handle_exit(&run));
}

static void test_enable(void)
{
    Error *err = NULL;

    set_up();
    ioctl_result = 0;
    given_path = NULL;
    g_assert_true(sev_req_certs_enable(&error_abort));
    g_assert_cmpuint(ioctls, ==, 0);
    given_path = path;
    g_assert_true(sev_req_certs_enable(&error_abort));
    g_assert_cmpuint(ioctls, ==, 1);
    ioctl_result = -EINVAL;
    g_assert_false(sev_req_certs_enable(&err));
    g_assert_nonnull(strstr(error_get_pretty(err), "Linux 7.0"));
    error_free(err);
}

/* A guest that asks again and again does not fill the host's log. */
static void test_report_once(void)
{
    static const char *const reasons[] = {
        "first", "first", "second", "second", "first"
    };

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("*attestation: first*attestation: second*"
                                  "attestation: first*");
        g_test_trap_assert_stderr_unmatched("*first*first*second*");
        g_test_trap_assert_stderr_unmatched("*second*second*");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        Error *err = NULL;

        error_setg(&err, "%s", reasons[i]);
        sev_certs_report(err);
    }
}

/*
 * Tables
 */

typedef struct Table {
    const char *name;
    size_t size;
    struct {
        uint32_t offset, length;
    } entry[3];             /* up to the first one of zeros */
    bool good;
} Table;

static const Table tables[] = {
    { "nothing", 0, { }, false },
    { "short", 23, { }, false },
    { "empty", 24, { }, true },
    { "one", 148, { { 48, 100 } }, true },
    { "gap", 148, { { 60, 88 } }, true },
    { "two", 200, { { 72, 100 }, { 172, 28 } }, true },
    { "shared", 200, { { 72, 100 }, { 72, 100 } }, true },
    { "no-end", 48, { { 72, 10 }, { 72, 10 } }, false },
    { "over-the-end", 148, { { 48, 101 } }, false },
    { "behind-the-end", 148, { { 149, 0 } }, false },
    { "in-the-table", 148, { { 47, 10 } }, false },
    { "second-in-the-table", 148, { { 72, 10 }, { 71, 10 } }, false },
    { "wraps", 148, { { 48, UINT32_MAX } }, false },
    { "wraps-more", 148, { { UINT32_MAX, UINT32_MAX } }, false },
};

static void test_check(const void *data)
{
    const Table *table = data;
    uint8_t bytes[256] = { 0 };
    Error *err = NULL;
    bool good;

    for (size_t i = 0; i < ARRAY_SIZE(table->entry); i++) {
        if (table->entry[i].offset || table->entry[i].length) {
            memset(bytes + 24 * i, 0x77, 16);
            stl_le_p(bytes + 24 * i + 16, table->entry[i].offset);
            stl_le_p(bytes + 24 * i + 20, table->entry[i].length);
        }
    }
    good = sev_certs_check(bytes, table->size, &err);
    g_assert_cmpint(good, ==, table->good);
    g_assert_cmpint(!err, ==, table->good);
    error_free(err);
}

int main(int argc, char **argv)
{
    int ret, fd;

    g_test_init(&argc, &argv, NULL);
    fd = g_file_open_tmp("sev-certs-XXXXXX", &path, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);

    g_test_add_func("/sev/req-certs/served", test_served);
    g_test_add_func("/sev/req-certs/room", test_room);
    g_test_add_func("/sev/req-certs/exact-room", test_exact_room);
    g_test_add_func("/sev/req-certs/changes", test_changes);
    g_test_add_func("/sev/req-certs/busy", test_busy);
    g_test_add_func("/sev/req-certs/failures", test_failures);
    g_test_add_func("/sev/req-certs/not-ours", test_not_ours);
    g_test_add_func("/sev/req-certs/enable", test_enable);
    g_test_add_func("/sev/req-certs/report-once", test_report_once);
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        g_autofree char *name = g_strdup_printf("/sev/certs/table/%s",
                                                tables[i].name);

        g_test_add_data_func(name, &tables[i], test_check);
    }
    ret = g_test_run();
    g_unlink(path);
    return ret;
}
