/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: what else a host of SNP guests asks
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "upm/psp-machine.h"

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
    g_test_add_func("/psp-host/snp-status", test_snp_status);
    g_test_add_func("/psp-host/snp-config", test_snp_config);
    g_test_add_func("/psp-host/snp-other", test_snp_other);
    g_test_add_func("/psp-host/get-id", test_get_id);
    return g_test_run();
}
