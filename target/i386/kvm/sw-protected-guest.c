/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -object sw-protected-guest: private memory without SEV
 *
 * A VM of KVM's type KVM_X86_SW_PROTECTED_VM has guest_memfd, attributes and
 * conversions, and no secrets: everything can be tested on it but
 * confidentiality.  Nothing fills private memory at its launch, so all of its
 * memory begins shared.  With upm-mode=off it is a VM of the ordinary type,
 * whose requests are only recorded, as those of an SEV guest are.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qom/object_interfaces.h"
#include "standard-headers/asm-x86/kvm_para.h"
#include "standard-headers/linux/kvm_para.h"
#include "system/kvm.h"
#include "system/reset.h"
#include "system/upm/host.h"
#include "system/upm/compat.h"
#include "hw/i386/x86.h"
#include "accel/kvm/upm/upm-kvm.h"
#include "../confidential-guest.h"
#include "../upm-guest.h"
#include "kvm_i386.h"

#define TYPE_SW_PROTECTED_GUEST "sw-protected-guest"

static int sw_protected_kvm_type(X86ConfidentialGuest *cg)
{
    if (!CONFIDENTIAL_GUEST_SUPPORT(cg)->require_guest_memfd) {
        return KVM_X86_DEFAULT_VM;
    }
    if (!kvm_is_vm_type_supported(KVM_X86_SW_PROTECTED_VM)) {
        error_report("%s: this kernel's KVM has no VMs of type "
                     "KVM_X86_SW_PROTECTED_VM; they come with "
                     "CONFIG_KVM_SW_PROTECTED_VM", TYPE_SW_PROTECTED_GUEST);
        exit(EXIT_FAILURE);
    }
    return KVM_X86_SW_PROTECTED_VM;
}

/* Such VMs have one address space, so none for system management mode. */
static bool switch_smm_off(Error **errp)
{
    X86MachineState *x86ms = X86_MACHINE(qdev_get_machine());

    if (x86ms->smm == ON_OFF_AUTO_ON) {
        error_setg(errp, "%s: smm=on cannot hold: VMs with private memory "
                   "have no SMM", TYPE_SW_PROTECTED_GUEST);
        return false;
    }
    x86ms->smm = ON_OFF_AUTO_OFF;
    return true;
}

/*
 * A reset guest finds the page states that it began with.  RAM that is hidden
 * at that moment, as by PAM registers, keeps its own.
 */
static bool make_shared(Int128 start, Int128 size, const MemoryRegion *mr,
                        hwaddr offset, void *opaque)
{
    Error *err = NULL;
    UpmExtent extent;

    if (!upm_memory_resolve(int128_get64(start), int128_get64(size), &extent)) {
        return false;
    }
    if (upm_convert(extent.gpa, extent.size, false, UPM_CAUSE_RESET,
                    0, &err) < 0) {
        error_prepend(&err, "reset: ");
        upm_memory_stop_guest(error_get_pretty(err));
        error_free(err);
        return true;
    }
    return false;
}

static void sw_protected_reset(void *opaque)
{
    RCU_READ_LOCK_GUARD();
    flatview_for_each_range(address_space_to_flatview(&address_space_memory),
                            make_shared, NULL);
}

static int sw_protected_init(ConfidentialGuestSupport *cgs, Error **errp)
{
    ERRP_GUARD();

    if (!kvm_enabled()) {
        error_setg(errp, "%s needs KVM", TYPE_SW_PROTECTED_GUEST);
        error_append_hint(errp, "Use -accel kvm, or sev-snp-guest for an "
                          "emulated guest with private memory.\n");
        return -1;
    }
    if (!upm_guest_init(cgs, errp)) {
        return -1;
    }
    if (!cgs->require_guest_memfd) {
        cgs->ready = true;
        return 0;
    }
    if (!kvm_enable_hypercall(BIT_ULL(KVM_HC_MAP_GPA_RANGE))) {
        error_setg(errp, "%s: KVM does not pass KVM_HC_MAP_GPA_RANGE on: "
                   "KVM_CAP_EXIT_HYPERCALL is missing",
                   TYPE_SW_PROTECTED_GUEST);
        return -1;
    }
    if (!switch_smm_off(errp)) {
        return -1;
    }
    warn_report("%s: nothing of this guest is protected from the host; "
                "use it for tests only", TYPE_SW_PROTECTED_GUEST);
    /*
     * KVM refuses a read-only memory slot with a guest_memfd (api.rst,
     * KVM_SET_USER_MEMORY_REGION2), and QEMU ends where a slot is refused.
     * So the firmware, and RAM that the guest makes read-only, can be written
     * to, as in an SEV-SNP guest, where KVM has no read-only slots at all.
     */
    kvm_readonly_mem_allowed = false;
    upm_set_initial_state(false);
    qemu_register_reset(sw_protected_reset, NULL);
    cgs->ready = true;
    return 0;
}

static void sw_protected_instance_init(Object *obj)
{
    CONFIDENTIAL_GUEST_SUPPORT(obj)->require_guest_memfd = true;
}

static void sw_protected_class_init(ObjectClass *oc, const void *data)
{
    CONFIDENTIAL_GUEST_SUPPORT_CLASS(oc)->kvm_init = sw_protected_init;
    X86_CONFIDENTIAL_GUEST_CLASS(oc)->kvm_type = sw_protected_kvm_type;
    upm_guest_add_memory(oc);
    upm_guest_add_mode(oc);
}

static const TypeInfo sw_protected_info = {
    .name = TYPE_SW_PROTECTED_GUEST,
    .parent = TYPE_X86_CONFIDENTIAL_GUEST,
    .instance_size = sizeof(X86ConfidentialGuest),
    .instance_init = sw_protected_instance_init,
    .class_size = sizeof(X86ConfidentialGuestClass),
    .class_init = (void *)sw_protected_class_init,
    .interfaces = (InterfaceInfo[]) { { TYPE_USER_CREATABLE }, { } },
};

static void sw_protected_register(void)
{
    type_register_static(&sw_protected_info);
}

type_init(sw_protected_register);
