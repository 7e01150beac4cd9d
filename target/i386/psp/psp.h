/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: what its firmware puts into guests, and checks
 *
 * SEV-SNP Firmware ABI Specification (56860).
 *
 * Nothing in this folder depends on the target's headers but guest-world.c
 * and cpuid-list.c: what the firmware asks of the machine goes through
 * PspPlatformOps, and through PspProcessor in the guest world, so that a unit
 * test can stand in its place.
 */
#ifndef TARGET_I386_PSP_H
#define TARGET_I386_PSP_H

#include "target/i386/sev-abi.h"
#include "target/i386/sev-digest.h"
#include "target/i386/sev-vmsa.h"
#include "platform-ops.h"

/*
 * The firmware ABI that policies are checked against, see psp_api_minor(), and
 * a build number
 */
#define PSP_API_MAJOR       1
#define PSP_API_MINOR       55
#define PSP_API_MINOR_MITIGATIONS 58
#define PSP_BUILD           1

/*
 * secrets.c: the secrets page, 56860 section 8.17.2.5
 */

#define PSP_VMPCKS          4
#define PSP_VMPCK_SIZE      32
#define PSP_GOSVW_SIZE      16
#define PSP_SECRETS_VERSION 3

typedef struct PspSecretsPage {
    uint32_t version;
    uint32_t flags;                 /* bit 0: initial migration image */
    uint32_t fms;                   /* CPUID leaf 1, EAX */
    uint32_t reserved_00c;
    uint8_t gosvw[PSP_GOSVW_SIZE];
    uint8_t vmpck[PSP_VMPCKS][PSP_VMPCK_SIZE];
    uint8_t guest_area_0[0x60];     /* belongs to the guest's software */
    uint8_t vmsa_tweak_bitmap[0x40];
    uint64_t svsm_base;
    uint64_t svsm_size;
    uint64_t svsm_caa;
    uint32_t svsm_max_version;
    uint8_t svsm_guest_vmpl;
    uint8_t reserved_15d[3];
    uint32_t tsc_factor;
    uint8_t reserved_164[PSP_PAGE_SIZE - 0x164];
} PspSecretsPage;

/**
 * psp_secrets_fill: write a secrets page for VMPL0
 * @fms: the processor's signature, CPUID leaf 1 EAX
 * @vmpck: communication keys, one a VMPL
 */
void psp_secrets_fill(PspSecretsPage *page, uint32_t fms,
                      const uint8_t gosvw[PSP_GOSVW_SIZE],
                      const uint8_t vmpck[PSP_VMPCKS][PSP_VMPCK_SIZE]);

/*
 * cpuid-page.c: the CPUID page, 56860 section 7.1
 */

/**
 * psp_cpuid_check: hold a CPUID page against the processor
 * @page: corrected where it promises what the processor does not have
 * @cpuid: the processor's own answer
 *
 * Returns: number of fields that had to be corrected.
 */
unsigned psp_cpuid_check(PspCpuidPage *page, PspCpuidFn *cpuid);

/*
 * cpuid-chip.c
 */

/**
 * psp_cpuid_check_chip: hold a CPUID page against a chip, as AMD's firmware
 * does: against what its data sheet says, whatever the host has of it
 * @page: corrected where it promises what the chip cannot
 * @signature: of the chip, CPUID leaf 1 EAX
 *
 * Returns: number of fields that had to be corrected.
 */
unsigned psp_cpuid_check_chip(PspCpuidPage *page, uint32_t signature);

/*
 * identity.c: who the guest is said to be, 56860 section 8.18
 */

/**
 * PspIdentity: what reports show of an ID block that was accepted
 *
 * All zero where there was none.  Key digests are SHA-384 over PspEcKey;
 * @author_key_digest is zero unless @author_key_en.
 */
typedef struct PspIdentity {
    uint8_t family_id[16];
    uint8_t image_id[16];
    uint32_t guest_svn;
    bool author_key_en;
    uint8_t id_key_digest[PSP_DIGEST_SIZE];
    uint8_t author_key_digest[PSP_DIGEST_SIZE];
} PspIdentity;

/**
 * psp_identity_check: hold an ID block against a launch
 * @author_key: the ID key has to be signed by the author key
 * @policy, @digest: those of the launch
 * @identity: set on success only
 *
 * Returns: SEV_RET_SUCCESS; INVALID_PARAM for a version, algorithm or curve
 * that is not known, BAD_MEASUREMENT, POLICY_FAILURE, BAD_SIGNATURE, with
 * @errp set.
 */
int psp_identity_check(const PspIdBlock *block, const PspIdAuth *auth,
                       bool author_key, uint64_t policy,
                       const uint8_t digest[PSP_DIGEST_SIZE],
                       PspIdentity *identity, Error **errp);

QEMU_BUILD_BUG_ON(sizeof(PspSecretsPage) != PSP_PAGE_SIZE);

#endif
