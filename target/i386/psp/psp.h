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

#include "target/i386/sev-vmsa.h"

#define PSP_PAGE_BITS       12
#define PSP_PAGE_SIZE       4096

/* The firmware ABI that policies are checked against, and a build number */
#define PSP_API_MAJOR       1
#define PSP_API_MINOR       55
#define PSP_BUILD           1

/*
 * digest.c: the launch digest, 56860 section 8.17.2
 */

#define PSP_DIGEST_SIZE     48

typedef enum PspPageType {
    PSP_PAGE_NORMAL = 1,
    PSP_PAGE_VMSA = 2,
    PSP_PAGE_ZERO = 3,
    PSP_PAGE_UNMEASURED = 4,
    PSP_PAGE_SECRETS = 5,
    PSP_PAGE_CPUID = 6,
} PspPageType;

/* PAGE_INFO, 56860 table 67: what a page adds to the digest */
typedef struct PspPageInfo {
    uint8_t digest_before[PSP_DIGEST_SIZE];
    uint8_t contents[PSP_DIGEST_SIZE];
    uint16_t length;
    uint8_t page_type;
    uint8_t imi_page;
    uint8_t reserved;
    uint8_t vmpl_perms[3];          /* VMPL3, VMPL2, VMPL1 */
    uint64_t gpa;
} PspPageInfo;

/* VMSAs have no guest-physical address; this one stands for them. */
#define PSP_VMSA_GPA        0xFFFFFFFFF000ULL

/**
 * psp_digest_contents: hash the content of a NORMAL page or of a VMSA
 * @page: PSP_PAGE_SIZE bytes
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool psp_digest_contents(const void *page, uint8_t contents[PSP_DIGEST_SIZE],
                         Error **errp);

/**
 * psp_digest_chain: measure a page of which the content is known by its hash
 * @digest: the digest so far, replaced by the new one; unchanged on failure
 * @gpa: guest-physical address, PSP_VMSA_GPA for a VMSA
 * @vmpl_perms: of VMPL3, VMPL2 and VMPL1
 * @contents: from psp_digest_contents(), NULL for other types of pages
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool psp_digest_chain(uint8_t digest[PSP_DIGEST_SIZE], PspPageType type,
                      uint64_t gpa, const uint8_t vmpl_perms[3],
                      const uint8_t *contents, Error **errp);

/**
 * psp_digest_extend: measure a page
 * @digest: the digest so far, replaced by the new one; unchanged on failure
 * @gpa: guest-physical address, PSP_VMSA_GPA for a VMSA
 * @page: PSP_PAGE_SIZE bytes; only NORMAL and VMSA pages are looked at
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool psp_digest_extend(uint8_t digest[PSP_DIGEST_SIZE], PspPageType type,
                       uint64_t gpa, const void *page, Error **errp);

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

#define PSP_CPUID_MAX       64

typedef struct PspCpuidEntry {
    uint32_t leaf;
    uint32_t subleaf;
    uint64_t xcr0_in;
    uint64_t xss_in;
    uint32_t eax, ebx, ecx, edx;
    uint64_t reserved;
} PspCpuidEntry;

typedef struct PspCpuidPage {
    uint32_t count;
    uint32_t reserved_04;
    uint64_t reserved_08;
    PspCpuidEntry entries[PSP_CPUID_MAX];
    uint8_t reserved_c10[PSP_PAGE_SIZE - 16 - PSP_CPUID_MAX * 48];
} PspCpuidPage;

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
 * initial-vmsa.c: the state a vCPU starts with
 */

/**
 * PspVcpuReset: in what the initial states of vCPUs differ
 * @cs_base, @rip: the reset vector
 * @signature: CPUID leaf 1 EAX, found in RDX after reset
 * @sev_features: APM volume 2 table B-4, offset 3B0h
 */
typedef struct PspVcpuReset {
    uint16_t cs_selector;
    uint64_t cs_base;
    uint64_t rip;
    uint32_t signature;
    uint64_t sev_features;
} PspVcpuReset;

/**
 * psp_vmsa_init: the VMSA that KVM would let the firmware measure
 *
 * The processor's reset state (APM volume 2, table 14-2) as SVM keeps it.
 */
void psp_vmsa_init(SevVmsa *vmsa, const PspVcpuReset *reset);

/*
 * identity.c: who the guest is said to be, 56860 section 8.18
 */

#define PSP_ID_BLOCK_VERSION    1
#define PSP_EC_NUMBER_SIZE      72

/* ECDSA P-384 public key; numbers are little-endian */
typedef struct PspEcKey {
    uint32_t curve;
    uint8_t x[PSP_EC_NUMBER_SIZE];
    uint8_t y[PSP_EC_NUMBER_SIZE];
    uint8_t reserved[0x404 - 4 - 2 * PSP_EC_NUMBER_SIZE];
} PspEcKey;

/* ECDSA P-384 signature; numbers are little-endian */
typedef struct PspEcSignature {
    uint8_t r[PSP_EC_NUMBER_SIZE];
    uint8_t s[PSP_EC_NUMBER_SIZE];
    uint8_t reserved[0x200 - 2 * PSP_EC_NUMBER_SIZE];
} PspEcSignature;

/* ID block, 56860 table 75 */
typedef struct PspIdBlock {
    uint8_t launch_digest[PSP_DIGEST_SIZE];
    uint8_t family_id[16];
    uint8_t image_id[16];
    uint32_t version;
    uint32_t guest_svn;
    uint64_t policy;
} PspIdBlock;

/* ID authentication information, 56860 table 76 */
typedef struct PspIdAuth {
    uint32_t id_key_algorithm;
    uint32_t author_key_algorithm;
    uint8_t reserved_008[0x38];
    PspEcSignature id_block_signature;      /* over the ID block */
    PspEcKey id_key;
    uint8_t reserved_644[0x3c];
    PspEcSignature id_key_signature;        /* over all of id_key */
    PspEcKey author_key;
    uint8_t reserved_c84[PSP_PAGE_SIZE - 0xc84];
} PspIdAuth;

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

/* Guest policy, 56860 table 8 */
#define PSP_POLICY_ABI_MINOR        0x00ffULL
#define PSP_POLICY_ABI_MAJOR_SHIFT  8
#define PSP_POLICY_SMT              (1ULL << 16)
#define PSP_POLICY_ONE              (1ULL << 17)
#define PSP_POLICY_MIGRATE_MA       (1ULL << 18)
#define PSP_POLICY_DEBUG            (1ULL << 19)
#define PSP_POLICY_SINGLE_SOCKET    (1ULL << 20)
#define PSP_POLICY_CXL_ALLOW        (1ULL << 21)
#define PSP_POLICY_AES_256_XTS      (1ULL << 22)
#define PSP_POLICY_RAPL_DIS         (1ULL << 23)
#define PSP_POLICY_HIDE_CIPHERTEXT  (1ULL << 24)

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

QEMU_BUILD_BUG_ON(sizeof(PspPageInfo) != 0x70);
QEMU_BUILD_BUG_ON(sizeof(PspSecretsPage) != PSP_PAGE_SIZE);
QEMU_BUILD_BUG_ON(sizeof(PspCpuidEntry) != 48);
QEMU_BUILD_BUG_ON(sizeof(PspCpuidPage) != PSP_PAGE_SIZE);
QEMU_BUILD_BUG_ON(sizeof(PspIdBlock) != 96);
QEMU_BUILD_BUG_ON(sizeof(PspEcKey) != 0x404);
QEMU_BUILD_BUG_ON(sizeof(PspEcSignature) != 0x200);
QEMU_BUILD_BUG_ON(sizeof(PspIdAuth) != PSP_PAGE_SIZE);

#endif
