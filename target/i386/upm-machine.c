/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -machine kvm-type=protected: guest memory has to be private
 *
 * It changes nothing, since the guest object alone decides that, but it must
 * not be said of a machine where it is not true.  A claim is a child of the
 * machine that it is made of.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/notify.h"
#include "hw/i386/snp-host.h"
#include "system/system.h"
#include "system/upm/compat.h"
#include "upm-machine.h"

#define TYPE_UPM_MACHINE_CLAIM "upm-machine-claim"
#define CLAIM_CHILD "upm-claim"

typedef struct UpmMachineClaim {
    Object parent_obj;
    MachineState *machine;
    Notifier machine_done;
} UpmMachineClaim;

DECLARE_INSTANCE_CHECKER(UpmMachineClaim, UPM_MACHINE_CLAIM,
                         TYPE_UPM_MACHINE_CLAIM)

static void check_claim(Notifier *notifier, void *data)
{
    UpmMachineClaim *claim = container_of(notifier, UpmMachineClaim,
                                          machine_done);

    if (claim->machine != current_machine ||
        machine_require_guest_memfd(claim->machine)) {
        return;
    }
    error_report("kvm-type=protected: this machine has no private memory; "
                 "give a guest that has, such as sev-snp-guest, with "
                 "confidential-guest-support=ID");
    exit(EXIT_FAILURE);
}

static void claim_init(Object *obj)
{
    UpmMachineClaim *claim = UPM_MACHINE_CLAIM(obj);

    claim->machine_done.notify = check_claim;
    qemu_add_machine_init_done_notifier(&claim->machine_done);
}

static void claim_finalize(Object *obj)
{
    qemu_remove_machine_init_done_notifier(
        &UPM_MACHINE_CLAIM(obj)->machine_done);
}

static const TypeInfo claim_info = {
    .name = TYPE_UPM_MACHINE_CLAIM,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(UpmMachineClaim),
    .instance_init = claim_init,
    .instance_finalize = claim_finalize,
};

static void register_claim(void)
{
    type_register_static(&claim_info);
}

type_init(register_claim);

static char *get_kvm_type(Object *obj, Error **errp)
{
    return g_strdup(object_resolve_path_component(obj, CLAIM_CHILD)
                    ? "protected" : "");
}

static void set_kvm_type(Object *obj, const char *value, Error **errp)
{
    Object *claim;

    if (phase_check(PHASE_MACHINE_READY)) {
        error_setg(errp, "kvm-type cannot change any more: the machine was "
                   "started without it");
        return;
    }
    if (strcmp(value, "protected")) {
        error_setg(errp, "kvm-type must be 'protected' or left out: the guest "
                   "object given by confidential-guest-support decides the "
                   "rest");
        return;
    }
    if (object_resolve_path_component(obj, CLAIM_CHILD)) {
        return;
    }
    claim = object_new(TYPE_UPM_MACHINE_CLAIM);
    UPM_MACHINE_CLAIM(claim)->machine = MACHINE(obj);
    object_property_add_child(obj, CLAIM_CHILD, claim);
    object_unref(claim);
}

void upm_machine_class_init(ObjectClass *oc)
{
    object_class_property_add_str(oc, "kvm-type", get_kvm_type, set_kvm_type);
    object_class_property_set_description(oc, "kvm-type",
        "'protected': refuse to start unless guest memory is private");
    snp_host_class_init(oc);
}
