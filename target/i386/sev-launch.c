/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What target/i386/sev.c does the same way with every firmware
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "system/kvm.h"
#include "system/tcg.h"
#include "system/upm.h"
#include "sev-firmware.h"

/* Firmware ends below 4 GiB; no pc machine maps more of it than this. */
#define FLASH_BASE (4 * GiB - 16 * MiB)

bool sev_emulated(void)
{
    return tcg_enabled();
}

bool sev_launch_has_kernel(const void *hashes)
{
    if (!hashes) {
        error_report("SEV-SNP launch: kernel-hashes=on needs a kernel to hash;"
                     " give one by -kernel FILE");
    }
    return hashes;
}

int sev_launch_make_private(hwaddr gpa, uint64_t size)
{
    Error *err = NULL;
    int ret;

    if (!upm_provider_name()) {
        return kvm_set_memory_attributes_private(gpa, size);
    }

    ret = upm_convert(gpa, size, true, UPM_CAUSE_LAUNCH, &err);
    if (!ret) {
        return 0;
    }
    error_prepend(&err, "SEV-SNP launch: 0x%" HWADDR_PRIx "-0x%" HWADDR_PRIx
                  " can not be made private: ", gpa, gpa + size - 1);
    if (ret == -EINVAL && gpa >= FLASH_BASE && gpa < 4 * GiB) {
        error_append_hint(&err, "A flash device has no private memory: give"
                          " the firmware by -bios FILE, not by -drive"
                          " if=pflash or -machine pflash0=.\n");
    }
    error_report_err(err);
    return ret;
}
