/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's commands on SEV and SEV-ES guests, run by the emulated firmware:
 * order, bad input, digests, secrets
 *
 * Certificates and the channel to an owner: test-psp-sev.c.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <gnutls/gnutls.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "target/i386/psp/sev-guest.h"
#include "target/i386/psp/sev-home.h"
#include "upm/chance.h"
#include "upm/sev-owner.h"
#include "upm/sev-vm.h"

#define ROUNDS      100000
#define NO_CALL     SEV_RET_NO_FW_CALL
#define SEND_START  9

/* A certificate, a session, a secret, a header, room for an answer */
static uint8_t blob[2][64 * KiB];

static uint64_t uaddr(const void *p)
{
    return (uintptr_t)p;
}

/*
 * Order
 */

static struct kvm_sev_launch_secret any_secret(void)
{
    return (struct kvm_sev_launch_secret) {
        .hdr_uaddr = uaddr(blob[0]), .hdr_len = 52,
        .guest_uaddr = uaddr(vm.shared[1]), .guest_len = 32,
        .trans_uaddr = uaddr(blob[1]), .trans_len = 32,
    };
}

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
    struct kvm_sev_launch_secret secret = any_secret();
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
 * LAUNCH_UPDATE_DATA to LAUNCH_MEASURE
 */

static void test_update(void)
{
    enum { ADDRESS = SEV_RET_INVALID_ADDRESS, LEN = SEV_RET_INVALID_LEN };
    const struct {
        const void *at;
        uint32_t size;
        int ret, status;
    } rows[] = {
        { NULL, 0, -EINVAL, NO_CALL },
        { (void *)(uintptr_t)(UINT64_MAX - 15), 32, -EINVAL, NO_CALL },
        { (void *)(uintptr_t)(UINT64_MAX - 15), 16, -EINVAL, NO_CALL },
        { (void *)16, VM_PAGE, -EINVAL, NO_CALL },      /* no memory */
        { blob[0], VM_PAGE, -EINVAL, NO_CALL },         /* not the guest's */
        { (void *)8, VM_PAGE, -EIO, ADDRESS },          /* of block 0 */
        { (void *)1, VM_PAGE, -EIO, ADDRESS },
        { (void *)0, VM_PAGE - 8, -EIO, LEN },
        { (void *)0, 1, -EIO, LEN },
        { (void *)(VM_SIZE - VM_PAGE), 2 * VM_PAGE, -EINVAL, NO_CALL },
        { (void *)VM_SIZE, 16, -EINVAL, NO_CALL },
        { (void *)(VM_SHARED * VM_PAGE), VM_PAGE, -EINVAL, NO_CALL },
        { (void *)0, VM_SIZE, -EINVAL, NO_CALL },       /* one is shared */
        { (void *)(VM_SHARED * VM_PAGE - 16), 32, -EINVAL, NO_CALL },
        { (void *)0, 0, -EINVAL, NO_CALL },
        { (void *)0, 16, 0, 0 },
        { (void *)(VM_PAGE - 16), 32, 0, 0 },
    };
    g_autofree uint8_t *before = NULL;

    vm_to_update(false);
    before = g_memdup2(vm.shared[0], VM_SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned encrypted = vm.encrypted;
        bool absolute = i < 5;
        const void *at = absolute ? rows[i].at
                                  : vm.shared[0] + (uintptr_t)rows[i].at;

        g_test_message("row %zu", i);
        vm_update(at, rows[i].size, rows[i].ret, rows[i].status);
        g_assert_cmpuint(vm.encrypted, ==, encrypted + !rows[i].ret);
        g_assert_cmpmem(before, VM_SIZE, vm.shared[0], VM_SIZE);
    }
    vm_stop();
}

/* A measurement without an owner, whose key is zero */
static void expect_measurement(const PspSevMeasurement *blob,
                               const uint8_t tik[16], uint32_t policy,
                               const uint8_t digest[32])
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    const uint8_t head[] = { 4, 1, 55, 1 };
    const uint32_t bytes = cpu_to_le32(policy);
    uint8_t mac[32];

    g_byte_array_append(all, head, sizeof(head));
    g_byte_array_append(all, (const uint8_t *)&bytes, sizeof(bytes));
    g_byte_array_append(all, digest, 32);
    g_byte_array_append(all, blob->nonce, sizeof(blob->nonce));
    hmac(tik, all, mac);
    g_assert_cmpmem(mac, 32, blob->mac, 32);
}

static void add_vmsas(GChecksum *sum, bool with_fpu)
{
    for (unsigned i = 0; i < VM_VCPUS; i++) {
        const PspVcpuReset reset = {
            .cs_selector = 0xf000,
            .cs_base = i ? 0x800000 : 0xffff0000,
            .rip = i ? 0xb004 : 0xfff0,
            .signature = VM_SIGNATURE,
        };
        SevVmsa vmsa;

        psp_vmsa_init(&vmsa, &reset);
        if (!with_fpu) {
            vmsa.mxcsr = 0;
            vmsa.x87_fcw = 0;
        }
        g_checksum_update(sum, (void *)&vmsa, sizeof(vmsa));
    }
}

static void test_digest(gconstpointer opaque)
{
    static const uint8_t no_key[16];
    const int init = GPOINTER_TO_INT(opaque);
    const bool es = init != KVM_SEV_INIT;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    struct kvm_sev_init args = { 0 };
    PspSevMeasurement got[2] = { 0 };
    struct kvm_sev_launch_measure measure = { .uaddr = uaddr(got) };
    uint8_t digest[32];
    gsize size = sizeof(digest);

    vm_start(es);
    vm_command(init, &args, 0, 0);
    vm_launch(es ? 5 : 1, 0, 0);
    vm_update(vm.shared[1], 2 * VM_PAGE, 0, 0);
    vm_update(vm.shared[0] + 32, 48, 0, 0);
    vm_update(vm.shared[1], 16, 0, 0);
    g_checksum_update(sum, vm.shared[1], 2 * VM_PAGE);
    g_checksum_update(sum, vm.shared[0] + 32, 48);
    g_checksum_update(sum, vm.shared[1], 16);
    if (es) {
        vm_command(KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, 0, 0);
        add_vmsas(sum, init == KVM_SEV_INIT2);
    }
    g_checksum_get_digest(sum, digest, &size);

    /* Content is where it was, and in private memory; nothing else is. */
    g_assert_cmpmem(vm.private[1], 2 * VM_PAGE, vm.shared[1], 2 * VM_PAGE);
    g_assert_cmpmem(vm.private[0] + 32, 48, vm.shared[0] + 32, 48);
    g_assert_true(buffer_is_zero(vm.private[0], 32));
    g_assert_true(buffer_is_zero(vm.private[0] + 80, VM_SIZE - 80));
    g_assert_true(buffer_is_zero(vm.private[1] + 2 * VM_PAGE,
                                 VM_SIZE - 2 * VM_PAGE));

    /* The length, by 0 or by no address; and it only then */
    vm_command(KVM_SEV_LAUNCH_MEASURE, &measure, -EIO, SEV_RET_INVALID_LEN);
    g_assert_cmpuint(measure.len, ==, 48);
    measure = (struct kvm_sev_launch_measure) { .len = 48 };
    vm_command(KVM_SEV_LAUNCH_MEASURE, &measure, -EIO, SEV_RET_INVALID_LEN);
    g_assert_cmpuint(measure.len, ==, 48);
    measure.uaddr = uaddr(got);
    measure.len = 47;
    vm_command(KVM_SEV_LAUNCH_MEASURE, &measure, -EIO, SEV_RET_INVALID_LEN);
    g_assert_cmpuint(measure.len, ==, 47);
    measure.len = 16 * KiB + 1;
    vm_command(KVM_SEV_LAUNCH_MEASURE, &measure, -EINVAL, NO_CALL);
    g_assert_true(buffer_is_zero(got, sizeof(got)));
    measure.len = 64;
    vm_command(KVM_SEV_LAUNCH_MEASURE, &measure, 0, 0);
    expect_measurement(&got[0], no_key, es ? 5 : 1, digest);
    g_assert_true(buffer_is_zero(&got[1], sizeof(got[1])));

    g_assert_cmpuint(vm.loads, ==, 0);
    vm_command(KVM_SEV_LAUNCH_FINISH, NULL, 0, 0);
    g_assert_cmpuint(vm.loads, ==, es ? VM_VCPUS : 0);
    if (es) {
        bool fpu = init == KVM_SEV_INIT2;

        g_assert_cmphex(le64_to_cpu(vm.loaded[2].rip), ==, 0xb004);
        g_assert_cmphex(le64_to_cpu(vm.loaded[0].sev_features), ==, 0);
        g_assert_cmphex(le32_to_cpu(vm.loaded[1].mxcsr), ==,
                        fpu ? 0x1f80 : 0);
        g_assert_cmphex(le16_to_cpu(vm.loaded[1].x87_fcw), ==,
                        fpu ? 0x37f : 0);
    }
    vm_stop();
}

/* What was not launched is not started. */
static void test_vcpus(void)
{
    vm_start(true);
    vm_init(0);
    vm_command(KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, -EIO,
               SEV_RET_INVALID_PLATFORM_STATE);
    vm_launch(5, 0, 0);
    vm_update(vm.shared[0], VM_PAGE, 0, 0);
    vm_measure();
    vm_command(KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, -EIO,
               SEV_RET_INVALID_GUEST_STATE);
    vm_command(KVM_SEV_LAUNCH_FINISH, NULL, -EINVAL, NO_CALL);
    g_assert_cmpint(vm_state(), ==, PSP_SEV_LSECRET);
    g_assert_cmpuint(vm.loads, ==, 0);
    vm_stop();

    /* A late one does not spoil the good one. */
    vm_to_secret(true);
    vm_command(KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, -EIO,
               SEV_RET_INVALID_GUEST_STATE);
    vm_command(KVM_SEV_LAUNCH_FINISH, NULL, 0, 0);
    g_assert_cmpuint(vm.loads, ==, VM_VCPUS);
    vm_stop();

    vm_to_secret(true);
    vm.load_fails = "it is broken";
    vm_command(KVM_SEV_LAUNCH_FINISH, NULL, -EIO, 0);
    g_assert_cmpuint(vm.loads, ==, 1);
    vm_stop();
}

/*
 * Secrets
 */

static const char plain[64] = "a secret of the owner, never seen outside of"
                              " private memory";

/* Launched with an owner; what the owner knows then */
static PspSevChannel to_owned_secret(void)
{
    const PspSevCert owner = vector_owner();
    const PspSevSession session = vector_session();
    struct kvm_sev_launch_start start = {
        .policy = 5, .dh_uaddr = uaddr(&owner), .dh_len = sizeof(owner),
        .session_uaddr = uaddr(&session), .session_len = sizeof(session),
    };
    PspSevChannel channel = { 0 };
    PspSevMeasurement got;
    struct kvm_sev_launch_measure measure = {
        .uaddr = uaddr(&got), .len = sizeof(got),
    };
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    uint8_t digest[32];
    gsize size = sizeof(digest);

    for (int i = 0; i < 16; i++) {
        channel.tek[i] = 0x20 + i;
        channel.tik[i] = 0x40 + i;
    }
    vm_start(true);
    vm_init(0);
    vm_command(KVM_SEV_LAUNCH_START, &start, 0, 0);
    vm_update(vm.shared[0], VM_PAGE, 0, 0);
    g_checksum_update(sum, vm.shared[0], VM_PAGE);
    vm_command(KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, 0, 0);
    add_vmsas(sum, true);
    g_checksum_get_digest(sum, digest, &size);
    vm_command(KVM_SEV_LAUNCH_MEASURE, &measure, 0, 0);
    expect_measurement(&got, channel.tik, 5, digest);
    memcpy(channel.measurement, got.mac, sizeof(got.mac));
    return channel;
}

/* As an owner packs it: counter mode is the same both ways. */
static void pack(const PspSevChannel *channel, PspSevPacket *packet,
                 uint8_t *data, uint32_t size)
{
    memset(packet->iv, 0x3c, sizeof(packet->iv));
    packet->flags = 0;
    sign_packet(channel, packet, data, size);
    g_assert_cmpint(psp_sev_channel_secret(channel, packet, data, size), ==,
                    0);
    sign_packet(channel, packet, data, size);
}

static bool is_shared(const char *text, size_t size)
{
    return memmem(vm.shared[0], VM_SIZE, text, size) ||
           memmem(vm.shared[1], VM_SIZE, text, size);
}

static void put(const void *header, uint32_t header_size, const void *data,
                uint32_t size, uint64_t at, int ret, int status)
{
    struct kvm_sev_launch_secret secret = {
        .hdr_uaddr = uaddr(header), .hdr_len = header_size,
        .guest_uaddr = at, .guest_len = size,
        .trans_uaddr = uaddr(data), .trans_len = size,
    };

    vm_command(KVM_SEV_LAUNCH_SECRET, &secret, ret, status);
}

static void test_secret(void)
{
    PspSevChannel channel = to_owned_secret(), other;
    uint8_t data[sizeof(plain)];
    PspSevPacket packet;
    const uint8_t *private = vm.private[1] + 0x1230;
    const uint64_t at = uaddr(vm.shared[1]) + 0x1230;

    /* Made for another launch */
    other = channel;
    other.measurement[0] ^= 1;
    memcpy(data, plain, sizeof(data));
    pack(&other, &packet, data, sizeof(data));
    put(&packet, 52, data, sizeof(data), at, -EIO, SEV_RET_BAD_MEASUREMENT);
    g_assert_true(buffer_is_zero(private, sizeof(data)));

    memcpy(data, plain, sizeof(data));
    pack(&channel, &packet, data, sizeof(data));
    g_assert_cmpint(memcmp(data, plain, sizeof(data)), !=, 0);
    put(&packet, 52, data, sizeof(data), at, 0, 0);
    g_assert_cmpmem(private, sizeof(data), plain, sizeof(plain));
    g_assert_false(is_shared(plain, 16));
    /* Not even the secret's ciphertext has become memory. */
    g_assert_false(is_shared((char *)data, 16));
    /* The state stays, and another one may come. */
    put(&packet, 52, data, sizeof(data), at + 64, 0, 0);
    g_assert_cmpmem(private + 64, sizeof(data), plain, sizeof(plain));
    vm_command(KVM_SEV_LAUNCH_FINISH, NULL, 0, 0);
    put(&packet, 52, data, sizeof(data), at, -EIO,
        SEV_RET_INVALID_GUEST_STATE);
    vm_stop();
}

static void test_bad_secret(void)
{
    enum { ADDRESS = SEV_RET_INVALID_ADDRESS, LEN = SEV_RET_INVALID_LEN };
    static const struct {
        uint32_t header, size;
        uint64_t at;                /* in block 1 */
        int ret, status;
    } rows[] = {
        { 51, 32, 0, -EIO, LEN },
        { 53, 32, 0, -EIO, LEN },
        { 0, 32, 0, -EINVAL, NO_CALL },
        { 16 * KiB + 1, 32, 0, -EINVAL, NO_CALL },
        { 52, 0, 0, -EINVAL, NO_CALL },
        { 52, 17, 0, -EIO, LEN },
        { 52, 32, 8, -EIO, ADDRESS },
        { 52, 16 * KiB + 16, 0, -EINVAL, NO_CALL },
        { 52, 20 * KiB + 16, 0, -EINVAL, NO_CALL },
        { 52, UINT32_MAX, 0, -EINVAL, NO_CALL },
        { 52, 32, VM_SIZE - 16, -EINVAL, NO_CALL },
        { 52, 32, VM_SIZE, -EINVAL, NO_CALL },
        { 52, 32, VM_SHARED * VM_PAGE, -EINVAL, NO_CALL },
        { 52, 32, VM_SHARED * VM_PAGE - 16, -EINVAL, NO_CALL },
        { 52, 32, 0, -EIO, SEV_RET_BAD_MEASUREMENT },
        { 52, 16 * KiB, 0, -EIO, SEV_RET_BAD_MEASUREMENT },
    };
    struct kvm_sev_launch_secret secret;

    memset(blob, 0, sizeof(blob));
    vm_to_secret(false);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        g_test_message("row %zu", i);
        put(blob[0], rows[i].header, blob[1], rows[i].size,
            uaddr(vm.shared[1]) + rows[i].at, rows[i].ret, rows[i].status);
    }
    put(NULL, 52, blob[1], 32, uaddr(vm.shared[1]), -EINVAL, NO_CALL);
    put(blob[0], 52, NULL, 32, uaddr(vm.shared[1]), -EINVAL, NO_CALL);
    put(blob[0], 52, blob[1], 32, 0, -EINVAL, NO_CALL);
    put(blob[0], 52, blob[1], 32, UINT64_MAX - 15, -EINVAL, NO_CALL);
    secret = any_secret();
    secret.trans_len = 48;
    vm_command(KVM_SEV_LAUNCH_SECRET, &secret, -EIO, SEV_RET_INVALID_LEN);
    g_assert_true(buffer_is_zero(vm.private[1], VM_SIZE));
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

/*
 * By chance
 */

static const int commands[] = {
    KVM_SEV_INIT, KVM_SEV_ES_INIT, KVM_SEV_INIT2, KVM_SEV_LAUNCH_START,
    KVM_SEV_LAUNCH_UPDATE_DATA, KVM_SEV_LAUNCH_UPDATE_DATA,
    KVM_SEV_LAUNCH_UPDATE_VMSA, KVM_SEV_LAUNCH_MEASURE,
    KVM_SEV_LAUNCH_SECRET, KVM_SEV_LAUNCH_FINISH, KVM_SEV_GUEST_STATUS,
    KVM_SEV_GET_ATTESTATION_REPORT,
};

/* Of guest memory, or of memory that is not the guest's */
static uint64_t any_address(GRand *rand)
{
    const uint8_t *base = g_rand_boolean(rand) ? vm.shared[chance_in(rand, 2)]
                                               : blob[chance_in(rand, 2)];

    switch (chance_in(rand, 8)) {
    case 0:
        return 0;
    case 1:
        return uaddr(base) + chance_in(rand, 4 * KiB);
    case 2:
        return UINT64_MAX - chance_in(rand, 64);
    default:
        return uaddr(base) + 16 * chance_in(rand, VM_SIZE / 16);
    }
}

static uint32_t any_size(GRand *rand)
{
    static const uint32_t sizes[] = {
        0, 16, 32, 47, 48, 51, 52, 128, 2084, 0xd0, VM_PAGE, 16 * KiB,
        16 * KiB + 1, UINT32_MAX,
    };

    return g_rand_boolean(rand) ? sizes[chance_in(rand, ARRAY_SIZE(sizes))]
                                : chance_in(rand, 300);
}

/* Buffers outside of guest memory have to be there, as KVM copies them. */
static uint64_t any_blob(GRand *rand)
{
    return chance_in(rand, 8) ? uaddr(blob[0]) + chance_in(rand, 40 * KiB) : 0;
}

static int run_by_chance(GRand *rand, int command, int *status)
{
    union {
        struct kvm_sev_init init;
        struct kvm_sev_launch_start start;
        struct kvm_sev_launch_update_data update;
        struct kvm_sev_launch_measure measure;
        struct kvm_sev_launch_secret secret;
        struct kvm_sev_guest_status status;
        struct kvm_sev_attestation_report report;
    } data = { 0 };

    switch (command) {
    case KVM_SEV_INIT2:
        data.init.ghcb_version = chance_in(rand, 4);
        data.init.flags = !chance_in(rand, 8);
        break;
    case KVM_SEV_LAUNCH_START:
        data.start.policy = chance_in(rand, 8);
        data.start.handle = chance_in(rand, 8) ? 0 : chance_in(rand, 4);
        if (!chance_in(rand, 4)) {
            data.start.dh_uaddr = any_blob(rand);
            data.start.dh_len = any_size(rand);
            data.start.session_uaddr = any_blob(rand);
            data.start.session_len = any_size(rand);
        }
        break;
    case KVM_SEV_LAUNCH_UPDATE_DATA:
        data.update.uaddr = any_address(rand);
        data.update.len = any_size(rand);
        break;
    case KVM_SEV_LAUNCH_MEASURE:
        data.measure.uaddr = any_blob(rand);
        data.measure.len = any_size(rand);
        break;
    case KVM_SEV_LAUNCH_SECRET:
        data.secret.guest_uaddr = any_address(rand);
        data.secret.guest_len = any_size(rand);
        data.secret.hdr_uaddr = any_blob(rand);
        data.secret.hdr_len = any_size(rand);
        data.secret.trans_uaddr = any_blob(rand);
        data.secret.trans_len = any_size(rand);
        break;
    case KVM_SEV_GET_ATTESTATION_REPORT:
        data.report.uaddr = any_blob(rand);
        data.report.len = any_size(rand);
        break;
    }
    return psp_sev_kvm_command(vm.sev, command, &data, status);
}

static void check_outcome(int command, int ret, int status)
{
    static const int errnos[] = { 0, -EIO, -EINVAL, -ENOTTY };
    bool known = false;

    g_test_message("command %d: %d %d", command, ret, status);
    for (size_t i = 0; i < ARRAY_SIZE(errnos); i++) {
        known |= ret == errnos[i];
    }
    g_assert_true(known);
    if (ret != -EIO) {
        g_assert_cmpint(status, ==, ret ? NO_CALL : 0);
    } else {
        g_assert_cmpint(status, >, 0);
    }
}

static void test_chance(void)
{
    GRand *rand = chance_new();
    unsigned rounds = chance_count(ROUNDS);
    unsigned done[ARRAY_SIZE(commands)] = { 0 };
    g_autofree uint8_t *before[2] = { NULL };

    memset(blob, 0x11, sizeof(blob));
    vm_start(true);
    for (int i = 0; i < 2; i++) {
        before[i] = g_memdup2(vm.shared[i], VM_SIZE);
    }
    for (unsigned i = 0; i < rounds; i++) {
        unsigned which = chance_in(rand, ARRAY_SIZE(commands));
        int command = commands[which], status, ret;

        if (!chance_in(rand, 64)) {
            vm_stop();
            vm_start(g_rand_boolean(rand));
        }
        if (!chance_in(rand, 64)) {
            command = chance_in(rand, 200) - 50;
        }
        ret = run_by_chance(rand, command, &status);
        check_outcome(command, ret, status);
        done[which] += !ret;
        for (int j = 0; j < 2; j++) {
            g_assert_cmpmem(vm.shared[j], VM_SIZE, before[j], VM_SIZE);
            g_assert_true(buffer_is_zero(
                vm.private[j] + VM_SHARED * VM_PAGE, VM_PAGE));
        }
    }
    vm_stop();
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        g_test_message("command %d: %u times", commands[i], done[i]);
        /* An owner would have to sign a secret. */
        if (rounds >= ROUNDS && commands[i] != KVM_SEV_LAUNCH_SECRET) {
            g_assert_cmpuint(done[i], >=, 50);
        }
    }
    g_free(before[1]);
    g_rand_free(rand);
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
    g_test_add_func("/psp-sev-kvm/update", test_update);
    g_test_add_data_func("/psp-sev-kvm/digest/sev",
                         GINT_TO_POINTER(KVM_SEV_INIT), test_digest);
    g_test_add_data_func("/psp-sev-kvm/digest/es-init",
                         GINT_TO_POINTER(KVM_SEV_ES_INIT), test_digest);
    g_test_add_data_func("/psp-sev-kvm/digest/es-init2",
                         GINT_TO_POINTER(KVM_SEV_INIT2), test_digest);
    g_test_add_func("/psp-sev-kvm/vcpus", test_vcpus);
    g_test_add_func("/psp-sev-kvm/secret", test_secret);
    g_test_add_func("/psp-sev-kvm/bad-secret", test_bad_secret);
    g_test_add_func("/psp-sev-kvm/home", test_home);
    g_test_add_func("/psp-sev-kvm/chance", test_chance);
    return g_test_run();
}
