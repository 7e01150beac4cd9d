/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command buffers of SEV-SNP firmware commands, as they lie in memory
 *
 * SEV-SNP Firmware ABI (56860), chapter 8.  Fields are little-endian, names
 * are the specification's.
 */
#ifndef TARGET_I386_PSP_COMMAND_ABI_H
#define TARGET_I386_PSP_COMMAND_ABI_H

#include "psp.h"

/* 56860 table 22; the gaps are commands of the platform, or not implemented */
typedef enum PspSnpCommand {
    PSP_SNP_DF_FLUSH = 0x84,
    PSP_SNP_DECOMMISSION = 0x90,
    PSP_SNP_ACTIVATE = 0x91,
    PSP_SNP_GUEST_STATUS = 0x92,
    PSP_SNP_GCTX_CREATE = 0x93,
    PSP_SNP_GUEST_REQUEST = 0x94,
    PSP_SNP_ACTIVATE_EX = 0x95,
    PSP_SNP_LAUNCH_START = 0xa0,
    PSP_SNP_LAUNCH_UPDATE = 0xa1,
    PSP_SNP_LAUNCH_FINISH = 0xa2,
    PSP_SNP_DBG_DECRYPT = 0xb0,
    PSP_SNP_DBG_ENCRYPT = 0xb1,
    PSP_SNP_PAGE_RECLAIM = 0xc7,
    PSP_SNP_PAGE_UNSMASH = 0xc8,
    PSP_SNP_VLEK_LOAD = 0xcd,
} PspSnpCommand;

/* SNP_GCTX_CREATE, SNP_DECOMMISSION */
typedef struct PspGuestBuffer {
    uint64_t gctx_paddr;
} PspGuestBuffer;

typedef struct QEMU_PACKED PspActivateBuffer {
    uint64_t gctx_paddr;
    uint32_t asid;
} PspActivateBuffer;

typedef struct PspActivateExBuffer {
    uint32_t length;
    uint32_t reserved;
    uint64_t gctx_paddr;
    uint32_t asid;
    uint32_t numids;
    uint64_t ids_paddr;             /* APIC IDs, 4 bytes each */
} PspActivateExBuffer;

#define PSP_APIC_IDS_MAX 1024

typedef struct PspGuestStatusBuffer {
    uint64_t gctx_paddr;
    uint64_t status_paddr;
} PspGuestStatusBuffer;

/* What SNP_GUEST_STATUS writes */
typedef struct PspGuestStatus {
    uint64_t policy;
    uint32_t asid;
    uint8_t state;
    uint8_t reserved_0d[3];
    uint32_t vcek_dis;              /* bit 0 */
    uint32_t reserved_14;
    uint64_t reserved_18;
} PspGuestStatus;

typedef struct PspGuestRequestBuffer {
    uint64_t gctx_paddr;
    uint64_t request_paddr;
    uint64_t response_paddr;
} PspGuestRequestBuffer;

typedef struct PspLaunchStartBuffer {
    uint64_t gctx_paddr;
    uint64_t policy;
    uint64_t ma_gctx_paddr;
    uint32_t flags;                 /* PSP_LAUNCH_START_* */
    uint32_t desired_tsc_freq;      /* kHz */
    uint8_t gosvw[PSP_GOSVW_SIZE];
} PspLaunchStartBuffer;

#define PSP_LAUNCH_START_MA_EN      (1U << 0)
#define PSP_LAUNCH_START_IMI_EN     (1U << 1)

typedef struct PspLaunchUpdateBuffer {
    uint64_t gctx_paddr;
    uint32_t flags;                 /* PSP_LAUNCH_UPDATE_* */
    uint32_t reserved_0c;
    uint64_t page_paddr;
    uint8_t reserved_18;
    uint8_t vmpl_perms[3];          /* VMPL1, VMPL2, VMPL3 */
    uint32_t reserved_1c;
} PspLaunchUpdateBuffer;

#define PSP_LAUNCH_UPDATE_2M            (1U << 0)
#define PSP_LAUNCH_UPDATE_TYPE_SHIFT    1       /* 3 bits: PspPageType */
#define PSP_LAUNCH_UPDATE_TYPE_BITS     3
#define PSP_LAUNCH_UPDATE_IMI           (1U << 4)
#define PSP_LAUNCH_UPDATE_KNOWN         0x1fU

typedef struct PspLaunchFinishBuffer {
    uint64_t gctx_paddr;
    uint64_t id_block_paddr;
    uint64_t id_auth_paddr;
    uint64_t flags;                 /* PSP_LAUNCH_FINISH_* */
    uint8_t host_data[32];
} PspLaunchFinishBuffer;

#define PSP_LAUNCH_FINISH_ID_BLOCK      (1U << 0)
#define PSP_LAUNCH_FINISH_AUTHOR_KEY    (1U << 1)
#define PSP_LAUNCH_FINISH_VCEK_DIS      (1U << 2)
#define PSP_LAUNCH_FINISH_KNOWN         0x7U

/* SNP_DBG_DECRYPT, SNP_DBG_ENCRYPT */
typedef struct PspDebugBuffer {
    uint64_t gctx_paddr;
    uint64_t src_paddr;
    uint64_t dst_paddr;
} PspDebugBuffer;

/* SNP_PAGE_RECLAIM, SNP_PAGE_UNSMASH: bit 0 is the size, 1 for 2 MiB */
typedef struct PspPageBuffer {
    uint64_t page_paddr;
} PspPageBuffer;

#define PSP_PAGE_BUFFER_2M          (1U << 0)
#define PSP_PAGE_BUFFER_RESERVED    0xffeU

typedef struct PspVlekLoadBuffer {
    uint32_t length;
    uint8_t vlek_wrapped_version;
    uint8_t reserved_05[3];
    uint64_t vlek_wrapped_paddr;
} PspVlekLoadBuffer;

/* A VLEK that AMD's key server has wrapped for one chip */
typedef struct PspWrappedVlek {
    uint8_t iv[12];
    uint8_t reserved_00c[4];
    uint8_t wrapped[0x180];
    uint64_t tcb_version;
    uint64_t reserved_198;
    uint8_t authtag[16];
} PspWrappedVlek;

typedef union PspCommandBuffer {
    PspGuestBuffer guest;
    PspActivateBuffer activate;
    PspActivateExBuffer activate_ex;
    PspGuestStatusBuffer guest_status;
    PspGuestRequestBuffer guest_request;
    PspLaunchStartBuffer launch_start;
    PspLaunchUpdateBuffer launch_update;
    PspLaunchFinishBuffer launch_finish;
    PspDebugBuffer debug;
    PspPageBuffer page;
    PspVlekLoadBuffer vlek_load;
} PspCommandBuffer;

QEMU_BUILD_BUG_ON(sizeof(PspActivateBuffer) != 0xc);
QEMU_BUILD_BUG_ON(sizeof(PspActivateExBuffer) != 0x20);
QEMU_BUILD_BUG_ON(sizeof(PspGuestStatus) != 0x20);
QEMU_BUILD_BUG_ON(sizeof(PspLaunchStartBuffer) != 0x30);
QEMU_BUILD_BUG_ON(sizeof(PspLaunchUpdateBuffer) != 0x20);
QEMU_BUILD_BUG_ON(sizeof(PspLaunchFinishBuffer) != 0x40);
QEMU_BUILD_BUG_ON(sizeof(PspVlekLoadBuffer) != 0x10);
QEMU_BUILD_BUG_ON(sizeof(PspWrappedVlek) != 0x1b0);

#endif
