/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SNP_INIT and SNP_INIT_EX: from a host's registers to an RMP in force
 *
 * SEV-SNP Firmware ABI (56860), sections 8.8 and 8.9.  The order of the
 * checks is the firmware's, as far as a host's software can see it.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "host.h"
#include "host-abi.h"
#include "page-state.h"
#include "status.h"
#include "trace.h"

#define PAGE_4K         (4 * KiB)
#define PAGES_2M        512

/* Memory of system management mode, which nobody else gets to see */
#define ASEG_BASE       0xa0000
#define ASEG_SIZE       0x20000

#define INIT_RESERVED   (~(PSP_SNP_INIT_RMP | PSP_SNP_INIT_LIST))

/* What the firmware finds and is told */
typedef struct SnpInit {
    bool init_rmp;
    unsigned count;
    PspRange fixed[PAGE_4K / sizeof(PspSnpRange)];
    PspRange rmp;
} SnpInit;

/*
 * Checks
 */

static PspMsrs msrs_of(PspHost *host, unsigned cpu)
{
    PspMsrs msrs;

    host->ops->msrs(host->platform.opaque, cpu, &msrs);
    return msrs;
}

bool psp_host_all_syscfg(PspHost *host, uint64_t bits)
{
    for (unsigned i = 0; i < host->ops->cpus(host->platform.opaque); i++) {
        if (~msrs_of(host, i).syscfg & bits) {
            return false;
        }
    }
    return true;
}

int psp_host_find_rmp(PspHost *host, PspRange *rmp)
{
    const PspMsrs first = msrs_of(host, 0);

    for (unsigned i = 1; i < host->ops->cpus(host->platform.opaque); i++) {
        const PspMsrs msrs = msrs_of(host, i);

        if (msrs.rmp_base != first.rmp_base || msrs.rmp_end != first.rmp_end) {
            return SEV_RET_INAVLID_CONFIG;
        }
    }
    if (first.rmp_end < first.rmp_base ||
        !QEMU_IS_ALIGNED(first.rmp_base, 1 * MiB) ||
        !QEMU_IS_ALIGNED(first.rmp_end + 1, 1 * MiB)) {
        return SEV_RET_INAVLID_CONFIG;
    }
    if ((first.rmp_base | first.rmp_end) & PSP_CBIT) {
        return SEV_RET_UNSUPPORTED;
    }
    rmp->base = first.rmp_base;
    rmp->size = first.rmp_end - first.rmp_base + 1;
    return SEV_RET_SUCCESS;
}

static int check_msrs(PspHost *host)
{
    const PspMsrs first = msrs_of(host, 0);

    if (!psp_host_all_syscfg(host, PSP_SYSCFG_MEM_ENCRYPT | PSP_SYSCFG_SNP |
                             PSP_SYSCFG_VMPL)) {
        return SEV_RET_INAVLID_CONFIG;
    }
    for (unsigned i = 0; i < host->ops->cpus(host->platform.opaque); i++) {
        const PspMsrs msrs = msrs_of(host, i);

        if (msrs.syscfg != first.syscfg || msrs.hwcr != first.hwcr) {
            return SEV_RET_INAVLID_CONFIG;
        }
    }
    return first.syscfg & PSP_SYSCFG_MTRR_FIX_DRAM &&
           first.hwcr & PSP_HWCR_SMM_LOCK ?
        SEV_RET_SUCCESS : SEV_RET_INAVLID_CONFIG;
}

/* A guest could have run before there was an RMP to keep it in. */
static int check_hsave(PspHost *host)
{
    for (unsigned i = 0; i < host->ops->cpus(host->platform.opaque); i++) {
        if (msrs_of(host, i).hsave_pa) {
            return SEV_RET_INAVLID_CONFIG;
        }
    }
    return SEV_RET_SUCCESS;
}

static int check_state(PspHost *host, const SnpInit *init)
{
    if (host->platform.snp_state != PSP_PLATFORM_UNINIT ||
        host->platform.sev_state != PSP_PLATFORM_UNINIT) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    return init->init_rmp || host->rmp_ready ?
        SEV_RET_SUCCESS : PSP_STATUS_RMP_INIT_REQUIRED;
}

static int check_host(PspHost *host, SnpInit *init)
{
    int status = check_msrs(host);

    if (!status) {
        status = psp_host_find_rmp(host, &init->rmp);
    }
    if (!status && (init->rmp.size <= SEV_RMP_BOOKKEEPING ||
                    !psp_host_is_ram(host, init->rmp.base, init->rmp.size))) {
        status = SEV_RET_INAVLID_CONFIG;
    }
    if (!status && init->init_rmp) {
        status = check_hsave(host);
    }
    return status;
}

/*
 * The list of ranges that become HV-Fixed
 */

static int add_fixed(SnpInit *init, const PspSnpRange *range)
{
    uint64_t base = psp_spa(le64_to_cpu(range->base));

    if (range->reserved || !QEMU_IS_ALIGNED(base, PAGE_4K)) {
        return SEV_RET_INVALID_PARAM;
    }
    init->fixed[init->count++] = (PspRange) {
        base, le32_to_cpu(range->pages) * PAGE_4K
    };
    return SEV_RET_SUCCESS;
}

static int read_list(PspHost *host, uint64_t spa, SnpInit *init)
{
    PspSnpRange ranges[ARRAY_SIZE(init->fixed)];
    PspSnpList list;
    int status = psp_host_read(host, spa, &list, sizeof(list));
    uint32_t count = le32_to_cpu(list.count);

    if (status) {
        return status;
    }
    if (list.reserved || count >= ARRAY_SIZE(init->fixed) ||
        spa % PAGE_4K + sizeof(list) + count * sizeof(PspSnpRange) >
        PAGE_4K) {
        return SEV_RET_INVALID_PARAM;
    }
    if (count) {
        status = psp_host_read(host, spa + sizeof(list), ranges,
                               count * sizeof(ranges[0]));
    }
    for (uint32_t i = 0; i < count && !status; i++) {
        status = add_fixed(init, &ranges[i]);
    }
    return status;
}

/*
 * The RMP
 */

/* @pages is what the table covers, from address 0 on. */
static void fill(SevRmpEntry *table, uint64_t pages, const PspRange *range,
                 uint64_t lo)
{
    uint64_t first = MIN(range->base / PAGE_4K, pages);
    uint64_t count = MIN(DIV_ROUND_UP(range->size, PAGE_4K), pages - first);

    for (uint64_t i = first; i < first + count; i++) {
        table[i].lo = cpu_to_le64(lo);
        table[i].perms = 0;
    }
}

/* In each first entry of 2 MiB: how many of the other 511 are assigned */
static void count_subpages(SevRmpEntry *table, uint64_t pages,
                           const PspRange *rmp)
{
    uint64_t first = rmp->base / PAGE_4K, end = first + rmp->size / PAGE_4K;

    for (uint64_t i = first; i < MIN(end, pages); i++) {
        uint64_t large = QEMU_ALIGN_DOWN(i, PAGES_2M);
        uint64_t lo = le64_to_cpu(table[large].lo);

        if (i != large) {
            lo += 1ULL << SEV_RMP_SUBPAGES_SHIFT;
            table[large].lo = cpu_to_le64(lo);
        }
    }
}

/* Memory that is named again and again would keep everybody waiting. */
static int check_fixed(const SnpInit *init)
{
    uint64_t most = init->rmp.size / sizeof(SevRmpEntry) * PAGE_4K;
    uint64_t sum = 0;

    for (unsigned i = 0; i < init->count; i++) {
        sum += MIN(init->fixed[i].size, most);
    }
    return sum > 2 * most ? SEV_RET_INVALID_PARAM : SEV_RET_SUCCESS;
}

static int build_rmp(PspHost *host, const SnpInit *init)
{
    const PspRange aseg = { ASEG_BASE, ASEG_SIZE };
    const PspPlatform *platform = &host->platform;
    uint64_t pages = (init->rmp.size - SEV_RMP_BOOKKEEPING) /
                     sizeof(SevRmpEntry);
    const PspRange covered = { 0, pages * PAGE_4K };
    PspRange ram;
    SevRmpEntry *table;
    void *rmp;

    if (init->rmp.base + init->rmp.size > covered.size) {
        return PSP_STATUS_RMP_INITIALIZATION_FAILED;
    }
    rmp = platform->ops->map(platform->opaque, init->rmp.base, init->rmp.size,
                             true);
    if (!rmp) {
        return PSP_STATUS_RMP_INITIALIZATION_FAILED;
    }
    table = rmp + SEV_RMP_BOOKKEEPING;
    memset(rmp, 0, SEV_RMP_BOOKKEEPING);
    fill(table, pages, &covered, SEV_RMP_IMMUTABLE);
    for (unsigned i = 0; host->ops->ram(platform->opaque, i, &ram); i++) {
        fill(table, pages, &ram, 0);
    }
    for (unsigned i = 0; i < init->count; i++) {
        fill(table, pages, &init->fixed[i], SEV_RMP_IMMUTABLE);
    }
    fill(table, pages, &aseg, SEV_RMP_IMMUTABLE);
    /* Last: the RMP's own pages are the firmware's, whatever the list says. */
    fill(table, pages, &init->rmp, SEV_RMP_ASSIGNED | SEV_RMP_IMMUTABLE);
    count_subpages(table, pages, &init->rmp);
    platform->ops->unmap(platform->opaque, rmp, init->rmp.size, true);
    return SEV_RET_SUCCESS;
}

/*
 * The IOMMU
 */

static int take_iommu_range(PspHost *host, const PspRange *range)
{
    for (uint64_t done = 0; done < range->size; done += PAGE_4K) {
        PspPage page;

        if (psp_page_get(&host->platform, range->base + done, &page) ||
            page.state == PSP_PAGE_STATE_DEFAULT) {
            return SEV_RET_INAVLID_CONFIG;
        }
        psp_page_set(&host->platform, &page, PSP_PAGE_STATE_FIRMWARE_IOMMU);
    }
    return SEV_RET_SUCCESS;
}

static int check_iommu(PspHost *host, PspIommu *iommu)
{
    host->ops->iommu(host->platform.opaque, iommu);
    if (!iommu->enabled || !iommu->snp) {
        return SEV_RET_INAVLID_CONFIG;
    }
    for (unsigned i = 0; i < iommu->count; i++) {
        const PspRange *range = &iommu->ranges[i];

        if (!range->size ||
            !QEMU_IS_ALIGNED(range->base | range->size, PAGE_4K) ||
            !psp_host_is_ram(host, range->base, range->size)) {
            return SEV_RET_INAVLID_CONFIG;
        }
    }
    return SEV_RET_SUCCESS;
}

static int take_iommu(PspHost *host, const PspIommu *iommu)
{
    int status = SEV_RET_SUCCESS;

    for (unsigned i = 0; i < iommu->count && !status; i++) {
        status = take_iommu_range(host, &iommu->ranges[i]);
    }
    return status;
}

/* With the RMP's lock held */
static int set_up(PspHost *host, const SnpInit *init)
{
    PspPlatform *platform = &host->platform;
    PspIommu iommu = { 0 };
    int status = SEV_RET_SUCCESS;

    if (init->init_rmp) {
        status = check_fixed(init) ?: build_rmp(host, init);
    }
    if (!status) {
        platform->rmp_base = init->rmp.base;
        platform->rmp_size = init->rmp.size;
        status = check_iommu(host, &iommu);
    }
    if (!status && init->init_rmp) {
        status = take_iommu(host, &iommu);
        host->iommu = iommu;
    }
    platform->ops->flush(platform->opaque);
    return status;
}

static int init_snp(PspHost *host, SnpInit *init)
{
    PspPlatform *platform = &host->platform;
    int status = check_host(host, init);

    if (status) {
        return status;
    }
    platform->ops->rmp_lock(platform->opaque);
    status = set_up(host, init);
    platform->ops->rmp_unlock(platform->opaque);
    trace_psp_snp_init(init->rmp.base, init->rmp.size, init->count, status);
    if (status) {
        return status;
    }
    psp_asids_soil(platform);
    memset(&platform->config, 0, sizeof(platform->config));
    platform->snp_state = PSP_PLATFORM_INIT;
    host->rmp_ready = true;
    return SEV_RET_SUCCESS;
}

int psp_snp_init(PspHost *host, void *buffer)
{
    SnpInit init = { .init_rmp = true };
    int status = check_state(host, &init);

    return status ?: init_snp(host, &init);
}

int psp_snp_init_ex(PspHost *host, void *buffer)
{
    const PspCmdSnpInit *command = buffer;
    uint32_t flags = le32_to_cpu(command->flags);
    SnpInit init = { .init_rmp = flags & PSP_SNP_INIT_RMP };
    int status;

    if (flags & INIT_RESERVED || command->reserved_04 ||
        !buffer_is_zero(command->reserved_10, sizeof(command->reserved_10))) {
        return SEV_RET_INVALID_PARAM;
    }
    status = check_state(host, &init);
    if (status) {
        return status;
    }
    if (flags & PSP_SNP_INIT_LIST) {
        if (!init.init_rmp) {
            return SEV_RET_INVALID_PARAM;
        }
        status = read_list(host, le64_to_cpu(command->list_spa), &init);
    }
    return status ?: init_snp(host, &init);
}
