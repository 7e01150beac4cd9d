/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of x86 guests with private memory, as properties of their objects
 *
 * An option belongs to its object.  The object's structure is QEMU's own, so
 * options are a child of it, which comes with the first one that is set and
 * goes with the object.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/module.h"
#include "system/confidential-guest-support.h"
#include "system/upm/upm.h"
#include "sev-firmware.h"
#include "upm-guest.h"
#include "upm-guest-options.h"

#define TYPE_UPM_OPTIONS "upm-guest-options"
#define OPTIONS_CHILD "upm-options"

typedef struct OptionsObject {
    Object parent_obj;
    UpmGuestOptions options;
} OptionsObject;

DECLARE_INSTANCE_CHECKER(OptionsObject, OPTIONS_OBJECT, TYPE_UPM_OPTIONS)

static const UpmGuestOptions defaults = {
    .pre_fault = true, .emulated_smt = true, .emulated_vmpls = 1,
};

static void options_init(Object *obj)
{
    OPTIONS_OBJECT(obj)->options = defaults;
}

static void options_finalize(Object *obj)
{
    UpmGuestOptions *options = &OPTIONS_OBJECT(obj)->options;

    g_free(options->cert_dir);
    g_free(options->certs_path);
}

static const TypeInfo options_info = {
    .name = TYPE_UPM_OPTIONS,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(OptionsObject),
    .instance_init = options_init,
    .instance_finalize = options_finalize,
};

static void register_options(void)
{
    type_register_static(&options_info);
}

type_init(register_options);

/* Adds nothing: somebody may be on a walk through the object's properties. */
const UpmGuestOptions *upm_guest_options(Object *guest)
{
    Object *child = guest
        ? object_resolve_path_component(guest, OPTIONS_CHILD) : NULL;

    return child ? &OPTIONS_OBJECT(child)->options : &defaults;
}

static UpmGuestOptions *options_of(Object *guest)
{
    Object *child = object_resolve_path_component(guest, OPTIONS_CHILD);

    if (!child) {
        child = object_new(TYPE_UPM_OPTIONS);
        object_property_add_child(guest, OPTIONS_CHILD, child);
        object_unref(child);
    }
    return &OPTIONS_OBJECT(child)->options;
}

const UpmGuestOptions *upm_guest_use_options(Object *guest)
{
    UpmGuestOptions *options = options_of(guest);

    upm_set_default_discard(options->discard);
    options->in_use = true;
    return options;
}

UpmGuestOptions *upm_guest_options_to_set(Object *guest, const char *option,
                                          Error **errp)
{
    UpmGuestOptions *options = options_of(guest);

    if (options->in_use) {
        error_setg(errp, "%s of '%s' cannot change any more: the machine was "
                   "started with it", option,
                   object_get_canonical_path_component(guest));
        return NULL;
    }
    return options;
}

/*
 * Memory
 */

static int get_discard(Object *obj, Error **errp)
{
    return upm_guest_options(obj)->discard;
}

/* The one option that may change while the guest runs */
static void set_discard(Object *obj, int value, Error **errp)
{
    UpmGuestOptions *options = options_of(obj);

    options->discard = value;
    if (options->in_use) {
        upm_set_default_discard(value);
    }
}

static bool get_pre_fault(Object *obj, Error **errp)
{
    return upm_guest_options(obj)->pre_fault;
}

static void set_pre_fault(Object *obj, bool value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, "pre-fault", errp);

    if (options) {
        options->pre_fault = value;
    }
}

bool upm_guest_is_snp(Object *guest)
{
    return object_dynamic_cast(guest, "sev-snp-guest");
}

/*
 * AMD's patches of 2022 took flags of KVM_SEV_SNP_INIT here.  In mainline none
 * is left.
 */
static void get_init_flags(Object *obj, Visitor *v, const char *name,
                           void *opaque, Error **errp)
{
    uint32_t value = 0;

    visit_type_uint32(v, name, &value, errp);
}

static void set_init_flags(Object *obj, Visitor *v, const char *name,
                           void *opaque, Error **errp)
{
    ERRP_GUARD();
    uint32_t value;

    if (!visit_type_uint32(v, name, &value, errp) || !value) {
        return;
    }
    error_setg(errp, "init-flags=0x%x: KVM_SEV_INIT2 takes no flags for an "
               "SEV-SNP guest, only 0", value);
    error_append_hint(errp, "What they asked for is in policy= and in "
                      "SEV_FEATURES by now, or is always so.\n");
}

static int get_upm_mode(Object *obj, Error **errp)
{
    return upm_guest_options(obj)->upm_mode;
}

/*
 * Which guests have private memory is decided by KVM's VM types, so that the
 * type of the guest object leaves little to choose.
 */
static void set_upm_mode(Object *obj, int value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, "upm-mode", errp);

    if (!options) {
        return;
    }
    if (upm_guest_is_snp(obj) && value == ON_OFF_AUTO_OFF) {
        error_setg(errp, "upm-mode=off cannot hold for an SEV-SNP guest: "
                   "KVM_X86_SNP_VM has private memory in a guest_memfd only");
        return;
    }
    options->upm_mode = value;
    CONFIDENTIAL_GUEST_SUPPORT(obj)->require_guest_memfd =
        value == ON_OFF_AUTO_ON ||
        (value == ON_OFF_AUTO_AUTO && !object_dynamic_cast(obj, "sev-guest"));
}

/*
 * Launch and attestation
 */

static int get_measure_only(Object *obj, Error **errp)
{
    return upm_guest_options(obj)->measure_only;
}

static void set_measure_only(Object *obj, int value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, "measure-only",
                                                        errp);

    if (options) {
        options->measure_only = value;
    }
}

/* The measurement of what was launched so far, as 96 hexadecimal digits */
static char *get_launch_digest(Object *obj, Error **errp)
{
    uint8_t digest[48];
    GString *hex;
    size_t i;

    if (!upm_guest_options(obj)->in_use ||
        !sev_firmware_launch_digest(digest)) {
        return g_strdup("");
    }
    hex = g_string_sized_new(2 * sizeof(digest) + 1);
    for (i = 0; i < sizeof(digest); i++) {
        g_string_append_printf(hex, "%02x", digest[i]);
    }
    return g_string_free(hex, false);
}

static char *get_certs_path(Object *obj, Error **errp)
{
    return g_strdup(upm_guest_options(obj)->certs_path ?: "");
}

static void set_certs_path(Object *obj, const char *value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, "certs-path",
                                                        errp);

    if (options) {
        g_free(options->certs_path);
        options->certs_path = g_strdup(value);
    }
}

/*
 * Classes
 */

static void add_discard(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "discard", "UpmDiscardPolicy",
                                   &UpmDiscardPolicy_lookup, get_discard,
                                   set_discard);
    object_class_property_set_description(oc, "discard",
        "Half of the guest's memory that is discarded when a conversion "
        "hides it (both, shared, private, none)");
}

void upm_guest_add_memory(ObjectClass *oc)
{
    add_discard(oc);
    object_class_property_add_bool(oc, "pre-fault", get_pre_fault,
                                   set_pre_fault);
    object_class_property_set_description(oc, "pre-fault",
        "Have KVM map memory as soon as the guest makes it private");
}

void upm_guest_add_mode(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "upm-mode", "OnOffAuto",
                                   &OnOffAuto_lookup, get_upm_mode,
                                   set_upm_mode);
    object_class_property_set_description(oc, "upm-mode",
        "Keep private pages in unmapped private memory (on, off, auto)");
}

static void add_init_flags(ObjectClass *oc)
{
    object_class_property_add(oc, "init-flags", "uint32", get_init_flags,
                              set_init_flags, NULL, NULL);
    object_class_property_set_description(oc, "init-flags",
        "0; other flags of KVM_SEV_SNP_INIT are not in mainline Linux");
}

static void add_measure_only(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "measure-only", "SevMeasureOnly",
                                   &SevMeasureOnly_lookup, get_measure_only,
                                   set_measure_only);
    object_class_property_set_description(oc, "measure-only",
        "Print the expected launch digest and exit (off, hex, json)");
}

static void add_attestation(ObjectClass *oc)
{
    object_class_property_add_str(oc, "launch-digest", get_launch_digest,
                                  NULL);
    object_class_property_set_description(oc, "launch-digest",
        "Measurement of the launch; empty where the firmware keeps it");
    object_class_property_add_str(oc, "certs-path", get_certs_path,
                                  set_certs_path);
    object_class_property_set_description(oc, "certs-path",
        "File with certificates for guests that ask for a report");
}

void upm_guest_class_init(ObjectClass *oc)
{
    upm_guest_add_memory(oc);
    upm_guest_add_mode(oc);
    upm_guest_add_emulated(oc);
    upm_guest_add_platform(oc);
    upm_guest_add_features(oc);
    add_init_flags(oc);
    upm_guest_add_chip(oc);
    add_measure_only(oc);
    upm_guest_add_cert_dir(oc);
    add_attestation(oc);
}

void upm_guest_sev_class_init(ObjectClass *oc)
{
    add_discard(oc);
    upm_guest_add_mode(oc);
    upm_guest_add_emulated(oc);
    add_measure_only(oc);
    upm_guest_add_cert_dir(oc);
}
