/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's commands on SEV and SEV-ES guests: content, measurement, secrets
 */
#include "qemu/osdep.h"
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "target/i386/psp/sev-guest.h"
#include "upm/sev-owner.h"
#include "upm/sev-vm.h"

#define NO_CALL     SEV_RET_NO_FW_CALL

/* A certificate, a session, a secret, a header, room for an answer */
static uint8_t blob[2][64 * KiB];

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

/* A guest that is gone is launched again, and another platform knows it. */
static void test_forget(void)
{
    struct kvm_sev_init args = { 0 };

    vm_start(true);
    for (int life = 0; life < 3; life++) {
        PspSevMeasurement got = { 0 };
        struct kvm_sev_launch_measure measure = {
            .uaddr = uaddr(&got), .len = sizeof(got),
        };

        vm_command(life == 1 ? KVM_SEV_ES_INIT : KVM_SEV_INIT2, &args, 0, 0);
        vm_launch(5, 0, 0);
        vm_update(vm.shared[1], VM_PAGE, 0, 0);
        vm_command(KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, 0, 0);
        vm_command(KVM_SEV_LAUNCH_MEASURE, &measure, 0, 0);
        if (life != 1) {
            vm_command(KVM_SEV_LAUNCH_FINISH, NULL, 0, 0);
        }
        g_assert_cmpuint(psp_sev_kvm_guests(vm.sev), ==, 1);
        psp_sev_kvm_forget(vm.sev);
        g_assert_cmpuint(psp_sev_kvm_guests(vm.sev), ==, 0);
        vm_command(KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, -ENOTTY, NO_CALL);
    }
    g_assert_cmpuint(vm.loads, ==, 2 * VM_VCPUS);
    g_assert_cmphex(le32_to_cpu(vm.loaded[1].mxcsr), ==, 0x1f80);
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
    secret = vm_secret(blob[0], blob[1]);
    secret.trans_len = 48;
    vm_command(KVM_SEV_LAUNCH_SECRET, &secret, -EIO, SEV_RET_INVALID_LEN);
    g_assert_true(buffer_is_zero(vm.private[1], VM_SIZE));
    vm_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("QTEST_SILENT_ERRORS", "1", true);
    qcrypto_init(&error_abort);
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
    g_test_add_func("/psp-sev-kvm/forget", test_forget);
    return g_test_run();
}
