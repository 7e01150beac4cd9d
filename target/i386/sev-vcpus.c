/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPUs of the machine in the order in which SEV guests' are measured
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "system/upm/compat.h"
#include "sev.h"
#include "sev-vcpus.h"

CPUState *sev_vcpu(unsigned index)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        if (!index--) {
            return cs;
        }
    }
    g_assert_not_reached();
}

unsigned sev_vcpus(void)
{
    CPUState *cs;
    unsigned count = 0;

    CPU_FOREACH(cs) {
        count++;
    }
    return count;
}

void sev_vcpu_reset(unsigned index, PspVcpuReset *reset)
{
    CPUState *cs = sev_vcpu(index);
    CPUX86State *env = cpu_env(cs);

    /* A reset has brought the architecture's own reset vector back. */
    sev_es_set_reset_vector(cs);
    *reset = (PspVcpuReset) {
        .cs_selector = env->segs[R_CS].selector,
        .cs_base = env->segs[R_CS].base,
        .rip = env->eip,
        .signature = env->cpuid_version,
    };
}
