/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The secrets page: how the guest gets its keys for talking to the firmware
 *
 * SEV-SNP Firmware ABI (56860), section 8.17.2.5.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "psp.h"

QEMU_BUILD_BUG_ON(offsetof(PspSecretsPage, gosvw) != 0x10);
QEMU_BUILD_BUG_ON(offsetof(PspSecretsPage, vmpck) != 0x20);
QEMU_BUILD_BUG_ON(offsetof(PspSecretsPage, guest_area_0) != 0xa0);
QEMU_BUILD_BUG_ON(offsetof(PspSecretsPage, vmsa_tweak_bitmap) != 0x100);
QEMU_BUILD_BUG_ON(offsetof(PspSecretsPage, svsm_base) != 0x140);
QEMU_BUILD_BUG_ON(offsetof(PspSecretsPage, svsm_max_version) != 0x158);
QEMU_BUILD_BUG_ON(offsetof(PspSecretsPage, tsc_factor) != 0x160);

void psp_secrets_fill(PspSecretsPage *page, uint32_t fms,
                      const uint8_t gosvw[PSP_GOSVW_SIZE],
                      const uint8_t vmpck[PSP_VMPCKS][PSP_VMPCK_SIZE])
{
    memset(page, 0, sizeof(*page));
    page->version = cpu_to_le32(PSP_SECRETS_VERSION);
    page->fms = cpu_to_le32(fms);
    memcpy(page->gosvw, gosvw, sizeof(page->gosvw));
    memcpy(page->vmpck, vmpck, sizeof(page->vmpck));
    /*
     * The tweak bitmap and TSC_FACTOR stay 0: neither VMSA register
     * protection nor Secure TSC is among the SEV features offered.
     */
}
