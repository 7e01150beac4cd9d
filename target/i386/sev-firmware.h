/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware seam: who runs SEV commands
 *
 * target/i386/sev.c issues KVM's SEV commands (linux/kvm.h, KVM_SEV_*).
 * With KVM they go to the host's AMD-SP; on the emulated platform
 * target/i386/psp/ runs them, with the same structures, errno and firmware
 * status codes (SEV-SNP Firmware ABI, 56860).
 */
#ifndef TARGET_I386_SEV_FIRMWARE_H
#define TARGET_I386_SEV_FIRMWARE_H

#include "cpu.h"
#include "exec/hwaddr.h"
#include "system/confidential-guest-support.h"
#include "system/tcg.h"
#include "target/i386/upm-compat.h"

struct kvm_cpuid2;

/** sev_emulated: the firmware is the emulated one */
static inline bool sev_emulated(void)
{
    return tcg_enabled();
}

/**
 * sev_firmware_init_platform: set the emulated platform up for a guest
 * @cgs: the guest object: sev-guest, whose policy tells SEV from SEV-ES, or
 *     sev-snp-guest
 * @cbitpos: position of the C-bit; the platform has the one asked for
 *
 * Returns: false with @errp set to what to use instead.
 */
bool sev_firmware_init_platform(ConfidentialGuestSupport *cgs, uint32_t cbitpos,
                              Error **errp);

/**
 * sev_firmware_is_platform: query-sev-capabilities is about the emulated
 * platform
 *
 * It is where a guest runs emulated, and where there is no guest (yet) but
 * the name of the program allows emulation.
 */
bool sev_firmware_is_platform(void);

/**
 * sev_firmware_capabilities: what the emulated platform can do
 *
 * PDH and certificate chain are those in the chip's folder, made on first
 * use, so that owners can make sessions for guests that come later.  Where
 * there is no identity, and for the ID of the processor, which is not one of
 * AMD's, there is text that says so, in base64.  An empty string would not do:
 * libvirt takes it for a missing one when it reads its cache.
 */
SevCapability *sev_firmware_capabilities(void);

/**
 * sev_firmware_command: run KVM_SEV_* command @cmd on the emulated firmware
 * @data: the command's structure, as for KVM_MEMORY_ENCRYPT_OP
 * @fw_error: firmware status, SEV_RET_*; -1 where it was not called
 *
 * Locking: BQL.  Returns: 0 or a negative errno, as the ioctl does.
 */
int sev_firmware_command(int cmd, void *data, int *fw_error);

/** sev_firmware_platform_command: the same for SEV_ISSUE_CMD on /dev/sev */
int sev_firmware_platform_command(int cmd, void *data, int *fw_error);

/**
 * sev_firmware_get_cpuid: what the guest's CPUID page shall hold
 * @cpuid: nent says how much room there is, and on return how much is used
 *
 * Returns: 0, or -E2BIG as KVM_GET_CPUID2 does.
 */
int sev_firmware_get_cpuid(CPUState *cs, struct kvm_cpuid2 *cpuid);

/**
 * sev_firmware_forget: the guest is gone, and KVM_SEV_INIT2 or its like comes
 * next
 *
 * Keys, report ID and measurement of the guest are forgotten; the chip stays.
 * Locking: BQL, and no vCPU runs.
 */
void sev_firmware_forget(void);

/**
 * sev_firmware_hold_vcpus: none has anything to run before the next reset
 *
 * Locking: BQL, and no vCPU runs.
 */
void sev_firmware_hold_vcpus(void);

#define SEV_GUEST_MESSAGE_SIZE 4096

/**
 * sev_firmware_guest_request: run SNP_GUEST_REQUEST
 * @request: SEV_GUEST_MESSAGE_SIZE bytes that the guest cannot change
 * @response: as many; written only where the result is SEV_RET_SUCCESS
 *
 * Takes seconds if it is the first to ask for a new chip's keys:
 * sev_firmware_is_ready() has them made before.
 *
 * Locking: none needed.  Returns: firmware status, SEV_RET_*.
 */
uint32_t sev_firmware_guest_request(const void *request, void *response);

/**
 * sev_firmware_is_ready: can this be answered at once?
 *
 * The keys of a new chip take seconds, and are made when somebody asks for
 * what they sign: @request goes on as if it had not begun, and asks again.
 *
 * Locking: none needed.  Returns: true also where making them has failed.
 */
bool sev_firmware_is_ready(const void *request);

/** sev_firmware_is_report_request: certificates go with its response */
bool sev_firmware_is_report_request(const void *request);

/**
 * sev_firmware_certs: certificates for a guest that wants a report
 * @lock: set to a descriptor to be closed once the report is made; -1: none
 *
 * From certs-path where given, else those of the emulated chip.
 *
 * Locking: none needed.
 * Returns: NULL with @ret set to a negative errno, and the error reported;
 * -EAGAIN is no error.
 */
GByteArray *sev_firmware_certs(int *lock, int *ret);

/**
 * sev_firmware_launch_digest: the measurement so far
 *
 * Returns: false before the launch was started.
 */
bool sev_firmware_launch_digest(uint8_t digest[48]);

#endif
