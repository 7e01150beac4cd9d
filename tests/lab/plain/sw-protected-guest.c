/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A software protected VM for QEMU as it is: -object pef-guest
 *
 * Unpatched QEMU converts memory of SEV-SNP guests alone, for which there is
 * no hardware here.  This object gives its code a VM with private memory that
 * the lab's KVM can run, and does nothing that this code does itself.  It is
 * the one file that the tree of "make plain" has from us.  QEMU creates only
 * objects that its schema names; this name is there, and free on x86.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "qapi/error.h"
#include "qom/object_interfaces.h"
#include "standard-headers/asm-x86/kvm_para.h"
#include "standard-headers/linux/kvm_para.h"
#include "system/kvm.h"
#include "system/runstate.h"
#include "hw/boards.h"
#include "hw/i386/x86.h"
#include "../confidential-guest.h"
#include "kvm_i386.h"

static int guest_kvm_type(X86ConfidentialGuest *cg)
{
    return KVM_X86_SW_PROTECTED_VM;
}

static bool make_shared(Int128 start, Int128 size, const MemoryRegion *mr,
                        hwaddr offset, void *opaque)
{
    if (memory_region_has_guest_memfd((MemoryRegion *)mr)) {
        kvm_set_memory_attributes_shared(int128_get64(start),
                                         int128_get64(size));
    }
    return false;
}

/*
 * Nothing fills private memory of such a guest, so it starts shared.  Not
 * before its first reset is over: that changes memory slots.
 */
static void start_shared(void *opaque, bool running, RunState state)
{
    static bool done;

    if (done || !running) {
        return;
    }
    done = true;
    RCU_READ_LOCK_GUARD();
    flatview_for_each_range(address_space_to_flatview(&address_space_memory),
                            make_shared, NULL);
}

static int guest_init(ConfidentialGuestSupport *cgs, Error **errp)
{
    if (!kvm_enable_hypercall(BIT_ULL(KVM_HC_MAP_GPA_RANGE))) {
        error_setg(errp, "KVM does not pass KVM_HC_MAP_GPA_RANGE on");
        return -1;
    }
    X86_MACHINE(qdev_get_machine())->smm = ON_OFF_AUTO_OFF;
    kvm_readonly_mem_allowed = false;
    qemu_add_vm_change_state_handler(start_shared, NULL);
    cgs->ready = true;
    return 0;
}

static void guest_instance_init(Object *obj)
{
    CONFIDENTIAL_GUEST_SUPPORT(obj)->require_guest_memfd = true;
}

static void guest_class_init(ObjectClass *oc, void *data)
{
    CONFIDENTIAL_GUEST_SUPPORT_CLASS(oc)->kvm_init = guest_init;
    X86_CONFIDENTIAL_GUEST_CLASS(oc)->kvm_type = guest_kvm_type;
}

static const TypeInfo guest_info = {
    .name = "pef-guest",
    .parent = TYPE_X86_CONFIDENTIAL_GUEST,
    .instance_size = sizeof(X86ConfidentialGuest),
    .instance_init = guest_instance_init,
    .class_size = sizeof(X86ConfidentialGuestClass),
    .class_init = guest_class_init,
    .interfaces = (InterfaceInfo[]) { { TYPE_USER_CREATABLE }, { } },
};

static void guest_register(void)
{
    type_register_static(&guest_info);
}

type_init(guest_register);
