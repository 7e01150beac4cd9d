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
 * Between two pieces the vCPU sees that it is wanted elsewhere; 512 pages are
 * a millisecond or less.  The bound is for guests that accept more than they
 * use soon: they get the rest page by page, as without pre-fault.
 */
#define PIECE       (2 * MiB)
#define PIECES_SIZE (64 * MiB)

void upm_kvm_set_pre_fault(bool on)
{
    upm_kvm.no_pre_fault = !on;
}

/*
 * A kick is a signal, which ends a piece; one that came before the piece has
 * left immediate_exit behind.
 */
static bool is_wanted_elsewhere(CPUState *cpu)
{
    return qatomic_read(&cpu->exit_request) ||
           qatomic_read(&cpu->kvm_run->immediate_exit);
}

/* KVM may return early, and has advanced @range then. */
static int pre_fault_piece(struct kvm_pre_fault_memory *range)
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
    hwaddr at = request->gpa;
    hwaddr end = at + MIN(request->size, PIECES_SIZE);
    int ret = 0;

    if (upm_kvm.no_pre_fault || !qatomic_read(&upm_kvm.can_pre_fault)) {
        return;
    }
    while (at < end && !ret && !is_wanted_elsewhere(current_cpu)) {
        struct kvm_pre_fault_memory range = {
            .gpa = at,
            .size = MIN(end - at, PIECE),
        };

        ret = pre_fault_piece(&range);
        at = range.gpa;
    }
    if (ret == -EOPNOTSUPP) {
        qatomic_set(&upm_kvm.can_pre_fault, false);
    }
    trace_upm_kvm_pre_fault(current_cpu->cpu_index, request->gpa,
                            request->size, request->gpa + request->size - at,
                            ret);
}
