/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The platform of SEV and SEV-ES guests: INIT to GET_ID
 *
 * Secure Encrypted Virtualization API (55766), chapter 5.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "psp.h"
#include "host-abi.h"
#include "sev-guest.h"

/* Memory that CONFIG.ES takes, without and with an RMP; aligned as much */
#define TMR_SIZE        (1 * MiB)
#define TMR_SIZE_SNP    (2 * MiB)

/* PLATFORM_STATUS with guests; PspPlatformState has the other two */
#define STATE_WORKING   2

/*
 * INIT and INIT_EX
 */

/* What both have in common */
typedef struct Init {
    uint16_t flags;
    PspRange tmr;
    PspRange nv;                    /* no size: flash memory */
} Init;

/* With SNP on, an RMP has to be there that keeps guests from writing to it. */
static int check_rmp(PspHost *host)
{
    PspRange rmp;
    int status;

    if (!psp_host_all_syscfg(host, PSP_SYSCFG_SNP)) {
        return SEV_RET_SUCCESS;
    }
    status = psp_host_find_rmp(host, &rmp);
    if (!status && !host->rmp_ready) {
        status = SEV_RET_INVALID_PLATFORM_STATE;
    }
    return status;
}

static int check_tmr(PspHost *host, const Init *init)
{
    uint64_t size = host->rmp_ready ? TMR_SIZE_SNP : TMR_SIZE;
    int status;

    if (!(init->flags & PSP_INIT_ES)) {
        return SEV_RET_SUCCESS;
    }
    if (init->nv.size && init->tmr.size &&
        psp_ranges_overlap(&init->tmr, &init->nv)) {
        return SEV_RET_INVALID_ADDRESS;
    }
    status = psp_host_writable(host, init->tmr.base, init->tmr.size);
    if (status) {
        return status;
    }
    if (!QEMU_IS_ALIGNED(init->tmr.base, size)) {
        return SEV_RET_INVALID_ADDRESS;
    }
    if (init->tmr.size != size) {
        return SEV_RET_INVALID_LEN;
    }
    return psp_host_is_ram(host, init->tmr.base, size) ?
        SEV_RET_SUCCESS : SEV_RET_INAVLID_CONFIG;
}

int psp_sev_save_identity(PspHost *host)
{
    g_autofree uint8_t *nv = NULL;
    int status;

    if (!host->nv_spa) {
        host->flash = host->identity;
        return SEV_RET_SUCCESS;
    }
    nv = g_malloc(PSP_SEV_NV_SIZE);
    psp_sev_identity_save(&host->identity, nv);
    status = psp_host_write(host, host->nv_spa, nv, PSP_SEV_NV_SIZE);
    explicit_bzero(nv, PSP_SEV_NV_SIZE);
    return status;
}

/* What is there but cannot be read is erased, and INIT_EX can be repeated. */
static int load_nv(PspHost *host)
{
    g_autofree uint8_t *nv = g_malloc(PSP_SEV_NV_SIZE);
    int status = psp_host_read(host, host->nv_spa, nv, PSP_SEV_NV_SIZE);

    if (status) {
        return status;
    }
    status = psp_sev_identity_load(&host->identity, nv);
    if (status) {
        memset(nv, 0xff, PSP_SEV_NV_SIZE);
        psp_host_write(host, host->nv_spa, nv, PSP_SEV_NV_SIZE);
    }
    explicit_bzero(nv, PSP_SEV_NV_SIZE);
    return status;
}

static int make_identity(PspHost *host)
{
    bool made;
    int status = SEV_RET_SUCCESS;

    host->identity = host->flash;
    if (host->nv_spa) {
        psp_sev_identity_forget(&host->identity);
        status = load_nv(host);
    }
    made = host->identity.made;
    if (!status) {
        status = psp_sev_identity_make(&host->identity);
    }
    if (!status && !made) {
        host->flash.cek = host->identity.cek;
        status = psp_sev_save_identity(host);
    }
    return status;
}

void psp_sev_forget_init(PspHost *host)
{
    psp_sev_guests_forget(host);
    host->platform.sev_state = PSP_PLATFORM_UNINIT;
    host->nv_spa = 0;
    host->es = false;
    memset(&host->tmr, 0, sizeof(host->tmr));
    explicit_bzero(&host->identity, sizeof(host->identity));
}

static int init_platform(PspHost *host, const Init *init)
{
    PspPlatform *platform = &host->platform;
    int status;

    if (init->nv.size) {
        status = psp_host_writable(host, init->nv.base, init->nv.size);
        if (status) {
            return status;
        }
    }
    host->nv_spa = init->nv.size ? init->nv.base : 0;
    status = make_identity(host);
    if (!status) {
        status = check_tmr(host, init);
    }
    if (status) {
        psp_sev_forget_init(host);
        return status;
    }
    if (platform->snp_state == PSP_PLATFORM_UNINIT) {
        psp_asids_soil(platform);
    }
    host->es = init->flags & PSP_INIT_ES;
    if (host->es) {
        host->tmr = init->tmr;
    }
    platform->sev_state = PSP_PLATFORM_INIT;
    return SEV_RET_SUCCESS;
}

static int check_platform(PspHost *host)
{
    if (host->platform.sev_state != PSP_PLATFORM_UNINIT) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    if (!psp_host_all_syscfg(host, PSP_SYSCFG_MEM_ENCRYPT)) {
        return SEV_RET_HWSEV_RET_PLATFORM;
    }
    return SEV_RET_SUCCESS;
}

int psp_sev_init(PspHost *host, void *buffer)
{
    const PspCmdInit *command = buffer;
    const Init init = {
        .flags = le16_to_cpu(command->flags),
        .tmr = {
            psp_spa(le64_to_cpu(command->tmr_spa)),
            le32_to_cpu(command->tmr_size),
        },
    };
    int status = check_platform(host);

    if (!status && (init.flags & ~PSP_INIT_ES ||
                    !buffer_is_zero(command->reserved,
                                    sizeof(command->reserved)))) {
        status = SEV_RET_INAVLID_CONFIG;
    }
    if (!status) {
        status = check_rmp(host);
    }
    return status ?: init_platform(host, &init);
}

static int check_nv(PspHost *host, const PspCmdInitEx *command)
{
    uint64_t spa = psp_spa(le64_to_cpu(command->nv_spa));

    if (le32_to_cpu(command->length) != sizeof(*command)) {
        return SEV_RET_INVALID_LEN;
    }
    if (!spa) {
        return SEV_RET_SUCCESS;
    }
    if (!QEMU_IS_ALIGNED(spa, 4 * KiB)) {
        return SEV_RET_INVALID_ADDRESS;
    }
    return le32_to_cpu(command->nv_size) == PSP_SEV_NV_SIZE ?
        SEV_RET_SUCCESS : SEV_RET_INVALID_LEN;
}

int psp_sev_init_ex(PspHost *host, void *buffer)
{
    const PspCmdInitEx *command = buffer;
    uint64_t nv_spa = psp_spa(le64_to_cpu(command->nv_spa));
    const Init init = {
        .flags = le16_to_cpu(command->flags),
        .tmr = {
            psp_spa(le64_to_cpu(command->tmr_spa)),
            le32_to_cpu(command->tmr_size),
        },
        .nv = { nv_spa, nv_spa ? PSP_SEV_NV_SIZE : 0 },
    };
    int status = check_platform(host);

    if (!status && (init.flags & ~PSP_INIT_ES || command->reserved_14 ||
                    !buffer_is_zero(command->reserved_06,
                                    sizeof(command->reserved_06)))) {
        status = SEV_RET_INAVLID_CONFIG;
    }
    if (!status) {
        status = check_rmp(host);
    }
    if (!status) {
        status = check_nv(host, command);
    }
    return status ?: init_platform(host, &init);
}

int psp_sev_shutdown(PspHost *host, void *buffer)
{
    psp_sev_forget_init(host);
    return SEV_RET_SUCCESS;
}

int psp_sev_platform_reset(PspHost *host, void *buffer)
{
    if (host->platform.sev_state != PSP_PLATFORM_UNINIT) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    psp_sev_identity_forget(&host->flash);
    return SEV_RET_SUCCESS;
}

int psp_sev_platform_status(PspHost *host, void *buffer)
{
    PspCmdPlatformStatus *status = buffer;

    *status = (PspCmdPlatformStatus) {
        .api_major = PSP_API_MAJOR,
        .api_minor = PSP_API_MINOR,
        .state = psp_sev_is_working(host) ? STATE_WORKING
                                          : host->platform.sev_state,
        .owner = host->identity.owned,
        .config = cpu_to_le16(host->es ? PSP_INIT_ES : 0),
        .build = PSP_BUILD,
        .guests = cpu_to_le32(host->guest_count),
    };
    return SEV_RET_SUCCESS;
}

int psp_sev_df_flush(PspHost *host, void *buffer)
{
    psp_df_flush(&host->platform);
    return SEV_RET_SUCCESS;
}

/* The firmware is this program. */
int psp_sev_download_firmware(PspHost *host, void *buffer)
{
    const PspCmdDownloadFirmware *download = buffer;

    if (host->platform.sev_state != PSP_PLATFORM_UNINIT ||
        host->platform.snp_state != PSP_PLATFORM_UNINIT) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    if (!QEMU_IS_ALIGNED(le64_to_cpu(download->spa), 32)) {
        return SEV_RET_INVALID_ADDRESS;
    }
    return SEV_RET_UNSUPPORTED;
}
