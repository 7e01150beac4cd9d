/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of SEV guests: the emulated chip that signs attestation reports, and
 * the folder that it lives in
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "upm-guest-options.h"

static int get_emulated_chip(Object *obj, Error **errp)
{
    return upm_guest_options(obj)->emulated_chip;
}

static void set_emulated_chip(Object *obj, int value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, "emulated-chip",
                                                        errp);

    if (options) {
        options->emulated_chip = value;
    }
}

static void get_report_version(Object *obj, Visitor *v, const char *name,
                               void *opaque, Error **errp)
{
    uint32_t value = upm_guest_options(obj)->emulated_report_version;

    visit_type_uint32(v, name, &value, errp);
}

static void set_report_version(Object *obj, Visitor *v, const char *name,
                               void *opaque, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, name, errp);
    uint32_t value;

    if (!options || !visit_type_uint32(v, name, &value, errp)) {
        return;
    }
    if (value && value != 2 && value != 3 && value != 5) {
        error_setg(errp, "%s=%u is not known, only 2, 3 and 5, and 0 for the"
                   " version of the chip", name, value);
        return;
    }
    options->emulated_report_version = value;
}

static void get_mitigations(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    uint64_t value = upm_guest_options(obj)->emulated_mitigations;

    visit_type_uint64(v, name, &value, errp);
}

static void set_mitigations(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, name, errp);
    uint64_t value;

    if (options && visit_type_uint64(v, name, &value, errp)) {
        options->emulated_mitigations = value;
    }
}

static bool get_emulated_vlek(Object *obj, Error **errp)
{
    return upm_guest_options(obj)->emulated_vlek;
}

static void set_emulated_vlek(Object *obj, bool value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, "emulated-vlek",
                                                        errp);

    if (options) {
        options->emulated_vlek = value;
    }
}

/*
 * The folder
 */

/* Kinds of chips do not share a folder; a Milan has the one that was first. */
static char *chip_folder(const UpmGuestOptions *options)
{
    if (!options->emulated_vlek && options->emulated_chip ==
        SEV_EMULATED_CHIP_MILAN) {
        return g_strdup("qemu-upm");
    }
    return g_strconcat("qemu-upm" G_DIR_SEPARATOR_S,
                       SevEmulatedChip_str(options->emulated_chip),
                       options->emulated_vlek ? "-vlek" : "", NULL);
}

char *upm_guest_find_cert_dir(const UpmGuestOptions *options)
{
    g_autofree char *folder = chip_folder(options);
    const char *state = g_getenv("XDG_STATE_HOME");

    if (options->cert_dir) {
        return g_strdup(options->cert_dir);
    }
    if (state && g_path_is_absolute(state)) {
        return g_build_filename(state, folder, NULL);
    }
    return g_build_filename(g_get_home_dir(), ".local", "state", folder, NULL);
}

static char *get_cert_dir(Object *obj, Error **errp)
{
    return upm_guest_find_cert_dir(upm_guest_options(obj));
}

static void set_cert_dir(Object *obj, const char *value, Error **errp)
{
    UpmGuestOptions *options = upm_guest_options_to_set(obj, "cert-dir", errp);

    if (options) {
        g_free(options->cert_dir);
        options->cert_dir = g_strdup(value);
    }
}

/*
 * Classes
 */

void upm_guest_add_chip(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "emulated-chip", "SevEmulatedChip",
                                   &SevEmulatedChip_lookup,
                                   get_emulated_chip, set_emulated_chip);
    object_class_property_set_description(oc, "emulated-chip",
        "The chip that signs attestation reports (milan, genoa, turin)");
    object_class_property_add(oc, "emulated-report-version", "uint32",
                              get_report_version, set_report_version, NULL,
                              NULL);
    object_class_property_set_description(oc, "emulated-report-version",
        "Version of attestation reports (2, 3, 5; 0: that of the chip)");
    object_class_property_add(oc, "emulated-mitigations", "uint64",
                              get_mitigations, set_mitigations, NULL, NULL);
    object_class_property_set_description(oc, "emulated-mitigations",
        "Mitigation vector in attestation reports of version 5");
    object_class_property_add_bool(oc, "emulated-vlek", get_emulated_vlek,
                                   set_emulated_vlek);
    object_class_property_set_description(oc, "emulated-vlek",
        "A VLEK signs attestation reports, as many cloud providers have it");
}

void upm_guest_add_cert_dir(ObjectClass *oc)
{
    object_class_property_add_str(oc, "cert-dir", get_cert_dir, set_cert_dir);
    object_class_property_set_description(oc, "cert-dir",
        "Folder with the keys of the emulated chip, made on first use");
}
