/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine that is reset has its SEV-SNP or SEV-ES guest launched again
 *
 * What the platform knows of the guest is forgotten, memory and keys, and the
 * commands of its launch are given once more.  sev.c takes no part in it: to
 * it the guest goes on running.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/upm/compat.h"
#include "system/upm/host.h"
#include "target/i386/sev-vcpus.h"
#include "svm.h"
#include "sev.h"
#include "again.h"
#include "errors.h"
#include "state.h"
#include "variants.h"

/* A guest that reboots in a loop says so once a second, in us. */
#define TELL_AGAIN 1000000

/*
 * The first launch
 */

static void note_finish(SevLaunchState *launch,
                        const struct kvm_sev_snp_launch_finish *finish)
{
    SevLaunchCommands *commands = &launch->commands;

    commands->finish = *finish;
    if (finish->id_block_en) {
        memcpy(&commands->id_block, (void *)(uintptr_t)finish->id_block_uaddr,
               sizeof(commands->id_block));
        memcpy(&commands->id_auth, (void *)(uintptr_t)finish->id_auth_uaddr,
               sizeof(commands->id_auth));
        commands->finish.id_block_uaddr = (uintptr_t)&commands->id_block;
        commands->finish.id_auth_uaddr = (uintptr_t)&commands->id_auth;
    }
    launch->vcpus = sev_vcpus();
    commands->finished = sev_firmware_launch_digest(commands->digest);
}

void sev_launch_note(SevLaunchState *launch, int command, const void *data)
{
    SevLaunchCommands *commands = &launch->commands;

    switch (command) {
    case KVM_SEV_INIT2:
        commands->init = *(const struct kvm_sev_init *)data;
        break;
    case KVM_SEV_SNP_LAUNCH_START:
        commands->start = *(const struct kvm_sev_snp_launch_start *)data;
        break;
    case KVM_SEV_SNP_LAUNCH_FINISH:
        note_finish(launch, data);
        break;
    }
}

/*
 * All others
 */

bool sev_launch_can_repeat(void)
{
    SevLaunchState *launch = sev_launch_current();

    return launch && launch->plan.kept && !launch->encrypted.has_secret;
}

static bool start(SevLaunchCommands *commands, Error **errp)
{
    int status;
    int ret = sev_launch_run_command(-1, KVM_SEV_INIT2, &commands->init,
                                     &status);

    if (ret) {
        sev_init_error(errp, ret, status);
        return false;
    }
    ret = sev_launch_run_command(-1, KVM_SEV_SNP_LAUNCH_START,
                                 &commands->start, &status);
    if (ret) {
        sev_command_error(errp, "SEV-SNP launch: LAUNCH_START", ret, status);
    }
    return !ret;
}

static bool populate(SevLaunchPlan *plan, Error **errp)
{
    sev_plan_again(plan);
    return !sev_plan_populate(plan, -1, sev_launch_run_command, errp) &&
           sev_plan_close(plan, errp);
}

static bool finish(SevLaunchCommands *commands, Error **errp)
{
    int status;
    int ret = sev_launch_run_command(-1, KVM_SEV_SNP_LAUNCH_FINISH,
                                     &commands->finish, &status);

    if (ret) {
        sev_finish_error(errp, &commands->finish, ret, status);
    }
    return !ret;
}

/* Its owner may hold back secrets from a guest that is another one. */
static bool check_digest(const SevLaunchCommands *commands, Error **errp)
{
    uint8_t digest[PSP_DIGEST_SIZE];

    if (!sev_firmware_launch_digest(digest) ||
        memcmp(digest, commands->digest, sizeof(digest))) {
        error_setg(errp, "the launch digest is not the one that it had");
        return false;
    }
    return true;
}

static bool launch_snp(SevLaunchState *launch, Error **errp)
{
    SevLaunchCommands *commands = &launch->commands;

    return start(commands, errp) && populate(&launch->plan, errp) &&
           finish(commands, errp) && check_digest(commands, errp);
}

/* A vCPU more or less is another digest. */
static bool check_vcpus(const SevLaunchState *launch, Error **errp)
{
    if (sev_vcpus() != launch->vcpus) {
        error_setg(errp, "it was launched with %u vCPUs, and has %u now",
                   launch->vcpus, sev_vcpus());
        return false;
    }
    return true;
}

static bool launch_again(SevLaunchState *launch, Error **errp)
{
    if (!check_vcpus(launch, errp) || upm_reset_states(errp) < 0) {
        return false;
    }
    sev_firmware_forget();
    return sev_snp_enabled() ? launch_snp(launch, errp)
                             : sev_launch_encrypted_again(launch, errp);
}

static char *digest_of(const SevLaunchState *launch)
{
    return sev_snp_enabled()
           ? sev_launch_hex(launch->commands.digest, PSP_DIGEST_SIZE)
           : g_strdup(launch->encrypted.digest);
}

static void tell(SevLaunchState *launch)
{
    int64_t now = g_get_monotonic_time();
    g_autofree char *digest = NULL;

    if (launch->told && now - launch->told < TELL_AGAIN) {
        return;
    }
    launch->told = now;
    digest = digest_of(launch);
    info_report("%s: the guest was launched again, launch digest %s",
                sev_snp_enabled() ? "SEV-SNP" : "SEV-ES", digest);
}

static void stop(Error *err)
{
    error_prepend(&err, "the guest could not be launched again: ");
    sev_firmware_hold_vcpus();
    upm_memory_stop_guest(error_get_pretty(err));
    error_free(err);
}

static bool was_launched(const SevLaunchState *launch)
{
    return sev_snp_enabled() ? launch->commands.finished
                             : launch->encrypted.digest != NULL;
}

void sev_launch_again(ResetType type)
{
    SevLaunchState *launch = sev_launch_current();
    Error *err = NULL;

    if (type != RESET_TYPE_COLD || !sev_launch_can_repeat() ||
        !was_launched(launch)) {
        return;
    }
    if (launch_again(launch, &err)) {
        tell(launch);
    } else {
        stop(err);
    }
}
