/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: the dispatcher, INIT and INIT_EX
 *
 * Their order of checks, and the page states that they want and leave behind.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "upm/psp-machine.h"

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
    return g_test_run();
}
