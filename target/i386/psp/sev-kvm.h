/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's commands on SEV and SEV-ES guests, where QEMU itself is the
 * hypervisor (the guest world)
 *
 * What KVM refuses before it asks the firmware, and how it asks:
 * linux/Documentation/virt/kvm/x86/amd-memory-encryption.rst.  The firmware is
 * that of a host's mailbox (host.h).  It finds memory by host addresses here,
 * and knows no other guest.
 */
#ifndef TARGET_I386_PSP_SEV_KVM_H
#define TARGET_I386_PSP_SEV_KVM_H

#include "kvm-rules.h"

typedef struct PspSevIdentity PspSevIdentity;
typedef struct PspSevKvm PspSevKvm;

/**
 * PspSevIdentityFn: give the platform its identity towards owners
 *
 * Asked for by the first command that needs one.  Returns: false with @errp
 * set.
 */
typedef bool PspSevIdentityFn(void *opaque, PspSevIdentity *identity,
                              Error **errp);

/**
 * psp_sev_kvm_new: a platform with room for one guest
 * @es: of SEV-ES; the machine's processor is of that kind
 * @processor: must outlive the guest
 *
 * Returns: NULL with @errp set where this QEMU was built without it.
 */
PspSevKvm *psp_sev_kvm_new(bool es, const PspProcessor *processor,
                           PspSevIdentityFn *identity, void *opaque,
                           Error **errp);

/**
 * psp_sev_kvm_forget: the guest is gone, and one of KVM_SEV_INIT, ES_INIT and
 * INIT2 comes next
 *
 * The platform is a new one, and asks for its identity again.
 * Locking: the BQL.
 */
void psp_sev_kvm_forget(PspSevKvm *vm);

/** psp_sev_kvm_free: forget guest and keys; NULL is ignored */
void psp_sev_kvm_free(PspSevKvm *vm);

/**
 * psp_sev_kvm_command: run one of KVM's SEV commands (linux/kvm.h, KVM_SEV_*)
 * @data: the command's structure; addresses in it are host addresses that the
 *     caller answers for
 * @fw_error: SEV_RET_*, SEV_RET_NO_FW_CALL where KVM would not have got as
 *     far as the firmware
 *
 * What is wrong with a command that is refused before the firmware has seen it
 * goes to error_report(); the firmware has its status only.
 *
 * Locking: the BQL.
 *
 * Returns: 0 or a negative errno: -EIO where the firmware refuses.
 */
int psp_sev_kvm_command(PspSevKvm *vm, int command, void *data,
                        int *fw_error);

/** psp_sev_kvm_guests: guests that the firmware knows */
unsigned psp_sev_kvm_guests(const PspSevKvm *vm);

#endif
