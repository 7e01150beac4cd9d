/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: guests that have none, whose requests are
 * recorded
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "standard-headers/asm-x86/kvm_para.h"
#include "standard-headers/linux/kvm_para.h"
#include "system/kvm.h"
#include "internal.h"

bool upm_kvm_record(void)
{
    struct kvm_enable_cap cap = {
        .cap = KVM_CAP_EXIT_HYPERCALL,
        .args[0] = 1ULL << KVM_HC_MAP_GPA_RANGE,
    };

    if (kvm_vm_ioctl(kvm_state, KVM_ENABLE_CAP, &cap) < 0) {
        return false;
    }
    upm_kvm.recording = true;
    upm_record("KVM, encrypted in place: page states are only recorded");
    return true;
}

uint32_t upm_kvm_features(void)
{
    return upm_kvm.recording ? 1u << KVM_FEATURE_HC_MAP_GPA_RANGE : 0;
}
