/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware's place in a machine with snp-host=on
 *
 * Connects PspHost with the machine's memory, RMP, vCPUs and IOMMU.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "hw/i386/amd_iommu.h"
#include "hw/i386/snp-host.h"
#include "hw/i386/x86.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "system/upm/compat.h"
#include "tcg/snp/host/host.h"
#include "tcg/snp/host/rmp.h"
#include "upm-guest-options.h"
#include "attest.h"
#include "chip-source.h"
#include "host-ops.h"

/* AMD I/O Virtualization Technology (48882), section 3.4 */
#define IOMMU_CONTROL_PPR_LOG   (1ULL << 13)
#define IOMMU_BASE_MASK         MAKE_64BIT_MASK(12, 40)
#define IOMMU_LOG_ENTRY         16
#define IOMMU_LOG_SIZE_SHIFT    56
#define IOMMU_LOG_SIZE_BITS     4

/**
 * PspHostMachine: the object
 * @snp: the machine's
 */
struct PspHostMachine {
    PspHost host;
    SnpHost *snp;
    char *cert_dir;
    PspChipSource chip;
};

/*
 * PspPlatformOps
 */

static bool ops_rmp_get(void *opaque, uint64_t spa, SevRmpEntry *entry)
{
    PspHostMachine *machine = opaque;

    return snp_rmp_get(machine->snp, spa, entry);
}

static bool ops_rmp_set(void *opaque, uint64_t spa, const SevRmpEntry *entry)
{
    PspHostMachine *machine = opaque;

    return snp_rmp_set(machine->snp, spa, entry);
}

static void ops_rmp_lock(void *opaque)
{
    PspHostMachine *machine = opaque;

    snp_rmp_lock(machine->snp);
}

static void ops_rmp_unlock(void *opaque)
{
    PspHostMachine *machine = opaque;

    snp_rmp_unlock(machine->snp);
}

/* Never a bounce buffer: what is no RAM is no place for the firmware. */
static bool is_ram(uint64_t spa, uint64_t size, bool is_write)
{
    hwaddr offset, length = size;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&address_space_memory, spa, &offset, &length,
                                 is_write, MEMTXATTRS_UNSPECIFIED);
    return length >= size && memory_region_is_ram(mr) &&
           !memory_region_is_ram_device(mr) && !(is_write && mr->readonly);
}

static void *ops_map(void *opaque, uint64_t spa, uint64_t size, bool is_write)
{
    hwaddr length = size;
    void *p;

    if (!is_ram(spa, size, is_write)) {
        return NULL;
    }
    p = address_space_map(&address_space_memory, spa, &length, is_write,
                          MEMTXATTRS_UNSPECIFIED);
    if (p && length < size) {
        address_space_unmap(&address_space_memory, p, length, is_write, 0);
        return NULL;
    }
    return p;
}

static void ops_unmap(void *opaque, void *p, uint64_t size, bool is_write)
{
    address_space_unmap(&address_space_memory, p, size, is_write, size);
}

static void ops_flush(void *opaque)
{
    /*
     * Always queued: L1's store to the mailbox is under way, and uses what it
     * has found in the TLB until it ends.
     */
    tlb_flush_all_cpus_synced(current_cpu ?: first_cpu);
}

static char *chip_folder(PspHostMachine *machine)
{
    UpmGuestOptions options = {
        .cert_dir = machine->cert_dir,
        .emulated_chip = machine->host.platform.product,
    };

    return upm_guest_find_cert_dir(&options);
}

static PspChip *ops_chip(void *opaque, Error **errp)
{
    PspHostMachine *machine = opaque;
    g_autofree char *folder = chip_folder(machine);

    return psp_chip_source_get(&machine->chip, folder,
                               machine->host.platform.product, false, errp);
}

static const PspPlatformOps platform_ops = {
    .rmp_get = ops_rmp_get,
    .rmp_set = ops_rmp_set,
    .rmp_lock = ops_rmp_lock,
    .rmp_unlock = ops_rmp_unlock,
    .map = ops_map,
    .unmap = ops_unmap,
    .flush = ops_flush,
    .chip = ops_chip,
};

/*
 * PspHostOps
 */

static unsigned ops_cpus(void *opaque)
{
    PspHostMachine *machine = opaque;

    return machine->snp->machine->smp.max_cpus;
}

/* Where no vCPU was plugged in, the first one speaks. */
static void ops_msrs(void *opaque, unsigned index, PspMsrs *msrs)
{
    PspHostMachine *machine = opaque;
    CPUState *cpu = qemu_get_cpu(index) ?: first_cpu;
    SnpHostVcpu *vcpu = snp_host_vcpu(machine->snp, cpu->cpu_index);

    *msrs = (PspMsrs) {
        .syscfg = vcpu->syscfg,
        .hwcr = vcpu->hwcr,
        .hsave_pa = cpu_env(cpu)->vm_hsave,
        .rmp_base = machine->snp->rmp_base,
        .rmp_end = machine->snp->rmp_end,
    };
}

static bool ops_ram(void *opaque, unsigned index, PspRange *range)
{
    PspHostMachine *machine = opaque;
    X86MachineState *x86ms = X86_MACHINE(machine->snp->machine);

    switch (index) {
    case 0:
        *range = (PspRange) { 0, x86ms->below_4g_mem_size };
        return true;
    case 1:
        *range = (PspRange) {
            x86ms->above_4g_mem_start, x86ms->above_4g_mem_size
        };
        return range->size;
    default:
        return false;
    }
}

static uint64_t iommu_register(AMDVIState *iommu, unsigned offset)
{
    return ldq_le_p(iommu->mmior + offset);
}

static void add_range(PspIommu *out, uint64_t base, uint64_t size)
{
    out->ranges[out->count++] = (PspRange) { base & IOMMU_BASE_MASK, size };
}

static void add_log(PspIommu *out, uint64_t base)
{
    unsigned entries = extract64(base, IOMMU_LOG_SIZE_SHIFT,
                                 IOMMU_LOG_SIZE_BITS);

    add_range(out, base, IOMMU_LOG_ENTRY << entries);
}

/*
 * With SNP, the exclusion range's registers hold where the IOMMU writes to
 * complete a wait.
 */
static void ops_iommu(void *opaque, PspIommu *out)
{
    X86IOMMUState *found = x86_iommu_get_default();
    AMDVIState *iommu = (void *)object_dynamic_cast(OBJECT(found),
                                                    TYPE_AMD_IOMMU_DEVICE);
    uint64_t control, base, limit;

    memset(out, 0, sizeof(*out));
    if (!iommu) {
        return;
    }
    control = iommu_register(iommu, AMDVI_MMIO_CONTROL);
    out->enabled = control & AMDVI_MMIO_CONTROL_AMDVIEN;
    out->snp = amdvi_extended_feature_register(iommu) & SNP_HOST_IOMMU_SNP;
    if (control & AMDVI_MMIO_CONTROL_EVENTLOGEN) {
        add_log(out, iommu_register(iommu, AMDVI_MMIO_EVENT_BASE));
    }
    if (control & AMDVI_MMIO_CONTROL_CMDBUFLEN) {
        base = iommu_register(iommu, AMDVI_MMIO_EXCL_BASE) & IOMMU_BASE_MASK;
        limit = iommu_register(iommu, AMDVI_MMIO_EXCL_LIMIT) & IOMMU_BASE_MASK;
        add_range(out, base, limit >= base ? limit - base + 4 * KiB : 0);
    }
    if (control & IOMMU_CONTROL_PPR_LOG) {
        add_log(out, iommu_register(iommu, AMDVI_MMIO_PPR_BASE));
    }
}

static const PspHostOps host_ops = {
    .cpus = ops_cpus,
    .msrs = ops_msrs,
    .ram = ops_ram,
    .iommu = ops_iommu,
};

/*
 * The object
 */

bool psp_host_machine_is_ready(PspHostMachine *machine, unsigned command,
                               uint64_t spa, void (*over)(void *opaque),
                               void *opaque)
{
    g_autofree char *folder = NULL;

    if (!psp_host_wants_chip(&machine->host, command, spa)) {
        return true;
    }
    folder = chip_folder(machine);
    return psp_chip_source_is_ready(&machine->chip, folder,
                                    machine->host.platform.product, false,
                                    over, opaque);
}

QEMU_BUILD_BUG_ON(SNP_HOST_ASIDS >= PSP_ASID_LIMIT);

PspHostMachine *psp_host_machine_new(const char *cert_dir, Error **errp)
{
    SnpHost *snp = snp_host();
    PspHostMachine *machine;

    if (!snp) {
        error_setg(errp, "the AMD Secure Processor is part of an emulated"
                   " SEV-SNP host; use -machine q35,snp-host=on, which has"
                   " one");
        return NULL;
    }
    machine = g_new0(PspHostMachine, 1);
    machine->snp = snp;
    machine->cert_dir = g_strdup(cert_dir);
    psp_host_init(&machine->host, &platform_ops, &host_ops, machine);
    psp_chip_source_init(&machine->chip);
    return machine;
}

void psp_host_machine_free(PspHostMachine *machine)
{
    if (!machine) {
        return;
    }
    psp_host_destroy(&machine->host);
    psp_chip_source_destroy(&machine->chip);
    g_free(machine->cert_dir);
    g_free(machine);
}

void psp_host_machine_reset(PspHostMachine *machine)
{
    PspPlatform *platform = &machine->host.platform;
    uint32_t eax, ebx, ecx, edx;

    psp_host_reset(&machine->host);
    cpu_x86_cpuid(cpu_env(first_cpu), 1, 0, &eax, &ebx, &ecx, &edx);
    platform->signature = eax;
    platform->product = psp_product_of(eax);
    platform->report_version = PSP_REPORT_CPUID;
    /* No emulated processor has RAPL counters. */
    platform->platform_info = PSP_PLATFORM_RAPL_DIS |
                              PSP_PLATFORM_ALIAS_CHECK;
    platform->max_asid = SNP_HOST_ASIDS;
    machine->host.min_sev_asid = SNP_HOST_MIN_SEV_ASID;
}

PspHost *psp_host_machine(PspHostMachine *machine)
{
    return &machine->host;
}
