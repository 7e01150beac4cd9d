/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's commands on SEV and SEV-ES guests: from LAUNCH_UPDATE_DATA to
 * LAUNCH_FINISH
 *
 * Order and errnos are those of linux/arch/x86/kvm/svm/sev.c, 6.12, read for
 * facts.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "qemu/bswap.h"
#include "qemu/memalign.h"
#include "host-abi.h"
#include "sev-kvm-internal.h"

static uint64_t spa_of(const void *host)
{
    return cpu_to_le64((uintptr_t)host);
}

int sev_kvm_update_data(PspSevKvm *vm,
                              const struct kvm_sev_launch_update_data *update,
                              int *fw_error)
{
    const void *host = (void *)(uintptr_t)update->uaddr;
    PspCmdLaunch command = {
        .handle = cpu_to_le32(vm->handle),
        .spa = cpu_to_le64(update->uaddr),
        .size = cpu_to_le32(update->len),
    };
    int ret = sev_check_active(vm, "LAUNCH_UPDATE_DATA");
    const char *why;

    if (ret) {
        return ret;
    }
    if (!update->len || update->uaddr > UINT64_MAX - update->len) {
        return sev_refuse(-EINVAL, "LAUNCH_UPDATE_DATA: %u bytes at 0x%"
                          PRIx64 " are no range", (unsigned)update->len,
                          (uint64_t)update->uaddr);
    }
    why = vm->processor->unencryptable(host, update->len);
    if (why) {
        return sev_refuse(-EINVAL, "LAUNCH_UPDATE_DATA: what is at 0x%" PRIx64
                          " (%u bytes) is %s", (uint64_t)update->uaddr,
                          (unsigned)update->len, why);
    }
    ret = sev_outcome(psp_sev_launch_update_data(&vm->host, &command),
                      fw_error);
    if (!ret) {
        vm->processor->encrypt(host, update->len);
    }
    return ret;
}

static SevVmsa *make_vmsas(const PspSevKvm *vm, unsigned count)
{
    SevVmsa *vmsas = qemu_memalign(SEV_VMSA_PAGE_SIZE,
                                   MAX(count, 1) * sizeof(*vmsas));

    for (unsigned i = 0; i < count; i++) {
        PspVcpuReset reset;

        vm->processor->vcpu_reset(i, &reset);
        reset.sev_features = 0;
        psp_vmsa_init(&vmsas[i], &reset);
        if (vm->without_fpu) {
            psp_vmsa_without_fpu(&vmsas[i]);
        }
    }
    return vmsas;
}

static int measure_vmsas(PspSevKvm *vm, const SevVmsa *vmsas, unsigned count,
                         int *fw_error)
{
    int ret = 0;

    for (unsigned i = 0; i < count && !ret; i++) {
        PspCmdLaunch command = {
            .handle = cpu_to_le32(vm->handle),
            .spa = spa_of(&vmsas[i]),
            .size = cpu_to_le32(sizeof(vmsas[i])),
        };

        ret = sev_outcome(psp_sev_launch_update_vmsa(&vm->host, &command),
                          fw_error);
    }
    return ret;
}

int sev_kvm_update_vmsa(PspSevKvm *vm, int *fw_error)
{
    unsigned count = vm->processor->vcpus();
    int ret = sev_check_active(vm, "LAUNCH_UPDATE_VMSA");
    SevVmsa *vmsas;

    if (ret) {
        return ret;
    }
    if (!vm->es) {
        return sev_refuse(-ENOTTY, "LAUNCH_UPDATE_VMSA is for SEV-ES guests");
    }
    vmsas = make_vmsas(vm, count);
    ret = measure_vmsas(vm, vmsas, count, fw_error);
    if (ret) {
        qemu_vfree(vmsas);
        return ret;
    }
    qemu_vfree(vm->vmsas);
    vm->vmsas = vmsas;
    vm->vmsa_count = count;
    return 0;
}

/* KVM tells the length only where it was asked for nothing else. */
int sev_kvm_measure(PspSevKvm *vm, struct kvm_sev_launch_measure *blob,
                          int *fw_error)
{
    bool ask = !blob->len;
    PspCmdLaunch command = {
        .handle = cpu_to_le32(vm->handle),
        .spa = cpu_to_le64(blob->uaddr),
        .size = cpu_to_le32(blob->uaddr ? blob->len : 0),
    };
    int ret = sev_check_active(vm, "LAUNCH_MEASURE");

    if (ret) {
        return ret;
    }
    if (blob->uaddr && blob->len > SEV_KVM_BLOB_MAX) {
        return sev_refuse(-EINVAL, "LAUNCH_MEASURE: room for %u bytes: KVM"
                          " takes %d", (unsigned)blob->len,
                          (int)SEV_KVM_BLOB_MAX);
    }
    ret = sev_outcome(psp_sev_launch_measure(&vm->host, &command), fw_error);
    if (ask || !ret) {
        blob->len = le32_to_cpu(command.size);
    }
    return ret;
}

static int check_secret(const struct kvm_sev_launch_secret *secret)
{
    if (!secret->guest_len ||
        secret->guest_uaddr > UINT64_MAX - secret->guest_len) {
        return sev_refuse(-EINVAL, "LAUNCH_SECRET: %u bytes at 0x%" PRIx64
                      " are no range", (unsigned)secret->guest_len,
                      (uint64_t)secret->guest_uaddr);
    }
    return sev_check_blob("LAUNCH_SECRET", "a secret", secret->trans_uaddr,
                      secret->trans_len) ?:
           sev_check_blob("LAUNCH_SECRET", "a header", secret->hdr_uaddr,
                      secret->hdr_len);
}

/* It goes right where it is private: plain text is nowhere else. */
int sev_kvm_secret(PspSevKvm *vm,
                         const struct kvm_sev_launch_secret *secret,
                         int *fw_error)
{
    const void *host = (void *)(uintptr_t)secret->guest_uaddr;
    PspCmdLaunchSecret command = {
        .handle = cpu_to_le32(vm->handle),
        .header_spa = cpu_to_le64(secret->hdr_uaddr),
        .header_size = cpu_to_le32(secret->hdr_len),
        .guest_size = cpu_to_le32(secret->guest_len),
        .transport_spa = cpu_to_le64(secret->trans_uaddr),
        .transport_size = cpu_to_le32(secret->trans_len),
    };
    void *private;
    int ret = sev_check_active(vm, "LAUNCH_SECRET") ?: check_secret(secret);

    if (ret) {
        return ret;
    }
    private = vm->processor->private_at(host, secret->guest_len);
    if (!private) {
        return sev_refuse(-EINVAL, "LAUNCH_SECRET: %u bytes at 0x%" PRIx64
                      " are not private memory of one RAM block",
                      (unsigned)secret->guest_len,
                      (uint64_t)secret->guest_uaddr);
    }
    command.guest_spa = spa_of(private);
    return sev_outcome(psp_sev_launch_secret(&vm->host, &command), fw_error);
}

static int load_vcpus(PspSevKvm *vm)
{
    for (unsigned i = 0; i < vm->vmsa_count; i++) {
        const char *why = vm->processor->vcpu_load(i, &vm->vmsas[i]);

        if (why) {
            return sev_refuse(-EIO, "LAUNCH_FINISH: vCPU %u can not start: %s",
                              i, why);
        }
    }
    return 0;
}

int sev_kvm_finish(PspSevKvm *vm, int *fw_error)
{
    const PspSevGuest *guest = psp_sev_guest(&vm->host, vm->handle);
    PspCmdHandle command = { cpu_to_le32(vm->handle) };
    int ret = sev_check_active(vm, "LAUNCH_FINISH");

    if (ret) {
        return ret;
    }
    if (vm->es && !vm->vmsas && guest && guest->state == PSP_SEV_LSECRET) {
        return sev_refuse(-EINVAL, "LAUNCH_FINISH: vCPUs of an SEV-ES guest"
                          " have nothing to start with: LAUNCH_UPDATE_VMSA is"
                          " missing");
    }
    ret = sev_outcome(psp_sev_launch_finish(&vm->host, &command), fw_error);
    ret = ret ?: load_vcpus(vm);
    if (!ret) {
        g_clear_pointer(&vm->vmsas, qemu_vfree);
        vm->vmsa_count = 0;
    }
    return ret;
}

