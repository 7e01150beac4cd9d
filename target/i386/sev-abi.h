/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the SEV-SNP Firmware ABI (56860) lays down
 *
 * Structures and numbers that the launch gives to the firmware, and that the
 * emulated firmware takes.  Neither of the two includes the other.
 */
#ifndef TARGET_I386_SEV_ABI_H
#define TARGET_I386_SEV_ABI_H

#include "qemu/compiler.h"

#define PSP_PAGE_BITS       12
#define PSP_PAGE_SIZE       4096
#define PSP_DIGEST_SIZE     48

/* Types of pages, 56860 section 8.17 */
typedef enum PspPageType {
    PSP_PAGE_NORMAL = 1,
    PSP_PAGE_VMSA = 2,
    PSP_PAGE_ZERO = 3,
    PSP_PAGE_UNMEASURED = 4,
    PSP_PAGE_SECRETS = 5,
    PSP_PAGE_CPUID = 6,
} PspPageType;

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

/*
 * The CPUID page, 56860 section 7.1
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

/*
 * Who the guest is said to be, 56860 section 8.18
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

QEMU_BUILD_BUG_ON(sizeof(PspCpuidEntry) != 48);
QEMU_BUILD_BUG_ON(sizeof(PspCpuidPage) != PSP_PAGE_SIZE);
QEMU_BUILD_BUG_ON(sizeof(PspIdBlock) != 96);
QEMU_BUILD_BUG_ON(sizeof(PspEcKey) != 0x404);
QEMU_BUILD_BUG_ON(sizeof(PspEcSignature) != 0x200);
QEMU_BUILD_BUG_ON(sizeof(PspIdAuth) != PSP_PAGE_SIZE);

#endif
