/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware seam of a QEMU that can not emulate: built without TCG, where
 * sev_emulated() is false, or without gnutls, where no guest gets further
 * than the platform.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "sev-firmware.h"

bool sev_firmware_init_platform(ConfidentialGuestSupport *cgs, uint32_t cbitpos,
                              Error **errp)
{
    error_setg(errp, "This QEMU was built without gnutls, which the emulated"
               " SEV-SNP firmware needs; use -accel kvm");
    return false;
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

void sev_firmware_forget(void)
{
    g_assert_not_reached();
}

void sev_firmware_hold_vcpus(void)
{
    g_assert_not_reached();
}

uint32_t sev_firmware_guest_request(const void *request, void *response)
{
    g_assert_not_reached();
}

bool sev_firmware_is_ready(const void *request)
{
    g_assert_not_reached();
}

bool sev_firmware_is_report_request(const void *request)
{
    g_assert_not_reached();
}

GByteArray *sev_firmware_certs(int *lock, int *ret)
{
    g_assert_not_reached();
}

bool sev_firmware_launch_digest(uint8_t digest[48])
{
    return false;
}
