/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A look into a guest whose policy allows it
 *
 * SEV-SNP Firmware ABI (56860): SNP_DBG_DECRYPT, SNP_DBG_ENCRYPT.  Memory of
 * emulated guests is not encrypted, so both are copies of 4 KiB.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "command-run.h"

typedef struct Copy {
    uint64_t gctx_paddr, src_paddr, dst_paddr;
    PspGuest *guest;
    PspPage src, dst;
} Copy;

static bool is_guest_page(const PspPage *page)
{
    switch (page->state) {
    case PSP_PAGE_STATE_PRE_GUEST:
    case PSP_PAGE_STATE_PRE_SWAP:
    case PSP_PAGE_STATE_GUEST_INVALID:
    case PSP_PAGE_STATE_GUEST_VALID:
        return true;
    default:
        return false;
    }
}

/* The guest's pages in question must not change under the firmware. */
static bool is_held_page(const PspPage *page)
{
    return page->state == PSP_PAGE_STATE_PRE_GUEST ||
           page->state == PSP_PAGE_STATE_PRE_SWAP;
}

static int find(PspPlatform *platform, const PspDebugBuffer *command,
                Copy *copy)
{
    copy->gctx_paddr = le64_to_cpu(command->gctx_paddr);
    copy->src_paddr = le64_to_cpu(command->src_paddr);
    copy->dst_paddr = le64_to_cpu(command->dst_paddr);
    if (!psp_is_page(copy->gctx_paddr) || !psp_is_page(copy->src_paddr) ||
        !psp_is_page(copy->dst_paddr)) {
        return SEV_RET_INVALID_PARAM;
    }
    return psp_snp_check_state(platform) ?:
           psp_page_get(platform, copy->src_paddr, &copy->src) ?:
           psp_page_get(platform, copy->dst_paddr, &copy->dst) ?:
           psp_snp_find_guest(platform, copy->gctx_paddr, &copy->guest);
}

static int check_guest(const PspGuest *guest, const PspPage *page)
{
    if (sev_rmp_asid(&page->entry) != guest->asid) {
        return PSP_STATUS_INVALID_PAGE_OWNER;
    }
    if (!(guest->policy & PSP_POLICY_DEBUG)) {
        return SEV_RET_POLICY_FAILURE;
    }
    return guest->asid ? SEV_RET_SUCCESS : SEV_RET_INACTIVE;
}

static int copy_page(PspPlatform *platform, const Copy *copy)
{
    g_autofree void *content = g_malloc(PSP_PAGE_SIZE);

    return psp_copy_in(platform, copy->src_paddr, content, PSP_PAGE_SIZE) ?:
           psp_copy_out(platform, copy->dst_paddr, content, PSP_PAGE_SIZE);
}

int psp_snp_dbg_decrypt(PspPlatform *platform, const PspCommandBuffer *buffer,
                        Error **errp)
{
    Copy copy;
    int status = find(platform, &buffer->debug, &copy);

    if (status) {
        return status;
    }
    if (!is_guest_page(&copy.src) ||
        copy.dst.state != PSP_PAGE_STATE_FIRMWARE) {
        return PSP_STATUS_INVALID_PAGE_STATE;
    }
    return check_guest(copy.guest, &copy.src) ?: copy_page(platform, &copy);
}

int psp_snp_dbg_encrypt(PspPlatform *platform, const PspCommandBuffer *buffer,
                        Error **errp)
{
    Copy copy;
    /* Unlike other commands this one looks at the platform first. */
    int status = psp_snp_check_state(platform) ?:
                 find(platform, &buffer->debug, &copy);

    if (status) {
        return status;
    }
    if (!is_held_page(&copy.dst)) {
        return PSP_STATUS_INVALID_PAGE_STATE;
    }
    return check_guest(copy.guest, &copy.dst) ?: copy_page(platform, &copy);
}
