/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debugging SEV and SEV-ES guests
 *
 * Secure Encrypted Virtualization API (55766), chapter 7.  Memory is plain
 * text here: to decrypt a page is to copy it.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "qemu/bswap.h"
#include "host-abi.h"
#include "sev-guest.h"

static int copy(PspHost *host, uint64_t to, uint64_t from, uint32_t size)
{
    g_autofree char *piece = g_malloc(PSP_SEV_PIECE);

    while (size) {
        size_t part = MIN(size, PSP_SEV_PIECE);
        int status = psp_host_read(host, from, piece, part);

        if (!status) {
            status = psp_host_write(host, to, piece, part);
        }
        if (status) {
            return status;
        }
        from += part;
        to += part;
        size -= part;
    }
    return SEV_RET_SUCCESS;
}

static int debug_copy(PspHost *host, const PspCmdDebug *debug)
{
    uint64_t from = le64_to_cpu(debug->from_spa);
    uint64_t to = le64_to_cpu(debug->to_spa);
    uint32_t size = le32_to_cpu(debug->size);
    PspSevGuest *guest;
    int status;

    if (!psp_sev_is_working(host)) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    if (!psp_sev_is_aligned(from) || !psp_sev_is_aligned(to)) {
        return SEV_RET_INVALID_ADDRESS;
    }
    if (!psp_sev_is_aligned(size) || size > PSP_SEV_DATA_MAX) {
        return SEV_RET_INVALID_LEN;
    }
    status = psp_sev_find_guest(host, debug->handle, &guest);
    if (status) {
        return status;
    }
    if (guest->policy & PSP_SEV_POLICY_NODBG) {
        return SEV_RET_POLICY_FAILURE;
    }
    status = psp_host_writable(host, to, size);
    if (status) {
        return status;
    }
    return guest->asid ? copy(host, to, from, size) : SEV_RET_INACTIVE;
}

int psp_sev_dbg_decrypt(PspHost *host, void *buffer)
{
    return debug_copy(host, buffer);
}

int psp_sev_dbg_encrypt(PspHost *host, void *buffer)
{
    return debug_copy(host, buffer);
}
