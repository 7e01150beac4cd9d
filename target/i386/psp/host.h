/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: the firmware behind the mailbox
 *
 * Secure Encrypted Virtualization API (55766) and SEV-SNP Firmware ABI
 * (56860).  A host's software may send any command with any buffer at any
 * time; it gets the firmware's status back.
 *
 * Locking: the BQL.  Fields change inside of psp_host_command() only.
 */
#ifndef TARGET_I386_PSP_HOST_H
#define TARGET_I386_PSP_HOST_H

#include "platform.h"
#include "sev-identity.h"

/* A range of system-physical addresses, in bytes */
typedef struct PspRange {
    uint64_t base;
    uint64_t size;
} PspRange;

/* MSRs that SNP_INIT looks at */
typedef struct PspMsrs {
    uint64_t syscfg;
    uint64_t hwcr;
    uint64_t hsave_pa;
    uint64_t rmp_base;
    uint64_t rmp_end;
} PspMsrs;

/* Event log, PPR log, completion-wait page */
#define PSP_IOMMU_RANGES    3

/**
 * PspIommu: the host's IOMMU, as its registers have it
 * @enabled, @snp: it translates, and checks writes by the RMP
 * @ranges: @count ranges that it writes to
 */
typedef struct PspIommu {
    bool enabled;
    bool snp;
    unsigned count;
    PspRange ranges[PSP_IOMMU_RANGES];
} PspIommu;

/**
 * PspHostOps: what the firmware asks of the machine besides PspPlatformOps
 *
 * @cpus: number of processors
 * @msrs: of processor @cpu
 * @ram: range @index of RAM; false where there are not so many
 * @iommu: all zero where there is none
 */
typedef struct PspHostOps {
    unsigned (*cpus)(void *opaque);
    void (*msrs)(void *opaque, unsigned cpu, PspMsrs *msrs);
    bool (*ram)(void *opaque, unsigned index, PspRange *range);
    void (*iommu)(void *opaque, PspIommu *iommu);
} PspHostOps;

typedef struct PspSevGuest PspSevGuest;

/* Handles are 1 to this. */
#define PSP_SEV_GUESTS      1024

/**
 * PspHost: the object
 *
 * @platform: what commands on SNP guests and on pages go by; its opaque
 *     pointer is that of @ops, too
 * @min_sev_asid: lowest ASID of a guest that is SEV only, CPUID 8000_001F EDX
 * @flash: the identity that the chip keeps over resets
 * @identity: the one in use, since INIT or INIT_EX
 * @nv_spa: where INIT_EX keeps it, 0 for flash memory
 * @rmp_ready: the RMP was set up, since the last reset or SNP_SHUTDOWN_EX
 * @es, @tmr: CONFIG.ES, and the memory that it takes
 * @iommu: Firmware-IOMMU pages
 * @guests, @guest_count: of SEV and SEV-ES, by handle - 1
 */
typedef struct PspHost {
    PspPlatform platform;
    const PspHostOps *ops;
    unsigned min_sev_asid;
    PspSevIdentity flash;
    PspSevIdentity identity;
    uint64_t nv_spa;
    bool rmp_ready;
    bool es;
    PspRange tmr;
    PspIommu iommu;
    PspSevGuest *guests[PSP_SEV_GUESTS];
    unsigned guest_count;
} PspHost;

/**
 * psp_host_init: an object at reset
 *
 * The caller sets what the processor says of itself, with each reset: @platform
 * has a signature and ASIDs, @min_sev_asid.
 */
void psp_host_init(PspHost *host, const PspPlatformOps *platform_ops,
                   const PspHostOps *ops, void *opaque);

/** psp_host_reset: the machine's reset */
void psp_host_reset(PspHost *host);

/** psp_host_destroy: free what psp_host_init() made */
void psp_host_destroy(PspHost *host);

/**
 * psp_host_command: run one command
 * @spa: of the command buffer
 *
 * Returns: the status, SEV_RET_* or PSP_STATUS_*.
 */
int psp_host_command(PspHost *host, unsigned command, uint64_t spa);

/** psp_host_wants_chip: does that command need PspPlatformOps.chip? */
bool psp_host_wants_chip(PspHost *host, unsigned command, uint64_t spa);

/** psp_host_command_name: for traces; NULL where there is none */
const char *psp_host_command_name(unsigned command);

/*
 * host-memory.c
 */

/**
 * psp_host_read, psp_host_write: a host's memory
 *
 * Page states are not looked at.  Returns: SEV_RET_SUCCESS, INVALID_ADDRESS
 * where any of the range is not RAM, or taken by the TMR.
 */
int psp_host_read(PspHost *host, uint64_t spa, void *to, size_t size);
int psp_host_write(PspHost *host, uint64_t spa, const void *from,
                   size_t size);

/**
 * psp_host_writable: may the firmware write to a range?
 *
 * It may go anywhere before SNP_INIT.  Returns: SEV_RET_SUCCESS, INVALID_LEN
 * for more than any command works on, and what psp_pages_writable() returns.
 */
int psp_host_writable(PspHost *host, uint64_t spa, uint64_t size);

/** psp_host_is_ram: does a range lie in one range of RAM? */
bool psp_host_is_ram(PspHost *host, uint64_t base, uint64_t size);

/** psp_ranges_overlap: have two ranges of a size > 0 something in common? */
bool psp_ranges_overlap(const PspRange *a, const PspRange *b);

/*
 * snp-init.c
 */

#define PSP_SYSCFG_MTRR_FIX_DRAM    (1ULL << 19)
#define PSP_SYSCFG_MEM_ENCRYPT      (1ULL << 23)
#define PSP_SYSCFG_SNP              (1ULL << 24)
#define PSP_SYSCFG_VMPL             (1ULL << 25)
#define PSP_HWCR_SMM_LOCK           (1ULL << 0)

/** psp_host_all_syscfg: does SYSCFG have @bits on all processors? */
bool psp_host_all_syscfg(PspHost *host, uint64_t bits);

/**
 * psp_host_find_rmp: RMP_BASE and RMP_END, as all processors have them
 *
 * Returns: SEV_RET_SUCCESS, INAVLID_CONFIG, UNSUPPORTED.
 */
int psp_host_find_rmp(PspHost *host, PspRange *rmp);

/**
 * psp_sev_save_identity: to where it came from, NV memory or flash
 *
 * Returns: SEV_RET_SUCCESS, and what psp_host_write() returns.
 */
int psp_sev_save_identity(PspHost *host);

/** psp_sev_forget_init: as before INIT; guests are gone, and all keys in use */
void psp_sev_forget_init(PspHost *host);

/*
 * Commands; @buffer is a copy of the command buffer, which is written back
 * as the table in host-command.c says.  They return the status.
 */
typedef int PspHostHandler(PspHost *host, void *buffer);

/* sev-platform.c, sev-keys.c */
PspHostHandler psp_sev_init, psp_sev_init_ex, psp_sev_shutdown;
PspHostHandler psp_sev_platform_reset, psp_sev_platform_status;
PspHostHandler psp_sev_df_flush, psp_sev_download_firmware;
PspHostHandler psp_sev_pek_gen, psp_sev_pek_csr, psp_sev_pek_cert_import;
PspHostHandler psp_sev_pdh_gen, psp_sev_pdh_cert_export, psp_sev_get_id;

/* snp-init.c, snp-platform.c */
PspHostHandler psp_snp_init, psp_snp_init_ex;
PspHostHandler psp_snp_shutdown, psp_snp_shutdown_ex;
PspHostHandler psp_snp_platform_status, psp_snp_config, psp_snp_commit;
PspHostHandler psp_snp_download_firmware_ex, psp_snp_feature_info;

/* sev-guest.c, sev-command.c, sev-debug.c, sev-report.c */
PspHostHandler psp_sev_activate, psp_sev_deactivate, psp_sev_decommission;
PspHostHandler psp_sev_guest_status;
PspHostHandler psp_sev_launch_start, psp_sev_launch_update_data;
PspHostHandler psp_sev_launch_update_vmsa, psp_sev_launch_measure;
PspHostHandler psp_sev_launch_secret, psp_sev_launch_finish;
PspHostHandler psp_sev_attestation, psp_sev_dbg_decrypt, psp_sev_dbg_encrypt;

#endif
