/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's commands on SEV and SEV-ES guests, by chance
 */
#include "qemu/osdep.h"
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "upm/chance.h"
#include "upm/sev-vm.h"

#define ROUNDS      100000
#define NO_CALL     SEV_RET_NO_FW_CALL

/* A certificate, a session, a secret, a header, room for an answer */
static uint8_t blob[2][64 * KiB];

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
    g_test_add_func("/psp-sev-kvm/chance", test_chance);
    return g_test_run();
}
