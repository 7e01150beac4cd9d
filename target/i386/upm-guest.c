/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 guests with private memory: what the options of the machine's guest ask
 * for, and whether it can be had
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/kvm.h"
#include "system/upm/compat.h"
#include "system/upm/suspend.h"
#include "accel/kvm/upm/upm-kvm.h"
#include "kvm/kvm_i386.h"
#include "sev.h"
#include "sev-features.h"
#include "upm-guest.h"
#include "upm-guest-options.h"

/*
 * Starting
 */

void upm_guest_check_vm_type(ConfidentialGuestSupport *cgs)
{
    const UpmGuestOptions *options = upm_guest_options(OBJECT(cgs));

    if (!kvm_enabled()) {
        return;
    }
    if (options->emulated) {
        error_report("%s: emulated=on needs -accel tcg: KVM runs guests on "
                     "the host's processor", object_get_typename(OBJECT(cgs)));
        exit(EXIT_FAILURE);
    }
    if (!upm_guest_is_snp(OBJECT(cgs))) {
        return;
    }
    if (!kvm_is_vm_type_supported(KVM_X86_SNP_VM)) {
        error_report("sev-snp-guest: upm-mode=%s: this kernel's KVM has no "
                     "VMs of type KVM_X86_SNP_VM: that bit of "
                     "KVM_CAP_VM_TYPES is missing",
                     OnOffAuto_str(options->upm_mode));
        error_printf("It takes Linux 6.11, kvm_amd with sev_snp=1, and a host "
                     "with SEV-SNP switched on.  For a test without any "
                     "confidentiality, use -accel tcg.\n");
        exit(EXIT_FAILURE);
    }
}

void upm_guest_no_vm_type(void)
{
    error_printf("For SEV-SNP the host needs a processor with it, SNP in the"
                 " BIOS and kvm_amd.sev_snp=1. Without them it runs emulated:"
                 " -accel tcg.\n");
}

/* Only for who asks for it: the guest finds another CPUID then. */
static void record_requests(ConfidentialGuestSupport *cgs)
{
    if (!upm_kvm_record()) {
        warn_report("%s: upm-mode=off: what the guest tells of its page "
                    "states is not recorded, since this kernel's KVM does not "
                    "pass it on: KVM_CAP_EXIT_HYPERCALL is missing",
                    object_get_typename(OBJECT(cgs)));
    }
}

static bool check_private_memory(ConfidentialGuestSupport *cgs, OnOffAuto mode,
                                 Error **errp)
{
    ERRP_GUARD();

    if (upm_kvm_check(errp)) {
        return true;
    }
    error_prepend(errp, "%s: upm-mode=%s: ", object_get_typename(OBJECT(cgs)),
                  OnOffAuto_str(mode));
    if (!upm_guest_is_snp(OBJECT(cgs))) {
        error_append_hint(errp, "Use upm-mode=off, or sev-snp-guest.\n");
    }
    return false;
}

/* KVM would say EINVAL to all of them at once. */
static bool check_features(uint64_t wanted, Error **errp)
{
    uint64_t offered = 0;
    struct kvm_device_attr attr = {
        .group = KVM_X86_GRP_SEV,
        .attr = KVM_X86_SEV_VMSA_FEATURES,
        .addr = (uintptr_t)&offered,
    };
    g_autofree char *missing = NULL;
    g_autofree char *text = NULL;

    /* A kernel that does not know of it has none to choose. */
    if (wanted && kvm_ioctl(kvm_state, KVM_GET_DEVICE_ATTR, &attr) < 0) {
        offered = 0;
    }
    if (!(wanted & ~offered)) {
        return true;
    }
    missing = sev_features_text(wanted & ~offered);
    text = sev_features_text(offered);
    error_setg(errp, "sev-snp-guest: this host's KVM does not offer %s; it "
               "offers: %s", missing, *text ? text : "none");
    return false;
}

bool upm_guest_init(ConfidentialGuestSupport *cgs, Error **errp)
{
    const UpmGuestOptions *options = upm_guest_use_options(OBJECT(cgs));

    if (!kvm_enabled()) {
        return true;
    }
    if (!check_features(options->sev_features, errp)) {
        return false;
    }
    if (cgs->require_guest_memfd) {
        upm_kvm_set_pre_fault(options->pre_fault);
        return check_private_memory(cgs, options->upm_mode, errp);
    }
    if (options->upm_mode == ON_OFF_AUTO_OFF) {
        record_requests(cgs);
    }
    return true;
}

const char *upm_guest_unsuspendable(void)
{
    return sev_es_enabled() ? "a vCPU whose registers are encrypted can not be "
                              "woken up" : NULL;
}

bool upm_guest_program_emulates(void)
{
    return g_str_has_suffix(g_get_prgname(), "-snp-emulated");
}

/*
 * What others want to know
 */

bool upm_guest_emulated(Object *guest)
{
    return upm_guest_options(guest)->emulated;
}

static const UpmGuestOptions *machine_options(void)
{
    return upm_guest_options(OBJECT(current_machine->cgs));
}

uint64_t upm_guest_sev_features(void)
{
    return machine_options()->sev_features;
}

SevMeasureOnly upm_guest_measure_only(void)
{
    return machine_options()->measure_only;
}

char *upm_guest_cert_dir(void)
{
    return upm_guest_find_cert_dir(machine_options());
}

const char *upm_guest_certs_path(void)
{
    return machine_options()->certs_path;
}
