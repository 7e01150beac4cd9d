/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of a host: which there are, and what becomes of their buffers
 *
 * A command works on a copy of its buffer.  Once SNP_INIT was there, the
 * firmware writes an answer only to a page in the Firmware state (56860,
 * section 5.3.9), and that page is in the Reclaim state afterwards.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "command-abi.h"
#include "host.h"
#include "host-abi.h"
#include "page-state.h"
#include "sev-guest.h"
#include "status.h"

/* When the buffer is written back */
typedef enum Answer {
    NEVER,
    ON_SUCCESS,
    ON_LENGTH,              /* on success, and with the length that it takes */
} Answer;

typedef struct Command {
    const char *name;
    PspHostHandler *run;
    uint8_t size;           /* of the buffer; 0: there is none */
    Answer answer;
} Command;

#define SIZE_MAX_BUFFER 128

static int nop(PspHost *host, void *buffer)
{
    return SEV_RET_SUCCESS;
}

static const Command commands[] = {
    [PSP_CMD_INIT] = { "INIT", psp_sev_init, sizeof(PspCmdInit) },
    [PSP_CMD_SHUTDOWN] = { "SHUTDOWN", psp_sev_shutdown },
    [PSP_CMD_PLATFORM_RESET] = { "PLATFORM_RESET", psp_sev_platform_reset },
    [PSP_CMD_PLATFORM_STATUS] = {
        "PLATFORM_STATUS", psp_sev_platform_status,
        sizeof(PspCmdPlatformStatus), ON_SUCCESS
    },
    [PSP_CMD_PEK_GEN] = { "PEK_GEN", psp_sev_pek_gen },
    [PSP_CMD_PEK_CSR] = {
        "PEK_CSR", psp_sev_pek_csr, sizeof(PspCmdOutput), ON_LENGTH
    },
    [PSP_CMD_PEK_CERT_IMPORT] = {
        "PEK_CERT_IMPORT", psp_sev_pek_cert_import,
        sizeof(PspCmdPekCertImport)
    },
    [PSP_CMD_PDH_CERT_EXPORT] = {
        "PDH_CERT_EXPORT", psp_sev_pdh_cert_export,
        sizeof(PspCmdPdhCertExport), ON_LENGTH
    },
    [PSP_CMD_PDH_GEN] = { "PDH_GEN", psp_sev_pdh_gen },
    [PSP_CMD_DF_FLUSH] = { "DF_FLUSH", psp_sev_df_flush },
    [PSP_CMD_DOWNLOAD_FIRMWARE] = {
        "DOWNLOAD_FIRMWARE", psp_sev_download_firmware,
        sizeof(PspCmdDownloadFirmware)
    },
    [PSP_CMD_GET_ID] = {
        "GET_ID", psp_sev_get_id, sizeof(PspCmdOutput), ON_LENGTH
    },
    [PSP_CMD_INIT_EX] = { "INIT_EX", psp_sev_init_ex, sizeof(PspCmdInitEx) },
    [PSP_CMD_NOP] = { "NOP", nop },
    [PSP_CMD_DECOMMISSION] = {
        "DECOMMISSION", psp_sev_decommission, sizeof(PspCmdHandle)
    },
    [PSP_CMD_ACTIVATE] = {
        "ACTIVATE", psp_sev_activate, sizeof(PspCmdActivate)
    },
    [PSP_CMD_DEACTIVATE] = {
        "DEACTIVATE", psp_sev_deactivate, sizeof(PspCmdHandle)
    },
    [PSP_CMD_GUEST_STATUS] = {
        "GUEST_STATUS", psp_sev_guest_status, sizeof(PspCmdGuestStatus),
        ON_SUCCESS
    },
    [PSP_CMD_LAUNCH_START] = {
        "LAUNCH_START", psp_sev_launch_start, sizeof(PspCmdLaunchStart),
        ON_SUCCESS
    },
    [PSP_CMD_LAUNCH_UPDATE_DATA] = {
        "LAUNCH_UPDATE_DATA", psp_sev_launch_update_data,
        sizeof(PspCmdLaunch)
    },
    [PSP_CMD_LAUNCH_UPDATE_VMSA] = {
        "LAUNCH_UPDATE_VMSA", psp_sev_launch_update_vmsa,
        sizeof(PspCmdLaunch)
    },
    [PSP_CMD_LAUNCH_MEASURE] = {
        "LAUNCH_MEASURE", psp_sev_launch_measure, sizeof(PspCmdLaunch),
        ON_LENGTH
    },
    [PSP_CMD_LAUNCH_SECRET] = {
        "LAUNCH_SECRET", psp_sev_launch_secret, sizeof(PspCmdLaunchSecret)
    },
    [PSP_CMD_LAUNCH_FINISH] = {
        "LAUNCH_FINISH", psp_sev_launch_finish, sizeof(PspCmdHandle)
    },
    [PSP_CMD_ATTESTATION] = {
        "ATTESTATION", psp_sev_attestation, sizeof(PspCmdAttestation),
        ON_LENGTH
    },
    [PSP_CMD_DBG_DECRYPT] = {
        "DBG_DECRYPT", psp_sev_dbg_decrypt, sizeof(PspCmdDebug)
    },
    [PSP_CMD_DBG_ENCRYPT] = {
        "DBG_ENCRYPT", psp_sev_dbg_encrypt, sizeof(PspCmdDebug)
    },
    [PSP_CMD_SNP_INIT] = { "SNP_INIT", psp_snp_init },
    [PSP_CMD_SNP_SHUTDOWN] = { "SNP_SHUTDOWN", psp_snp_shutdown },
    [PSP_CMD_SNP_PLATFORM_STATUS] = {
        "SNP_PLATFORM_STATUS", psp_snp_platform_status, sizeof(PspCmdAddress)
    },
    [PSP_CMD_SNP_INIT_EX] = {
        "SNP_INIT_EX", psp_snp_init_ex, sizeof(PspCmdSnpInit)
    },
    [PSP_CMD_SNP_SHUTDOWN_EX] = {
        "SNP_SHUTDOWN_EX", psp_snp_shutdown_ex, sizeof(PspCmdSnpShutdown)
    },
    [PSP_CMD_SNP_CONFIG] = {
        "SNP_CONFIG", psp_snp_config, sizeof(PspCmdSnpConfig)
    },
    [PSP_CMD_SNP_DOWNLOAD_FIRMWARE_EX] = {
        "SNP_DOWNLOAD_FIRMWARE_EX", psp_snp_download_firmware_ex,
        sizeof(PspCmdSnpDownload)
    },
    [PSP_CMD_SNP_COMMIT] = {
        "SNP_COMMIT", psp_snp_commit, sizeof(PspCmdSnpCommit)
    },
    [PSP_CMD_SNP_FEATURE_INFO] = {
        "SNP_FEATURE_INFO", psp_snp_feature_info, sizeof(PspCmdFeatureInfo)
    },
};

QEMU_BUILD_BUG_ON(sizeof(PspCmdSnpInit) > SIZE_MAX_BUFFER);
QEMU_BUILD_BUG_ON(sizeof(PspCmdSnpConfig) > SIZE_MAX_BUFFER);

static const Command *find(unsigned command)
{
    return command < ARRAY_SIZE(commands) && commands[command].run ?
        &commands[command] : NULL;
}

const char *psp_host_command_name(unsigned command)
{
    const Command *known = find(command);

    return known ? known->name : NULL;
}

/* A command on SNP guests or on pages; it answers in other pages only. */
static int run_snp(PspHost *host, unsigned command, uint64_t spa)
{
    size_t size = psp_snp_command_size(command);
    PspCommandBuffer buffer = { 0 };
    int status = size ? psp_host_read(host, spa, &buffer, size)
                      : SEV_RET_SUCCESS;

    return status ?: psp_snp_command(&host->platform, command, &buffer);
}

static bool answers(const Command *command, int status)
{
    return (status == SEV_RET_SUCCESS && command->answer != NEVER) ||
           (status == SEV_RET_INVALID_LEN && command->answer == ON_LENGTH);
}

static int run(PspHost *host, const Command *command, uint64_t spa)
{
    uint8_t buffer[SIZE_MAX_BUFFER];
    int status = SEV_RET_SUCCESS, written = SEV_RET_SUCCESS;

    if (command->size) {
        status = psp_host_read(host, spa, buffer, command->size);
    }
    if (!status) {
        status = command->run(host, buffer);
    }
    if (answers(command, status)) {
        written = psp_host_write(host, spa, buffer, command->size);
    }
    return written ?: status;
}

/* The page is the hypervisor's to take back. */
static void give_back(PspHost *host, uint64_t spa)
{
    PspPlatform *platform = &host->platform;
    PspPage page;

    platform->ops->rmp_lock(platform->opaque);
    if (!psp_page_get(platform, spa, &page) &&
        page.state == PSP_PAGE_STATE_FIRMWARE) {
        psp_page_set(platform, &page, PSP_PAGE_STATE_RECLAIM);
        platform->ops->flush(platform->opaque);
    }
    platform->ops->rmp_unlock(platform->opaque);
}

int psp_host_command(PspHost *host, unsigned command, uint64_t spa)
{
    const Command *known = find(command);
    bool guarded;
    int status;

    if (!known) {
        return run_snp(host, command, spa);
    }
    guarded = known->answer != NEVER &&
              host->platform.snp_state != PSP_PLATFORM_UNINIT;
    if (guarded) {
        status = psp_host_writable(host, spa, known->size);
        if (status) {
            return status;
        }
    }
    status = run(host, known, spa);
    if (guarded) {
        give_back(host, spa);
    }
    return status;
}

bool psp_host_wants_chip(PspHost *host, unsigned command, uint64_t spa)
{
    PspCmdOutput id;

    switch (command) {
    case PSP_SNP_GUEST_REQUEST:
        return host->platform.snp_state != PSP_PLATFORM_UNINIT;
    case PSP_CMD_GET_ID:
        /* Not to make a chip for a question about the room it takes */
        return !psp_host_read(host, spa, &id, sizeof(id)) &&
               le32_to_cpu(id.size) >= PSP_CHIP_ID_SIZE;
    default:
        return false;
    }
}

void psp_host_init(PspHost *host, const PspPlatformOps *platform_ops,
                   const PspHostOps *ops, void *opaque)
{
    memset(host, 0, sizeof(*host));
    psp_platform_init(&host->platform, platform_ops, opaque);
    host->ops = ops;
}

void psp_host_reset(PspHost *host)
{
    psp_sev_forget_init(host);
    psp_platform_reset(&host->platform);
    host->rmp_ready = false;
    memset(&host->iommu, 0, sizeof(host->iommu));
}

void psp_host_destroy(PspHost *host)
{
    psp_sev_forget_init(host);
    psp_platform_destroy(&host->platform);
    explicit_bzero(&host->flash, sizeof(host->flash));
}
