/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest messages by system-physical addresses
 *
 * SEV-SNP Firmware ABI (56860): SNP_GUEST_REQUEST.  What is in the messages
 * is guest-message.c's matter.
 *
 * Locking: the BQL.  The RMP's lock is held for the checks only.  What was
 * checked stays true without it: the Context page and the response page are
 * immutable, and only commands of the firmware change that.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "attest.h"
#include "command-run.h"

static int check_pages(PspPlatform *platform,
                       const PspGuestRequestBuffer *command, PspGuest **guest)
{
    PspPage request, response;
    int status = psp_snp_check_state(platform) ?:
                 psp_page_get(platform, le64_to_cpu(command->request_paddr),
                              &request) ?:
                 psp_page_get(platform, le64_to_cpu(command->response_paddr),
                              &response) ?:
                 psp_snp_find_guest(platform, le64_to_cpu(command->gctx_paddr),
                                    guest);

    if (status) {
        return status;
    }
    if (response.state != PSP_PAGE_STATE_FIRMWARE) {
        return PSP_STATUS_INVALID_PAGE_STATE;
    }
    if (psp_page_size(&request) != PSP_PAGE_SIZE ||
        psp_page_size(&response) != PSP_PAGE_SIZE) {
        return PSP_STATUS_INVALID_PAGE_SIZE;
    }
    return (*guest)->state == PSP_STATE_RUNNING ? SEV_RET_SUCCESS
                                                : SEV_RET_INVALID_GUEST_STATE;
}

/* Bytes from @spa to the end of its page */
static size_t room(uint64_t spa)
{
    return PSP_PAGE_SIZE - (spa & (PSP_PAGE_SIZE - 1));
}

static size_t message_size(const PspMessage *message)
{
    return sizeof(message->header) + le16_to_cpu(message->header.size);
}

/* Neither message may reach into the page behind its own. */
static int read_request(PspPlatform *platform, uint64_t spa,
                        PspMessage *request)
{
    int status;

    if (room(spa) < sizeof(request->header)) {
        return SEV_RET_INVALID_PARAM;
    }
    memset(request, 0, sizeof(*request));
    status = psp_copy_in(platform, spa, request, room(spa));
    if (status) {
        return status;
    }
    return message_size(request) <= room(spa) ? SEV_RET_SUCCESS
                                              : SEV_RET_INVALID_PARAM;
}

static int answer(PspGuest *guest, const PspMessage *request, uint64_t spa)
{
    g_autofree PspMessage *response = g_new0(PspMessage, 1);
    uint64_t counts[PSP_VMPCKS];
    int status;

    memcpy(counts, guest->message_count, sizeof(counts));
    status = psp_guest_request(guest, request, response);
    if (status) {
        return status;
    }
    if (message_size(response) > room(spa)) {
        /* The guest may ask again, with the same number. */
        memcpy(guest->message_count, counts, sizeof(counts));
        return SEV_RET_INVALID_PARAM;
    }
    return psp_copy_out(guest->platform, spa, response,
                        message_size(response));
}

int psp_snp_guest_request(PspPlatform *platform,
                          const PspCommandBuffer *buffer, Error **errp)
{
    const PspGuestRequestBuffer *command = &buffer->guest_request;
    g_autofree PspMessage *request = g_new(PspMessage, 1);
    PspGuest *guest = NULL;
    int status;

    if (!psp_is_page(le64_to_cpu(command->gctx_paddr))) {
        return SEV_RET_INVALID_PARAM;
    }
    platform->ops->rmp_lock(platform->opaque);
    status = check_pages(platform, command, &guest);
    platform->ops->rmp_unlock(platform->opaque);
    if (!status) {
        status = read_request(platform, le64_to_cpu(command->request_paddr),
                              request);
    }
    return status ?: answer(guest, request,
                            le64_to_cpu(command->response_paddr));
}
