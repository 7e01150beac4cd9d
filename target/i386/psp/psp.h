/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: firmware that launches SEV-SNP guests
 *
 * Follows the SEV-SNP Firmware ABI Specification (56860) where it says what
 * the firmware does, and KVM where it says which errno an ioctl returns.
 *
 * Nothing here depends on the target's headers but platform.c and
 * cpuid-list.c: what the firmware asks of the processor goes through
 * PspProcessor, so that a unit test can stand in its place.
 */
#ifndef TARGET_I386_PSP_H
#define TARGET_I386_PSP_H

#include "target/i386/sev-abi.h"
#include "target/i386/sev-digest.h"
#include "target/i386/sev-vmsa.h"

/* The firmware ABI that policies are checked against, and a build number */
#define PSP_API_MAJOR       1
#define PSP_API_MINOR       55
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

/* EAX, EBX, ECX, EDX in this order */
typedef void PspCpuidFn(uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);

/**
 * psp_cpuid_check: hold a CPUID page against the processor
 * @page: corrected where it promises what the processor does not have
 * @cpuid: the processor's own answer
 *
 * Returns: number of fields that had to be corrected.
 */
unsigned psp_cpuid_check(PspCpuidPage *page, PspCpuidFn *cpuid);

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
 * psp_ec_verify: has @key signed @data with ECDSA P-384 and SHA-384?
 *
 * The curve is not looked at.  Returns: false with @errp set where not.
 */
bool psp_ec_verify(const PspEcKey *key, const PspEcSignature *signature,
                   const void *data, size_t size, Error **errp);

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

/*
 * launch.c: the commands, and what the firmware remembers of a guest
 */

typedef struct PspChip PspChip;

/**
 * PspProcessor: what the firmware asks of the processor
 *
 * @page: assign the private frame at @gpa to the guest, immutable (the
 *     Pre-Guest state), and return its host address; NULL where it is not a
 *     private page that is still to be populated
 * @page_done: the frame at @gpa has its content: validated (Guest-Valid)
 * @cpuid: see psp_cpuid_check()
 * @vcpus: number of vCPUs
 * @vcpu_reset: reset state of vCPU @index, in order of creation
 * @vcpu_load: let vCPU @index start with @vmsa; NULL, or why it cannot
 * @chip: who signs reports, see attest.h; NULL with @errp set
 */
typedef struct PspProcessor {
    void *(*page)(uint64_t gpa);
    void (*page_done)(uint64_t gpa);
    PspCpuidFn *cpuid;
    unsigned (*vcpus)(void);
    void (*vcpu_reset)(unsigned index, PspVcpuReset *reset);
    const char *(*vcpu_load)(unsigned index, const SevVmsa *vmsa);
    PspChip *(*chip)(Error **errp);
} PspProcessor;

/* GSTATE of 56860 section 4.1, and the time before the guest exists */
typedef enum PspState {
    PSP_STATE_UNINIT,
    PSP_STATE_INIT,
    PSP_STATE_LAUNCH,
    PSP_STATE_RUNNING,
} PspState;

/* PLATFORM_INFO, 56860 table 24: what policies are held against */
#define PSP_PLATFORM_SMT            (1ULL << 0)
#define PSP_PLATFORM_RAPL_DIS       (1ULL << 3)

#define PSP_HOST_DATA_SIZE  32
#define PSP_REPORT_ID_SIZE  32

/**
 * PspGuest: the guest context, what the firmware knows of a guest
 *
 * @processor and @platform_info (PSP_PLATFORM_*) come from outside, all else
 * is the firmware's own; @state says which of the commands may change it, see
 * the functions of launch.c.  @host_data, @vcek_disabled and @identity are
 * valid once the guest runs.
 */
typedef struct PspGuest {
    const PspProcessor *processor;
    uint64_t platform_info;
    PspState state;
    uint64_t sev_features;
    uint64_t policy;
    uint8_t gosvw[PSP_GOSVW_SIZE];
    uint8_t vmpck[PSP_VMPCKS][PSP_VMPCK_SIZE];
    uint8_t digest[PSP_DIGEST_SIZE];
    uint8_t host_data[PSP_HOST_DATA_SIZE];
    bool vcek_disabled;             /* no report may be signed by a VCEK */
    PspIdentity identity;
    uint8_t report_id[PSP_REPORT_ID_SIZE];
    uint64_t message_count[PSP_VMPCKS];     /* last number used, by VMPCK */
    uint64_t pages[PSP_PAGE_CPUID + 1];     /* measured, by type */
} PspGuest;

/**
 * psp_command: run one of KVM's SEV commands (linux/kvm.h, KVM_SEV_*)
 * @data: the command's structure
 * @fw_error: SEV_RET_*, SEV_RET_NO_FW_CALL where KVM would not have got as
 *     far as the firmware
 *
 * What is wrong with a command that is refused goes to error_report().
 *
 * Returns: 0 or a negative errno: -EIO where the firmware refuses.
 */
int psp_command(PspGuest *guest, int command, void *data, int *fw_error);

/** psp_guest: the guest of this machine */
PspGuest *psp_guest(void);

QEMU_BUILD_BUG_ON(sizeof(PspSecretsPage) != PSP_PAGE_SIZE);

#endif
