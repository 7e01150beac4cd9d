/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SEV and SEV-ES guests: handles and ASIDs
 *
 * Secure Encrypted Virtualization API (55766), sections 6.1 DECOMMISSION, 6.2
 * ACTIVATE, 6.3 DEACTIVATE and 6.4 GUEST_STATUS.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "qemu/bswap.h"
#include "host-abi.h"
#include "sev-guest.h"

PspSevGuest *psp_sev_guest(PspHost *host, uint32_t handle)
{
    return handle - 1 < PSP_SEV_GUESTS ? host->guests[handle - 1] : NULL;
}

int psp_sev_find_guest(PspHost *host, uint32_t handle, PspSevGuest **guest)
{
    if (!psp_sev_is_working(host)) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    *guest = psp_sev_guest(host, le32_to_cpu(handle));
    return *guest ? SEV_RET_SUCCESS : SEV_RET_INVALID_GUEST;
}

uint32_t psp_sev_guest_add(PspHost *host, PspSevGuest *guest)
{
    for (uint32_t i = 0; i < PSP_SEV_GUESTS; i++) {
        if (!host->guests[i]) {
            host->guests[i] = guest;
            host->guest_count++;
            return i + 1;
        }
    }
    return 0;
}

void psp_sev_guest_free(PspSevGuest *guest)
{
    if (!guest) {
        return;
    }
    qcrypto_hash_free(guest->measuring);
    /* Keys do not outlive the guest. */
    explicit_bzero(guest, sizeof(*guest));
    g_free(guest);
}

/* An ASID that no guest ran with is clean. */
static void drop_asid(PspHost *host, PspSevGuest *guest)
{
    psp_asid_drop(&host->platform, guest->asid,
                  guest->state == PSP_SEV_RUNNING);
    guest->asid = 0;
}

static void forget(PspHost *host, uint32_t index)
{
    psp_sev_guest_free(host->guests[index]);
    host->guests[index] = NULL;
    host->guest_count--;
}

void psp_sev_guests_forget(PspHost *host)
{
    for (uint32_t i = 0; i < PSP_SEV_GUESTS; i++) {
        if (host->guests[i]) {
            drop_asid(host, host->guests[i]);
            forget(host, i);
        }
    }
}

bool psp_sev_is_working(const PspHost *host)
{
    return host->platform.sev_state != PSP_PLATFORM_UNINIT &&
           host->guest_count;
}

/* ASIDs below the lowest one of a plain SEV guest are for SEV-ES. */
static bool asid_fits(const PspHost *host, const PspSevGuest *guest,
                      uint32_t asid)
{
    bool es = guest->policy & PSP_SEV_POLICY_ES;

    return es == (asid < host->min_sev_asid);
}

int psp_sev_activate(PspHost *host, void *buffer)
{
    const PspCmdActivate *activate = buffer;
    uint32_t asid = le32_to_cpu(activate->asid);
    PspPlatform *platform = &host->platform;
    PspSevGuest *guest;
    int status = psp_sev_find_guest(host, activate->handle, &guest);

    if (status) {
        return status;
    }
    if (!asid || asid > platform->max_asid) {
        return SEV_RET_INVALID_ASID;
    }
    if (platform->asids[asid] == PSP_ASID_OWNED) {
        return SEV_RET_ASID_OWNED;
    }
    if (guest->asid) {
        return SEV_RET_ACTIVE;
    }
    if (platform->asids[asid] == PSP_ASID_DIRTY) {
        return SEV_RET_DFFLUSH_REQUIRED;
    }
    if (!asid_fits(host, guest, asid)) {
        return SEV_RET_INVALID_ASID;
    }
    status = psp_asid_take(platform, asid);
    if (!status) {
        guest->asid = asid;
    }
    return status;
}

int psp_sev_deactivate(PspHost *host, void *buffer)
{
    const PspCmdHandle *deactivate = buffer;
    PspSevGuest *guest;
    int status = psp_sev_find_guest(host, deactivate->handle, &guest);

    if (status) {
        return status;
    }
    if (!guest->asid) {
        return SEV_RET_INACTIVE;
    }
    drop_asid(host, guest);
    return SEV_RET_SUCCESS;
}

int psp_sev_decommission(PspHost *host, void *buffer)
{
    const PspCmdHandle *decommission = buffer;
    PspSevGuest *guest;
    int status = psp_sev_find_guest(host, decommission->handle, &guest);

    if (status) {
        return status;
    }
    if (guest->asid) {
        return SEV_RET_ACTIVE;
    }
    forget(host, le32_to_cpu(decommission->handle) - 1);
    return SEV_RET_SUCCESS;
}

int psp_sev_guest_status(PspHost *host, void *buffer)
{
    PspCmdGuestStatus *status = buffer;
    const PspSevGuest *guest;

    if (host->platform.sev_state == PSP_PLATFORM_UNINIT) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    guest = psp_sev_guest(host, le32_to_cpu(status->handle));
    status->state = guest ? guest->state : PSP_SEV_INVALID;
    if (guest) {
        status->policy = cpu_to_le32(guest->policy);
        status->asid = cpu_to_le32(guest->asid);
    }
    return SEV_RET_SUCCESS;
}
