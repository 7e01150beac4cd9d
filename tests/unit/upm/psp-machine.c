/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine for the emulated firmware
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "psp-machine.h"

Machine machine;

static SevRmpEntry *entry_of(uint64_t spa)
{
    uint64_t offset = SEV_RMP_BOOKKEEPING + spa / PAGE * sizeof(SevRmpEntry);

    return offset < RMP_SIZE ? (void *)(machine.ram + RMP_BASE + offset)
                             : NULL;
}

static bool fake_rmp_get(void *opaque, uint64_t spa, SevRmpEntry *entry)
{
    const SevRmpEntry *there = entry_of(spa);

    if (there) {
        entry->lo = le64_to_cpu(there->lo);
        entry->perms = le64_to_cpu(there->perms);
    }
    return there;
}

static bool fake_rmp_set(void *opaque, uint64_t spa, const SevRmpEntry *entry)
{
    const uint64_t subpages = MAKE_64BIT_MASK(SEV_RMP_SUBPAGES_SHIFT,
                                              SEV_RMP_SUBPAGES_BITS);
    SevRmpEntry *there = entry_of(spa);

    g_assert_cmpuint(machine.locked, ==, 1);
    if (there) {
        there->lo = cpu_to_le64((entry->lo & ~subpages) |
                                (le64_to_cpu(there->lo) & subpages));
        there->perms = cpu_to_le64(entry->perms);
    }
    return there;
}

static void fake_lock(void *opaque)
{
    g_assert_cmpuint(machine.locked, ==, 0);
    machine.locked = 1;
}

static void fake_unlock(void *opaque)
{
    g_assert_cmpuint(machine.locked, ==, 1);
    machine.locked = 0;
}

static void *fake_map(void *opaque, uint64_t spa, uint64_t size, bool is_write)
{
    if (spa >= RAM_SIZE || size > RAM_SIZE - spa) {
        return NULL;
    }
    machine.mapped++;
    return machine.ram + spa;
}

static void fake_unmap(void *opaque, void *p, uint64_t size, bool is_write)
{
    machine.mapped--;
}

static void fake_flush(void *opaque)
{
    machine.flushes++;
}

static PspChip *fake_chip(void *opaque, Error **errp)
{
    if (!machine.chip) {
        error_setg(errp, "the chip is broken");
    }
    return machine.chip;
}

static const PspPlatformOps platform_ops = {
    .rmp_get = fake_rmp_get,
    .rmp_set = fake_rmp_set,
    .rmp_lock = fake_lock,
    .rmp_unlock = fake_unlock,
    .map = fake_map,
    .unmap = fake_unmap,
    .flush = fake_flush,
    .chip = fake_chip,
};

static unsigned fake_cpus(void *opaque)
{
    return ARRAY_SIZE(machine.msrs);
}

static void fake_msrs(void *opaque, unsigned cpu, PspMsrs *msrs)
{
    *msrs = machine.msrs[cpu];
}

static bool fake_ram(void *opaque, unsigned index, PspRange *range)
{
    *range = (PspRange) { 0, RAM_SIZE };
    return index == 0;
}

static void fake_iommu(void *opaque, PspIommu *iommu)
{
    *iommu = machine.iommu;
}

static const PspHostOps host_ops = {
    .cpus = fake_cpus,
    .msrs = fake_msrs,
    .ram = fake_ram,
    .iommu = fake_iommu,
};

void machine_start(void)
{
    memset(&machine, 0, sizeof(machine));
    machine.ram = g_malloc0(RAM_SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(machine.msrs); i++) {
        machine.msrs[i] = (PspMsrs) {
            .syscfg = SYSCFG_GOOD,
            .hwcr = PSP_HWCR_SMM_LOCK,
            .rmp_base = RMP_BASE,
            .rmp_end = RMP_BASE + RMP_SIZE - 1,
        };
    }
    machine.iommu = (PspIommu) {
        .enabled = true,
        .snp = true,
        .count = 3,
        .ranges = {
            { EVENT_LOG, 512 * KiB }, { PPR_LOG, 512 * KiB },
            { WAIT_PAGE, PAGE },
        },
    };
    psp_host_init(&machine.host, &platform_ops, &host_ops, NULL);
    machine.host.platform.max_asid = MAX_ASID;
    machine.host.min_sev_asid = MIN_SEV_ASID;
}

void machine_stop(void)
{
    g_assert_cmpuint(machine.locked, ==, 0);
    g_assert_cmpuint(machine.mapped, ==, 0);
    psp_host_destroy(&machine.host);
    g_free(machine.ram);
}

int command(unsigned number, void *buffer, size_t size)
{
    int status;

    memset(machine.ram + BUFFER, 0xee, PAGE);
    memcpy(machine.ram + BUFFER, buffer, size);
    status = psp_host_command(&machine.host, number, BUFFER);
    memcpy(buffer, machine.ram + BUFFER, size);
    g_assert_cmpuint(machine.ram[BUFFER + size], ==, 0xee);
    g_assert_cmpuint(machine.locked, ==, 0);
    g_assert_cmpuint(machine.mapped, ==, 0);
    return status;
}

int run(unsigned number)
{
    return command(number, NULL, 0);
}

void no_snp(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(machine.msrs); i++) {
        machine.msrs[i].syscfg &= ~PSP_SYSCFG_SNP;
    }
}

PspPageState state_of(uint64_t spa)
{
    SevRmpEntry entry;

    return fake_rmp_get(NULL, spa, &entry) ? psp_page_state(&entry)
                                           : PSP_PAGE_STATE_DEFAULT;
}

/* An entry for each state, written from chapter 5's table */
static uint64_t bits_of(PspPageState state)
{
    const uint64_t asid = 5ULL << SEV_RMP_ASID_SHIFT;

    switch (state) {
    case PSP_PAGE_STATE_HYPERVISOR:
        return 0;
    case PSP_PAGE_STATE_HV_FIXED:
        return SEV_RMP_IMMUTABLE;
    case PSP_PAGE_STATE_RECLAIM:
        return SEV_RMP_ASSIGNED;
    case PSP_PAGE_STATE_FIRMWARE:
        return SEV_RMP_ASSIGNED | SEV_RMP_IMMUTABLE;
    case PSP_PAGE_STATE_FIRMWARE_IOMMU:
        return SEV_RMP_ASSIGNED | SEV_RMP_IMMUTABLE | PAGE;
    case PSP_PAGE_STATE_CONTEXT:
        return SEV_RMP_ASSIGNED | SEV_RMP_IMMUTABLE | SEV_RMP_VMSA;
    case PSP_PAGE_STATE_METADATA:
        return SEV_RMP_ASSIGNED | SEV_RMP_IMMUTABLE | 16 * PAGE;
    case PSP_PAGE_STATE_PRE_GUEST:
        return SEV_RMP_ASSIGNED | SEV_RMP_IMMUTABLE | asid;
    case PSP_PAGE_STATE_PRE_SWAP:
        return SEV_RMP_ASSIGNED | SEV_RMP_IMMUTABLE | SEV_RMP_VALIDATED | asid;
    case PSP_PAGE_STATE_GUEST_INVALID:
        return SEV_RMP_ASSIGNED | asid;
    case PSP_PAGE_STATE_GUEST_VALID:
        return SEV_RMP_ASSIGNED | SEV_RMP_VALIDATED | asid;
    default:
        g_assert_not_reached();
    }
}

void set_state(uint64_t spa, PspPageState state)
{
    entry_of(spa)->lo = cpu_to_le64(bits_of(state));
    g_assert_cmpint(state_of(spa), ==, state);
}

void make_firmware(uint64_t spa, uint64_t size)
{
    for (uint64_t done = 0; done < size; done += PAGE) {
        set_state(spa + done, PSP_PAGE_STATE_FIRMWARE);
    }
}

void snp_init(void)
{
    PspCmdSnpInit init = { .flags = cpu_to_le32(PSP_SNP_INIT_RMP) };

    g_assert_cmpint(command(PSP_CMD_SNP_INIT_EX, &init, sizeof(init)), ==, 0);
    g_assert_cmpint(command(PSP_CMD_DF_FLUSH, NULL, 0), ==, 0);
}

void sev_init(uint16_t flags)
{
    PspCmdInit init = {
        .flags = cpu_to_le16(flags),
        .tmr_spa = cpu_to_le64(flags ? TMR : 0),
        .tmr_size = cpu_to_le32(!flags ? 0 : machine.host.rmp_ready ?
                                2 * MiB : 1 * MiB),
    };

    if (flags && machine.host.rmp_ready) {
        make_firmware(TMR, 2 * MiB);
    }
    g_assert_cmpint(command(PSP_CMD_INIT, &init, sizeof(init)), ==, 0);
    g_assert_cmpint(command(PSP_CMD_DF_FLUSH, NULL, 0), ==, 0);
}
