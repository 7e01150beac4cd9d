/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of x86 guests with private memory
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-types-upm.h"
#include "qemu/error-report.h"
#include "system/system.h"
#include "system/upm.h"
#include "system/upm-compat.h"
#include "sev-firmware.h"
#include "upm-guest.h"

/*
 * The guest object.  A process has one guest, so its options need no room in
 * the structure of each type of guest.
 */
static struct {
    UpmDiscardPolicy discard;
    bool emulated;
} options;

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

void upm_guest_class_init(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "discard", "UpmDiscardPolicy",
                                   &UpmDiscardPolicy_lookup, get_discard,
                                   set_discard);
    object_class_property_set_description(oc, "discard",
        "Half of the guest's memory that gives its backing back on a "
        "conversion (both, shared, private, none)");
    object_class_property_add_bool(oc, "emulated", get_emulated,
                                   set_emulated);
    object_class_property_set_description(oc, "emulated",
        "Run on the emulated platform, without any confidentiality");
    object_class_property_add_str(oc, "launch-digest", get_launch_digest,
                                  NULL);
    object_class_property_set_description(oc, "launch-digest",
        "Measurement of the launch; empty where the firmware keeps it");
}

bool upm_guest_emulated(Object *obj)
{
    return object_property_get_bool(obj, "emulated", NULL);
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
