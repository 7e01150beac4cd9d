/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: KVM_PRE_FAULT_MEMORY (Linux,
 * Documentation/virt/kvm/api.rst)
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "hw/core/cpu.h"
#include "qemu/units.h"
#include "system/kvm.h"
#include "trace/trace-upm.h"
#include "internal.h"

/*
 * What a guest makes private to use it now.  A few pages cost as much here as
 * their faults would, of which no other thread hears either; who accepts more
 * than this at once does not use all of it soon.
 */
#define SMALLEST (64 * KiB)
#define LARGEST  (2 * MiB)

void upm_kvm_set_pre_fault(bool on)
{
    upm_kvm.no_pre_fault = !on;
}

/*
 * A kick is a signal, which ends the call; one that came before it has left
 * immediate_exit behind.
 */
static bool is_wanted_elsewhere(CPUState *cpu)
{
    return qatomic_read(&cpu->exit_request) ||
           qatomic_read(&cpu->kvm_run->immediate_exit);
}

/* KVM may return early, and has advanced @range then. */
static int pre_fault_some(struct kvm_pre_fault_memory *range)
{
    uint64_t left = range->size;
    int ret = kvm_vcpu_ioctl(current_cpu, KVM_PRE_FAULT_MEMORY, range);

    return !ret && range->size == left ? -EAGAIN : ret;
}

/*
 * Save the guest the faults of its first accesses.  It would take these, so
 * no failure matters here, and none is worth a second try.
 */
void upm_kvm_pre_fault(const MapGpa *request)
{
    struct kvm_pre_fault_memory range = {
        .gpa = request->gpa,
        .size = request->size,
    };
    int ret = 0;

    if (upm_kvm.no_pre_fault || !qatomic_read(&upm_kvm.can_pre_fault) ||
        request->size < SMALLEST || request->size > LARGEST) {
        return;
    }
    while (range.size && !ret && !is_wanted_elsewhere(current_cpu)) {
        ret = pre_fault_some(&range);
    }
    if (ret == -EOPNOTSUPP) {
        qatomic_set(&upm_kvm.can_pre_fault, false);
    }
    trace_upm_kvm_pre_fault(current_cpu->cpu_index, request->gpa,
                            request->size, range.size, ret);
}
