/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated SEV-SNP processor: what belongs to the machine
 */
#include "qemu/osdep.h"
#include "qemu/config-file.h"
#include "qemu/error-report.h"
#include "qemu/option.h"
#include "qapi/error.h"
#include "hw/i386/x86.h"
#include "system/confidential-guest-support.h"
#include "system/cpu-timers.h"
#include "system/replay.h"
#include "system/upm/compat.h"
#include "system/upm/host.h"
#include "target/i386/sev-launch/launch.h"
#include "target/i386/sev-vmsa.h"
#include "target/i386/upm-guest.h"
#include "target/i386/upm-compat.h"
#include "tcg/snp/snp.h"
#include "trace.h"

static struct {
    bool active;
    uint64_t cbit_mask;
    SnpVcpu *vcpus;
} snp;

bool snp_active(void)
{
    return snp.active;
}

uint64_t snp_cbit_mask(void)
{
    return snp.cbit_mask;
}

uint64_t snp_sev_features(void)
{
    return SEV_FEATURES_SNP_ACTIVE;
}

SnpVcpu *snp_vcpu(CPUX86State *env)
{
    return &snp.vcpus[env_cpu(env)->cpu_index];
}

static bool cpus_are_not_resettable(void)
{
    return false;
}

static int count_accelerator(void *opaque, QemuOpts *opts, Error **errp)
{
    (*(int *)opaque)++;
    return 0;
}

/* Emulation protects nothing, so it has to be asked for by name. */
static bool emulation_was_asked_for(ConfidentialGuestSupport *cgs)
{
    int listed = 0;

    qemu_opts_foreach(qemu_find_opts("accel"), count_accelerator, &listed,
                      NULL);
    return listed == 1 || upm_guest_emulated(OBJECT(cgs)) ||
           upm_guest_program_emulates();
}

static bool check_machine(ConfidentialGuestSupport *cgs, Error **errp)
{
    ERRP_GUARD();

    if (!emulation_was_asked_for(cgs)) {
        error_setg(errp, "no accelerator with SEV-SNP could be used, and "
                   "emulation protects nothing");
        error_append_hint(errp, "Use '-accel tcg' alone, or emulated=on on "
                          "the guest object, to run it emulated.\n");
        return false;
    }
    if (!object_dynamic_cast(qdev_get_machine(), TYPE_X86_MACHINE)) {
        error_setg(errp, "an SEV-SNP guest needs a PC; use -machine q35");
        return false;
    }
    if (replay_mode != REPLAY_MODE_NONE || icount_enabled()) {
        error_setg(errp, "an SEV-SNP guest cannot be recorded, replayed or "
                   "run with -icount: its conversions are not deterministic");
        return false;
    }
    return true;
}

bool snp_init_machine(ConfidentialGuestSupport *cgs, uint32_t cbitpos,
                      Error **errp)
{
    MachineState *machine = MACHINE(qdev_get_machine());
    AccelOpsClass *ops;

    if (!check_machine(cgs, errp)) {
        return false;
    }
    ops = ACCEL_OPS_CLASS(object_class_by_name(ACCEL_OPS_NAME("tcg")));
    if (ops) {
        ops->cpus_are_resettable = cpus_are_not_resettable;
    }
    snp.cbit_mask = 1ULL << cbitpos;
    snp.vcpus = g_new0(SnpVcpu, machine->smp.max_cpus);
    snp_memory_init(cbitpos);
    snp.active = true;
    if (!sev_launch_only_measures()) {
        warn_report("SEV-SNP is emulated: nothing in this guest is"
                    " confidential");
    }
    return true;
}

void snp_terminate(CPUX86State *env, const char *fmt, ...)
{
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, fmt);
    reason = g_strdup_vprintf(fmt, args);
    va_end(args);
    error_report("SEV-SNP guest terminated by vCPU %d: %s",
                 env_cpu(env)->cpu_index, reason);
    upm_memory_guest_panicked();
}
