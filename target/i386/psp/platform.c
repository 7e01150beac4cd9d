/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated firmware's place in the machine
 *
 * Connects the seam that target/i386/sev.c talks to (sev-firmware.h) with
 * the firmware on one side and with the emulated processor on the other.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "cpu.h"
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "sev.h"
#include "sev-firmware.h"
#include "sev-certs.h"
#include "sev-vcpus.h"
#include "tcg/snp/guest/launch.h"
#include "tcg/snp/processor.h"
#include "upm-guest.h"
#include "attest.h"

/* Platform state of 55766 and 56860: initialised, with guests or without */
#define PLATFORM_STATE_INIT 1

/* A page-table entry has no room for a C-bit elsewhere. */
#define CBIT_MIN 32
#define CBIT_MAX 51

/* The C-bit of the guest that runs, 0 where there is none */
static uint32_t platform_cbitpos;

static void *processor_page(uint64_t gpa)
{
    return snp_launch_page(gpa);
}

static void processor_page_done(uint64_t gpa)
{
    snp_launch_page_done(gpa);
}

static void processor_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    snp_cpuid(cpu_env(first_cpu), leaf, subleaf, &regs[0], &regs[1],
              &regs[2], &regs[3]);
}

static const char *processor_vcpu_load(unsigned index, const SevVmsa *vmsa)
{
    CPUX86State *env = cpu_env(sev_vcpu(index));
    const char *why = snp_launch_vcpu(env, vmsa);

    /* Outside of the execution loop, which takes all flags from here */
    env->eflags = cpu_compute_eflags(env);
    return why;
}

/* One guest message at a time; also keeps the chip. */
static QemuMutex message_lock;

static void __attribute__((constructor)) init_message_lock(void)
{
    qemu_mutex_init(&message_lock);
}

static PspChip *processor_chip(Error **errp)
{
    static PspChip *chip;

    if (!chip) {
        g_autofree char *folder = upm_guest_cert_dir();

        chip = psp_chip_open(folder, errp);
    }
    return chip;
}

PspGuest *psp_guest(void)
{
    static const PspProcessor processor = {
        .page = processor_page,
        .page_done = processor_page_done,
        .cpuid = processor_cpuid,
        .vcpus = sev_vcpus,
        .vcpu_reset = sev_vcpu_reset,
        .vcpu_load = processor_vcpu_load,
        .chip = processor_chip,
    };
    static PspGuest guest = { .processor = &processor };

    return &guest;
}

bool sev_firmware_init_platform(ConfidentialGuestSupport *cgs, uint32_t cbitpos,
                              Error **errp)
{
    if (!object_dynamic_cast(OBJECT(cgs), TYPE_SEV_SNP_GUEST)) {
        error_setg(errp, "%s can not be emulated, only " TYPE_SEV_SNP_GUEST
                   " can; use that, or -accel kvm",
                   object_get_typename(OBJECT(cgs)));
        return false;
    }
    if (cbitpos < CBIT_MIN || cbitpos > CBIT_MAX) {
        error_setg(errp, "cbitpos=%u is not possible on the emulated SEV-SNP"
                   " processor; it takes %d to %d, and 51 is what most"
                   " hardware has", cbitpos, CBIT_MIN, CBIT_MAX);
        return false;
    }
    platform_cbitpos = cbitpos;
    /* No emulated processor has RAPL counters. */
    psp_guest()->platform_info = PSP_PLATFORM_RAPL_DIS;
    if (object_property_get_bool(OBJECT(cgs), "emulated-smt", NULL)) {
        psp_guest()->platform_info |= PSP_PLATFORM_SMT;
    }
    return snp_guest_start(cgs, cbitpos, errp);
}

bool sev_firmware_is_platform(void)
{
    if (sev_enabled()) {
        return sev_emulated();
    }
    return upm_guest_program_emulates();
}

static char *base64(const char *text)
{
    return g_base64_encode((const guchar *)text, strlen(text));
}

SevCapability *sev_firmware_capabilities(void)
{
    SevCapability *cap = g_new0(SevCapability, 1);

    cap->pdh = base64("emulated SEV-SNP: no PDH");
    cap->cert_chain = base64("emulated SEV-SNP: no certificate chain");
    cap->cpu0_id = base64("emulated SEV-SNP");
    cap->cbitpos = platform_cbitpos ?: CBIT_MAX;
    cap->reduced_phys_bits = 1;
    return cap;
}

int sev_firmware_command(int cmd, void *data, int *fw_error)
{
    int status;
    int ret = psp_command(psp_guest(), cmd, data, &status);

    if (fw_error) {
        *fw_error = status;
    }
    return ret;
}

int sev_firmware_platform_command(int cmd, void *data, int *fw_error)
{
    struct sev_user_data_status *status = data;

    if (cmd != SEV_PLATFORM_STATUS) {
        if (fw_error) {
            *fw_error = SEV_RET_UNSUPPORTED;
        }
        return -EIO;
    }
    *status = (struct sev_user_data_status) {
        .api_major = PSP_API_MAJOR,
        .api_minor = PSP_API_MINOR,
        .state = PLATFORM_STATE_INIT,
        .flags = SEV_STATUS_FLAGS_CONFIG_ES,
        .build = PSP_BUILD,
        .guest_count = psp_guest()->state >= PSP_STATE_LAUNCH,
    };
    if (fw_error) {
        *fw_error = SEV_RET_SUCCESS;
    }
    return 0;
}

uint32_t sev_firmware_guest_request(const void *request, void *response)
{
    QEMU_LOCK_GUARD(&message_lock);
    return psp_guest_request(psp_guest(), request, response);
}

bool sev_firmware_is_report_request(const void *request)
{
    const PspMessage *message = request;

    return message->header.type == PSP_MSG_REPORT_REQ;
}

static GByteArray *chip_certs(Error **errp)
{
    PspChip *chip;

    QEMU_LOCK_GUARD(&message_lock);
    chip = processor_chip(errp);
    return chip ? g_byte_array_ref((GByteArray *)psp_chip_certs(chip)) : NULL;
}

GByteArray *sev_firmware_certs(int *lock, int *ret)
{
    const char *path = upm_guest_certs_path();
    GByteArray *table;
    Error *err = NULL;

    *lock = -1;
    if (path) {
        table = sev_certs_read(path, lock, ret, &err);
    } else {
        table = chip_certs(&err);
        *ret = table ? 0 : -EIO;
    }
    if (err) {
        sev_certs_report(err);
    }
    return table;
}

bool sev_firmware_launch_digest(uint8_t digest[48])
{
    PspGuest *guest = psp_guest();

    if (guest->state < PSP_STATE_LAUNCH) {
        return false;
    }
    memcpy(digest, guest->digest, PSP_DIGEST_SIZE);
    return true;
}
