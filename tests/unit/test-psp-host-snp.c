/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: SNP_INIT_EX and SNP_SHUTDOWN_EX
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "upm/psp-machine.h"

/*
 * SNP_INIT
 */

typedef struct SpoiltInit {
    const char *what;
    uint64_t *where;
    uint64_t value;
    int status;
} SpoiltInit;

static int snp_init_ex(uint32_t flags, uint64_t list)
{
    PspCmdSnpInit init = {
        .flags = cpu_to_le32(flags),
        .list_spa = cpu_to_le64(list),
    };

    return command(PSP_CMD_SNP_INIT_EX, &init, sizeof(init));
}

/* One thing wrong at a time, on the second processor where there are two */
static void test_snp_init_checks(void)
{
    PspMsrs *msrs = machine.msrs;
    uint64_t enabled = 0;
    const SpoiltInit spoilt[] = {
        { "MemEncryptEn", &msrs[1].syscfg,
          SYSCFG_GOOD & ~PSP_SYSCFG_MEM_ENCRYPT, SEV_RET_INAVLID_CONFIG },
        { "SNP_EN", &msrs[1].syscfg, SYSCFG_GOOD & ~PSP_SYSCFG_SNP,
          SEV_RET_INAVLID_CONFIG },
        { "VMPL_EN", &msrs[1].syscfg, SYSCFG_GOOD & ~PSP_SYSCFG_VMPL,
          SEV_RET_INAVLID_CONFIG },
        { "MFDM", &msrs[1].syscfg, SYSCFG_GOOD & ~PSP_SYSCFG_MTRR_FIX_DRAM,
          SEV_RET_INAVLID_CONFIG },
        { "SYSCFG differs", &msrs[1].syscfg, SYSCFG_GOOD | 1,
          SEV_RET_INAVLID_CONFIG },
        { "SMMLOCK", &msrs[0].hwcr, 0, SEV_RET_INAVLID_CONFIG },
        { "RMP_BASE differs", &msrs[1].rmp_base, RMP_BASE + 1 * MiB,
          SEV_RET_INAVLID_CONFIG },
        { "RMP_END differs", &msrs[1].rmp_end, RMP_BASE + 2 * RMP_SIZE - 1,
          SEV_RET_INAVLID_CONFIG },
        { "VM_HSAVE_PA", &msrs[1].hsave_pa, PAGE, SEV_RET_INAVLID_CONFIG },
        { "a log that is not aligned", &machine.iommu.ranges[0].base, 17,
          SEV_RET_INAVLID_CONFIG },
        { "a log outside of RAM", &machine.iommu.ranges[1].base, RAM_SIZE,
          SEV_RET_INAVLID_CONFIG },
        { "a log in the RMP", &machine.iommu.ranges[1].base, RMP_BASE,
          SEV_RET_INAVLID_CONFIG },
        { "nothing", &enabled, 0, SEV_RET_SUCCESS },
    };

    for (size_t i = 0; i < ARRAY_SIZE(spoilt); i++) {
        machine_start();
        *spoilt[i].where = spoilt[i].value;
        g_test_message("%s", spoilt[i].what);
        g_assert_cmpint(snp_init_ex(1, 0), ==, spoilt[i].status);
        g_assert_cmpint(machine.host.platform.snp_state, ==,
                        !spoilt[i].status);
        machine_stop();
    }
}

static void test_snp_init_rmp(void)
{
    static const struct {
        uint64_t base, end;
        int status;
    } bounds[] = {
        { RMP_BASE + PAGE, RMP_BASE + RMP_SIZE - 1, SEV_RET_INAVLID_CONFIG },
        { RMP_BASE, RMP_BASE + RMP_SIZE, SEV_RET_INAVLID_CONFIG },
        { RMP_BASE, RMP_BASE - 1, SEV_RET_INAVLID_CONFIG },
        { RMP_BASE | 1ULL << 51, (RMP_BASE + RMP_SIZE - 1) | 1ULL << 51,
          SEV_RET_UNSUPPORTED },
        { RAM_SIZE, RAM_SIZE + RMP_SIZE - 1, SEV_RET_INAVLID_CONFIG },
        { RAM_SIZE - RMP_SIZE, RAM_SIZE + RMP_SIZE - 1,
          SEV_RET_INAVLID_CONFIG },
        { 0, UINT64_MAX, SEV_RET_UNSUPPORTED },
        { 0, 0, SEV_RET_INAVLID_CONFIG },
    };

    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        machine_start();
        for (size_t j = 0; j < ARRAY_SIZE(machine.msrs); j++) {
            machine.msrs[j].rmp_base = bounds[i].base;
            machine.msrs[j].rmp_end = bounds[i].end;
        }
        g_test_message("%" PRIx64 " %" PRIx64, bounds[i].base, bounds[i].end);
        g_assert_cmpint(snp_init_ex(1, 0), ==, bounds[i].status);
        machine_stop();
    }
}

static void test_snp_init_iommu(void)
{
    machine_start();
    machine.iommu.enabled = false;
    g_assert_cmpint(snp_init_ex(1, 0), ==, SEV_RET_INAVLID_CONFIG);
    machine.iommu.enabled = true;
    machine.iommu.snp = false;
    g_assert_cmpint(snp_init_ex(1, 0), ==, SEV_RET_INAVLID_CONFIG);
    machine.iommu.snp = true;
    machine.iommu.ranges[0].size = 2048;
    g_assert_cmpint(snp_init_ex(1, 0), ==, SEV_RET_INAVLID_CONFIG);
    machine_stop();
}

static void test_snp_init_buffer(void)
{
    PspCmdSnpInit init = { .reserved_04 = 1 };

    machine_start();
    /* Before the state is looked at, which is wrong as well */
    g_assert_cmpint(snp_init_ex(4, 0), ==, SEV_RET_INVALID_PARAM);
    g_assert_cmpint(command(PSP_CMD_SNP_INIT_EX, &init, sizeof(init)), ==,
                    SEV_RET_INVALID_PARAM);
    init = (PspCmdSnpInit) { .reserved_10 = { [47] = 1 } };
    g_assert_cmpint(command(PSP_CMD_SNP_INIT_EX, &init, sizeof(init)), ==,
                    SEV_RET_INVALID_PARAM);

    g_assert_cmpint(snp_init_ex(0, 0), ==, PSP_STATUS_RMP_INIT_REQUIRED);
    g_assert_cmpint(snp_init_ex(3, RAM_SIZE), ==, SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(snp_init_ex(1, RAM_SIZE), ==, 0);
    g_assert_cmpint(snp_init_ex(1, 0), ==, SEV_RET_INVALID_PLATFORM_STATE);
    g_assert_cmpint(snp_init_ex(4, 0), ==, SEV_RET_INVALID_PARAM);
    g_assert_cmpint(run(PSP_CMD_SNP_INIT), ==, SEV_RET_INVALID_PLATFORM_STATE);

    /* The RMP outlives SNP_SHUTDOWN. */
    g_assert_cmpint(run(PSP_CMD_DF_FLUSH), ==, 0);
    g_assert_cmpint(run(PSP_CMD_SNP_SHUTDOWN), ==, 0);
    g_assert_cmpint(snp_init_ex(2, DATA), ==, SEV_RET_INVALID_PARAM);
    machine.msrs[0].hsave_pa = PAGE;
    g_assert_cmpint(snp_init_ex(1, 0), ==, SEV_RET_INAVLID_CONFIG);
    set_state(DATA, PSP_PAGE_STATE_GUEST_VALID);
    g_assert_cmpint(snp_init_ex(0, 0), ==, 0);
    g_assert_cmpint(state_of(DATA), ==, PSP_PAGE_STATE_GUEST_VALID);
    machine_stop();
}

static void put_list(uint64_t at, uint32_t count)
{
    PspSnpList *list = (void *)(machine.ram + at);

    memset(list, 0, sizeof(*list));
    list->count = cpu_to_le32(count);
}

static void put_range(uint64_t at, unsigned i, uint64_t base, uint32_t pages)
{
    PspSnpList *list = (void *)(machine.ram + at);

    list->ranges[i] = (PspSnpRange) {
        .base = cpu_to_le64(base),
        .pages = cpu_to_le32(pages),
    };
}

static void test_snp_init_list(void)
{
    const uint64_t covered = (RMP_SIZE - SEV_RMP_BOOKKEEPING) / 16 * PAGE;
    PspSnpList *list;

    machine_start();
    list = (void *)(machine.ram + DATA);
    put_list(DATA, 255);
    for (unsigned i = 0; i < 255; i++) {
        put_range(DATA, i, 0, 0);
    }
    list->reserved = 1;
    g_assert_cmpint(snp_init_ex(3, DATA), ==, SEV_RET_INVALID_PARAM);
    put_list(DATA, 256);
    g_assert_cmpint(snp_init_ex(3, DATA), ==, SEV_RET_INVALID_PARAM);
    put_list(DATA, UINT32_MAX);
    g_assert_cmpint(snp_init_ex(3, DATA), ==, SEV_RET_INVALID_PARAM);
    /* Not over the page's end */
    put_list(DATA + PAGE - 16, 1);
    g_assert_cmpint(snp_init_ex(3, DATA + PAGE - 16), ==,
                    SEV_RET_INVALID_PARAM);
    put_list(DATA, 2);
    put_range(DATA, 1, 16 * MiB + 1, 1);
    g_assert_cmpint(snp_init_ex(3, DATA), ==, SEV_RET_INVALID_PARAM);
    put_range(DATA, 1, 16 * MiB, 1);
    list->ranges[0].reserved = 1;
    g_assert_cmpint(snp_init_ex(3, DATA), ==, SEV_RET_INVALID_PARAM);

    /* A page; the RMP and its neighbours; and far beyond the table */
    put_list(DATA, 4);
    put_range(DATA, 0, 16 * MiB, 1);
    put_range(DATA, 1, RMP_BASE - PAGE, RMP_SIZE / PAGE + 2);
    put_range(DATA, 2, covered - PAGE, UINT32_MAX);
    put_range(DATA, 3, UINT64_MAX & ~(PAGE - 1ULL), 16);
    g_assert_cmpint(snp_init_ex(3, DATA), ==, 0);
    g_assert_cmpint(state_of(16 * MiB - PAGE), ==, PSP_PAGE_STATE_HYPERVISOR);
    g_assert_cmpint(state_of(16 * MiB), ==, PSP_PAGE_STATE_HV_FIXED);
    g_assert_cmpint(state_of(16 * MiB + PAGE), ==, PSP_PAGE_STATE_HYPERVISOR);
    g_assert_cmpint(state_of(RMP_BASE - PAGE), ==, PSP_PAGE_STATE_HV_FIXED);
    g_assert_cmpint(state_of(RMP_BASE), ==, PSP_PAGE_STATE_FIRMWARE);
    g_assert_cmpint(state_of(RMP_BASE + RMP_SIZE - PAGE), ==,
                    PSP_PAGE_STATE_FIRMWARE);
    g_assert_cmpint(state_of(RMP_BASE + RMP_SIZE), ==,
                    PSP_PAGE_STATE_HV_FIXED);
    g_assert_cmpint(state_of(RMP_BASE + RMP_SIZE + PAGE), ==,
                    PSP_PAGE_STATE_HYPERVISOR);
    g_assert_cmpint(state_of(covered), ==, PSP_PAGE_STATE_DEFAULT);
    machine_stop();
}

static unsigned subpages(uint64_t spa)
{
    SevRmpEntry entry;

    g_assert_true(machine.host.platform.ops->rmp_get(NULL, spa, &entry));
    return sev_rmp_subpages(&entry);
}

static void test_snp_init_table(void)
{
    machine_start();
    /* What was there before, such as a table in use */
    memset(machine.ram + RMP_BASE, 0x55, RMP_SIZE);
    snp_init();
    g_assert_true(buffer_is_zero(machine.ram + RMP_BASE, SEV_RMP_BOOKKEEPING));
    g_assert_cmpint(state_of(0), ==, PSP_PAGE_STATE_HYPERVISOR);
    g_assert_cmpint(state_of(0x9f000), ==, PSP_PAGE_STATE_HYPERVISOR);
    g_assert_cmpint(state_of(0xa0000), ==, PSP_PAGE_STATE_HV_FIXED);
    g_assert_cmpint(state_of(0xbf000), ==, PSP_PAGE_STATE_HV_FIXED);
    g_assert_cmpint(state_of(0xc0000), ==, PSP_PAGE_STATE_HYPERVISOR);
    g_assert_cmpint(state_of(RAM_SIZE - PAGE), ==, PSP_PAGE_STATE_HYPERVISOR);
    g_assert_cmpint(state_of(RAM_SIZE), ==, PSP_PAGE_STATE_HV_FIXED);
    for (uint64_t done = 0; done < RMP_SIZE; done += PAGE) {
        g_assert_cmpint(state_of(RMP_BASE + done), ==,
                        PSP_PAGE_STATE_FIRMWARE);
    }
    g_assert_cmpuint(subpages(RMP_BASE), ==, RMP_SIZE / PAGE - 1);
    g_assert_cmpuint(subpages(RMP_BASE - 2 * MiB), ==, 0);
    for (unsigned i = 0; i < machine.iommu.count; i++) {
        const PspRange *range = &machine.iommu.ranges[i];

        for (uint64_t done = 0; done < range->size; done += PAGE) {
            g_assert_cmpint(state_of(range->base + done), ==,
                            PSP_PAGE_STATE_FIRMWARE_IOMMU);
        }
        g_assert_cmpint(state_of(range->base + range->size), ==,
                        PSP_PAGE_STATE_HYPERVISOR);
    }
    g_assert_cmpuint(machine.flushes, >=, 1);
    machine_stop();
}

/* Every ASID needs a DF_FLUSH before its first guest. */
static void test_snp_init_asids(void)
{
    PspCmdSnpInit init = { .flags = cpu_to_le32(PSP_SNP_INIT_RMP) };

    machine_start();
    g_assert_cmpint(command(PSP_CMD_SNP_INIT_EX, &init, sizeof(init)), ==, 0);
    g_assert_cmpint(psp_asid_take(&machine.host.platform, 1), ==,
                    SEV_RET_DFFLUSH_REQUIRED);
    g_assert_cmpint(psp_asid_take(&machine.host.platform, MAX_ASID), ==,
                    SEV_RET_DFFLUSH_REQUIRED);
    g_assert_cmpint(run(PSP_CMD_SNP_SHUTDOWN), ==, SEV_RET_DFFLUSH_REQUIRED);
    g_assert_cmpint(run(PSP_CMD_DF_FLUSH), ==, 0);
    g_assert_cmpint(psp_asid_take(&machine.host.platform, MAX_ASID), ==, 0);
    g_assert_cmpint(run(PSP_CMD_SNP_SHUTDOWN), ==, SEV_RET_DFFLUSH_REQUIRED);
    psp_asid_drop(&machine.host.platform, MAX_ASID, true);
    g_assert_cmpint(run(PSP_CMD_SNP_SHUTDOWN), ==, SEV_RET_DFFLUSH_REQUIRED);
    g_assert_cmpint(run(PSP_CMD_DF_FLUSH), ==, 0);
    g_assert_cmpint(run(PSP_CMD_SNP_SHUTDOWN), ==, 0);
    machine_stop();
}

/*
 * SNP_SHUTDOWN_EX
 */

static int shutdown_ex(uint32_t length, uint32_t flags)
{
    PspCmdSnpShutdown shutdown = {
        cpu_to_le32(length), cpu_to_le32(flags)
    };

    return command(PSP_CMD_SNP_SHUTDOWN_EX, &shutdown, sizeof(shutdown));
}

static void test_snp_shutdown(void)
{
    machine_start();
    g_assert_cmpint(shutdown_ex(0, 0xff), ==, 0);
    snp_init();
    g_assert_cmpint(shutdown_ex(4, 1), ==, SEV_RET_INVALID_PARAM);
    g_assert_cmpint(shutdown_ex(8, 4), ==, SEV_RET_INVALID_PARAM);
    g_assert_cmpint(shutdown_ex(8, 3), ==, SEV_RET_INVALID_PARAM);
    g_assert_cmpint(state_of(EVENT_LOG), ==, PSP_PAGE_STATE_FIRMWARE_IOMMU);
    g_assert_cmpint(shutdown_ex(8, 1), ==, 0);
    for (unsigned i = 0; i < machine.iommu.count; i++) {
        const PspRange *range = &machine.iommu.ranges[i];

        for (uint64_t done = 0; done < range->size; done += PAGE) {
            g_assert_cmpint(state_of(range->base + done), ==,
                            PSP_PAGE_STATE_RECLAIM);
        }
    }
    g_assert_cmpint(snp_init_ex(0, 0), ==, PSP_STATUS_RMP_INIT_REQUIRED);
    snp_init();

    /* Without the flag all stays as it is. */
    g_assert_cmpint(shutdown_ex(8, 0), ==, 0);
    g_assert_cmpint(state_of(EVENT_LOG), ==, PSP_PAGE_STATE_FIRMWARE_IOMMU);
    g_assert_cmpint(snp_init_ex(0, 0), ==, 0);
    machine_stop();
}

static void test_reset(void)
{
    machine_start();
    snp_init();
    sev_init(PSP_INIT_ES);
    psp_host_reset(&machine.host);
    g_assert_cmpint(snp_init_ex(0, 0), ==, PSP_STATUS_RMP_INIT_REQUIRED);
    snp_init();
    sev_init(PSP_INIT_ES);
    machine_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-host/snp-init/checks", test_snp_init_checks);
    g_test_add_func("/psp-host/snp-init/rmp", test_snp_init_rmp);
    g_test_add_func("/psp-host/snp-init/iommu", test_snp_init_iommu);
    g_test_add_func("/psp-host/snp-init/buffer", test_snp_init_buffer);
    g_test_add_func("/psp-host/snp-init/list", test_snp_init_list);
    g_test_add_func("/psp-host/snp-init/table", test_snp_init_table);
    g_test_add_func("/psp-host/snp-init/asids", test_snp_init_asids);
    g_test_add_func("/psp-host/snp-shutdown", test_snp_shutdown);
    g_test_add_func("/psp-host/reset", test_reset);
    return g_test_run();
}
