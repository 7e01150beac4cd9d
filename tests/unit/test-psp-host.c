/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: platform commands, their order of checks,
 * and the page states that they want and leave behind
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "upm/psp-machine.h"

static int run(unsigned number)
{
    return command(number, NULL, 0);
}

static void no_snp(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(machine.msrs); i++) {
        machine.msrs[i].syscfg &= ~PSP_SYSCFG_SNP;
    }
}

/*
 * The dispatcher
 */

/* Every legacy command, and what it says before INIT with a buffer of zeros */
static const struct {
    unsigned number;
    int uninit, init;
} legacy[] = {
    { 0x02, SEV_RET_SUCCESS, SEV_RET_SUCCESS },
    { 0x01, SEV_RET_SUCCESS, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x02, SEV_RET_SUCCESS, SEV_RET_SUCCESS },
    { 0x03, SEV_RET_SUCCESS, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x04, SEV_RET_SUCCESS, SEV_RET_SUCCESS },
    { 0x05, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_SUCCESS },
    { 0x06, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_LEN },
    { 0x07, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_LEN },
    { 0x08, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_LEN },
    { 0x09, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_SUCCESS },
    { 0x0a, SEV_RET_SUCCESS, SEV_RET_SUCCESS },
    { 0x0b, SEV_RET_UNSUPPORTED, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x0c, SEV_RET_INVALID_LEN, SEV_RET_INVALID_LEN },
    { 0x0d, SEV_RET_INVALID_LEN, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x0e, SEV_RET_SUCCESS, SEV_RET_SUCCESS },
    { 0x0f, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x20, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x21, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x22, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x23, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_SUCCESS },
    { 0x24, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x30, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_SUCCESS },
    { 0x31, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x32, SEV_RET_INVALID_LEN, SEV_RET_INVALID_LEN },
    { 0x33, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x34, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x35, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x36, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_PLATFORM_STATE },
    /* SEND and RECEIVE */
    { 0x40, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x41, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x42, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x43, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x44, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x50, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x51, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x52, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x53, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x60, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x61, SEV_RET_INVALID_PLATFORM_STATE, SEV_RET_INVALID_PLATFORM_STATE },
    { 0x70, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x80, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x87, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
    { 0x7ff, SEV_RET_INVALID_COMMAND, SEV_RET_INVALID_COMMAND },
};

static void test_states(void)
{
    uint8_t buffer[128];

    for (size_t i = 0; i < ARRAY_SIZE(legacy); i++) {
        machine_start();
        no_snp();
        memset(buffer, 0, sizeof(buffer));
        g_test_message("command %x before INIT", legacy[i].number);
        g_assert_cmpint(command(legacy[i].number, buffer, sizeof(buffer)), ==,
                        legacy[i].uninit);
        machine_stop();

        machine_start();
        no_snp();
        sev_init(0);
        memset(buffer, 0, sizeof(buffer));
        g_test_message("command %x after INIT", legacy[i].number);
        g_assert_cmpint(command(legacy[i].number, buffer, sizeof(buffer)), ==,
                        legacy[i].init);
        machine_stop();
    }
}

/* Whatever number and wherever the buffer: a status, and nothing else */
static void test_no_memory(void)
{
    static const uint64_t nowhere[] = {
        RAM_SIZE, RAM_SIZE - 1, 1ULL << 40, 1ULL << 52, UINT64_MAX - 3,
        UINT64_MAX & ~PSP_CBIT,
    };

    machine_start();
    for (unsigned number = 0; number < 0x800; number++) {
        for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
            int status = psp_host_command(&machine.host, number, nowhere[i]);

            if (number == PSP_CMD_PLATFORM_STATUS || number == 0x31) {
                g_assert_cmpint(status, ==, SEV_RET_INVALID_ADDRESS);
            }
        }
    }
    machine_stop();
}

static void test_cbit(void)
{
    PspCmdPlatformStatus *status;

    machine_start();
    g_assert_cmpint(psp_host_command(&machine.host, PSP_CMD_PLATFORM_STATUS,
                                     BUFFER | 1ULL << 51), ==, 0);
    status = (void *)(machine.ram + BUFFER);
    g_assert_cmpint(status->api_major, ==, 1);
    g_assert_cmpint(status->api_minor, ==, 55);
    machine_stop();
}

/* After SNP_INIT an answer goes to a Firmware page, which is given back. */
static void test_buffer_state(void)
{
    machine_start();
    snp_init();
    for (PspPageState state = PSP_PAGE_STATE_HYPERVISOR;
         state < PSP_PAGE_STATE_LIMIT; state++) {
        bool good = state == PSP_PAGE_STATE_FIRMWARE;
        PspCmdPlatformStatus status;

        set_state(BUFFER, state);
        memset(&status, 0xab, sizeof(status));
        g_assert_cmpint(command(PSP_CMD_PLATFORM_STATUS, &status,
                                sizeof(status)), ==,
                        good ? 0 : PSP_STATUS_INVALID_PAGE_STATE);
        g_assert_cmpint(status.api_major, ==, good ? 1 : 0xab);
        g_assert_cmpint(state_of(BUFFER), ==,
                        good ? PSP_PAGE_STATE_RECLAIM : state);
    }
    /* A buffer over two pages has to have both. */
    set_state(BUFFER, PSP_PAGE_STATE_FIRMWARE);
    set_state(BUFFER + PAGE, PSP_PAGE_STATE_HYPERVISOR);
    g_assert_cmpint(psp_host_command(&machine.host, PSP_CMD_PLATFORM_STATUS,
                                     BUFFER + PAGE - 4), ==,
                    PSP_STATUS_INVALID_PAGE_STATE);
    /* A refusal gives the page back, too. */
    g_assert_cmpint(psp_host_command(&machine.host, PSP_CMD_GET_ID, BUFFER),
                    ==, SEV_RET_HWSEV_RET_PLATFORM);
    g_assert_cmpint(state_of(BUFFER), ==, PSP_PAGE_STATE_RECLAIM);
    machine_stop();
}

/*
 * INIT
 */

static int init(uint16_t flags, uint64_t tmr, uint32_t size)
{
    PspCmdInit init = {
        .flags = cpu_to_le16(flags),
        .tmr_spa = cpu_to_le64(tmr),
        .tmr_size = cpu_to_le32(size),
    };

    return command(PSP_CMD_INIT, &init, sizeof(init));
}

static void test_init(void)
{
    PspCmdPlatformStatus status;
    PspCmdInit spoilt = { .reserved = { [5] = 1 } };

    machine_start();
    no_snp();
    machine.msrs[1].syscfg &= ~PSP_SYSCFG_MEM_ENCRYPT;
    g_assert_cmpint(init(2, 0, 0), ==, SEV_RET_HWSEV_RET_PLATFORM);
    machine.msrs[1].syscfg |= PSP_SYSCFG_MEM_ENCRYPT;
    g_assert_cmpint(init(2, 0, 0), ==, SEV_RET_INAVLID_CONFIG);
    g_assert_cmpint(init(0x100, 0, 0), ==, SEV_RET_INAVLID_CONFIG);
    g_assert_cmpint(command(PSP_CMD_INIT, &spoilt, sizeof(spoilt)), ==,
                    SEV_RET_INAVLID_CONFIG);

    g_assert_cmpint(init(1, TMR + 4096, 1 * MiB), ==, SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(init(1, TMR, 2 * MiB), ==, SEV_RET_INVALID_LEN);
    g_assert_cmpint(init(1, TMR, 0), ==, SEV_RET_INVALID_LEN);
    g_assert_cmpint(init(1, RAM_SIZE, 1 * MiB), ==, SEV_RET_INAVLID_CONFIG);
    g_assert_cmpint(init(1, TMR + 1 * MiB, 1 * MiB), ==, 0);

    g_assert_cmpint(command(PSP_CMD_PLATFORM_STATUS, &status, sizeof(status)),
                    ==, 0);
    g_assert_cmpint(status.state, ==, 1);
    g_assert_cmpint(status.config, ==, 1);
    g_assert_cmpint(status.owner, ==, 0);
    g_assert_cmpint(init(1, TMR, 1 * MiB), ==, SEV_RET_INVALID_PLATFORM_STATE);

    /* The TMR is nobody else's. */
    g_assert_cmpint(psp_host_command(&machine.host, PSP_CMD_PLATFORM_STATUS,
                                     TMR + 2 * MiB - 4), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(run(PSP_CMD_SHUTDOWN), ==, 0);
    g_assert_cmpint(psp_host_command(&machine.host, PSP_CMD_PLATFORM_STATUS,
                                     TMR + 2 * MiB - 4), ==, 0);
    g_assert_cmpint(command(PSP_CMD_PLATFORM_STATUS, &status, sizeof(status)),
                    ==, 0);
    g_assert_cmpint(status.state, ==, 0);
    g_assert_cmpint(status.config, ==, 0);
    machine_stop();
}

/* SNP is on, but nobody has set the RMP up. */
static void test_init_without_rmp(void)
{
    machine_start();
    g_assert_cmpint(init(0, 0, 0), ==, SEV_RET_INVALID_PLATFORM_STATE);
    machine.msrs[1].rmp_end += 1 * MiB;
    g_assert_cmpint(init(0, 0, 0), ==, SEV_RET_INAVLID_CONFIG);
    machine_stop();
}

static void test_init_after_snp(void)
{
    machine_start();
    snp_init();
    g_assert_cmpint(init(1, TMR, 2 * MiB), ==, PSP_STATUS_INVALID_PAGE_STATE);
    make_firmware(TMR, 2 * MiB);
    set_state(TMR + 1 * MiB, PSP_PAGE_STATE_RECLAIM);
    g_assert_cmpint(init(1, TMR, 2 * MiB), ==, PSP_STATUS_INVALID_PAGE_STATE);
    /* Too much in any case, so that no page is looked at */
    g_assert_cmpint(init(1, TMR, 64 * MiB + PAGE), ==, SEV_RET_INVALID_LEN);
    make_firmware(TMR, 2 * MiB);
    g_assert_cmpint(init(1, TMR, 1 * MiB), ==, SEV_RET_INVALID_LEN);
    make_firmware(TMR + 1 * MiB, 2 * MiB);
    g_assert_cmpint(init(1, TMR + 1 * MiB, 2 * MiB), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(init(1, TMR, 2 * MiB), ==, 0);
    /* Not while SEV guests may be there */
    g_assert_cmpint(run(PSP_CMD_SNP_SHUTDOWN), ==,
                    SEV_RET_INVALID_PLATFORM_STATE);
    machine_stop();
}

/*
 * INIT_EX
 */

static int init_ex(uint64_t nv, uint32_t nv_size, uint64_t tmr)
{
    PspCmdInitEx init = {
        .length = cpu_to_le32(sizeof(init)),
        .flags = cpu_to_le16(tmr ? PSP_INIT_ES : 0),
        .tmr_spa = cpu_to_le64(tmr),
        .tmr_size = cpu_to_le32(tmr ? 1 * MiB : 0),
        .nv_spa = cpu_to_le64(nv),
        .nv_size = cpu_to_le32(nv_size),
    };

    return command(PSP_CMD_INIT_EX, &init, sizeof(init));
}

static void test_init_ex(void)
{
    PspCmdInitEx spoilt = { .length = cpu_to_le32(35) };
    PspSevCert pek, oca;

    machine_start();
    no_snp();
    g_assert_cmpint(command(PSP_CMD_INIT_EX, &spoilt, sizeof(spoilt)), ==,
                    SEV_RET_INVALID_LEN);
    spoilt = (PspCmdInitEx) { .length = cpu_to_le32(36), .reserved_14 = 1 };
    g_assert_cmpint(command(PSP_CMD_INIT_EX, &spoilt, sizeof(spoilt)), ==,
                    SEV_RET_INAVLID_CONFIG);
    g_assert_cmpint(init_ex(NV + 1, PSP_SEV_NV_SIZE, 0), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(init_ex(NV, PSP_SEV_NV_SIZE - 1, 0), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpint(init_ex(RAM_SIZE, PSP_SEV_NV_SIZE, 0), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(init_ex(NV, PSP_SEV_NV_SIZE, NV), ==,
                    SEV_RET_INVALID_ADDRESS);

    /* Made once, and found again by another chip */
    memset(machine.ram + NV, 0xff, PSP_SEV_NV_SIZE);
    g_assert_cmpint(init_ex(NV, PSP_SEV_NV_SIZE, TMR), ==, 0);
    pek = machine.host.identity.pek;
    oca = machine.host.identity.oca;
    g_assert_cmpint(run(PSP_CMD_SHUTDOWN), ==, 0);
    explicit_bzero(&machine.host.flash, sizeof(machine.host.flash));
    g_assert_cmpint(init_ex(NV, PSP_SEV_NV_SIZE, 0), ==, 0);
    g_assert_cmpmem(&pek, sizeof(pek), &machine.host.identity.pek,
                    sizeof(pek));
    g_assert_cmpmem(&oca, sizeof(oca), &machine.host.identity.oca,
                    sizeof(oca));
    /* What changes later is saved, too. */
    g_assert_cmpint(run(PSP_CMD_PEK_GEN), ==, 0);
    pek = machine.host.identity.pek;
    g_assert_cmpint(run(PSP_CMD_SHUTDOWN), ==, 0);
    g_assert_cmpint(init_ex(NV, PSP_SEV_NV_SIZE, 0), ==, 0);
    g_assert_cmpmem(&pek, sizeof(pek), &machine.host.identity.pek,
                    sizeof(pek));
    g_assert_cmpint(run(PSP_CMD_SHUTDOWN), ==, 0);

    /* Spoilt by one bit: erased, and made anew at the second try */
    machine.ram[NV + 200] ^= 1;
    g_assert_cmpint(init_ex(NV, PSP_SEV_NV_SIZE, 0), ==,
                    SEV_RET_SECURE_DATA_INVALID);
    g_assert_cmpint(init_ex(NV, PSP_SEV_NV_SIZE, 0), ==, 0);
    g_assert_true(memcmp(&pek, &machine.host.identity.pek, sizeof(pek)));
    machine_stop();
}

static void test_flash(void)
{
    PspSevCert pek;

    machine_start();
    no_snp();
    sev_init(0);
    pek = machine.host.identity.pek;
    g_assert_cmpint(run(PSP_CMD_SHUTDOWN), ==, 0);
    psp_host_reset(&machine.host);
    sev_init(0);
    g_assert_cmpmem(&pek, sizeof(pek), &machine.host.identity.pek,
                    sizeof(pek));
    g_assert_cmpint(run(PSP_CMD_PLATFORM_RESET), ==,
                    SEV_RET_INVALID_PLATFORM_STATE);
    g_assert_cmpint(run(PSP_CMD_SHUTDOWN), ==, 0);
    g_assert_cmpint(run(PSP_CMD_PLATFORM_RESET), ==, 0);
    sev_init(0);
    g_assert_true(memcmp(&pek, &machine.host.identity.pek, sizeof(pek)));
    machine_stop();
}

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

/*
 * Questions
 */

static int snp_status(uint64_t spa, PspSnpStatus *status)
{
    PspCmdAddress address = { cpu_to_le64(spa) };
    int ret = command(PSP_CMD_SNP_PLATFORM_STATUS, &address, sizeof(address));

    memcpy(status, machine.ram + DATA, sizeof(*status));
    return ret;
}

static void test_snp_status(void)
{
    PspSnpStatus status;
    PspCmdSnpConfig config = {
        .reported_tcb = cpu_to_le64(0xd1ULL << 56 | 4),
        .mask = cpu_to_le32(3),
    };

    machine_start();
    g_assert_cmpint(snp_status(DATA + PAGE - 31, &status), ==,
                    SEV_RET_INVALID_PARAM);
    g_assert_cmpint(snp_status(RAM_SIZE, &status), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(snp_status(DATA, &status), ==, 0);
    g_assert_cmpint(status.api_major, ==, 1);
    g_assert_cmpint(status.api_minor, ==, 55);
    g_assert_cmpint(status.state, ==, 0);
    g_assert_cmphex(status.memory, ==, 0);
    g_assert_cmpuint(status.current_tcb, ==, status.reported_tcb);
    snp_init();
    for (PspPageState state = PSP_PAGE_STATE_HYPERVISOR;
         state < PSP_PAGE_STATE_LIMIT; state++) {
        bool good = state == PSP_PAGE_STATE_FIRMWARE;

        set_state(DATA, state);
        g_assert_cmpint(snp_status(DATA, &status), ==,
                        good ? 0 : PSP_STATUS_INVALID_PAGE_STATE);
        g_assert_cmpint(state_of(DATA), ==, state);
    }
    set_state(DATA, PSP_PAGE_STATE_FIRMWARE);
    g_assert_cmpint(command(PSP_CMD_SNP_CONFIG, &config, sizeof(config)), ==,
                    0);
    g_assert_cmpint(snp_status(DATA, &status), ==, 0);
    g_assert_cmpint(status.state, ==, 1);
    g_assert_cmphex(status.memory, ==, PSP_SNP_STATUS_RMP_READY);
    g_assert_cmpuint(status.flags, ==, 3 | 1 << 3);
    g_assert_cmpuint(status.reported_tcb, ==, config.reported_tcb);
    g_assert_cmpuint(status.current_tcb, !=, config.reported_tcb);
    /* The RMP itself is no place for an answer. */
    g_assert_cmpint(snp_status(RMP_BASE + 64 * KiB, &status), ==,
                    SEV_RET_INVALID_PARAM);
    machine_stop();
}

static void test_snp_config(void)
{
    const PspCmdSnpConfig good = { 0 };
    PspCmdSnpConfig config = good;

    machine_start();
    g_assert_cmpint(command(PSP_CMD_SNP_CONFIG, &config, sizeof(config)), ==,
                    0);
    config.mask = cpu_to_le32(4);
    g_assert_cmpint(command(PSP_CMD_SNP_CONFIG, &config, sizeof(config)), ==,
                    SEV_RET_INVALID_PARAM);
    config = good;
    config.reserved[51] = 1;
    g_assert_cmpint(command(PSP_CMD_SNP_CONFIG, &config, sizeof(config)), ==,
                    SEV_RET_INVALID_PARAM);
    /* A boot loader newer than the one that runs */
    config = good;
    config.reported_tcb = cpu_to_le64(5);
    g_assert_cmpint(command(PSP_CMD_SNP_CONFIG, &config, sizeof(config)), ==,
                    SEV_RET_INVALID_PARAM);
    config.reported_tcb = cpu_to_le64(3);
    g_assert_cmpint(command(PSP_CMD_SNP_CONFIG, &config, sizeof(config)), ==,
                    0);
    machine_stop();
}

static void test_snp_other(void)
{
    PspCmdSnpCommit commit = { cpu_to_le32(8) };
    PspCmdSnpDownload download = { .spa = cpu_to_le64(DATA + 1) };
    PspCmdFeatureInfo info = { .spa = cpu_to_le64(DATA) };
    PspFeatureInfo *answer;

    machine_start();
    answer = (void *)(machine.ram + DATA);
    g_assert_cmpint(command(PSP_CMD_SNP_COMMIT, &commit, sizeof(commit)), ==,
                    SEV_RET_INVALID_PARAM);
    commit.length = cpu_to_le32(4);
    g_assert_cmpint(command(PSP_CMD_SNP_COMMIT, &commit, sizeof(commit)), ==,
                    0);

    g_assert_cmpint(command(PSP_CMD_SNP_DOWNLOAD_FIRMWARE_EX, &download,
                            sizeof(download)), ==, SEV_RET_INVALID_ADDRESS);
    download.spa = cpu_to_le64(DATA);
    download.flags = cpu_to_le32(2);
    g_assert_cmpint(command(PSP_CMD_SNP_DOWNLOAD_FIRMWARE_EX, &download,
                            sizeof(download)), ==, SEV_RET_INVALID_PARAM);
    download.flags = cpu_to_le32(1);
    g_assert_cmpint(command(PSP_CMD_SNP_DOWNLOAD_FIRMWARE_EX, &download,
                            sizeof(download)), ==, SEV_RET_UNSUPPORTED);

    g_assert_cmpint(command(PSP_CMD_SNP_FEATURE_INFO, &info, sizeof(info)),
                    ==, SEV_RET_INVALID_PARAM);
    info.length = cpu_to_le32(sizeof(info));
    info.spa = cpu_to_le64(DATA + 2);
    g_assert_cmpint(command(PSP_CMD_SNP_FEATURE_INFO, &info, sizeof(info)),
                    ==, SEV_RET_INVALID_ADDRESS);
    info.spa = cpu_to_le64(DATA + PAGE - 12);
    g_assert_cmpint(command(PSP_CMD_SNP_FEATURE_INFO, &info, sizeof(info)),
                    ==, SEV_RET_INVALID_ADDRESS);
    info.spa = cpu_to_le64(DATA);
    g_assert_cmpint(command(PSP_CMD_SNP_FEATURE_INFO, &info, sizeof(info)),
                    ==, 0);
    g_assert_cmpuint(answer->eax, ==, 1);
    info.index = cpu_to_le32(2);
    g_assert_cmpint(command(PSP_CMD_SNP_FEATURE_INFO, &info, sizeof(info)),
                    ==, SEV_RET_INVALID_PARAM);
    info.index = cpu_to_le32(1);
    snp_init();
    g_assert_cmpint(command(PSP_CMD_SNP_FEATURE_INFO, &info, sizeof(info)),
                    ==, PSP_STATUS_INVALID_PAGE_STATE);
    make_firmware(DATA, PAGE);
    g_assert_cmpint(command(PSP_CMD_SNP_FEATURE_INFO, &info, sizeof(info)),
                    ==, 0);
    machine_stop();
}

static void test_get_id(void)
{
    PspCmdOutput id = { .spa = cpu_to_le64(DATA) };

    machine_start();
    g_assert_cmpint(command(PSP_CMD_GET_ID, &id, sizeof(id)), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpuint(le32_to_cpu(id.size), ==, 64);
    g_assert_cmpint(command(PSP_CMD_GET_ID, &id, sizeof(id)), ==,
                    SEV_RET_HWSEV_RET_PLATFORM);
    machine_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-host/states", test_states);
    g_test_add_func("/psp-host/no-memory", test_no_memory);
    g_test_add_func("/psp-host/cbit", test_cbit);
    g_test_add_func("/psp-host/buffer-state", test_buffer_state);
    g_test_add_func("/psp-host/init", test_init);
    g_test_add_func("/psp-host/init/without-rmp", test_init_without_rmp);
    g_test_add_func("/psp-host/init/after-snp", test_init_after_snp);
    g_test_add_func("/psp-host/init-ex", test_init_ex);
    g_test_add_func("/psp-host/flash", test_flash);
    g_test_add_func("/psp-host/snp-init/checks", test_snp_init_checks);
    g_test_add_func("/psp-host/snp-init/rmp", test_snp_init_rmp);
    g_test_add_func("/psp-host/snp-init/iommu", test_snp_init_iommu);
    g_test_add_func("/psp-host/snp-init/buffer", test_snp_init_buffer);
    g_test_add_func("/psp-host/snp-init/list", test_snp_init_list);
    g_test_add_func("/psp-host/snp-init/table", test_snp_init_table);
    g_test_add_func("/psp-host/snp-init/asids", test_snp_init_asids);
    g_test_add_func("/psp-host/snp-shutdown", test_snp_shutdown);
    g_test_add_func("/psp-host/reset", test_reset);
    g_test_add_func("/psp-host/snp-status", test_snp_status);
    g_test_add_func("/psp-host/snp-config", test_snp_config);
    g_test_add_func("/psp-host/snp-other", test_snp_other);
    g_test_add_func("/psp-host/get-id", test_get_id);
    return g_test_run();
}
