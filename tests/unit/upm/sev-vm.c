/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine for KVM's commands on SEV and SEV-ES guests
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/memalign.h"
#include "target/i386/psp/sev-guest.h"
#include "sev-owner.h"
#include "sev-vm.h"

Vm vm;

/* In one block, and private: offset of a range, or -1 */
static int find(const void *host, uint64_t size, int *block)
{
    uintptr_t at = (uintptr_t)host;

    for (int i = 0; i < 2; i++) {
        uintptr_t base = (uintptr_t)vm.shared[i];
        uint64_t offset = at - base;

        if (at >= base && offset < VM_SIZE && size <= VM_SIZE - offset) {
            *block = i;
            return offset + size > VM_SHARED * VM_PAGE &&
                   offset < (VM_SHARED + 1) * VM_PAGE ? -1 : offset;
        }
    }
    return -1;
}

static void *private_at(const void *host, uint64_t size)
{
    int block;
    int offset = find(host, size, &block);

    return offset < 0 ? NULL : vm.private[block] + offset;
}

static const char *unencryptable(const void *host, uint64_t size)
{
    return private_at(host, size) ? NULL : "not private";
}

static void encrypt(const void *host, uint64_t size)
{
    g_assert_null(unencryptable(host, size));
    memcpy(private_at(host, size), host, size);
    vm.encrypted++;
}

static void ghcb_version(uint8_t version)
{
    vm.ghcb_version = version;
}

static unsigned vcpus(void)
{
    return VM_VCPUS;
}

static void vcpu_reset(unsigned index, PspVcpuReset *reset)
{
    *reset = (PspVcpuReset) {
        .cs_selector = 0xf000,
        .cs_base = index ? 0x800000 : 0xffff0000,
        .rip = index ? 0xb004 : 0xfff0,
        .signature = VM_SIGNATURE,
        .sev_features = 99,         /* not asked for */
    };
}

static const char *vcpu_load(unsigned index, const SevVmsa *vmsa)
{
    g_assert_cmpuint(index, <, VM_VCPUS);
    vm.loaded[index] = *vmsa;
    vm.loads++;
    return vm.load_fails;
}

static bool identity(void *opaque, PspSevIdentity *identity, Error **errp)
{
    static PspSevIdentity made;

    g_assert_true(opaque == &vm);
    vm.identities++;
    if (vm.identity_fails) {
        error_setg(errp, "no identity");
        return false;
    }
    g_assert_cmpint(psp_sev_identity_make(&made), ==, 0);
    *identity = made;
    identity->pdh_key = *vector_pdh();
    return true;
}

static const PspProcessor processor = {
    .unencryptable = unencryptable,
    .encrypt = encrypt,
    .private_at = private_at,
    .ghcb_version = ghcb_version,
    .vcpus = vcpus,
    .vcpu_reset = vcpu_reset,
    .vcpu_load = vcpu_load,
};

void vm_start(bool es)
{
    vm = (Vm) { .ghcb_version = -1 };
    for (int i = 0; i < 2; i++) {
        vm.shared[i] = qemu_memalign(VM_PAGE, VM_SIZE);
        vm.private[i] = qemu_memalign(VM_PAGE, VM_SIZE);
        memset(vm.private[i], 0, VM_SIZE);
        for (int j = 0; j < VM_SIZE; j++) {
            vm.shared[i][j] = j * 7 + j / VM_PAGE + i;
        }
    }
    vm.sev = psp_sev_kvm_new(es, &processor, identity, &vm, &error_abort);
}

void vm_stop(void)
{
    psp_sev_kvm_free(vm.sev);
    for (int i = 0; i < 2; i++) {
        qemu_vfree(vm.shared[i]);
        qemu_vfree(vm.private[i]);
    }
}

void vm_command(int command, void *data, int ret, int status)
{
    int got = 12345;

    g_test_message("command %d", command);
    g_assert_cmpint(psp_sev_kvm_command(vm.sev, command, data, &got), ==,
                    ret);
    g_assert_cmpint(got, ==, status);
}

void vm_init(int ret)
{
    struct kvm_sev_init init = { 0 };

    vm_command(KVM_SEV_INIT2, &init, ret, ret ? SEV_RET_NO_FW_CALL : 0);
}

void vm_launch(uint32_t policy, int ret, int status)
{
    struct kvm_sev_launch_start start = { .policy = policy };

    vm_command(KVM_SEV_LAUNCH_START, &start, ret, status);
}

void vm_update(const void *at, uint32_t size, int ret, int status)
{
    struct kvm_sev_launch_update_data update = {
        .uaddr = (uintptr_t)at, .len = size,
    };

    vm_command(KVM_SEV_LAUNCH_UPDATE_DATA, &update, ret, status);
}

void vm_measure(void)
{
    PspSevMeasurement blob;
    struct kvm_sev_launch_measure measure = {
        .uaddr = (uintptr_t)&blob, .len = sizeof(blob),
    };

    vm_command(KVM_SEV_LAUNCH_MEASURE, &measure, 0, 0);
}

int vm_state(void)
{
    struct kvm_sev_guest_status status;

    vm_command(KVM_SEV_GUEST_STATUS, &status, 0, 0);
    return status.state;
}

void vm_to_update(bool es)
{
    vm_start(es);
    vm_init(0);
    vm_launch(es ? 5 : 1, 0, 0);
    vm_update(vm.shared[0], VM_PAGE, 0, 0);
    if (es) {
        vm_command(KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, 0, 0);
    }
}

void vm_to_secret(bool es)
{
    vm_to_update(es);
    vm_measure();
}

void vm_to_running(bool es)
{
    vm_to_secret(es);
    vm_command(KVM_SEV_LAUNCH_FINISH, NULL, 0, 0);
}

struct kvm_sev_launch_secret vm_secret(const void *header, const void *data)
{
    return (struct kvm_sev_launch_secret) {
        .hdr_uaddr = uaddr(header), .hdr_len = 52,
        .guest_uaddr = uaddr(vm.shared[1]), .guest_len = 32,
        .trans_uaddr = uaddr(data), .trans_len = 32,
    };
}
