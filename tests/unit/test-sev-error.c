/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors of SEV commands, for what the platform answers
 *
 * Each case prints the error that it looks at: the functional tests hold
 * these against the manual.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qapi/error.h"
#include "target/i386/sev-launch/errors.h"

#define NOT_CALLED      (-1)
#define POLICY_FAILURE  7
#define OK_POLICY       0x30000

/* Hints have no other way out than to standard error. */
static char *text_of(Error *err)
{
    int saved = dup(STDERR_FILENO), ends[2];
    char text[4096];
    ssize_t size;

    g_assert_nonnull(err);
    g_assert_cmpint(pipe(ends), ==, 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    error_report_err(err);
    dup2(saved, STDERR_FILENO);
    close(saved);
    size = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    g_assert_cmpint(size, >, 0);
    text[size] = 0;
    g_test_message("%s", text);
    return g_strdup(text);
}

static void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        g_test_message("not there: %s", part);
        g_test_fail();
    }
}

static void assert_no(const char *text, const char *part)
{
    if (strstr(text, part)) {
        g_test_message("should not be there: %s", part);
        g_test_fail();
    }
}

static void test_names(void)
{
    g_assert_cmpstr(sev_status_name(0), ==, "SUCCESS");
    g_assert_cmpstr(sev_status_name(-1), ==, "not called");
    g_assert_cmpstr(sev_status_name(1), ==, "INVALID_PLATFORM_STATE");
    g_assert_cmpstr(sev_status_name(7), ==, "POLICY_FAILURE");
    g_assert_cmpstr(sev_status_name(0xa), ==, "BAD_SIGNATURE");
    g_assert_cmpstr(sev_status_name(0xb), ==, "BAD_MEASUREMENT");
    g_assert_cmpstr(sev_status_name(0x16), ==, "INVALID_PARAM");
    /* where linux/psp-sev.h of older kernels differs */
    g_assert_cmpstr(sev_status_name(0x19), ==, "INVALID_PAGE_SIZE");
    g_assert_cmpstr(sev_status_name(0x1d), ==, "AEAD_OFLOW");
    g_assert_cmpstr(sev_status_name(0x20), ==, "RMP_INIT_REQUIRED");
    g_assert_cmpstr(sev_status_name(0x27), ==, "INVALID_KEY");
    /* gaps and what is yet to come */
    g_assert_cmpstr(sev_status_name(0x1e), ==, "unknown");
    g_assert_cmpstr(sev_status_name(INT_MIN), ==, "unknown");
    g_assert_cmpstr(sev_status_name(INT_MAX), ==, "unknown");
    for (int status = -2; status < 0x100; status++) {
        g_assert_nonnull(sev_status_name(status));
    }
    g_assert_null(sev_status_hint(-1));
    g_assert_null(sev_status_hint(0));
    g_assert_null(sev_status_hint(0x1000));
    g_assert_nonnull(sev_status_hint(1));
}

typedef struct StartCase {
    const char *name;
    uint64_t policy;
    int ret, status;
    const char *says, *says_not;
} StartCase;

static const StartCase start_cases[] = {
    { "one", 0x10000, -EINVAL, NOT_CALLED, "bit 17", "bit 16" },
    { "smt-kvm", 0x20000, -EINVAL, NOT_CALLED, "bit 16 is clear", "bit 17" },
    { "smt-firmware", 0x20000, -EIO, POLICY_FAILURE, "bit 16 is clear",
      "bit 17" },
    { "migration", 0x70000, -EINVAL, NOT_CALLED, "bit 18 is set", "bit 16" },
    { "single-socket", 0x130000, -EINVAL, NOT_CALLED, "bit 20 is set",
      "bit 16" },
    { "single-socket-firmware", 0x130000, -EIO, POLICY_FAILURE,
      "POLICY_FAILURE", "bit 20" },
    { "cxl", 0x230000, -EINVAL, NOT_CALLED, "bit 21 is set", "bit 20" },
    { "xts", 0x430000, -EIO, POLICY_FAILURE, "bit 22 is set", "bit 23" },
    { "rapl", 0x830000, -EIO, POLICY_FAILURE, "bit 23 is set", "bit 22" },
    { "ciphertext", 0x1030000, -EIO, POLICY_FAILURE, "bit 24 is set",
      "bit 22" },
    { "reserved", OK_POLICY | 1ULL << 26, -EINVAL, NOT_CALLED,
      "bits 26 to 63", "bit 24" },
    { "abi-minor", OK_POLICY | 1 << 8 | 56, -EIO, POLICY_FAILURE,
      "want firmware of ABI version 1.56, the platform has 1.55", "bit 16" },
    { "abi-major", OK_POLICY | 2 << 8, -EIO, POLICY_FAILURE,
      "want firmware of ABI version 2.0, the platform has 1.55", "bit 16" },
    { "abi-good", OK_POLICY | 1 << 8 | 55, -EIO, POLICY_FAILURE,
      "POLICY_FAILURE", "ABI version" },
    /* another cause: no guess about the policy */
    { "other", 0, -ENOMEM, NOT_CALLED,
      "LAUNCH_START of policy 0x0: ENOMEM (Cannot allocate memory), firmware"
      " status not called (-1)", "bit" },
};

static void test_start(const void *opaque)
{
    const StartCase *test = opaque;
    g_autofree char *text = NULL;
    Error *err = NULL;

    sev_start_error(&err, test->policy, 1, 55, test->ret, test->status);
    text = text_of(err);
    assert_says(text, test->says);
    assert_no(text, test->says_not);
}

static char *init_text(int ret, int status)
{
    Error *err = NULL;

    sev_init_error(&err, ret, status);
    return text_of(err);
}

static void test_asids(void)
{
    g_autofree char *text = init_text(-EBUSY, NOT_CALLED);

    assert_says(text, "INIT: EBUSY (Device or resource busy)");
    assert_says(text, "All ASIDs are in use");
}

static void test_locked(void)
{
    g_autofree char *memory = NULL, *busy = NULL, *invalid = NULL;
    Error *err = NULL;

    sev_encrypt_error(&err, "SEV launch: LAUNCH_UPDATE_DATA of 0x1000-0x1fff"
                      " (from OVMF, offset 0x0)", -ENOMEM, NOT_CALLED);
    memory = text_of(err);
    assert_says(memory, "KVM locks the guest's memory");
    assert_says(memory, "ulimit -l");
    err = NULL;
    sev_encrypt_error(&err, "SEV-ES launch: LAUNCH_UPDATE_VMSA of 2 vCPUs",
                      -EBUSY, NOT_CALLED);
    busy = text_of(err);
    assert_no(busy, "locks");
    err = NULL;
    sev_encrypt_error(&err, "SEV launch: LAUNCH_UPDATE_DATA of 0x1000-0x1fff"
                      " (from OVMF, offset 0x0)", -EINVAL, NOT_CALLED);
    invalid = text_of(err);
    assert_no(invalid, "flash");
}

static void test_off(void)
{
    g_autofree char *tty = init_text(-ENOTTY, NOT_CALLED);
    g_autofree char *device = init_text(-ENODEV, NOT_CALLED);

    assert_says(tty, "KVM has SEV switched off");
    assert_says(device, "KVM has SEV switched off");
    assert_no(device, "ASIDs");
}

static void test_kind(void)
{
    g_autofree char *text = init_text(-EINVAL, NOT_CALLED);

    assert_says(text, "KVM can not make this kind of guest");
    assert_no(text, "ASIDs");
}

static void test_platform_status(void)
{
    g_autofree char *text = NULL;
    Error *err = NULL;

    sev_command_error(&err, "SEV launch: PLATFORM_STATUS", -EIO, 0x20);
    text = text_of(err);
    assert_says(text, "SEV launch: PLATFORM_STATUS: EIO (Input/output error),"
                " firmware status RMP_INIT_REQUIRED (32)");
    assert_says(text, "was not set up when the host started");
}

/* One of these is what the page's description ends in. */
static void test_update(void)
{
    static const struct {
        int ret, status;
        const char *says, *says_not;
    } cases[] = {
        { -EIO, 0, "or a signal came at each try", "guest_memfd" },
        { -EIO, 0, "KVM does not say why a page could not be launched",
          "guest_memfd" },
        { -EIO, -1, "KVM does not say why a page could not be launched",
          "guest_memfd" },
        { -EIO, 0x1a, "INVALID_PAGE_STATE (26)", "KVM does not say" },
        { -EINVAL, -1, "KVM found no private memory (guest_memfd)",
          "does not say" },
        { -ENOMEM, -1, "The host has no memory left", "guest_memfd" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *text = NULL;
        Error *err = NULL;

        sev_update_error(&err, "LAUNCH_UPDATE of this page", cases[i].ret,
                         cases[i].status);
        text = text_of(err);
        assert_says(text, "LAUNCH_UPDATE of this page: E");
        assert_says(text, cases[i].says);
        assert_no(text, cases[i].says_not);
    }
}

static void test_finish(void)
{
    static const struct {
        int ret, status;
        const char *says;
    } cases[] = {
        { -EIO, 0x0b, "The launch digest in id-block" },
        { -EIO, 0x0a, "id-auth does not fit id-block" },
        { -EIO, 0x07, "has to equal policy=" },
        { -EIO, 0x16, "author-key-enabled=on there have to be two keys" },
        { -EINVAL, -1, "id-block needs id-auth" },
        { -EIO, 0x17, "has no room for another guest" },
    };
    struct kvm_sev_snp_launch_finish finish = { .id_block_en = 1 };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *text = NULL;
        Error *err = NULL;

        sev_finish_error(&err, &finish, cases[i].ret, cases[i].status);
        text = text_of(err);
        assert_says(text, "LAUNCH_FINISH: ");
        assert_says(text, cases[i].says);
    }
    finish.id_block_en = 0;
    {
        g_autofree char *text = NULL;
        Error *err = NULL;

        sev_finish_error(&err, &finish, -EINVAL, -1);
        text = text_of(err);
        assert_no(text, "id-auth");
    }
}

static void test_cbitpos(void)
{
    g_autofree char *none = NULL, *other = NULL;
    Error *err = NULL;

    sev_cbitpos_error(&err, 0, 51);
    none = text_of(err);
    assert_says(none, "cbitpos=51 is not this host's");
    assert_says(none, "processor has no SEV");
    err = NULL;
    sev_cbitpos_error(&err, 47, 51);
    other = text_of(err);
    assert_says(other, "Use cbitpos=47");
}

static void test_device(void)
{
    g_autofree char *none = NULL, *denied = NULL;
    Error *err = NULL;

    sev_device_error(&err, "/dev/sev", ENOENT);
    none = text_of(err);
    assert_says(none, "can not open /dev/sev: No such file");
    assert_says(none, "module ccp");
    err = NULL;
    sev_device_error(&err, "/dev/sev", EACCES);
    denied = text_of(err);
    assert_says(denied, "Run as a user who may");
    assert_no(denied, "module ccp");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sev-error/names", test_names);
    for (size_t i = 0; i < ARRAY_SIZE(start_cases); i++) {
        g_autofree char *path = g_strdup_printf("/sev-error/start/%s",
                                                start_cases[i].name);

        g_test_add_data_func(path, &start_cases[i], test_start);
    }
    g_test_add_func("/sev-error/init/asids", test_asids);
    g_test_add_func("/sev-error/init/off", test_off);
    g_test_add_func("/sev-error/init/kind", test_kind);
    g_test_add_func("/sev-error/status/command", test_platform_status);
    g_test_add_func("/sev-error/update", test_update);
    g_test_add_func("/sev-error/locked", test_locked);
    g_test_add_func("/sev-error/finish", test_finish);
    g_test_add_func("/sev-error/cbitpos", test_cbitpos);
    g_test_add_func("/sev-error/device", test_device);
    return g_test_run();
}
