/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launching a guest by system-physical addresses
 *
 * SEV-SNP Firmware ABI (56860): SNP_LAUNCH_START, SNP_LAUNCH_UPDATE,
 * SNP_LAUNCH_FINISH.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "command-run.h"

int psp_snp_launch_start(PspPlatform *platform, const PspCommandBuffer *buffer,
                         Error **errp)
{
    const PspLaunchStartBuffer *command = &buffer->launch_start;
    uint64_t gctx_paddr = le64_to_cpu(command->gctx_paddr);
    uint32_t flags = le32_to_cpu(command->flags);
    PspGuest *guest;
    int status;

    if (!psp_is_page(gctx_paddr) ||
        !psp_is_page(le64_to_cpu(command->ma_gctx_paddr)) ||
        flags & ~(PSP_LAUNCH_START_MA_EN | PSP_LAUNCH_START_IMI_EN)) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_snp_find_guest(platform, gctx_paddr, &guest);
    if (status) {
        return status;
    }
    if (guest->state == PSP_STATE_INIT && flags) {
        error_setg(errp, "migration agents and their images are not emulated");
        return SEV_RET_UNSUPPORTED;
    }
    return psp_launch_start(guest, le64_to_cpu(command->policy),
                            command->gosvw, errp);
}

/*
 * SNP_LAUNCH_UPDATE
 */

typedef struct Update {
    const PspLaunchUpdateBuffer *command;
    PspPageType type;
    uint64_t size;
    PspGuest *guest;
    PspPage page;
} Update;

static int check_page(PspPlatform *platform, Update *update)
{
    uint64_t spa = le64_to_cpu(update->command->page_paddr);
    PspPage *page = &update->page;
    int status = psp_page_get(platform, spa, page);

    if (status) {
        return status;
    }
    if (page->state != PSP_PAGE_STATE_PRE_GUEST) {
        return PSP_STATUS_INVALID_PAGE_STATE;
    }
    if (psp_page_size(page) != update->size) {
        return PSP_STATUS_INVALID_PAGE_SIZE;
    }
    return spa & (update->size - 1) ? SEV_RET_INVALID_ADDRESS
                                    : SEV_RET_SUCCESS;
}

static int check_type(const Update *update)
{
    switch (update->type) {
    case PSP_PAGE_NORMAL:
    case PSP_PAGE_ZERO:
    case PSP_PAGE_UNMEASURED:
        return SEV_RET_SUCCESS;
    case PSP_PAGE_VMSA:
    case PSP_PAGE_SECRETS:
    case PSP_PAGE_CPUID:
        return update->size == PSP_PAGE_SIZE ? SEV_RET_SUCCESS
                                             : PSP_STATUS_INVALID_PAGE_SIZE;
    default:
        return SEV_RET_INVALID_PARAM;
    }
}

static int check_owner(const Update *update)
{
    const PspGuest *guest = update->guest;

    if (guest->state != PSP_STATE_LAUNCH) {
        return SEV_RET_INVALID_GUEST_STATE;
    }
    if (!guest->asid) {
        return SEV_RET_INACTIVE;
    }
    return sev_rmp_asid(&update->page.entry) == guest->asid
        ? SEV_RET_SUCCESS : PSP_STATUS_INVALID_PAGE_OWNER;
}

/* A page of 2 MiB is measured as 512 small ones. */
static int measure(const Update *update, uint8_t *content, Error **errp)
{
    const uint8_t *perms = update->command->vmpl_perms;
    PspLaunchPage page = {
        .type = update->type,
        .vmpl_perms = { perms[2], perms[1], perms[0] },
    };
    int status = SEV_RET_SUCCESS;

    for (uint64_t at = 0; at < update->size && !status; at += PSP_PAGE_SIZE) {
        page.gpa = sev_rmp_gpa(&update->page.entry) + at;
        status = psp_launch_update(update->guest, &page, content + at, errp);
    }
    return status;
}

static int fill_page(PspPlatform *platform, const Update *update, Error **errp)
{
    void *content;
    int status = psp_map(platform, update->page.spa, update->size, true,
                         &content);

    if (!status) {
        status = measure(update, content, errp);
        psp_unmap(platform, content, update->size, true);
    }
    return status;
}

/* Pre-Guest to Guest-Valid, with what the other VMPLs may do */
static void give_page(PspPlatform *platform, Update *update)
{
    SevRmpEntry *entry = &update->page.entry;
    const uint8_t *perms = update->command->vmpl_perms;

    for (unsigned vmpl = 1; vmpl < SEV_RMP_VMPLS; vmpl++) {
        entry->perms = deposit64(entry->perms, vmpl * 8, 8, perms[vmpl - 1]);
    }
    if (update->type == PSP_PAGE_VMSA) {
        entry->lo |= SEV_RMP_VMSA;
    }
    psp_page_set(platform, &update->page, PSP_PAGE_STATE_GUEST_VALID);
}

static int check_update(PspPlatform *platform, Update *update, uint32_t flags,
                        Error **errp)
{
    const PspLaunchUpdateBuffer *command = update->command;
    int status;

    if (!psp_is_page(le64_to_cpu(command->gctx_paddr)) ||
        !psp_is_page(le64_to_cpu(command->page_paddr)) ||
        flags & ~PSP_LAUNCH_UPDATE_KNOWN || command->reserved_0c ||
        command->reserved_18 || command->reserved_1c) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_snp_find_guest(platform, le64_to_cpu(command->gctx_paddr),
                                &update->guest) ?:
             check_page(platform, update) ?:
             check_type(update) ?:
             check_owner(update);
    if (!status && flags & PSP_LAUNCH_UPDATE_IMI) {
        error_setg(errp, "images of migration agents are not emulated");
        status = SEV_RET_UNSUPPORTED;
    }
    return status;
}

int psp_snp_launch_update(PspPlatform *platform,
                          const PspCommandBuffer *buffer, Error **errp)
{
    uint32_t flags = le32_to_cpu(buffer->launch_update.flags);
    Update update = {
        .command = &buffer->launch_update,
        .type = extract32(flags, PSP_LAUNCH_UPDATE_TYPE_SHIFT,
                          PSP_LAUNCH_UPDATE_TYPE_BITS),
        .size = flags & PSP_LAUNCH_UPDATE_2M ? PSP_LARGE_PAGE_SIZE
                                             : PSP_PAGE_SIZE,
    };
    int status = check_update(platform, &update, flags, errp) ?:
                 fill_page(platform, &update, errp);

    if (!status) {
        give_page(platform, &update);
    }
    return status;
}

/*
 * SNP_LAUNCH_FINISH
 */

static int finish(PspGuest *guest, const PspLaunchFinishBuffer *command,
                  Error **errp)
{
    PspPlatform *platform = guest->platform;
    uint64_t flags = le64_to_cpu(command->flags);
    g_autofree PspIdAuth *auth = NULL;
    PspIdBlock block;
    PspLaunchFinish request = {
        .author_key = flags & PSP_LAUNCH_FINISH_AUTHOR_KEY,
        .vcek_disabled = flags & PSP_LAUNCH_FINISH_VCEK_DIS,
    };
    int status;

    memcpy(request.host_data, command->host_data, sizeof(request.host_data));
    if (flags & PSP_LAUNCH_FINISH_ID_BLOCK) {
        auth = g_new(PspIdAuth, 1);
        status = psp_copy_in(platform, le64_to_cpu(command->id_block_paddr),
                             &block, sizeof(block)) ?:
                 psp_copy_in(platform, le64_to_cpu(command->id_auth_paddr),
                             auth, sizeof(*auth));
        if (status) {
            return status;
        }
        request.block = &block;
        request.auth = auth;
    }
    return psp_launch_finish(guest, &request, errp);
}

int psp_snp_launch_finish(PspPlatform *platform,
                          const PspCommandBuffer *buffer, Error **errp)
{
    const PspLaunchFinishBuffer *command = &buffer->launch_finish;
    uint64_t gctx_paddr = le64_to_cpu(command->gctx_paddr);
    PspGuest *guest;
    int status;

    if (!psp_is_page(gctx_paddr) ||
        le64_to_cpu(command->flags) & ~(uint64_t)PSP_LAUNCH_FINISH_KNOWN) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_snp_find_guest(platform, gctx_paddr, &guest);
    if (status) {
        return status;
    }
    if (guest->state != PSP_STATE_LAUNCH) {
        return SEV_RET_INVALID_GUEST_STATE;
    }
    return guest->asid ? finish(guest, command, errp) : SEV_RET_INACTIVE;
}
