/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware seam of a QEMU that can not emulate
 *
 * sev_emulated() is false there, so that none of these is ever called.
 */
#include "qemu/osdep.h"
#include "sev-firmware.h"

bool sev_firmware_init_platform(ConfidentialGuestSupport *cgs, uint32_t cbitpos,
                              Error **errp)
{
    g_assert_not_reached();
}

bool sev_firmware_is_platform(void)
{
    return false;
}

SevCapability *sev_firmware_capabilities(void)
{
    g_assert_not_reached();
}

int sev_firmware_command(int cmd, void *data, int *fw_error)
{
    g_assert_not_reached();
}

int sev_firmware_platform_command(int cmd, void *data, int *fw_error)
{
    g_assert_not_reached();
}

int sev_firmware_get_cpuid(CPUState *cs, struct kvm_cpuid2 *cpuid)
{
    g_assert_not_reached();
}

bool sev_firmware_launch_digest(uint8_t digest[48])
{
    return false;
}
