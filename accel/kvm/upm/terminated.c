/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest under KVM that asks to be terminated
 *
 * KVM tells the value of the GHCB MSR (Linux, arch/x86/kvm/svm/sev.c), which
 * has the reason where the request was made by that MSR, and the address of
 * the GHCB where it was made in there.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "hw/core/cpu.h"
#include "qemu/error-report.h"
#include "system/upm/events.h"
#include "system/upm/host.h"
#include "upm-kvm.h"

static void tell(int vcpu, uint64_t msr)
{
    unsigned int set, code;

    if (!upm_termination_decode(msr, &set, &code)) {
        error_report("guest terminated by vCPU %d: request in the GHCB; its "
                     "reason is in the host's kernel log", vcpu);
        upm_tell_terminated_by(vcpu, "request in the GHCB");
        return;
    }
    error_report("guest terminated by vCPU %d: request by GHCB MSR, %s "
                 "(set 0x%x code 0x%x)", vcpu,
                 upm_termination_reason(set, code), set, code);
    upm_tell_terminated(vcpu, set, code);
}

void upm_kvm_terminated(CPUState *cpu, const struct kvm_run *run)
{
    tell(cpu->cpu_index,
         run->system_event.ndata ? run->system_event.data[0] : 0);
    upm_memory_guest_panicked();
}
