/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's commands on SEV and SEV-ES guests, run by the emulated firmware:
 * order, what begins a launch, the folder of keys
 *
 * Certificates and the channel to an owner: test-psp-sev.c.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <sys/file.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "target/i386/psp/sev-guest.h"
#include "target/i386/psp/sev-home.h"
#include "upm/sev-owner.h"
#include "upm/sev-vm.h"

#define NO_CALL     SEV_RET_NO_FW_CALL
#define SEND_START  9

/* A certificate, a session, a secret, a header, room for an answer */
static uint8_t blob[2][64 * KiB];

/*
 * Order
 */

enum { UNINIT, INIT, UPDATE, SECRET, RUNNING, STATES };

static void bring(bool es, int state)
{
    switch (state) {
    case UNINIT:
        vm_start(es);
        break;
    case INIT:
        vm_start(es);
        vm_init(0);
        break;
    case UPDATE:
        vm_to_update(es);
        break;
    case SECRET:
        vm_to_secret(es);
        break;
    case RUNNING:
        vm_to_running(es);
        break;
    }
}

/* A command as it should be, but for its time */
static void run_good(int command, bool es, int ret, int status)
{
    struct kvm_sev_init init = { 0 };
    struct kvm_sev_launch_start start = { .policy = es ? 5 : 1 };
    struct kvm_sev_launch_update_data update = {
        .uaddr = uaddr(vm.shared[0]), .len = VM_PAGE,
    };
    struct kvm_sev_launch_measure measure = {
        .uaddr = uaddr(blob[0]), .len = 48,
    };
    struct kvm_sev_launch_secret secret = vm_secret(blob[0], blob[1]);
    struct kvm_sev_guest_status told;
    struct kvm_sev_attestation_report report = {
        .uaddr = uaddr(blob[0]), .len = 0xd0,
    };
    void *data[] = {
        [KVM_SEV_INIT2] = &init,
        [KVM_SEV_LAUNCH_START] = &start,
        [KVM_SEV_LAUNCH_UPDATE_DATA] = &update,
        [KVM_SEV_LAUNCH_MEASURE] = &measure,
        [KVM_SEV_LAUNCH_SECRET] = &secret,
        [KVM_SEV_GUEST_STATUS] = &told,
        [KVM_SEV_GET_ATTESTATION_REPORT] = &report,
    };

    vm_command(command, command < ARRAY_SIZE(data) ? data[command] : NULL, ret,
               status);
}

/* What each command comes to in each state: errno, or the firmware's status */
static void test_order(void)
{
    enum {
        PLATFORM = SEV_RET_INVALID_PLATFORM_STATE,
        STATE = SEV_RET_INVALID_GUEST_STATE,
        OWNED = SEV_RET_ASID_OWNED,
        BAD = SEV_RET_BAD_MEASUREMENT,
        /* Of @es: a guest of this kind only, the other is -EINVAL, -ENOTTY */
        ANY = 2, PLAIN = 0, ES = 1,
    };
    static const struct {
        int command, kind, other;
        int expected[STATES];
    } rows[] = {
        { KVM_SEV_INIT, PLAIN, -EINVAL,
          { 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL } },
        { KVM_SEV_ES_INIT, ES, -EINVAL,
          { 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL } },
        { KVM_SEV_INIT2, ANY, 0,
          { 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL } },
        { KVM_SEV_LAUNCH_START, ANY, 0,
          { -ENOTTY, 0, OWNED, OWNED, OWNED } },
        { KVM_SEV_LAUNCH_UPDATE_DATA, ANY, 0,
          { -ENOTTY, PLATFORM, 0, STATE, STATE } },
        { KVM_SEV_LAUNCH_UPDATE_VMSA, ES, -ENOTTY,
          { -ENOTTY, PLATFORM, 0, STATE, STATE } },
        { KVM_SEV_LAUNCH_MEASURE, ANY, 0,
          { -ENOTTY, PLATFORM, 0, STATE, STATE } },
        { KVM_SEV_LAUNCH_SECRET, ANY, 0,
          { -ENOTTY, PLATFORM, STATE, BAD, STATE } },
        { KVM_SEV_LAUNCH_FINISH, ANY, 0,
          { -ENOTTY, PLATFORM, STATE, 0, STATE } },
        { KVM_SEV_GUEST_STATUS, ANY, 0, { -ENOTTY, 0, 0, 0, 0 } },
        { KVM_SEV_GET_ATTESTATION_REPORT, ANY, 0,
          { -ENOTTY, PLATFORM, STATE, 0, 0 } },
        { KVM_SEV_SNP_LAUNCH_START, ANY, 0,
          { -ENOTTY, -ENOTTY, -ENOTTY, -ENOTTY, -ENOTTY } },
        { SEND_START, ANY, 0,
          { -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL } },
        { -1, ANY, 0, { -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL } },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (int j = 0; j < 2 * STATES; j++) {
            bool es = j % 2;
            int state = j / 2;
            bool fits = rows[i].kind == ANY || rows[i].kind == es;
            int expected = fits ? rows[i].expected[state] : rows[i].other;

            bring(es, state);
            g_test_message("state %d es %d", state, es);
            run_good(rows[i].command, es, expected > 0 ? -EIO : expected,
                     expected < 0 ? NO_CALL : expected);
            vm_stop();
        }
    }
}

static void test_states(void)
{
    vm_start(false);
    g_assert_cmpuint(psp_sev_kvm_guests(vm.sev), ==, 0);
    vm_init(0);
    g_assert_cmpint(vm_state(), ==, PSP_SEV_INVALID);
    vm_stop();
    vm_to_update(true);
    g_assert_cmpint(vm_state(), ==, PSP_SEV_LUPDATE);
    g_assert_cmpuint(psp_sev_kvm_guests(vm.sev), ==, 1);
    /* What is refused changes nothing. */
    vm_launch(5, -EIO, SEV_RET_ASID_OWNED);
    g_assert_cmpuint(psp_sev_kvm_guests(vm.sev), ==, 1);
    g_assert_cmpint(vm_state(), ==, PSP_SEV_LUPDATE);
    vm_measure();
    g_assert_cmpint(vm_state(), ==, PSP_SEV_LSECRET);
    vm_command(KVM_SEV_LAUNCH_FINISH, NULL, 0, 0);
    g_assert_cmpint(vm_state(), ==, PSP_SEV_RUNNING);
    vm_stop();
}

/*
 * INIT and LAUNCH_START
 */

static void test_init(void)
{
    static const struct {
        struct kvm_sev_init init;
        int sev, es;                /* errno */
        int version;                /* of an SEV-ES guest */
    } rows[] = {
        { { 0 }, 0, 0, 2 },
        { { .ghcb_version = 1 }, -EINVAL, 0, 1 },
        { { .ghcb_version = 2 }, -EINVAL, 0, 2 },
        { { .ghcb_version = 3 }, -EINVAL, -EINVAL },
        { { .ghcb_version = UINT16_MAX }, -EINVAL, -EINVAL },
        { { .flags = 1 }, -EINVAL, -EINVAL },
        { { .vmsa_features = 1 }, -EINVAL, -EINVAL },
        { { .vmsa_features = 1ULL << 63 }, -EINVAL, -EINVAL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (int es = 0; es < 2; es++) {
            struct kvm_sev_init init = rows[i].init;
            int ret = es ? rows[i].es : rows[i].sev;

            vm_start(es);
            vm_command(KVM_SEV_INIT2, &init, ret, ret ? NO_CALL : 0);
            g_assert_cmpint(vm.ghcb_version, ==,
                            es && !ret ? rows[i].version : -1);
            vm_launch(es ? 5 : 1, ret ? -ENOTTY : 0, ret ? NO_CALL : 0);
            vm_stop();
        }
    }
    vm_start(true);
    vm_command(KVM_SEV_ES_INIT, NULL, 0, 0);
    g_assert_cmpint(vm.ghcb_version, ==, 1);
    vm_stop();
}

/* Without a session the firmware takes a policy as it is. */
static void test_policy(void)
{
    static const struct {
        uint32_t policy;
        int owned;                  /* status with an owner's session */
    } rows[] = {
        { 1, 0 },
        { 0, 0 },
        { 0x20, 0 },
        { 0x40, SEV_RET_POLICY_FAILURE },
        { 0x8000, SEV_RET_POLICY_FAILURE },
        { 0x30000, SEV_RET_POLICY_FAILURE },
        { 0x37010001, 0 },
        { 0x38010001, SEV_RET_POLICY_FAILURE },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        PspSevSession session = session_for(rows[i].policy);
        PspSevCert owner = vector_owner();
        struct kvm_sev_launch_start start = {
            .policy = rows[i].policy,
            .dh_uaddr = uaddr(&owner), .dh_len = sizeof(owner),
            .session_uaddr = uaddr(&session), .session_len = sizeof(session),
        };

        g_test_message("policy 0x%x", rows[i].policy);
        vm_start(false);
        vm_init(0);
        vm_command(KVM_SEV_LAUNCH_START, &start, rows[i].owned ? -EIO : 0,
                   rows[i].owned);
        vm_stop();
        vm_start(false);
        vm_init(0);
        vm_launch(rows[i].policy, 0, 0);
        vm_stop();
    }
    /* What INIT was for and what the policy says */
    for (int es = 0; es < 2; es++) {
        vm_start(es);
        vm_init(0);
        vm_launch(es ? 1 : 5, -EIO, SEV_RET_INVALID_ASID);
        g_assert_cmpuint(psp_sev_kvm_guests(vm.sev), ==, 0);
        vm_launch(es ? 5 : 1, 0, 0);
        vm_stop();
    }
}

static void start_with(const void *cert, uint32_t cert_len,
                       const void *session, uint32_t session_len, int ret,
                       int status)
{
    struct kvm_sev_launch_start start = {
        .policy = 5, .dh_uaddr = uaddr(cert), .dh_len = cert_len,
        .session_uaddr = uaddr(session), .session_len = session_len,
    };

    vm_start(true);
    vm_init(0);
    vm_command(KVM_SEV_LAUNCH_START, &start, ret, status);
    g_assert_cmpuint(psp_sev_kvm_guests(vm.sev), ==, !ret);
    vm_stop();
}

static void test_session(void)
{
    static const struct {
        uint32_t cert, session;
        int ret, status;
    } sizes[] = {
        { 2084, 128, 0, 0 },
        { 0, 128, -EINVAL, NO_CALL },
        { 2084, 0, -EINVAL, NO_CALL },
        { 2083, 128, -EIO, SEV_RET_INVALID_LEN },
        { 2085, 128, -EIO, SEV_RET_INVALID_LEN },
        { 2084, 127, -EIO, SEV_RET_INVALID_LEN },
        { 2084, 129, -EIO, SEV_RET_INVALID_LEN },
        { 2084, 16 * KiB, -EIO, SEV_RET_INVALID_LEN },
        { 16 * KiB + 1, 128, -EINVAL, NO_CALL },
        { 2084, 16 * KiB + 1, -EINVAL, NO_CALL },
        { UINT32_MAX, UINT32_MAX, -EINVAL, NO_CALL },
    };
    const PspSevCert owner = vector_owner();
    const PspSevSession session = vector_session();

    memcpy(blob[0], &owner, sizeof(owner));
    memcpy(blob[1], &session, sizeof(session));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        g_test_message("certificate %u session %u", sizes[i].cert,
                       sizes[i].session);
        start_with(blob[0], sizes[i].cert, blob[1], sizes[i].session,
                   sizes[i].ret, sizes[i].status);
    }
    /* A session counts for nothing without a certificate. */
    start_with(NULL, 0, blob[1], 128, 0, 0);
    start_with(blob[0], 2084, NULL, 0, -EIO, SEV_RET_INVALID_LEN);
    blob[1][20] ^= 1;
    start_with(blob[0], 2084, blob[1], 128, -EIO, SEV_RET_BAD_MEASUREMENT);
    blob[1][20] ^= 1;
    blob[0][0x5c] ^= 1;
    start_with(blob[0], 2084, blob[1], 128, -EIO,
               SEV_RET_INVALID_CERTIFICATE);
}

/* Keys are made when somebody needs them. */
static void test_identity(void)
{
    const PspSevCert owner = vector_owner();
    const PspSevSession session = vector_session();
    struct kvm_sev_launch_start start = {
        .policy = 5, .dh_uaddr = uaddr(&owner), .dh_len = sizeof(owner),
        .session_uaddr = uaddr(&session), .session_len = sizeof(session),
    };
    struct kvm_sev_attestation_report report = { 0 };

    vm_to_secret(true);
    g_assert_cmpuint(vm.identities, ==, 0);
    vm.identity_fails = true;
    vm_command(KVM_SEV_GET_ATTESTATION_REPORT, &report, -EIO, NO_CALL);
    vm.identity_fails = false;
    vm_command(KVM_SEV_GET_ATTESTATION_REPORT, &report, -EIO,
               SEV_RET_INVALID_LEN);
    g_assert_cmpuint(report.len, ==, 0xd0);
    report.uaddr = uaddr(blob[0]);
    memset(report.mnonce, 0x5a, sizeof(report.mnonce));
    vm_command(KVM_SEV_GET_ATTESTATION_REPORT, &report, 0, 0);
    g_assert_cmpuint(vm.identities, ==, 2);
    g_assert_cmpmem(blob[0], 16, report.mnonce, 16);
    g_assert_cmpuint(ldl_le_p(blob[0] + 48), ==, 5);
    report.len = 0xcf;
    vm_command(KVM_SEV_GET_ATTESTATION_REPORT, &report, -EIO,
               SEV_RET_INVALID_LEN);
    g_assert_cmpuint(report.len, ==, 0xcf);
    report.len = 16 * KiB + 1;
    vm_command(KVM_SEV_GET_ATTESTATION_REPORT, &report, -EINVAL, NO_CALL);
    vm_stop();

    vm_start(true);
    vm_init(0);
    vm.identity_fails = true;
    vm_command(KVM_SEV_LAUNCH_START, &start, -EIO, NO_CALL);
    vm.identity_fails = false;
    vm_command(KVM_SEV_LAUNCH_START, &start, 0, 0);
    g_assert_cmpuint(vm.identities, ==, 2);
    vm_stop();
}

/*
 * The chip's folder
 */

static void expect_refused(const char *folder, const char *part)
{
    PspSevIdentity identity = { .owned = true };
    Error *err = NULL;

    g_assert_false(psp_sev_home_open(folder, &identity, &err));
    g_test_message("%s", error_get_pretty(err));
    g_assert_nonnull(strstr(error_get_pretty(err), part));
    error_free(err);
    g_assert_true(identity.owned && !identity.made);
}

/*
 * Whoever holds the lock keeps nobody from an identity that is there, and from
 * a new one for no longer than a second.
 */
static void test_home_locked(void)
{
    g_autofree char *folder = g_dir_make_tmp("sev-home-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "sev-identity", NULL);
    g_autofree char *lock = g_build_filename(folder, ".lock", NULL);
    int fd = g_creat(lock, 0600);
    PspSevIdentity identity;
    int64_t began;

    g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
    began = g_get_monotonic_time();
    expect_refused(folder, lock);
    g_assert_cmpint(g_get_monotonic_time() - began, >=, 500000);
    g_assert_cmpint(g_get_monotonic_time() - began, <, 30000000);

    g_assert_cmpint(flock(fd, LOCK_UN), ==, 0);
    g_assert_true(psp_sev_home_open(folder, &identity, &error_abort));
    g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
    g_assert_true(psp_sev_home_open(folder, &identity, &error_abort));
    close(fd);
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_unlink(lock), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void test_home(void)
{
    g_autofree char *room = g_dir_make_tmp("sev-home-XXXXXX", NULL);
    g_autofree char *folder = g_build_filename(room, "a", "b", NULL);
    g_autofree char *path = g_build_filename(folder, "sev-identity", NULL);
    g_autofree char *lock = g_build_filename(folder, ".lock", NULL);
    g_autofree char *above = g_path_get_dirname(folder);
    g_autofree char *saved = NULL;
    PspSevIdentity first, second;
    gsize size;
    GStatBuf st;

    g_assert_true(psp_sev_home_open(folder, &first, &error_abort));
    g_assert_true(psp_sev_home_open(folder, &second, &error_abort));
    g_assert_true(first.made);
    g_assert_cmpmem(&first.pdh, sizeof(first.pdh), &second.pdh,
                    sizeof(second.pdh));
    g_assert_cmpmem(&first.cek, sizeof(first.cek), &second.cek,
                    sizeof(second.cek));
    g_assert_cmpmem(&first.pdh_key, sizeof(first.pdh_key), &second.pdh_key,
                    sizeof(second.pdh_key));
    g_assert_cmpint(g_stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0600);

    /* Spoilt: in the CEK, in what is signed; too short, too long */
    g_assert_true(g_file_get_contents(path, &saved, &size, NULL));
    for (size_t at = 7; at < 10000; at += 1111) {
        saved[at] ^= 1;
        g_assert_true(g_file_set_contents(path, saved, size, NULL));
        if (at < sizeof(PspSevKey) + sizeof(PspSevKey) + 3 * 48) {
            expect_refused(folder, "is not the SEV identity");
        }
        saved[at] ^= 1;
    }
    g_assert_true(g_file_set_contents(path, saved, size - 1, NULL));
    expect_refused(folder, "is not the SEV identity");
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    expect_refused(folder, "is not the SEV identity");
    memset(saved, 0xff, size);
    g_assert_true(g_file_set_contents(path, saved, size, NULL));
    expect_refused(folder, "is not the SEV identity");

    /* Another chip has another one. */
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_true(psp_sev_home_open(folder, &second, &error_abort));
    g_assert_cmpint(memcmp(&first.pdh, &second.pdh, sizeof(first.pdh)), !=, 0);
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    expect_refused(folder, "sev-identity");

    g_assert_cmpint(g_rmdir(path), ==, 0);
    g_assert_cmpint(g_unlink(lock), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_assert_cmpint(g_rmdir(above), ==, 0);
    g_assert_cmpint(g_rmdir(room), ==, 0);
    expect_refused("/dev/null/folder", "/dev/null/folder");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("QTEST_SILENT_ERRORS", "1", true);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-sev-kvm/order", test_order);
    g_test_add_func("/psp-sev-kvm/states", test_states);
    g_test_add_func("/psp-sev-kvm/init", test_init);
    g_test_add_func("/psp-sev-kvm/policy", test_policy);
    g_test_add_func("/psp-sev-kvm/session", test_session);
    g_test_add_func("/psp-sev-kvm/identity", test_identity);
    g_test_add_func("/psp-sev-kvm/home", test_home);
    g_test_add_func("/psp-sev-kvm/home-locked", test_home_locked);
    return g_test_run();
}
