/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: software of the machine is the hypervisor
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/snp/host/internal.h"
#include "tcg/snp/host/rmp.h"
#include "tcg/snp/host/vmrun.h"
#include "tcg/svm-assist.h"

uint64_t snp_host_sev_status(CPUX86State *env)
{
    /* SVM_SEV and its like are one bit up from SEV_STATUS, 15.34.10 */
    return env->svm.sev >> 1;
}

/* INIT leaves MSRs alone, and the machine's reset has its own way. */
static void host_reset(X86CPU *cpu)
{
    snp_host_release(&cpu->env);
}

static const SnpWorldOps host_world = {
    .name = "a host",
    .is_host = true,
    .intercepted = snp_host_intercepted,
    .io_intercepted = snp_host_io_intercepted,
    .exit = snp_host_exit,
    .vmgexit = snp_host_vmgexit,
    .rdmsr = snp_host_rdmsr,
    .wrmsr = snp_host_wrmsr,
    .cpuid = snp_host_cpuid,
    .access = snp_host_access,
    .fault = snp_host_fault,
    .reserved = snp_host_reserved,
    .walk = &snp_host_walk,
    .operand = snp_host_operand,
    .fit = snp_host_fit,
    .set = snp_host_set,
    .realize = snp_host_realize,
    .reset = host_reset,
};

bool snp_host_enter_world(SnpHost *host, Error **errp)
{
    host->vcpus = g_new0(SnpHostVcpu, host->machine->smp.max_cpus);
    return snp_world_enter(&host_world, host, SNP_HOST_CBIT, errp);
}

/* A flush of one's own needs no other vCPU to stop. */
static void flush(uint16_t indexes)
{
    if (current_cpu && first_cpu == current_cpu && !CPU_NEXT(first_cpu)) {
        tlb_flush_by_mmuidx(current_cpu, indexes);
        return;
    }
    tlb_flush_by_mmuidx_all_cpus_synced(current_cpu ?: first_cpu, indexes);
}

void snp_rmp_flush(SnpHost *host)
{
    flush(UINT16_MAX);
}

void snp_rmp_flush_guests(SnpHost *host)
{
    flush(SVM_MMU_GUEST_MASK | 1 << MMU_NESTED_IDX);
}
