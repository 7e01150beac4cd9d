/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of SEV guests: the emulated processor and hypervisor, and features
 * that any may have
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "sev-features.h"
#include "upm-guest-options.h"

static bool get_emulated(Object *obj, Error **errp)
{
    return upm_guest_options(obj)->emulated;
}

static void set_emulated(Object *obj, bool value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, "emulated", errp);

    if (options) {
        options->emulated = value;
    }
}

static bool get_emulated_smt(Object *obj, Error **errp)
{
    return upm_guest_options(obj)->emulated_smt;
}

static void set_emulated_smt(Object *obj, bool value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, "emulated-smt",
                                                        errp);

    if (options) {
        options->emulated_smt = value;
    }
}

static bool get_emulated_large_pages(Object *obj, Error **errp)
{
    return upm_guest_options(obj)->emulated_large_pages;
}

static void set_emulated_large_pages(Object *obj, bool value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(
        obj, "emulated-large-pages", errp);

    if (options) {
        options->emulated_large_pages = value;
    }
}

static int get_emulated_hypervisor(Object *obj, Error **errp)
{
    return upm_guest_options(obj)->emulated_hypervisor;
}

static void set_emulated_hypervisor(Object *obj, int value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(
        obj, "emulated-hypervisor", errp);

    if (options) {
        options->emulated_hypervisor = value;
    }
}

static void get_emulated_vmpls(Object *obj, Visitor *v, const char *name,
                               void *opaque, Error **errp)
{
    uint8_t value = upm_guest_options(obj)->emulated_vmpls;

    visit_type_uint8(v, name, &value, errp);
}

static void set_emulated_vmpls(Object *obj, Visitor *v, const char *name,
                               void *opaque, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, name, errp);
    uint8_t value;

    if (!options || !visit_type_uint8(v, name, &value, errp)) {
        return;
    }
    /* CPUID 8000_001F EBX[15:12] */
    if (!value || value > 4) {
        error_setg(errp, "emulated-vmpls=%u: a processor has 1 to 4 VMPLs",
                   value);
        return;
    }
    options->emulated_vmpls = value;
}

/*
 * Features of VMSAs, each with its SevFeature for @opaque
 */

static void get_feature(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    const SevFeature *feature = opaque;
    bool value = upm_guest_options(obj)->sev_features & feature->mask;

    visit_type_bool(v, name, &value, errp);
}

static void set_feature(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, name, errp);
    const SevFeature *feature = opaque;
    bool value;

    if (!options || !visit_type_bool(v, name, &value, errp)) {
        return;
    }
    options->sev_features &= ~feature->mask;
    options->sev_features |= value ? feature->mask : 0;
}

/*
 * Classes
 */

void upm_guest_add_features(ObjectClass *oc)
{
    const SevFeature *feature;

    for (unsigned i = 0; (feature = sev_feature(i)); i++) {
        /* A QEMU that has it itself knows better. */
        if (object_class_property_find(oc, feature->name)) {
            continue;
        }
        object_class_property_add(oc, feature->name, "bool", get_feature,
                                  set_feature, NULL, (void *)feature);
        object_class_property_set_description(oc, feature->name,
                                              feature->description);
    }
}

void upm_guest_add_emulated(ObjectClass *oc)
{
    object_class_property_add_bool(oc, "emulated", get_emulated,
                                   set_emulated);
    object_class_property_set_description(oc, "emulated",
        "Run on the emulated platform, without any confidentiality");
    object_class_property_add_enum(oc, "emulated-hypervisor",
                                   "SevEmulatedHypervisor",
                                   &SevEmulatedHypervisor_lookup,
                                   get_emulated_hypervisor,
                                   set_emulated_hypervisor);
    object_class_property_set_description(oc, "emulated-hypervisor",
        "Where KVM ends a guest: end it, too, or give it the error of the "
        "GHCB specification (kvm, specification)");
}

void upm_guest_add_platform(ObjectClass *oc)
{
    object_class_property_add_bool(oc, "emulated-smt", get_emulated_smt,
                                   set_emulated_smt);
    object_class_property_set_description(oc, "emulated-smt",
        "The emulated platform has SMT on, as most hosts have");
    object_class_property_add_bool(oc, "emulated-large-pages",
                                   get_emulated_large_pages,
                                   set_emulated_large_pages);
    object_class_property_set_description(oc, "emulated-large-pages",
        "The emulated platform has private memory in pages of 2 MiB, as no "
        "host has today");
    object_class_property_add(oc, "emulated-vmpls", "uint8",
                              get_emulated_vmpls, set_emulated_vmpls, NULL,
                              NULL);
    object_class_property_set_description(oc, "emulated-vmpls",
        "Number of VMPLs that the emulated hypervisor runs vCPUs at (1 to 4)");
}
