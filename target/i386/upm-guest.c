/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of x86 guests with private memory
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qapi/error.h"
#include "qapi/qapi-types-common.h"
#include "qapi/qapi-types-upm.h"
#include "qemu/error-report.h"
#include "system/kvm.h"
#include "system/system.h"
#include "system/upm/upm.h"
#include "system/upm/compat.h"
#include "accel/kvm/upm/upm-kvm.h"
#include "kvm/kvm_i386.h"
#include "sev-firmware.h"
#include "upm-guest.h"

/*
 * The guest object.  A process has one guest, so its options need no room in
 * the structure of each type of guest.
 */
static struct {
    UpmDiscardPolicy discard;
    bool emulated;
    bool emulated_smt;
    OnOffAuto upm_mode;
    char *cert_dir;
    char *certs_path;
} options = { .emulated_smt = true };

static int get_discard(Object *obj, Error **errp)
{
    return options.discard;
}

static void set_discard(Object *obj, int value, Error **errp)
{
    options.discard = value;
    upm_set_default_discard(value);
}

static bool get_emulated(Object *obj, Error **errp)
{
    return options.emulated;
}

static void set_emulated(Object *obj, bool value, Error **errp)
{
    options.emulated = value;
}

static bool get_emulated_smt(Object *obj, Error **errp)
{
    return options.emulated_smt;
}

static void set_emulated_smt(Object *obj, bool value, Error **errp)
{
    options.emulated_smt = value;
}

/*
 * upm-mode: which guests have private memory is decided by KVM's VM types, so
 * that the type of the guest object leaves little to choose.
 */
static bool is_snp(Object *obj)
{
    return object_dynamic_cast(obj, "sev-snp-guest");
}

static int get_upm_mode(Object *obj, Error **errp)
{
    return options.upm_mode;
}

static void set_upm_mode(Object *obj, int value, Error **errp)
{
    if (is_snp(obj) && value == ON_OFF_AUTO_OFF) {
        error_setg(errp, "upm-mode=off cannot hold for an SEV-SNP guest: "
                   "KVM_X86_SNP_VM has private memory in a guest_memfd only");
        return;
    }
    options.upm_mode = value;
    CONFIDENTIAL_GUEST_SUPPORT(obj)->require_guest_memfd =
        value == ON_OFF_AUTO_ON ||
        (value == ON_OFF_AUTO_AUTO && !object_dynamic_cast(obj, "sev-guest"));
}

void upm_guest_check_vm_type(ConfidentialGuestSupport *cgs)
{
    if (!kvm_enabled() || !is_snp(OBJECT(cgs))) {
        return;
    }
    if (options.emulated) {
        error_report("sev-snp-guest: emulated=on needs -accel tcg: KVM runs "
                     "guests on the host's processor");
        exit(EXIT_FAILURE);
    }
    if (!kvm_is_vm_type_supported(KVM_X86_SNP_VM)) {
        error_report("sev-snp-guest: upm-mode=%s: this kernel's KVM has no "
                     "VMs of type KVM_X86_SNP_VM: that bit of "
                     "KVM_CAP_VM_TYPES is missing",
                     OnOffAuto_str(options.upm_mode));
        error_printf("It takes Linux 6.11, kvm_amd with sev_snp=1, and a host "
                     "with SEV-SNP switched on.  For a test without any "
                     "confidentiality, use -accel tcg.\n");
        exit(EXIT_FAILURE);
    }
}

/* Only for who asks for it: the guest finds another CPUID then. */
static void record_requests(ConfidentialGuestSupport *cgs)
{
    if (options.upm_mode == ON_OFF_AUTO_OFF && !upm_kvm_record()) {
        warn_report("%s: upm-mode=off: what the guest tells of its page "
                    "states is not recorded, since this kernel's KVM does not "
                    "pass it on: KVM_CAP_EXIT_HYPERCALL is missing",
                    object_get_typename(OBJECT(cgs)));
    }
}

bool upm_guest_check_mode(ConfidentialGuestSupport *cgs, Error **errp)
{
    ERRP_GUARD();

    if (!kvm_enabled()) {
        return true;
    }
    if (!cgs->require_guest_memfd) {
        record_requests(cgs);
        return true;
    }
    if (upm_kvm_check(errp)) {
        return true;
    }
    error_prepend(errp, "%s: upm-mode=%s: ", object_get_typename(OBJECT(cgs)),
                  OnOffAuto_str(options.upm_mode));
    if (!is_snp(OBJECT(cgs))) {
        error_append_hint(errp, "Use upm-mode=off, or sev-snp-guest.\n");
    }
    return false;
}

/* The measurement of what was launched so far, as 96 hexadecimal digits */
static char *get_launch_digest(Object *obj, Error **errp)
{
    uint8_t digest[48];
    GString *hex;
    size_t i;

    if (!sev_firmware_launch_digest(digest)) {
        return g_strdup("");
    }
    hex = g_string_sized_new(2 * sizeof(digest) + 1);
    for (i = 0; i < sizeof(digest); i++) {
        g_string_append_printf(hex, "%02x", digest[i]);
    }
    return g_string_free(hex, false);
}

/*
 * Attestation
 */

static char *get_cert_dir(Object *obj, Error **errp)
{
    return upm_guest_cert_dir();
}

static void set_cert_dir(Object *obj, const char *value, Error **errp)
{
    g_free(options.cert_dir);
    options.cert_dir = g_strdup(value);
}

char *upm_guest_cert_dir(void)
{
    const char *state = g_getenv("XDG_STATE_HOME");

    if (options.cert_dir) {
        return g_strdup(options.cert_dir);
    }
    if (state && g_path_is_absolute(state)) {
        return g_build_filename(state, "qemu-upm", NULL);
    }
    return g_build_filename(g_get_home_dir(), ".local", "state", "qemu-upm",
                            NULL);
}

static char *get_certs_path(Object *obj, Error **errp)
{
    return g_strdup(options.certs_path ?: "");
}

static void set_certs_path(Object *obj, const char *value, Error **errp)
{
    g_free(options.certs_path);
    options.certs_path = g_strdup(value);
}

const char *upm_guest_certs_path(void)
{
    return options.certs_path;
}

void upm_guest_add_discard(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "discard", "UpmDiscardPolicy",
                                   &UpmDiscardPolicy_lookup, get_discard,
                                   set_discard);
    object_class_property_set_description(oc, "discard",
        "Half of the guest's memory that gives its backing back on a "
        "conversion (both, shared, private, none)");
}

void upm_guest_add_mode(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "upm-mode", "OnOffAuto",
                                   &OnOffAuto_lookup, get_upm_mode,
                                   set_upm_mode);
    object_class_property_set_description(oc, "upm-mode",
        "Keep private pages in unmapped private memory (on, off, auto)");
}

void upm_guest_class_init(ObjectClass *oc)
{
    upm_guest_add_discard(oc);
    upm_guest_add_mode(oc);
    object_class_property_add_bool(oc, "emulated", get_emulated,
                                   set_emulated);
    object_class_property_set_description(oc, "emulated",
        "Run on the emulated platform, without any confidentiality");
    object_class_property_add_str(oc, "cert-dir", get_cert_dir, set_cert_dir);
    object_class_property_set_description(oc, "cert-dir",
        "Folder with the keys of the emulated chip, made on first use");
    object_class_property_add_str(oc, "certs-path", get_certs_path,
                                  set_certs_path);
    object_class_property_set_description(oc, "certs-path",
        "File with certificates for guests that ask for a report");
    object_class_property_add_bool(oc, "emulated-smt", get_emulated_smt,
                                   set_emulated_smt);
    object_class_property_set_description(oc, "emulated-smt",
        "The emulated platform has SMT on, as most hosts have");
    object_class_property_add_str(oc, "launch-digest", get_launch_digest,
                                  NULL);
    object_class_property_set_description(oc, "launch-digest",
        "Measurement of the launch; empty where the firmware keeps it");
}

void upm_guest_no_vm_type(void)
{
    error_printf("For SEV-SNP the host needs a processor with it, SNP in the"
                 " BIOS and kvm_amd.sev_snp=1. Without them it runs emulated:"
                 " -accel tcg.\n");
}

bool upm_guest_emulated(Object *obj)
{
    return object_property_get_bool(obj, "emulated", NULL);
}

bool upm_guest_program_emulates(void)
{
    return g_str_has_suffix(g_get_prgname(), "-snp-emulated");
}

/*
 * The machine: -machine kvm-type=protected says that guest memory has to be
 * private.  It changes nothing, since the guest object alone decides that,
 * but it must not be said of a machine where it is not true.
 */
static bool told_protected;

static void check_protected(Notifier *notifier, void *data)
{
    if (machine_require_guest_memfd(current_machine)) {
        return;
    }
    error_report("kvm-type=protected: this machine has no private memory; "
                 "give a guest that has, such as sev-snp-guest, with "
                 "confidential-guest-support=ID");
    exit(EXIT_FAILURE);
}

static Notifier check_protected_notifier = { .notify = check_protected };

static char *get_kvm_type(Object *obj, Error **errp)
{
    return g_strdup(told_protected ? "protected" : "");
}

static void set_kvm_type(Object *obj, const char *value, Error **errp)
{
    if (strcmp(value, "protected")) {
        error_setg(errp, "kvm-type must be 'protected' or left out: the guest "
                   "object given by confidential-guest-support decides the "
                   "rest");
        return;
    }
    if (!told_protected) {
        told_protected = true;
        qemu_add_machine_init_done_notifier(&check_protected_notifier);
    }
}

void upm_machine_class_init(ObjectClass *oc)
{
    object_class_property_add_str(oc, "kvm-type", get_kvm_type, set_kvm_type);
    object_class_property_set_description(oc, "kvm-type",
        "'protected': refuse to start unless guest memory is private");
}
