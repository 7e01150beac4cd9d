/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine that is reset has its SEV-ES guest launched again
 *
 * What a guest with SEV alone is given by a reset, registers, is the launch's
 * here.  Each range is put where it was, and encrypted there once more.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qapi/error.h"
#include "exec/cpu-common.h"
#include "qemu/rcu.h"
#include "system/upm/compat.h"
#include "target/i386/sev-vcpus.h"
#include "errors.h"
#include "state.h"

/* SEV API (55766), LAUNCH_MEASURE: digest and nonce */
#define MEASUREMENT_SIZE 48

/*
 * The first launch
 */

static void *copy_blob(uint64_t uaddr, uint32_t size)
{
    return uaddr ? g_memdup2((void *)(uintptr_t)uaddr, size) : NULL;
}

/* sev.c frees them, and the handle was the command's to set. */
static void note_start(SevEncryptedCommands *commands,
                       const struct kvm_sev_launch_start *start)
{
    g_free(commands->dh_cert);
    g_free(commands->session);
    commands->dh_cert = copy_blob(start->dh_uaddr, start->dh_len);
    commands->session = copy_blob(start->session_uaddr, start->session_len);
    commands->start = *start;
    commands->start.dh_uaddr = (uintptr_t)commands->dh_cert;
    commands->start.session_uaddr = (uintptr_t)commands->session;
}

void sev_launch_note_encrypted(SevLaunchState *launch, int command,
                               const void *data)
{
    SevEncryptedCommands *commands = &launch->encrypted;

    switch (command) {
    case KVM_SEV_INIT2:
        commands->init = *(const struct kvm_sev_init *)data;
        /* fall through */
    case KVM_SEV_ES_INIT:
        commands->init_command = command;
        break;
    case KVM_SEV_LAUNCH_START:
        note_start(commands, data);
        break;
    case KVM_SEV_LAUNCH_SECRET:
        commands->has_secret = true;
        break;
    case KVM_SEV_LAUNCH_FINISH:
        g_free(commands->digest);
        commands->digest = sev_plan_encrypted_digest(&launch->plan);
        launch->vcpus = sev_vcpus();
        break;
    }
}

void sev_launch_encrypted_free(SevEncryptedCommands *commands)
{
    g_free(commands->dh_cert);
    g_free(commands->session);
    g_free(commands->digest);
}

/*
 * All others
 */

static bool start(const SevEncryptedCommands *commands, Error **errp)
{
    struct kvm_sev_launch_start start = commands->start;
    struct kvm_sev_init init = commands->init;
    int status;
    int ret = sev_launch_run_command(-1, commands->init_command, &init,
                                     &status);

    if (ret) {
        sev_init_error(errp, ret, status);
        return false;
    }
    start.handle = 0;
    ret = sev_launch_run_command(-1, KVM_SEV_LAUNCH_START, &start, &status);
    if (ret) {
        sev_command_error(errp, "SEV launch: LAUNCH_START", ret, status);
    }
    return !ret;
}

/* Flash keeps its content, which is its device's. */
static bool is_flash(void *host)
{
    ram_addr_t offset;
    RAMBlock *rb;

    RCU_READ_LOCK_GUARD();
    rb = qemu_ram_block_from_host(host, false, &offset);
    return rb && rb->mr->rom_device;
}

static void fill(const SevLaunchPlan *plan)
{
    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        const SevLaunchRange *range = sev_plan_range(plan, i);

        if (!is_flash(range->place)) {
            memcpy(range->place, range->copy, range->size);
        }
    }
}

static bool encrypt(SevLaunchPlan *plan, Error **errp)
{
    int status;

    fill(plan);
    return !sev_plan_encrypt_again(plan, -1, sev_launch_run_command, errp) &&
           !sev_plan_encrypt_vcpus(plan, -1, sev_launch_run_command, &status,
                                   errp);
}

/* Its owner has the measurement of the first launch. */
static bool measure(SevLaunchPlan *plan, Error **errp)
{
    uint8_t blob[MEASUREMENT_SIZE];
    struct kvm_sev_launch_measure measurement = {
        .uaddr = (uintptr_t)blob, .len = sizeof(blob),
    };
    int status;
    int ret = sev_launch_run_command(-1, KVM_SEV_LAUNCH_MEASURE, &measurement,
                                     &status);

    if (ret) {
        sev_command_error(errp, "SEV launch: LAUNCH_MEASURE", ret, status);
        return false;
    }
    return !current_machine->cgs->require_guest_memfd ||
           sev_plan_discard(plan, errp);
}

static bool finish(Error **errp)
{
    int status;
    int ret = sev_launch_run_command(-1, KVM_SEV_LAUNCH_FINISH, NULL, &status);

    if (ret) {
        sev_command_error(errp, "SEV launch: LAUNCH_FINISH", ret, status);
    }
    return !ret;
}

static bool check_digest(const SevLaunchState *launch, Error **errp)
{
    g_autofree char *digest = sev_plan_encrypted_digest(&launch->plan);

    if (g_strcmp0(digest, launch->encrypted.digest)) {
        error_setg(errp, "the launch digest is not the one that it had, but "
                   "%s", digest);
        return false;
    }
    return true;
}

bool sev_launch_encrypted_again(SevLaunchState *launch, Error **errp)
{
    SevLaunchPlan *plan = &launch->plan;

    return start(&launch->encrypted, errp) && encrypt(plan, errp) &&
           measure(plan, errp) && check_digest(launch, errp) && finish(errp);
}
