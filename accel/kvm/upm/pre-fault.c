/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: KVM_PRE_FAULT_MEMORY (Linux,
 * Documentation/virt/kvm/api.rst)
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "hw/core/cpu.h"
#include "system/kvm.h"
#include "trace/trace-upm.h"
#include "internal.h"

/*
 * Save the guest the faults of its first accesses.  It would take these, so
 * no failure matters here; a signal means that the vCPU is wanted elsewhere.
 */
void upm_kvm_pre_fault(const MapGpa *request)
{
    struct kvm_pre_fault_memory range = {
        .gpa = request->gpa,
        .size = request->size,
    };
    unsigned int tries = 0;
    int ret;

    do {
        uint64_t left = range.size;

        ret = kvm_vcpu_ioctl(current_cpu, KVM_PRE_FAULT_MEMORY, &range);
        if (!ret && range.size == left) {
            break;
        }
    } while (ret ? ret == -EAGAIN && upm_kvm_again(ret, &tries) : range.size);
    if (ret == -EOPNOTSUPP) {
        qatomic_set(&upm_kvm.can_pre_fault, false);
    }
    trace_upm_kvm_pre_fault(current_cpu->cpu_index, request->gpa, request->size,
                            range.size, ret);
}
