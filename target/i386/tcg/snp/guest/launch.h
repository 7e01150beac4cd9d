/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest world: what the emulated firmware asks of it
 */
#ifndef TARGET_I386_TCG_SNP_GUEST_LAUNCH_H
#define TARGET_I386_TCG_SNP_GUEST_LAUNCH_H

#include "cpu.h"
#include "exec/hwaddr.h"
#include "target/i386/sev-vmsa.h"

typedef struct ConfidentialGuestSupport ConfidentialGuestSupport;

/**
 * SnpGuestKind: which kind of guest the machine's processor is for
 * @sev: SVM_SEV, SVM_SEV_ES, SVM_SEV_SNP, as they add up
 * @ghcb_version: highest that the hypervisor offers; 0 without SEV-ES
 * @views: guest memory is one half, seen with and without the key, as there
 *     is no unmapped private memory (upm-mode is not on)
 */
typedef struct SnpGuestKind {
    uint32_t sev;
    uint8_t ghcb_version;
    bool views;
} SnpGuestKind;

/**
 * snp_guest_start: turn the machine's processor into that of one guest
 *
 * Called when the accelerator starts, before there is RAM or a vCPU.
 * Refuses a list of accelerators that would end here unasked, and whatever
 * cannot work with private memory (record/replay).
 */
bool snp_guest_start(ConfidentialGuestSupport *cgs, uint32_t cbitpos,
                     const SnpGuestKind *kind, Error **errp);

/**
 * snp_guest_set_ghcb_version: what KVM_SEV_INIT2 asked for
 *
 * After snp_guest_start(), before the machine runs.
 */
void snp_guest_set_ghcb_version(uint8_t version);

/** snp_guest_set_features: the same, what SEV_FEATURES of VMSAs may have */
void snp_guest_set_features(uint64_t features);

/*
 * Launch of SEV and SEV-ES guests: what lies in shared memory becomes
 * private.  Ranges are named by their host address in the shared half, as
 * KVM's commands do; with the BQL, before the machine runs.
 */

/**
 * snp_launch_unencryptable: why it cannot be encrypted: "... is ..."
 *
 * Memory that is not in an address space yet can be asked about, too.
 *
 * Returns: NULL where all of the range is private memory of one block.
 */
const char *snp_launch_unencryptable(const void *host, uint64_t size);

/**
 * snp_launch_forget: what is encrypted in place from now on is so with another
 * key
 *
 * Behind upm_reset_states(), which is what forgets all content.
 */
void snp_launch_forget(void);

/** snp_launch_encrypt: the content of such a range becomes private */
void snp_launch_encrypt(const void *host, uint64_t size);

/**
 * snp_launch_private: where the private content of such a range lies, for
 * who writes it himself
 *
 * Returns: NULL where there is none, as in flash.
 */
void *snp_launch_private(const void *host, uint64_t size);

/**
 * snp_launch_page: assign a private frame to the guest for the firmware's
 * LAUNCH_UPDATE, and return its host address
 *
 * The frame is immutable until snp_launch_page_done(): no conversion can take
 * it away (state Pre-Guest, 56860 section 5).
 *
 * Returns: NULL where the page state is not private (the caller converts
 * first) or the page is assigned already (populated before).
 */
void *snp_launch_page(hwaddr gpa);

/** snp_launch_page_done: the frame is the guest's, validated */
void snp_launch_page_done(hwaddr gpa);

/**
 * snp_launch_vcpu: let a vCPU that was just reset start with a VMSA
 *
 * Before the machine runs.  Returns: NULL, or why it cannot.
 */
const char *snp_launch_vcpu(CPUX86State *env, const SevVmsa *vmsa);

/**
 * snp_launch_hold_vcpus: a launch has failed: vCPUs that were just reset have
 * nothing to run, and stay halted until the next reset
 *
 * With the BQL, while no vCPU runs.
 */
void snp_launch_hold_vcpus(void);

#endif
