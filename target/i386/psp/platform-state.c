/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the firmware knows beyond single guests: the platform's states, ASIDs,
 * and who its guests are
 *
 * SEV-SNP Firmware ABI (56860), chapter 4.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "attest.h"
#include "command.h"
#include "status.h"

void psp_platform_init(PspPlatform *platform, const PspPlatformOps *ops,
                       void *opaque)
{
    *platform = (PspPlatform) {
        .ops = ops,
        .opaque = opaque,
        .max_asid = PSP_ASID_LIMIT - 1,
        .guests = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                        psp_guest_free),
    };
}

void psp_platform_reset(PspPlatform *platform)
{
    g_hash_table_remove_all(platform->guests);
    memset(platform->asids, PSP_ASID_CLEAN, sizeof(platform->asids));
    platform->snp_state = PSP_PLATFORM_UNINIT;
    platform->sev_state = PSP_PLATFORM_UNINIT;
    platform->rmp_base = 0;
    platform->rmp_size = 0;
    platform->config = (PspConfig) { 0 };
}

void psp_platform_destroy(PspPlatform *platform)
{
    g_clear_pointer(&platform->guests, g_hash_table_unref);
}

PspChip *psp_platform_chip(PspPlatform *platform, Error **errp)
{
    return platform->ops->chip(platform->opaque, errp);
}

unsigned psp_report_version(const PspPlatform *platform)
{
    return platform->report_version ?:
           psp_product(platform->product)->report_version;
}

uint8_t psp_api_minor(const PspPlatform *platform)
{
    return psp_report_version(platform) >= PSP_REPORT_MITIGATIONS ?
           PSP_API_MINOR_MITIGATIONS : PSP_API_MINOR;
}

uint64_t psp_chip_tcb(const PspPlatform *platform)
{
    return psp_product_tcb(psp_product(platform->product));
}

uint64_t psp_reported_tcb(const PspPlatform *platform)
{
    return platform->config.reported_tcb ?: psp_chip_tcb(platform);
}

unsigned psp_platform_cpuid(const PspPlatform *platform, PspCpuidPage *page)
{
    return platform->ops->cpuid
        ? psp_cpuid_check(page, platform->ops->cpuid)
        : psp_cpuid_check_chip(page, platform->signature);
}

unsigned psp_snp_guests(PspPlatform *platform)
{
    unsigned count = 0;
    GHashTableIter iter;
    gpointer guest;

    g_hash_table_iter_init(&iter, platform->guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest)) {
        count += ((PspGuest *)guest)->state != PSP_STATE_INIT;
    }
    return count;
}

/*
 * ASIDs
 */

int psp_asid_check(const PspPlatform *platform, unsigned asid)
{
    if (!asid || asid > platform->max_asid || asid >= PSP_ASID_LIMIT) {
        return SEV_RET_INVALID_ASID;
    }
    return platform->asids[asid] == PSP_ASID_OWNED ? SEV_RET_ASID_OWNED
                                                   : SEV_RET_SUCCESS;
}

int psp_asid_take(PspPlatform *platform, unsigned asid)
{
    int status = psp_asid_check(platform, asid);

    if (status) {
        return status;
    }
    if (platform->asids[asid] == PSP_ASID_DIRTY) {
        return SEV_RET_DFFLUSH_REQUIRED;
    }
    platform->asids[asid] = PSP_ASID_OWNED;
    return SEV_RET_SUCCESS;
}

void psp_asid_drop(PspPlatform *platform, unsigned asid, bool dirty)
{
    if (asid && asid < PSP_ASID_LIMIT) {
        platform->asids[asid] = dirty ? PSP_ASID_DIRTY : PSP_ASID_CLEAN;
    }
}

void psp_asids_soil(PspPlatform *platform)
{
    for (unsigned asid = 1; asid <= platform->max_asid; asid++) {
        psp_asid_drop(platform, asid, true);
    }
}

void psp_df_flush(PspPlatform *platform)
{
    for (unsigned i = 0; i < PSP_ASID_LIMIT; i++) {
        if (platform->asids[i] == PSP_ASID_DIRTY) {
            platform->asids[i] = PSP_ASID_CLEAN;
        }
    }
}

bool psp_asids_clean(const PspPlatform *platform)
{
    for (unsigned i = 0; i < PSP_ASID_LIMIT; i++) {
        if (platform->asids[i] != PSP_ASID_CLEAN) {
            return false;
        }
    }
    return true;
}
