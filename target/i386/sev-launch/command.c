/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SEV commands, of a guest and of the platform: run by the host's firmware
 * through KVM and /dev/sev, or by the emulated one
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include <sys/ioctl.h>
#include "kvm/kvm_i386.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/kvm.h"
#include "system/upm/compat.h"
#include "target/i386/sev-features.h"
#include "target/i386/upm-guest.h"
#include "sev.h"
#include "state.h"

static int ask_kvm(int fd, int command, void *data, int *status)
{
    struct kvm_sev_cmd request = {
        .sev_fd = fd,
        .id = command,
        .data = (uintptr_t)data,
        /* KVM writes it only where it has got as far as the firmware. */
        .error = SEV_RET_NO_FW_CALL,
    };
    int ret = kvm_vm_ioctl(kvm_state, KVM_MEMORY_ENCRYPT_OP, &request);

    *status = request.error;
    return ret;
}

/* With private memory the guest has copies of its own. */
static void discard_sources(SevLaunchState *launch)
{
    Error *err = NULL;

    if (current_machine->cgs->require_guest_memfd &&
        !sev_plan_discard(&launch->plan, &err)) {
        warn_report_err(err);
    }
}

/* Beside those of an IGVM file, which sev.c asks for */
static void add_features(struct kvm_sev_init *init)
{
    init->vmsa_features |= upm_guest_sev_features();
}

int sev_launch_run_command(int fd, int command, void *data, int *status)
{
    int unused;

    status = status ?: &unused;
    return sev_emulated() ? sev_firmware_command(command, data, status)
                          : ask_kvm(fd, command, data, status);
}

int sev_launch_command(int fd, int command, void *data, int *status)
{
    SevLaunchState *launch = sev_launch_current();
    int ret;

    if (command == KVM_SEV_LAUNCH_START ||
        command == KVM_SEV_SNP_LAUNCH_START) {
        sev_launch_reset(launch);
    }
    if (command == KVM_SEV_INIT2) {
        add_features(data);
    }
    if (command == KVM_SEV_LAUNCH_MEASURE) {
        /* An SEV or SEV-ES guest: all of it has been launched. */
        sev_launch_measure_only();
    }
    sev_plan_command(&launch->plan, command, data);
    ret = sev_launch_run_command(fd, command, data, status);
    if (!ret) {
        sev_launch_note(launch, command, data);
        sev_launch_note_encrypted(launch, command, data);
    }
    if (command == KVM_SEV_LAUNCH_MEASURE && !ret) {
        discard_sources(launch);
    }
    return ret;
}

int sev_launch_platform_command(int fd, int command, void *data, int *status)
{
    struct sev_issue_cmd request = {
        .cmd = command,
        .data = (uintptr_t)data,
    };
    int ret;

    if (sev_emulated()) {
        return sev_firmware_platform_command(command, data, status);
    }
    ret = ioctl(fd, SEV_ISSUE_CMD, &request) ? -errno : 0;
    if (status) {
        *status = request.error;
    }
    return ret;
}

int sev_launch_get_cpuid(CPUState *cs, struct kvm_cpuid2 *cpuid)
{
    return sev_emulated() ? sev_firmware_get_cpuid(cs, cpuid)
                          : kvm_vcpu_ioctl(cs, KVM_GET_CPUID2, cpuid);
}

int sev_launch_get_features(struct kvm_device_attr *attr)
{
    if (sev_emulated()) {
        *(uint64_t *)(uintptr_t)attr->addr =
            sev_snp_enabled() ? sev_features_emulated() : 0;
        return 0;
    }
    return kvm_ioctl(kvm_state, KVM_GET_DEVICE_ATTR, attr);
}

void sev_launch_finished(void)
{
    if (!sev_emulated()) {
        kvm_mark_guest_state_protected();
    }
}
