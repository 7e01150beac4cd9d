/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that a host sends to the AMD-SP's mailbox, and their buffers
 *
 * Secure Encrypted Virtualization API (55766), chapters 5 and 6; SEV-SNP
 * Firmware ABI (56860), chapter 8.  All numbers are little-endian.  Commands
 * on SNP guests and on pages: command-run.c.
 */
#ifndef TARGET_I386_PSP_HOST_ABI_H
#define TARGET_I386_PSP_HOST_ABI_H

#include "qemu/compiler.h"

typedef enum PspHostCommand {
    PSP_CMD_INIT = 0x01,
    PSP_CMD_SHUTDOWN = 0x02,
    PSP_CMD_PLATFORM_RESET = 0x03,
    PSP_CMD_PLATFORM_STATUS = 0x04,
    PSP_CMD_PEK_GEN = 0x05,
    PSP_CMD_PEK_CSR = 0x06,
    PSP_CMD_PEK_CERT_IMPORT = 0x07,
    PSP_CMD_PDH_CERT_EXPORT = 0x08,
    PSP_CMD_PDH_GEN = 0x09,
    PSP_CMD_DF_FLUSH = 0x0a,
    PSP_CMD_DOWNLOAD_FIRMWARE = 0x0b,
    PSP_CMD_GET_ID = 0x0c,
    PSP_CMD_INIT_EX = 0x0d,
    PSP_CMD_NOP = 0x0e,
    PSP_CMD_DECOMMISSION = 0x20,
    PSP_CMD_ACTIVATE = 0x21,
    PSP_CMD_DEACTIVATE = 0x22,
    PSP_CMD_GUEST_STATUS = 0x23,
    PSP_CMD_LAUNCH_START = 0x30,
    PSP_CMD_LAUNCH_UPDATE_DATA = 0x31,
    PSP_CMD_LAUNCH_UPDATE_VMSA = 0x32,
    PSP_CMD_LAUNCH_MEASURE = 0x33,
    PSP_CMD_LAUNCH_SECRET = 0x34,
    PSP_CMD_LAUNCH_FINISH = 0x35,
    PSP_CMD_ATTESTATION = 0x36,
    PSP_CMD_DBG_DECRYPT = 0x60,
    PSP_CMD_DBG_ENCRYPT = 0x61,
    PSP_CMD_SNP_INIT = 0x81,
    PSP_CMD_SNP_SHUTDOWN = 0x82,
    PSP_CMD_SNP_PLATFORM_STATUS = 0x83,
    PSP_CMD_SNP_INIT_EX = 0x85,
    PSP_CMD_SNP_SHUTDOWN_EX = 0x86,
    PSP_CMD_SNP_CONFIG = 0xc9,
    PSP_CMD_SNP_DOWNLOAD_FIRMWARE_EX = 0xca,
    PSP_CMD_SNP_COMMIT = 0xcb,
    PSP_CMD_SNP_FEATURE_INFO = 0xce,
} PspHostCommand;

/* INIT; byte 0 of @flags: PSP_INIT_ES */
typedef struct QEMU_PACKED PspCmdInit {
    uint16_t flags;
    uint8_t reserved[6];
    uint64_t tmr_spa;
    uint32_t tmr_size;
} PspCmdInit;

#define PSP_INIT_ES             (1U << 0)

typedef struct QEMU_PACKED PspCmdInitEx {
    uint32_t length;
    uint16_t flags;
    uint8_t reserved_06[2];
    uint64_t tmr_spa;
    uint32_t tmr_size;
    uint32_t reserved_14;
    uint64_t nv_spa;
    uint32_t nv_size;
} PspCmdInitEx;

typedef struct QEMU_PACKED PspCmdPlatformStatus {
    uint8_t api_major;
    uint8_t api_minor;
    uint8_t state;
    uint8_t owner;                  /* bit 0: externally owned */
    uint16_t config;                /* PSP_INIT_ES */
    uint8_t reserved;
    uint8_t build;
    uint32_t guests;
} PspCmdPlatformStatus;

/* PEK_CSR and GET_ID: where to write what is asked for */
typedef struct QEMU_PACKED PspCmdOutput {
    uint64_t spa;
    uint32_t size;
} PspCmdOutput;

typedef struct QEMU_PACKED PspCmdPekCertImport {
    uint64_t pek_spa;
    uint32_t pek_size;
    uint32_t reserved;
    uint64_t oca_spa;
    uint32_t oca_size;
} PspCmdPekCertImport;

typedef struct QEMU_PACKED PspCmdPdhCertExport {
    uint64_t pdh_spa;
    uint32_t pdh_size;
    uint32_t reserved;
    uint64_t chain_spa;
    uint32_t chain_size;
} PspCmdPdhCertExport;

typedef struct QEMU_PACKED PspCmdDownloadFirmware {
    uint64_t spa;
    uint32_t size;
} PspCmdDownloadFirmware;

/* DECOMMISSION, DEACTIVATE, LAUNCH_FINISH */
typedef struct PspCmdHandle {
    uint32_t handle;
} PspCmdHandle;

typedef struct PspCmdActivate {
    uint32_t handle;
    uint32_t asid;
} PspCmdActivate;

typedef struct QEMU_PACKED PspCmdGuestStatus {
    uint32_t handle;
    uint32_t policy;
    uint32_t asid;
    uint8_t state;
} PspCmdGuestStatus;

typedef struct QEMU_PACKED PspCmdLaunchStart {
    uint32_t handle;
    uint32_t policy;
    uint64_t cert_spa;
    uint32_t cert_size;
    uint32_t reserved;
    uint64_t session_spa;
    uint32_t session_size;
} PspCmdLaunchStart;

/* LAUNCH_UPDATE_DATA, LAUNCH_UPDATE_VMSA and LAUNCH_MEASURE */
typedef struct QEMU_PACKED PspCmdLaunch {
    uint32_t handle;
    uint32_t reserved;
    uint64_t spa;
    uint32_t size;
} PspCmdLaunch;

typedef struct QEMU_PACKED PspCmdLaunchSecret {
    uint32_t handle;
    uint32_t reserved_04;
    uint64_t header_spa;
    uint32_t header_size;
    uint32_t reserved_14;
    uint64_t guest_spa;
    uint32_t guest_size;
    uint32_t reserved_24;
    uint64_t transport_spa;
    uint32_t transport_size;
} PspCmdLaunchSecret;

typedef struct QEMU_PACKED PspCmdAttestation {
    uint32_t handle;
    uint32_t reserved;
    uint64_t spa;
    uint8_t nonce[16];
    uint32_t size;
} PspCmdAttestation;

/* DBG_DECRYPT, DBG_ENCRYPT */
typedef struct QEMU_PACKED PspCmdDebug {
    uint32_t handle;
    uint32_t reserved;
    uint64_t from_spa;
    uint64_t to_spa;
    uint32_t size;
} PspCmdDebug;

/* SNP_INIT_EX; @flags: PSP_SNP_INIT_* */
typedef struct PspCmdSnpInit {
    uint32_t flags;
    uint32_t reserved_04;
    uint64_t list_spa;
    uint8_t reserved_10[0x30];
} PspCmdSnpInit;

#define PSP_SNP_INIT_RMP        (1U << 0)
#define PSP_SNP_INIT_LIST       (1U << 1)

/* A list of ranges that become HV-Fixed */
typedef struct PspSnpRange {
    uint64_t base;
    uint32_t pages;
    uint32_t reserved;
} PspSnpRange;

typedef struct PspSnpList {
    uint32_t count;
    uint32_t reserved;
    PspSnpRange ranges[];
} PspSnpList;

typedef struct PspCmdSnpShutdown {
    uint32_t length;
    uint32_t flags;                 /* PSP_SNP_SHUTDOWN_* */
} PspCmdSnpShutdown;

#define PSP_SNP_SHUTDOWN_IOMMU  (1U << 0)

/* SNP_PLATFORM_STATUS */
typedef struct PspCmdAddress {
    uint64_t spa;
} PspCmdAddress;

typedef struct PspSnpStatus {
    uint8_t api_major;
    uint8_t api_minor;
    uint8_t state;
    uint8_t memory;                 /* PSP_SNP_STATUS_RMP_READY, _ALIAS_CHECK */
    uint32_t build;
    uint32_t flags;                 /* PSP_SNP_STATUS_* */
    uint32_t guests;
    uint64_t current_tcb;
    uint64_t reported_tcb;
} PspSnpStatus;

#define PSP_SNP_STATUS_RMP_READY    (1U << 0)
#define PSP_SNP_STATUS_ALIAS_CHECK  (1U << 1)
#define PSP_SNP_STATUS_MASK         0x3U    /* MASK_CHIP_ID, MASK_CHIP_KEY */
#define PSP_SNP_STATUS_FEATURES     (1U << 3)

typedef struct QEMU_PACKED PspCmdSnpConfig {
    uint64_t reported_tcb;
    uint32_t mask;
    uint8_t reserved[0x34];
} PspCmdSnpConfig;

typedef struct PspCmdSnpDownload {
    uint32_t length;
    uint32_t reserved_04;
    uint64_t spa;
    uint32_t size;
    uint32_t flags;                 /* bit 0: commit it, too */
} PspCmdSnpDownload;

typedef struct PspCmdSnpCommit {
    uint32_t length;
} PspCmdSnpCommit;

typedef struct PspCmdFeatureInfo {
    uint32_t length;
    uint32_t index;
    uint64_t spa;
} PspCmdFeatureInfo;

typedef struct PspFeatureInfo {
    uint32_t eax, ebx, ecx, edx;
} PspFeatureInfo;

QEMU_BUILD_BUG_ON(sizeof(PspCmdInit) != 20);
QEMU_BUILD_BUG_ON(sizeof(PspCmdInitEx) != 36);
QEMU_BUILD_BUG_ON(sizeof(PspCmdPlatformStatus) != 12);
QEMU_BUILD_BUG_ON(sizeof(PspCmdLaunchSecret) != 52);
QEMU_BUILD_BUG_ON(sizeof(PspCmdSnpInit) != 0x40);
QEMU_BUILD_BUG_ON(sizeof(PspSnpStatus) != 32);
QEMU_BUILD_BUG_ON(sizeof(PspCmdSnpConfig) != 0x40);

#endif
