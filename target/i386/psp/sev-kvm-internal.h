/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One SEV or SEV-ES guest, as KVM knows it: what the files of its commands
 * share
 */
#ifndef TARGET_I386_PSP_SEV_KVM_INTERNAL_H
#define TARGET_I386_PSP_SEV_KVM_INTERNAL_H

#include "sev-guest.h"
#include "sev-kvm.h"

/* What KVM copies for a command: certificates, sessions, secrets */
#define SEV_KVM_BLOB_MAX    (16 * KiB)

/**
 * PspSevKvm: the guest, and a platform of its own
 * @es: the machine's processor is that of an SEV-ES guest
 * @active: one of KVM_SEV_INIT, ES_INIT, INIT2 was run
 * @without_fpu: it was ES_INIT
 * @handle: of the guest, 0 before LAUNCH_START
 * @vmsas: what vCPUs start with, from LAUNCH_UPDATE_VMSA to LAUNCH_FINISH
 */
struct PspSevKvm {
    PspHost host;
    const PspProcessor *processor;
    PspSevIdentityFn *identity;
    void *opaque;
    bool es;
    bool active;
    bool without_fpu;
    uint32_t handle;
    SevVmsa *vmsas;
    unsigned vmsa_count;
};

/**
 * sev_refuse: the firmware has not seen the command
 *
 * Reports why.  Returns: @ret.
 */
int sev_refuse(int ret, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/** sev_outcome: what the firmware made of a command, as KVM returns it */
int sev_outcome(int status, int *fw_error);

/** sev_check_active: refuse commands before INIT.  Returns: 0 or -ENOTTY. */
int sev_check_active(const PspSevKvm *vm, const char *command);

/**
 * sev_check_blob: refuse what KVM does not copy for a command
 *
 * Returns: 0 or -EINVAL.
 */
int sev_check_blob(const char *command, const char *what, uint64_t uaddr,
                 uint32_t size);

/*
 * sev-kvm-launch.c: commands on a guest that was started
 */

int sev_kvm_update_data(PspSevKvm *vm,
                        const struct kvm_sev_launch_update_data *update,
                        int *fw_error);
int sev_kvm_update_vmsa(PspSevKvm *vm, int *fw_error);
int sev_kvm_measure(PspSevKvm *vm, struct kvm_sev_launch_measure *blob,
                    int *fw_error);
int sev_kvm_secret(PspSevKvm *vm, const struct kvm_sev_launch_secret *secret,
                   int *fw_error);
int sev_kvm_finish(PspSevKvm *vm, int *fw_error);

#endif
