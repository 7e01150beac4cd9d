/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: guests that have none, whose requests are
 * recorded
 *
 * The memory of an SEV or SEV-ES guest is encrypted in place, and nobody has
 * to be told of a page that it shares.  Linux (kvm_init_platform() in
 * arch/x86/kernel/kvm.c) and OVMF do tell by KVM_HC_MAP_GPA_RANGE where they
 * find KVM_FEATURE_MIGRATION_CONTROL, since who migrates such a guest has to
 * know; and say by MSR_KVM_MIGRATION_CONTROL when they have told all of it
 * (Documentation/virt/kvm/x86/msr.rst).  KVM leaves both to user space.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "hw/core/cpu.h"
#include "qemu/error-report.h"
#include "standard-headers/asm-x86/kvm_para.h"
#include "standard-headers/linux/kvm_para.h"
#include "system/kvm.h"
#include "system/reset.h"
#include "trace/trace-upm.h"
#include "internal.h"

static void reset_migration_control(void *opaque)
{
    qatomic_set(&upm_kvm.migration_ready, false);
}

static const UpmProviderOps recorder = {
    .name = "KVM, encrypted in place: page states are only recorded",
};

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
    upm_record(&recorder);
    qemu_register_reset(reset_migration_control, NULL);
    return true;
}

/*
 * The guest's memory is encrypted, so that the MSR begins as 0.  Nothing
 * follows from it: QEMU migrates no such guest.
 */
static bool read_migration_control(struct ArchCPU *cpu, uint32_t msr,
                                   uint64_t *value)
{
    *value = qatomic_read(&upm_kvm.migration_ready) ? KVM_MIGRATION_READY : 0;
    return true;
}

static bool write_migration_control(struct ArchCPU *cpu, uint32_t msr,
                                    uint64_t value)
{
    trace_upm_kvm_migration_control(current_cpu ? current_cpu->cpu_index : -1,
                                    value);
    if (value & ~(uint64_t)KVM_MIGRATION_READY) {
        return false;
    }
    qatomic_set(&upm_kvm.migration_ready, value);
    return true;
}

void upm_kvm_filter_msr(KVMState *s, UpmKvmFilterMsr *filter)
{
    int ret;

    if (!upm_kvm.recording) {
        return;
    }
    ret = filter(s, MSR_KVM_MIGRATION_CONTROL, read_migration_control,
                 write_migration_control);
    upm_kvm.has_migration_control = !ret;
    if (ret < 0) {
        warn_report("upm-mode=off: KVM does not let QEMU serve "
                    "MSR_KVM_MIGRATION_CONTROL, so that Linux and OVMF do not "
                    "tell page states: %s", strerror(-ret));
    }
}

uint32_t upm_kvm_features(void)
{
    uint32_t features = 0;

    if (upm_kvm.recording) {
        features |= 1u << KVM_FEATURE_HC_MAP_GPA_RANGE;
    }
    if (upm_kvm.has_migration_control) {
        features |= 1u << KVM_FEATURE_MIGRATION_CONTROL;
    }
    return features;
}
