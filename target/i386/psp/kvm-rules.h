/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's SEV commands, where QEMU itself is the hypervisor (the guest world)
 *
 * What KVM refuses before it asks the firmware, and how it feeds a guest's
 * memory to it: linux/Documentation/virt/kvm/x86/amd-memory-encryption.rst.
 */
#ifndef TARGET_I386_PSP_KVM_RULES_H
#define TARGET_I386_PSP_KVM_RULES_H

#include "command.h"

/**
 * PspProcessor: what KVM would ask of the processor
 *
 * @page: assign the private frame at @gpa to the guest, immutable (the
 *     Pre-Guest state), and return its host address; NULL where it is not a
 *     private page that is still to be populated
 * @page_done: the frame at @gpa has its content: validated (Guest-Valid)
 * @unencryptable: why a range, named by host address in shared memory, is not
 *     private memory: "... is ..."; NULL where it is
 * @encrypt: the content of such a range becomes private
 * @private_at: where the private content of such a range lies; NULL where it
 *     is not private memory
 * @ghcb_version: the highest version of the GHCB protocol to offer
 * @sev_features: SEV_FEATURES that VMSAs may have; may be NULL
 * @vcpus: number of vCPUs
 * @vcpu_reset: reset state of vCPU @index, in order of creation
 * @vcpu_load: let vCPU @index start with @vmsa; NULL, or why it cannot
 */
typedef struct PspProcessor {
    void *(*page)(uint64_t gpa);
    void (*page_done)(uint64_t gpa);
    const char *(*unencryptable)(const void *host, uint64_t size);
    void (*encrypt)(const void *host, uint64_t size);
    void *(*private_at)(const void *host, uint64_t size);
    void (*ghcb_version)(uint8_t version);
    void (*sev_features)(uint64_t features);
    unsigned (*vcpus)(void);
    void (*vcpu_reset)(unsigned index, PspVcpuReset *reset);
    const char *(*vcpu_load)(unsigned index, const SevVmsa *vmsa);
} PspProcessor;

/**
 * PspKvmGuest: the guest, as KVM knows it
 *
 * @processor and @guest.platform come from outside.  @initialised says that
 * KVM_SEV_INIT2 was run, and @sev_features what it asked for.
 */
typedef struct PspKvmGuest {
    const PspProcessor *processor;
    PspGuest guest;
    bool initialised;
    uint64_t sev_features;
} PspKvmGuest;

/**
 * psp_kvm_command: run one of KVM's SEV commands (linux/kvm.h, KVM_SEV_*)
 * @data: the command's structure
 * @fw_error: SEV_RET_*, SEV_RET_NO_FW_CALL where KVM would not have got as
 *     far as the firmware
 *
 * What is wrong with a command that is refused goes to error_report().
 *
 * Locking: the BQL.
 *
 * Returns: 0 or a negative errno: -EIO where the firmware refuses.
 */
int psp_kvm_command(PspKvmGuest *guest, int command, void *data,
                    int *fw_error);

/**
 * psp_kvm_forget: the guest is gone: as before KVM_SEV_INIT2
 *
 * Its keys go first.  Locking: the BQL, and no guest message is under way.
 */
void psp_kvm_forget(PspKvmGuest *guest);

#endif
