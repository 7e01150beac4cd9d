/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware commands by system-physical address: which there are, and what
 * all of them need
 *
 * SEV-SNP Firmware ABI (56860), chapter 8.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "command-run.h"
#include "trace.h"

/* The RMP's lock is the handler's own matter. */
#define LOCKS_ITSELF true

static int df_flush(PspPlatform *platform, const PspCommandBuffer *buffer,
                    Error **errp)
{
    psp_df_flush(platform);
    return SEV_RET_SUCCESS;
}

typedef struct Command {
    unsigned number;
    const char *name;
    size_t size;
    PspSnpHandler *handler;
    bool locks_itself;
} Command;

static const Command commands[] = {
    { PSP_SNP_DF_FLUSH, "DF_FLUSH", 0, df_flush },
    { PSP_SNP_DECOMMISSION, "DECOMMISSION", sizeof(PspGuestBuffer),
      psp_snp_decommission },
    { PSP_SNP_ACTIVATE, "ACTIVATE", sizeof(PspActivateBuffer),
      psp_snp_activate },
    { PSP_SNP_GUEST_STATUS, "GUEST_STATUS", sizeof(PspGuestStatusBuffer),
      psp_snp_guest_status },
    { PSP_SNP_GCTX_CREATE, "GCTX_CREATE", sizeof(PspGuestBuffer),
      psp_snp_gctx_create },
    { PSP_SNP_GUEST_REQUEST, "GUEST_REQUEST", sizeof(PspGuestRequestBuffer),
      psp_snp_guest_request, LOCKS_ITSELF },
    { PSP_SNP_ACTIVATE_EX, "ACTIVATE_EX", sizeof(PspActivateExBuffer),
      psp_snp_activate_ex },
    { PSP_SNP_LAUNCH_START, "LAUNCH_START", sizeof(PspLaunchStartBuffer),
      psp_snp_launch_start },
    { PSP_SNP_LAUNCH_UPDATE, "LAUNCH_UPDATE", sizeof(PspLaunchUpdateBuffer),
      psp_snp_launch_update },
    { PSP_SNP_LAUNCH_FINISH, "LAUNCH_FINISH", sizeof(PspLaunchFinishBuffer),
      psp_snp_launch_finish },
    { PSP_SNP_DBG_DECRYPT, "DBG_DECRYPT", sizeof(PspDebugBuffer),
      psp_snp_dbg_decrypt },
    { PSP_SNP_DBG_ENCRYPT, "DBG_ENCRYPT", sizeof(PspDebugBuffer),
      psp_snp_dbg_encrypt },
    { PSP_SNP_PAGE_RECLAIM, "PAGE_RECLAIM", sizeof(PspPageBuffer),
      psp_snp_page_reclaim },
    { PSP_SNP_PAGE_UNSMASH, "PAGE_UNSMASH", sizeof(PspPageBuffer),
      psp_snp_page_unsmash },
    { PSP_SNP_VLEK_LOAD, "VLEK_LOAD", sizeof(PspVlekLoadBuffer),
      psp_snp_vlek_load },
};

static const Command *find_command(unsigned number)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (commands[i].number == number) {
            return &commands[i];
        }
    }
    return NULL;
}

size_t psp_snp_command_size(unsigned number)
{
    const Command *command = find_command(number);

    return command ? command->size : 0;
}

static int run(PspPlatform *platform, const Command *command,
               const PspCommandBuffer *buffer, Error **errp)
{
    int status;

    if (command->locks_itself) {
        return command->handler(platform, buffer, errp);
    }
    platform->ops->rmp_lock(platform->opaque);
    status = command->handler(platform, buffer, errp);
    platform->ops->rmp_unlock(platform->opaque);
    return status;
}

int psp_snp_command(PspPlatform *platform, unsigned number,
                    const PspCommandBuffer *buffer)
{
    const Command *command = find_command(number);
    Error *err = NULL;
    int status;

    if (!command) {
        return SEV_RET_INVALID_COMMAND;
    }
    status = run(platform, command, buffer, &err);
    trace_psp_snp_command(command->name, number, status,
                          err ? error_get_pretty(err) : "");
    error_free(err);
    return status;
}

/*
 * What handlers share
 */

int psp_snp_check_state(const PspPlatform *platform)
{
    return platform->snp_state == PSP_PLATFORM_INIT
        ? SEV_RET_SUCCESS : SEV_RET_INVALID_PLATFORM_STATE;
}

int psp_snp_find_guest(PspPlatform *platform, uint64_t gctx_paddr,
                       PspGuest **guest)
{
    PspPage context;
    int status = psp_snp_check_state(platform) ?:
                 psp_page_get(platform, gctx_paddr, &context);

    if (status) {
        return status;
    }
    *guest = g_hash_table_lookup(platform->guests, &context.spa);
    return *guest && context.state == PSP_PAGE_STATE_CONTEXT
        ? SEV_RET_SUCCESS : SEV_RET_INVALID_GUEST;
}

/* No command's data lies in the RMP. */
static int check_range(const PspPlatform *platform, uint64_t spa, size_t size)
{
    if (spa >= PSP_SPA_LIMIT || size > PSP_SPA_LIMIT - spa) {
        return SEV_RET_INVALID_ADDRESS;
    }
    if (platform->rmp_size && spa < platform->rmp_base + platform->rmp_size &&
        platform->rmp_base < spa + size) {
        return SEV_RET_INVALID_PARAM;
    }
    return SEV_RET_SUCCESS;
}

int psp_map(PspPlatform *platform, uint64_t spa, size_t size, bool is_write,
            void **p)
{
    int status;

    spa = psp_spa(spa);
    status = check_range(platform, spa, size);
    if (status) {
        return status;
    }
    *p = platform->ops->map(platform->opaque, spa, size, is_write);
    return *p ? SEV_RET_SUCCESS : SEV_RET_INVALID_ADDRESS;
}

void psp_unmap(PspPlatform *platform, void *p, size_t size, bool is_write)
{
    platform->ops->unmap(platform->opaque, p, size, is_write);
}

int psp_copy_in(PspPlatform *platform, uint64_t spa, void *to, size_t size)
{
    void *from;
    int status = psp_map(platform, spa, size, false, &from);

    if (!status) {
        memcpy(to, from, size);
        psp_unmap(platform, from, size, false);
    }
    return status;
}

int psp_copy_out(PspPlatform *platform, uint64_t spa, const void *from,
                 size_t size)
{
    void *to;
    int status = psp_map(platform, spa, size, true, &to);

    if (!status) {
        memcpy(to, from, size);
        psp_unmap(platform, to, size, true);
    }
    return status;
}
