/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The AMD-SP as a host sees it: a PCI function with a mailbox
 *
 * 1022:14CA is that of Zen 4, the one with SEV and without a cryptographic
 * coprocessor.  What it has: Linux' drivers/crypto/ccp.  A command is done
 * when the write to its register returns, but where the firmware has to make
 * the keys of its chip first.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_device.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "system/upm/compat.h"
#include "host-ops.h"
#include "mailbox.h"
#include "trace.h"

#define DEVICE_ID       0x14ca
#define CLASS_OTHER     0x1080          /* encryption controller, other */
#define BAR_REGISTERS   2
#define BAR_MSIX        4
#define BAR_SIZE        (1 * MiB)
#define VECTORS         2
#define VECTOR          0

OBJECT_DECLARE_SIMPLE_TYPE(AmdPsp, AMD_PSP)

/**
 * AmdPsp: the function
 * @cert_dir: where its chip lives
 * @machine: the firmware, which lives as long as this function does
 * @buffer: registers C2PMSG_56 and 57
 * @command: register C2PMSG_32
 * @waiting: what was written there and is to be done, if @is_waiting
 * @ready: when it can be
 * @enable, @status: registers P2CMSG_INTEN and P2CMSG_INTSTS
 */
struct AmdPsp {
    PCIDevice parent_obj;
    MemoryRegion registers;
    char *cert_dir;
    PspHostMachine *machine;
    uint64_t buffer;
    uint32_t command;
    uint32_t waiting;
    bool is_waiting;
    QEMUBH *ready;
    uint32_t enable;
    uint32_t status;
};

static void interrupt(AmdPsp *psp)
{
    PCIDevice *pci = PCI_DEVICE(psp);

    if (!(psp->status & psp->enable)) {
        return;
    }
    if (msix_enabled(pci)) {
        msix_notify(pci, VECTOR);
    } else if (msi_enabled(pci)) {
        msi_notify(pci, VECTOR);
    }
}

static void firmware_is_ready(void *opaque)
{
    AmdPsp *psp = opaque;

    qemu_bh_schedule(psp->ready);
}

static void run(AmdPsp *psp, uint32_t value)
{
    unsigned command = extract32(value, PSP_COMMAND_SHIFT, PSP_COMMAND_BITS);
    int status;

    if (!psp_host_machine_is_ready(psp->machine, command, psp->buffer,
                                   firmware_is_ready, psp)) {
        psp->waiting = value;
        psp->is_waiting = true;
        psp->command = value;
        return;
    }
    trace_psp_mailbox_command(command, psp_host_command_name(command) ?: "",
                              psp->buffer);
    status = psp_host_command(psp_host_machine(psp->machine), command,
                              psp->buffer);
    trace_psp_mailbox_status(command, status);
    psp->command = PSP_COMMAND_DONE | (status & 0xffff);
    if (value & PSP_COMMAND_IOC) {
        psp->status |= PSP_INT_COMMAND;
        interrupt(psp);
    }
}

/* A reset may have come first. */
static void run_waiting(void *opaque)
{
    AmdPsp *psp = opaque;

    if (psp->is_waiting) {
        psp->is_waiting = false;
        run(psp, psp->waiting);
    }
}

static uint64_t registers_read(void *opaque, hwaddr offset, unsigned size)
{
    AmdPsp *psp = opaque;
    uint32_t value = 0;

    switch (offset) {
    case PSP_REG_P2CMSG_INTEN:
        value = psp->enable;
        break;
    case PSP_REG_P2CMSG_INTSTS:
        value = psp->status;
        break;
    case PSP_REG_COMMAND:
        value = psp->command;
        break;
    case PSP_REG_BUFFER_LOW:
        value = extract64(psp->buffer, 0, 32);
        break;
    case PSP_REG_BUFFER_HIGH:
        value = extract64(psp->buffer, 32, 32);
        break;
    case PSP_REG_FEATURES:
        value = PSP_FEATURE_SEV;
        break;
    }
    trace_psp_mailbox_read(offset, value);
    return value;
}

static void registers_write(void *opaque, hwaddr offset, uint64_t value,
                            unsigned size)
{
    AmdPsp *psp = opaque;

    trace_psp_mailbox_write(offset, value);
    switch (offset) {
    case PSP_REG_P2CMSG_INTEN:
        psp->enable = value;
        interrupt(psp);
        break;
    case PSP_REG_P2CMSG_INTSTS:
        psp->status &= ~value;
        break;
    case PSP_REG_COMMAND:
        /* DONE is the firmware's: who sets it asks for nothing. */
        if (!(value & PSP_COMMAND_DONE) && !psp->is_waiting) {
            run(psp, value);
        }
        break;
    case PSP_REG_BUFFER_LOW:
        psp->buffer = deposit64(psp->buffer, 0, 32, value);
        break;
    case PSP_REG_BUFFER_HIGH:
        psp->buffer = deposit64(psp->buffer, 32, 32, value);
        break;
    }
}

static const MemoryRegionOps registers_ops = {
    .read = registers_read,
    .write = registers_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static void amd_psp_reset(Object *obj, ResetType type)
{
    AmdPsp *psp = AMD_PSP(obj);

    psp->buffer = 0;
    psp->command = 0;
    psp->is_waiting = false;
    psp->enable = 0;
    psp->status = 0;
    psp_host_machine_reset(psp->machine);
}

static void amd_psp_realize(PCIDevice *pci, Error **errp)
{
    AmdPsp *psp = AMD_PSP(pci);

    if (!object_resolve_path_type("", TYPE_AMD_PSP, NULL)) {
        error_setg(errp, "this machine has an AMD Secure Processor already");
        return;
    }
    psp->machine = psp_host_machine_new(psp->cert_dir, errp);
    if (!psp->machine) {
        return;
    }
    psp->ready = qemu_bh_new_guarded(run_waiting, psp,
                                     &DEVICE(psp)->mem_reentrancy_guard);
    memory_region_init_io(&psp->registers, OBJECT(psp), &registers_ops, psp,
                          TYPE_AMD_PSP, BAR_SIZE);
    pci_register_bar(pci, BAR_REGISTERS, PCI_BASE_ADDRESS_SPACE_MEMORY |
                     PCI_BASE_ADDRESS_MEM_TYPE_64, &psp->registers);
    if (msix_init_exclusive_bar(pci, VECTORS, BAR_MSIX, errp)) {
        goto fail;
    }
    msix_vector_use(pci, VECTOR);
    if (msi_init(pci, 0, 1, true, false, errp)) {
        msix_uninit_exclusive_bar(pci);
        goto fail;
    }
    return;

fail:
    psp_host_machine_free(psp->machine);
    psp->machine = NULL;
    g_clear_pointer(&psp->ready, qemu_bh_delete);
}

static void amd_psp_exit(PCIDevice *pci)
{
    AmdPsp *psp = AMD_PSP(pci);

    msi_uninit(pci);
    msix_uninit_exclusive_bar(pci);
    psp_host_machine_free(psp->machine);
    psp->machine = NULL;
    g_clear_pointer(&psp->ready, qemu_bh_delete);
}

/* Guests' keys do not leave the machine. */
static const VMStateDescription amd_psp_vmstate = {
    .name = TYPE_AMD_PSP,
    .unmigratable = 1,
};

static const Property amd_psp_properties[] = {
    DEFINE_PROP_STRING("cert-dir", AmdPsp, cert_dir),
};

static void amd_psp_class_init(ObjectClass *oc, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    dc->desc = "AMD Secure Processor of an emulated SEV-SNP host";
    dc->vmsd = &amd_psp_vmstate;
    device_class_set_props(dc, amd_psp_properties);
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    rc->phases.hold = amd_psp_reset;
    pc->realize = amd_psp_realize;
    pc->exit = amd_psp_exit;
    pc->vendor_id = PCI_VENDOR_ID_AMD;
    pc->device_id = DEVICE_ID;
    pc->class_id = CLASS_OTHER;
}

static const TypeInfo amd_psp_type = {
    .name = TYPE_AMD_PSP,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(AmdPsp),
    .class_init = (void *)amd_psp_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { }
    },
};

static void register_types(void)
{
    type_register_static(&amd_psp_type);
}

type_init(register_types)
