/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A versioned loaded endorsement key, in place of the chip's own
 *
 * SEV-SNP Firmware ABI (56860): SNP_VLEK_LOAD.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "command-run.h"

int psp_snp_vlek_load(PspPlatform *platform, const PspCommandBuffer *buffer,
                      Error **errp)
{
    const PspVlekLoadBuffer *command = &buffer->vlek_load;
    PspWrappedVlek vlek;
    int status;

    if (le32_to_cpu(command->length) != sizeof(*command) ||
        command->vlek_wrapped_version ||
        !buffer_is_zero(command->reserved_05, sizeof(command->reserved_05))) {
        return SEV_RET_INVALID_PARAM;
    }
    status = psp_copy_in(platform, le64_to_cpu(command->vlek_wrapped_paddr),
                         &vlek, sizeof(vlek));
    if (status) {
        return status;
    }
    if (le64_to_cpu(vlek.tcb_version) != psp_reported_tcb(platform)) {
        return PSP_STATUS_BAD_SVN;
    }
    error_setg(errp, "nobody wraps VLEKs for an emulated chip");
    return SEV_RET_BAD_MEASUREMENT;
}
