/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests come and go: context pages and ASIDs
 *
 * SEV-SNP Firmware ABI (56860): SNP_GCTX_CREATE, SNP_ACTIVATE(_EX),
 * SNP_DECOMMISSION, SNP_GUEST_STATUS.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "command-run.h"

/* Their number is bounded by the memory that L1 gives for Context pages. */
static void add_guest(PspPlatform *platform, uint64_t spa)
{
    PspGuest *guest = g_new0(PspGuest, 1);

    guest->platform = platform;
    guest->spa = spa;
    g_hash_table_replace(platform->guests, &guest->spa, guest);
}

int psp_snp_gctx_create(PspPlatform *platform, const PspCommandBuffer *buffer,
                        Error **errp)
{
    static const uint8_t zeros[PSP_PAGE_SIZE];
    uint64_t spa = le64_to_cpu(buffer->guest.gctx_paddr);
    PspPage page;
    int status;

    if (!psp_is_page(spa)) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_snp_check_state(platform) ?:
             psp_page_get(platform, spa, &page);
    if (status) {
        return status;
    }
    if (page.state != PSP_PAGE_STATE_FIRMWARE) {
        return PSP_STATUS_INVALID_PAGE_STATE;
    }
    if (psp_page_size(&page) != PSP_PAGE_SIZE) {
        return PSP_STATUS_INVALID_PAGE_SIZE;
    }
    if (psp_copy_out(platform, spa, zeros, sizeof(zeros))) {
        return SEV_RET_INVALID_CONFIG;
    }
    add_guest(platform, page.spa);
    psp_page_set(platform, &page, PSP_PAGE_STATE_CONTEXT);
    return SEV_RET_SUCCESS;
}

int psp_snp_decommission(PspPlatform *platform, const PspCommandBuffer *buffer,
                         Error **errp)
{
    uint64_t spa = le64_to_cpu(buffer->guest.gctx_paddr);
    PspGuest *guest;
    PspPage page;
    int status;

    if (!psp_is_page(spa)) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_snp_find_guest(platform, spa, &guest) ?:
             psp_page_get(platform, spa, &page);
    if (status) {
        return status;
    }
    psp_asid_drop(platform, guest->asid, true);
    g_hash_table_remove(platform->guests, &page.spa);
    psp_page_set(platform, &page, PSP_PAGE_STATE_FIRMWARE);
    return SEV_RET_SUCCESS;
}

/*
 * ASIDs
 */

static int check_activate(PspPlatform *platform, uint64_t gctx_paddr,
                          PspGuest **guest)
{
    int status;

    if (!psp_is_page(gctx_paddr)) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_snp_find_guest(platform, gctx_paddr, guest);
    if (status) {
        return status;
    }
    return (*guest)->state == PSP_STATE_INIT ? SEV_RET_INVALID_GUEST_STATE
                                             : SEV_RET_SUCCESS;
}

static int take(PspGuest *guest, unsigned asid)
{
    int status = psp_asid_take(guest->platform, asid);

    if (!status) {
        guest->asid = asid;
    }
    return status;
}

int psp_snp_activate(PspPlatform *platform, const PspCommandBuffer *buffer,
                     Error **errp)
{
    unsigned asid = le32_to_cpu(buffer->activate.asid);
    PspGuest *guest;
    int status = check_activate(platform,
                                le64_to_cpu(buffer->activate.gctx_paddr),
                                &guest) ?:
                 psp_asid_check(platform, asid);

    if (status) {
        return status;
    }
    return guest->asid ? SEV_RET_ACTIVE : take(guest, asid);
}

/*
 * The machine is one core complex, which all APIC IDs belong to: the list is
 * read, and no more is made of it.
 */
static int check_apic_ids(PspPlatform *platform,
                          const PspActivateExBuffer *command)
{
    uint32_t count = le32_to_cpu(command->numids);
    uint32_t ids[PSP_APIC_IDS_MAX];

    if (!count || count > PSP_APIC_IDS_MAX) {
        return SEV_RET_INVALID_PARAM;
    }
    return psp_copy_in(platform, le64_to_cpu(command->ids_paddr), ids,
                       count * sizeof(ids[0]));
}

int psp_snp_activate_ex(PspPlatform *platform, const PspCommandBuffer *buffer,
                        Error **errp)
{
    const PspActivateExBuffer *command = &buffer->activate_ex;
    unsigned asid = le32_to_cpu(command->asid);
    PspGuest *guest;
    int status;

    if (le32_to_cpu(command->length) != sizeof(*command) ||
        command->reserved) {
        return SEV_RET_INVALID_PARAM;
    }
    status = check_activate(platform, le64_to_cpu(command->gctx_paddr),
                            &guest);
    if (status) {
        return status;
    }
    if (psp_asid_check(platform, asid) == SEV_RET_INVALID_ASID) {
        return SEV_RET_INVALID_ASID;
    }
    status = check_apic_ids(platform, command);
    if (status) {
        return status;
    }
    /* More cores for an active guest: there are no others. */
    if (guest->asid) {
        return guest->asid == asid ? SEV_RET_SUCCESS : SEV_RET_ACTIVE;
    }
    return take(guest, asid);
}

/*
 * SNP_GUEST_STATUS
 */

int psp_snp_guest_status(PspPlatform *platform, const PspCommandBuffer *buffer,
                         Error **errp)
{
    uint64_t gctx_paddr = le64_to_cpu(buffer->guest_status.gctx_paddr);
    uint64_t status_paddr = le64_to_cpu(buffer->guest_status.status_paddr);
    PspGuestStatus answer = { 0 };
    PspGuest *guest;
    PspPage page;
    int status;

    if (!psp_is_page(gctx_paddr) ||
        (status_paddr & (PSP_PAGE_SIZE - 1)) >
        PSP_PAGE_SIZE - sizeof(answer)) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_snp_find_guest(platform, gctx_paddr, &guest) ?:
             psp_page_get(platform, status_paddr, &page);
    if (status) {
        return status;
    }
    if (page.state != PSP_PAGE_STATE_FIRMWARE &&
        page.state != PSP_PAGE_STATE_DEFAULT) {
        return PSP_STATUS_INVALID_PAGE_STATE;
    }
    answer.policy = cpu_to_le64(guest->policy);
    answer.asid = cpu_to_le32(guest->asid);
    answer.state = guest->state;
    answer.vcek_dis = cpu_to_le32(guest->vcek_disabled);
    return psp_copy_out(platform, status_paddr, &answer, sizeof(answer));
}
