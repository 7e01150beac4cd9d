/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -machine q35,snp-host=on: the machine of an emulated SEV-SNP host
 *
 * What a host's firmware does before it starts the operating system stands
 * here: it puts the reverse map table (RMP) at the top of RAM, says in the
 * memory map that this is reserved, and sets the MSRs.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "cpu.h"
#include "hw/i386/pc.h"
#include "hw/i386/snp-host.h"
#include "hw/pci/pci_device.h"
#include "migration/blocker.h"
#include "system/reset.h"
#include "system/system.h"
#include "system/tcg.h"
#include "system/upm/compat.h"
#include "target/i386/cpuid-signature.h"
#include "target/i386/psp/mailbox.h"
#include "target/i386/sev-rmp.h"
#include "tcg/snp/host/host.h"
#include "e820_memory_layout.h"

#define HOST_CHILD "snp-host-state"
#define RMP_ALIGN (2 * MiB)
/* Less cannot boot an operating system that has guests of its own. */
#define LEAST_RAM (256 * MiB)

/* The one machine's, set and cleared with its property */
static SnpHost *the_host;

SnpHost *snp_host(void)
{
    return the_host;
}

uint64_t snp_host_iommu_features(void)
{
    return snp_host() ? SNP_HOST_IOMMU_SNP : 0;
}

/*
 * The RMP's place
 */

/* Bytes of a table that covers everything below @top, its own pages too */
static uint64_t rmp_size(uint64_t top)
{
    uint64_t entries = DIV_ROUND_UP(top, 4 * KiB);

    return ROUND_UP(SEV_RMP_BOOKKEEPING + entries * sizeof(SevRmpEntry),
                    RMP_ALIGN);
}

/* At the top of [@start, @end), if something is left below it */
static bool place_rmp(SnpHost *host, uint64_t start, uint64_t end,
                      uint64_t size)
{
    if (end < start + size + RMP_ALIGN) {
        return false;
    }
    host->rmp_base = ROUND_DOWN(end - size, RMP_ALIGN);
    host->rmp_end = host->rmp_base + size - 1;
    return true;
}

static bool reserve_rmp(SnpHost *host, Error **errp)
{
    X86MachineState *x86ms = X86_MACHINE(host->machine);
    uint64_t high = x86ms->above_4g_mem_start;
    uint64_t high_end = high + x86ms->above_4g_mem_size;
    uint64_t low_end = x86ms->below_4g_mem_size;
    uint64_t size = rmp_size(x86ms->above_4g_mem_size ? high_end : low_end);
    MemoryRegionSection section;

    if (host->machine->ram_size < LEAST_RAM ||
        (!place_rmp(host, high, high_end, size) &&
         !place_rmp(host, LEAST_RAM / 2, low_end, size))) {
        error_setg(errp, "snp-host=on needs %d MiB of RAM at least, give more"
                   " with -m", (int)(LEAST_RAM / MiB));
        return false;
    }
    section = memory_region_find(get_system_memory(), host->rmp_base, size);
    host->rmp_mr = section.mr;
    if (!section.mr || !memory_region_is_ram(section.mr) ||
        int128_get64(section.size) < size) {
        error_setg(errp, "snp-host=on needs %" PRIu64 " MiB in one piece at"
                   " the top of RAM: the last NUMA node's memory is too small",
                   size / MiB);
        return false;
    }
    host->rmp = (uint8_t *)memory_region_get_ram_ptr(section.mr) +
                section.offset_within_region;
    host->mark_count = (size - SEV_RMP_BOOKKEEPING) / sizeof(SevRmpEntry);
    host->marks = g_new0(uint64_t, host->mark_count);
    e820_add_entry(host->rmp_base, size, E820_RESERVED);
    return true;
}

/*
 * Firmware need not know that a reserved range may lie within RAM, and UEFI's
 * does not: the range of RAM ends where the table begins.  Nobody adds ranges
 * any more.
 */
static void end_ram(Notifier *notifier, void *data)
{
    SnpHost *host = container_of(notifier, SnpHost, machine_done);
    struct e820_entry *table;
    int i, count = e820_get_table(&table);

    for (i = 0; i < count; i++) {
        uint64_t start = le64_to_cpu(table[i].address);
        uint64_t size = le64_to_cpu(table[i].length);

        if (table[i].type == cpu_to_le32(E820_RAM) &&
            start < host->rmp_base && start + size > host->rmp_base) {
            table[i].length = cpu_to_le64(host->rmp_base - start);
        }
    }
}

/*
 * The machine
 */

static bool check_machine(SnpHost *host, Error **errp)
{
    if (!tcg_enabled()) {
        error_setg(errp, "snp-host=on emulates a processor: it needs"
                   " -accel tcg");
        return false;
    }
    if (host->machine->cgs) {
        error_setg(errp, "snp-host=on makes a host of the machine, and"
                   " confidential-guest-support a guest: give one of them");
        return false;
    }
    return true;
}

/* What a host's processor has and QEMU's CPU models leave to the user */
static void set_cpu_defaults(void)
{
    static const char *const features[][2] = {
        { "hypervisor", "off" },
        { "svm", "on" }, { "npt", "on" }, { "lbrv", "on" },
        { "nrip-save", "on" }, { "flushbyasid", "on" },
        { "decodeassists", "on" }, { "vgif", "on" },
        { "svme-addr-chk", "on" },
    };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(features); i++) {
        object_register_sugar_prop(TYPE_X86_CPU, features[i][0],
                                   features[i][1], false);
    }
}

void snp_host_enter(MachineState *machine)
{
    SnpHost *host = snp_host();
    Error *err = NULL;

    if (!host) {
        return;
    }
    if (!check_machine(host, &err) || !snp_host_enter_world(host, &err)) {
        error_report_err(err);
        exit(EXIT_FAILURE);
    }
    set_cpu_defaults();
}

/* The format of the RMP and Linux' idea of it depend on the family. */
static bool check_cpu(Error **errp)
{
    CPUX86State *env = cpu_env(first_cpu);

    if (!IS_AMD_CPU(env) || cpuid_family(env->cpuid_version) < 0x19) {
        error_setg(errp, "snp-host=on needs an AMD processor of family 19h or"
                   " later; use -cpu EPYC-Milan or -cpu EPYC-Genoa");
        return false;
    }
    if (!(env->features[FEAT_8000_0001_ECX] & CPUID_EXT3_SVM)) {
        error_setg(errp, "snp-host=on is there to run guests; leave svm=on in"
                   " -cpu");
        return false;
    }
    return true;
}

static bool create_iommu(Error **errp)
{
    DeviceState *iommu = qdev_try_new("amd-iommu");

    if (!iommu) {
        error_setg(errp, "snp-host=on needs an AMD IOMMU, which this QEMU was"
                   " built without");
        return false;
    }
    return sysbus_realize_and_unref(SYS_BUS_DEVICE(iommu), errp);
}

static bool create_psp(SnpHost *host, Error **errp)
{
    DeviceState *psp = qdev_try_new(TYPE_AMD_PSP);

    if (!psp) {
        error_setg(errp, "snp-host=on needs the emulated AMD Secure Processor,"
                   " which this QEMU was built without: it takes gnutls,"
                   " nettle and gmp");
        return false;
    }
    return pci_realize_and_unref(PCI_DEVICE(psp),
                                 PC_MACHINE(host->machine)->pcibus, errp);
}

static void reset_host(void *opaque)
{
    SnpHost *host = opaque;
    unsigned i;

    for (i = 0; i < host->machine->smp.max_cpus; i++) {
        snp_host_reset_vcpu(snp_host_vcpu(host, i));
    }
}

static bool init_host(SnpHost *host, Error **errp)
{
    if (!check_cpu(errp) || !reserve_rmp(host, errp) ||
        !create_iommu(errp) || !create_psp(host, errp)) {
        return false;
    }
    error_setg(&host->blocker, "snp-host=on: the state of an emulated"
               " SEV-SNP host cannot be migrated or saved");
    if (migrate_add_blocker(&host->blocker, errp) < 0) {
        return false;
    }
    qemu_register_reset(reset_host, host);
    host->machine_done.notify = end_ram;
    qemu_add_machine_init_done_notifier(&host->machine_done);
    warn_report("snp-host=on: SEV-SNP is emulated, nothing on this machine is"
                " confidential");
    return true;
}

void snp_host_init_machine(MachineState *machine)
{
    Error *err = NULL;

    if (snp_host() && !init_host(snp_host(), &err)) {
        error_report_err(err);
        exit(EXIT_FAILURE);
    }
}

/*
 * The property
 */

static bool get_snp_host(Object *obj, Error **errp)
{
    return object_resolve_path_component(obj, HOST_CHILD);
}

static void set_snp_host(Object *obj, bool value, Error **errp)
{
    Object *child = object_resolve_path_component(obj, HOST_CHILD);
    MachineClass *mc = MACHINE_GET_CLASS(obj);

    if (value == !!child) {
        return;
    }
    if (phase_check(PHASE_MACHINE_CREATED)) {
        error_setg(errp, "snp-host cannot change any more: the machine was"
                   " started with it %s", child ? "on" : "off");
        return;
    }
    if (!value) {
        object_unparent(child);
        return;
    }
    if (g_strcmp0(mc->family, "pc_q35")) {
        error_setg(errp, "snp-host=on needs an IOMMU, which a machine of type"
                   " '%s' cannot have; use -machine q35", mc->name);
        return;
    }
    child = object_new(TYPE_SNP_HOST);
    SNP_HOST(child)->machine = MACHINE(obj);
    object_property_add_child(obj, HOST_CHILD, child);
    object_unref(child);
    the_host = SNP_HOST(child);
}

void snp_host_class_init(ObjectClass *oc)
{
    object_class_property_add_bool(oc, "snp-host", get_snp_host,
                                   set_snp_host);
    object_class_property_set_description(oc, "snp-host",
        "Emulate an AMD host with SEV, SEV-ES and SEV-SNP (TCG only)");
}

static void host_init(Object *obj)
{
    qemu_mutex_init(&SNP_HOST(obj)->rmp_lock);
    seqlock_init(&SNP_HOST(obj)->rmp_sequence);
}

static void host_finalize(Object *obj)
{
    SnpHost *host = SNP_HOST(obj);

    if (host->machine_done.notify) {
        qemu_unregister_reset(reset_host, host);
        qemu_remove_machine_init_done_notifier(&host->machine_done);
    }
    if (the_host == host) {
        the_host = NULL;
    }
    if (host->rmp_mr) {
        memory_region_unref(host->rmp_mr);
    }
    migrate_del_blocker(&host->blocker);
    g_free(host->vcpus);
    g_free(host->marks);
    qemu_mutex_destroy(&host->rmp_lock);
}

static const TypeInfo host_info = {
    .name = TYPE_SNP_HOST,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(SnpHost),
    .instance_init = host_init,
    .instance_finalize = host_finalize,
};

static void register_host(void)
{
    type_register_static(&host_info);
}

type_init(register_host);
