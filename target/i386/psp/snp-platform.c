/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The platform of SEV-SNP guests: SNP_SHUTDOWN to SNP_FEATURE_INFO
 *
 * SEV-SNP Firmware ABI (56860), chapter 8.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "chip.h"
#include "host.h"
#include "host-abi.h"
#include "page-state.h"
#include "status.h"

#define PAGE_4K             (4 * KiB)

/* SNP_FEATURE_INFO: the last index, and bits of EAX of index 1 */
#define FEATURE_INFO_LAST       1
#define FEATURE_LEGACY_COMMANDS (1U << 0)
#define FEATURE_MSG_CPUID       (1U << 0)
#define FEATURE_MSG_KEY         (1U << 1)
#define FEATURE_MSG_REPORT      (1U << 2)
#define FEATURE_MSG_TSC_INFO    (1U << 8)

#define CONFIG_MASK         0x3U
#define DOWNLOAD_COMMIT     (1U << 0)

/*
 * SNP_SHUTDOWN
 */

/* What the IOMMU wrote to is the hypervisor's to take back. */
static void release_iommu(PspHost *host)
{
    PspPlatform *platform = &host->platform;

    platform->ops->rmp_lock(platform->opaque);
    for (unsigned i = 0; i < host->iommu.count; i++) {
        const PspRange *range = &host->iommu.ranges[i];

        for (uint64_t done = 0; done < range->size; done += PAGE_4K) {
            PspPage page;

            if (!psp_page_get(platform, range->base + done, &page) &&
                page.state == PSP_PAGE_STATE_FIRMWARE_IOMMU) {
                psp_page_set(platform, &page, PSP_PAGE_STATE_RECLAIM);
            }
        }
    }
    platform->ops->flush(platform->opaque);
    platform->ops->rmp_unlock(platform->opaque);
    memset(&host->iommu, 0, sizeof(host->iommu));
}

static int check_shutdown(const PspHost *host)
{
    if (host->platform.sev_state != PSP_PLATFORM_UNINIT) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    return psp_asids_clean(&host->platform) ? SEV_RET_SUCCESS
                                            : SEV_RET_DFFLUSH_REQUIRED;
}

int psp_snp_shutdown_ex(PspHost *host, void *buffer)
{
    const PspCmdSnpShutdown *shutdown = buffer;
    uint32_t flags = le32_to_cpu(shutdown->flags);
    int status;

    if (host->platform.sev_state == PSP_PLATFORM_UNINIT &&
        host->platform.snp_state == PSP_PLATFORM_UNINIT) {
        return SEV_RET_SUCCESS;
    }
    status = check_shutdown(host);
    if (status) {
        return status;
    }
    /* X86_SNP_SHUTDOWN is not among the features. */
    if (le32_to_cpu(shutdown->length) != sizeof(*shutdown) ||
        flags & ~PSP_SNP_SHUTDOWN_IOMMU) {
        return SEV_RET_INVALID_PARAM;
    }
    if (flags & PSP_SNP_SHUTDOWN_IOMMU) {
        release_iommu(host);
        host->rmp_ready = false;
    }
    psp_platform_reset(&host->platform);
    return SEV_RET_SUCCESS;
}

int psp_snp_shutdown(PspHost *host, void *buffer)
{
    PspCmdSnpShutdown shutdown = { .length = cpu_to_le32(sizeof(shutdown)) };

    return psp_snp_shutdown_ex(host, &shutdown);
}

/*
 * Questions and answers
 */

static bool in_one_page(uint64_t spa, size_t size)
{
    return spa % PAGE_4K + size <= PAGE_4K;
}

static uint8_t memory_status(const PspHost *host)
{
    bool checked = host->platform.platform_info & PSP_PLATFORM_ALIAS_CHECK;

    return (host->rmp_ready ? PSP_SNP_STATUS_RMP_READY : 0) |
           (checked ? PSP_SNP_STATUS_ALIAS_CHECK : 0);
}

int psp_snp_platform_status(PspHost *host, void *buffer)
{
    const PspPlatform *platform = &host->platform;
    const PspCmdAddress *command = buffer;
    uint64_t spa = le64_to_cpu(command->spa);
    const PspSnpStatus answer = {
        .api_major = PSP_API_MAJOR,
        .api_minor = psp_api_minor(platform),
        .state = platform->snp_state,
        .memory = memory_status(host),
        .build = cpu_to_le32(PSP_BUILD),
        .flags = cpu_to_le32((platform->config.mask & PSP_SNP_STATUS_MASK) |
                             PSP_SNP_STATUS_FEATURES),
        .guests = cpu_to_le32(psp_snp_guests(&host->platform)),
        .current_tcb = cpu_to_le64(psp_chip_tcb(platform)),
        .reported_tcb = cpu_to_le64(psp_reported_tcb(platform)),
    };
    int status;

    if (!in_one_page(spa, sizeof(answer))) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_host_writable(host, spa, sizeof(answer));
    return status ?: psp_host_write(host, spa, &answer, sizeof(answer));
}

int psp_snp_feature_info(PspHost *host, void *buffer)
{
    const PspCmdFeatureInfo *command = buffer;
    uint64_t spa = le64_to_cpu(command->spa);
    PspFeatureInfo info = { 0 };
    int status;

    if (le32_to_cpu(command->length) != sizeof(*command)) {
        return SEV_RET_INVALID_PARAM;
    }
    if (spa % sizeof(uint32_t) || !in_one_page(spa, sizeof(info))) {
        return SEV_RET_INVALID_ADDRESS;
    }
    status = psp_host_writable(host, spa, sizeof(info));
    if (status) {
        return status;
    }
    switch (le32_to_cpu(command->index)) {
    case 0:
        info.eax = cpu_to_le32(FEATURE_INFO_LAST);
        info.ebx = cpu_to_le32(FEATURE_LEGACY_COMMANDS);
        break;
    case 1:
        info.eax = cpu_to_le32(FEATURE_MSG_CPUID | FEATURE_MSG_KEY |
                               FEATURE_MSG_REPORT | FEATURE_MSG_TSC_INFO);
        break;
    default:
        return SEV_RET_INVALID_PARAM;
    }
    return psp_host_write(host, spa, &info, sizeof(info));
}

/* As numbers, the boot loader's patch level (from Turin on the FMC's) first */
static uint64_t tcb_order(const PspProduct *product, uint64_t raw)
{
    PspTcb tcb;

    psp_tcb_parse(product, raw, &tcb);
    return (uint64_t)tcb.fmc << 32 | (uint64_t)tcb.boot_loader << 24 |
           tcb.tee << 16 | tcb.snp << 8 | tcb.microcode;
}

static bool tcb_newer(const PspPlatform *platform, uint64_t a, uint64_t b)
{
    const PspProduct *product = psp_product(platform->product);

    return a != b && tcb_order(product, a) >= tcb_order(product, b);
}

int psp_snp_config(PspHost *host, void *buffer)
{
    const PspPlatform *platform = &host->platform;
    const PspCmdSnpConfig *config = buffer;
    uint64_t tcb = le64_to_cpu(config->reported_tcb);
    uint32_t mask = le32_to_cpu(config->mask);

    if (mask & ~CONFIG_MASK ||
        !buffer_is_zero(config->reserved, sizeof(config->reserved)) ||
        (tcb && tcb_newer(platform, tcb, psp_chip_tcb(platform)))) {
        return SEV_RET_INVALID_PARAM;
    }
    host->platform.config = (PspConfig) {
        .reported_tcb = tcb, .mask = mask
    };
    return SEV_RET_SUCCESS;
}

/* What runs is committed always. */
int psp_snp_commit(PspHost *host, void *buffer)
{
    const PspCmdSnpCommit *commit = buffer;

    return le32_to_cpu(commit->length) == sizeof(*commit) ?
        SEV_RET_SUCCESS : SEV_RET_INVALID_PARAM;
}

/* The firmware is this program. */
int psp_snp_download_firmware_ex(PspHost *host, void *buffer)
{
    const PspCmdSnpDownload *download = buffer;

    if (host->platform.sev_state != PSP_PLATFORM_UNINIT) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    if (download->reserved_04 ||
        le32_to_cpu(download->flags) & ~DOWNLOAD_COMMIT) {
        return SEV_RET_INVALID_PARAM;
    }
    if (!QEMU_IS_ALIGNED(le64_to_cpu(download->spa), 32)) {
        return SEV_RET_INVALID_ADDRESS;
    }
    return SEV_RET_UNSUPPORTED;
}
