/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch of one guest object, as its child
 *
 * It is there once somebody asks for it, and goes with the guest object.
 */
#ifndef TARGET_I386_SEV_LAUNCH_STATE_H
#define TARGET_I386_SEV_LAUNCH_STATE_H

#include "qemu/notify.h"
#include "qemu/thread.h"
#include "qom/object.h"
#include <linux/kvm.h>
#include "launch.h"
#include "plan.h"

#define TYPE_SEV_LAUNCH "sev-launch"
OBJECT_DECLARE_SIMPLE_TYPE(SevLaunchState, SEV_LAUNCH)

/**
 * SevLaunchCommands: what an SEV-SNP guest was launched by, besides the plan
 * @init, @start, @finish: the commands' structures; @finish points to @id_block
 *     and @id_auth
 * @digest: the launch digest that came of it, valid once @finished
 *
 * Properties of the guest object may have been changed since.
 */
typedef struct SevLaunchCommands {
    struct kvm_sev_init init;
    struct kvm_sev_snp_launch_start start;
    struct kvm_sev_snp_launch_finish finish;
    PspIdBlock id_block;
    PspIdAuth id_auth;
    bool finished;
    uint8_t digest[PSP_DIGEST_SIZE];
} SevLaunchCommands;

/**
 * SevEncryptedCommands: the same of an SEV-ES guest
 * @init_command: KVM_SEV_ES_INIT, or KVM_SEV_INIT2, which has @init
 * @start: points to @dh_cert and @session, NULL where there is none
 * @has_secret: its owner has given it one, and would have to do so again
 * @digest: in hexadecimal; NULL until it is launched
 */
typedef struct SevEncryptedCommands {
    int init_command;
    struct kvm_sev_init init;
    struct kvm_sev_launch_start start;
    void *dh_cert, *session;
    bool has_secret;
    char *digest;
} SevEncryptedCommands;

/**
 * SevLaunchState
 * @image_size: of the firmware's image
 * @populate: NULL until sev_launch_init()
 * @populated: all pages are in @plan
 * @measuring: @thread has to be waited for; it owns @plan until then, see
 *     sev_plan_measure()
 * @err: why measuring failed
 * @commands, @encrypted: to launch it again, by the kind of guest
 * @vcpus: number of vCPUs that were launched
 * @told: when it was told last that this was done, in us
 */
struct SevLaunchState {
    Object parent_obj;

    SevLaunchPlan plan;
    uint64_t image_size;
    struct SevSnpGuestState *guest;
    SevPopulateFn *populate;
    bool populated;
    Notifier machine_done;
    QemuThread thread;
    bool measuring;
    Error *err;
    SevLaunchCommands commands;
    SevEncryptedCommands encrypted;
    unsigned vcpus;
    int64_t told;
};

/** sev_launch_of: the launch of @guest, made where there is none yet */
SevLaunchState *sev_launch_of(Object *guest);

/** sev_launch_current: that of this machine's guest, NULL where it has none */
SevLaunchState *sev_launch_current(void);

/**
 * sev_launch_reset: as before anything was launched
 *
 * Everything has to be added again.  Locking: BQL.
 */
void sev_launch_reset(SevLaunchState *launch);

/**
 * sev_launch_note: note a command that has succeeded, see SevLaunchCommands
 *
 * Locking: BQL.
 */
void sev_launch_note(SevLaunchState *launch, int command, const void *data);

/** sev_launch_note_encrypted: the same, of SEV-ES guests */
void sev_launch_note_encrypted(SevLaunchState *launch, int command,
                               const void *data);

/**
 * sev_launch_encrypted_again: launch an SEV-ES guest once more, which the
 * platform has forgotten
 *
 * Locking: BQL, and no vCPU runs.  Returns: false with @errp set.
 */
bool sev_launch_encrypted_again(SevLaunchState *launch, Error **errp);

/** sev_launch_encrypted_free: free what was noted of the guest */
void sev_launch_encrypted_free(SevEncryptedCommands *commands);

/**
 * sev_launch_run_command: sev_launch_command(), and nothing is noted of it
 */
int sev_launch_run_command(int fd, int command, void *data, int *status);

/** sev_launch_begin_measuring: measure the plan, in a thread */
void sev_launch_begin_measuring(SevLaunchState *launch);

/** sev_launch_wait: nobody measures the plan any more */
void sev_launch_wait(SevLaunchState *launch);

/**
 * sev_launch_end_measuring: the plan is measured
 *
 * Returns: false with @errp set.
 */
bool sev_launch_end_measuring(SevLaunchState *launch, Error **errp);

/**
 * sev_launch_measured_plan: the plan of this machine's SEV-SNP guest, measured
 *
 * Locking: BQL.  Returns: NULL with @errp set where there is no such plan.
 */
const SevLaunchPlan *sev_launch_measured_plan(Error **errp);

#endif
