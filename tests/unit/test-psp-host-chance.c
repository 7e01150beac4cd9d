/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: commands by chance, on the platform and on
 * SEV and SEV-ES guests
 *
 * Half of them as a host would send them, so that the others find a firmware
 * in each of its states.  Of commands on SNP guests: test-psp-chance.c.  For
 * other commands see upm/chance.h.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "target/i386/psp/sev-guest.h"
#include "upm/chance.h"
#include "upm/psp-machine.h"

#define ROUNDS      100000
#define BUFFER_SIZE 128

/* What a host sends most, and how often so many rounds have to get it done */
static const struct {
    unsigned number, least;
} usual[] = {
    { PSP_CMD_INIT, 100 },
    { PSP_CMD_PLATFORM_STATUS, 1000 },
    { PSP_CMD_DF_FLUSH, 1000 },
    { PSP_CMD_INIT_EX, 50 },
    { PSP_CMD_DECOMMISSION, 200 },
    { PSP_CMD_ACTIVATE, 100 },
    { PSP_CMD_DEACTIVATE, 50 },
    { PSP_CMD_GUEST_STATUS, 1000 },
    { PSP_CMD_LAUNCH_START, 500 },
    { PSP_CMD_LAUNCH_UPDATE_DATA, 20 },
    { PSP_CMD_LAUNCH_UPDATE_VMSA, 8 },
    { PSP_CMD_LAUNCH_MEASURE, 200 },
    { PSP_CMD_LAUNCH_SECRET, 0 },       /* an owner would have to sign it */
    { PSP_CMD_LAUNCH_FINISH, 50 },
    { PSP_CMD_ATTESTATION, 100 },
    { PSP_CMD_DBG_DECRYPT, 30 },
    { PSP_CMD_DBG_ENCRYPT, 30 },
    { PSP_CMD_SNP_INIT, 20 },
    { PSP_CMD_SNP_INIT_EX, 8 },
    { PSP_CMD_SNP_PLATFORM_STATUS, 500 },
    { PSP_CMD_SNP_CONFIG, 500 },
};

/* Rarely: they undo what the others did. */
static const unsigned ends[] = {
    PSP_CMD_SHUTDOWN, PSP_CMD_PLATFORM_RESET, PSP_CMD_SNP_SHUTDOWN,
    PSP_CMD_SNP_SHUTDOWN_EX,
};

static uint64_t any_address(GRand *rand)
{
    static const uint64_t bases[] = {
        0, BUFFER, DATA, TMR, NV, EVENT_LOG, RMP_BASE, RAM_SIZE - PAGE,
        RAM_SIZE, 1ULL << 51, 1ULL << 52, UINT64_MAX - PAGE,
    };
    uint64_t base = bases[chance_in(rand, ARRAY_SIZE(bases))];

    return g_rand_boolean(rand) ? base : base + chance_in(rand, 8192);
}

static void fill_by_chance(GRand *rand, uint8_t *buffer)
{
    for (size_t i = 0; i < BUFFER_SIZE; i += 4) {
        switch (chance_in(rand, 6)) {
        case 0:
            stl_le_p(buffer + i, g_rand_int(rand));
            break;
        case 1:
            stl_le_p(buffer + i, chance_in(rand, 4));
            break;
        case 2:
            if (i % 8 == 0) {
                stq_le_p(buffer + i, any_address(rand));
                i += 4;
            }
            break;
        case 3:
            stl_le_p(buffer + i, 1U << chance_in(rand, 32));
            break;
        default:
            stl_le_p(buffer + i, 0);
            break;
        }
    }
}

/* Commands on the platform, as a host would send them */
static void fill_platform(GRand *rand, unsigned number, void *buffer)
{
    const bool es = g_rand_boolean(rand);
    const uint32_t tmr_size = !es ? 0 : machine.host.rmp_ready ? 2 * MiB
                                                               : 1 * MiB;

    switch (number) {
    case PSP_CMD_INIT:
        *(PspCmdInit *)buffer = (PspCmdInit) {
            .flags = cpu_to_le16(es), .tmr_spa = cpu_to_le64(TMR),
            .tmr_size = cpu_to_le32(tmr_size),
        };
        break;
    case PSP_CMD_INIT_EX:
        *(PspCmdInitEx *)buffer = (PspCmdInitEx) {
            .length = cpu_to_le32(sizeof(PspCmdInitEx)),
            .flags = cpu_to_le16(es), .tmr_spa = cpu_to_le64(TMR),
            .tmr_size = cpu_to_le32(tmr_size), .nv_spa = cpu_to_le64(NV),
            .nv_size = cpu_to_le32(PSP_SEV_NV_SIZE),
        };
        break;
    case PSP_CMD_SNP_INIT_EX:
        *(PspCmdSnpInit *)buffer = (PspCmdSnpInit) {
            .flags = cpu_to_le32(g_rand_boolean(rand)),
        };
        break;
    case PSP_CMD_SNP_SHUTDOWN_EX:
        *(PspCmdSnpShutdown *)buffer = (PspCmdSnpShutdown) {
            .length = cpu_to_le32(sizeof(PspCmdSnpShutdown)),
            .flags = cpu_to_le32(g_rand_boolean(rand)),
        };
        break;
    case PSP_CMD_SNP_PLATFORM_STATUS:
        *(PspCmdAddress *)buffer = (PspCmdAddress) { cpu_to_le64(DATA) };
        break;
    case PSP_CMD_SNP_CONFIG:
        *(PspCmdSnpConfig *)buffer = (PspCmdSnpConfig) {
            .mask = cpu_to_le32(chance_in(rand, 4)),
        };
        break;
    }
}

/* Commands on guests; handles are few, so that some are in use. */
static void fill_guest(GRand *rand, unsigned number, void *buffer)
{
    static const uint32_t policies[] = {
        0, PSP_SEV_POLICY_NODBG, PSP_SEV_POLICY_ES,
    };
    const uint32_t handle = cpu_to_le32(1 + chance_in(rand, 3));
    PspCmdLaunch launch = {
        .handle = handle, .spa = cpu_to_le64(DATA), .size = cpu_to_le32(PAGE),
    };

    switch (number) {
    case PSP_CMD_LAUNCH_START:
        *(PspCmdLaunchStart *)buffer = (PspCmdLaunchStart) {
            .policy = cpu_to_le32(policies[chance_in(rand,
                                                     ARRAY_SIZE(policies))]),
        };
        break;
    case PSP_CMD_ACTIVATE:
        *(PspCmdActivate *)buffer = (PspCmdActivate) {
            handle, cpu_to_le32(1 + chance_in(rand, MAX_ASID)),
        };
        break;
    case PSP_CMD_ATTESTATION:
        *(PspCmdAttestation *)buffer = (PspCmdAttestation) {
            .handle = handle, .spa = cpu_to_le64(DATA),
            .size = cpu_to_le32(PAGE),
        };
        break;
    case PSP_CMD_DBG_DECRYPT:
    case PSP_CMD_DBG_ENCRYPT:
        *(PspCmdDebug *)buffer = (PspCmdDebug) {
            .handle = handle, .from_spa = cpu_to_le64(NV),
            .to_spa = cpu_to_le64(DATA), .size = cpu_to_le32(PAGE),
        };
        break;
    case PSP_CMD_LAUNCH_SECRET:
        *(PspCmdLaunchSecret *)buffer = (PspCmdLaunchSecret) {
            .handle = handle, .header_spa = cpu_to_le64(NV),
            .header_size = cpu_to_le32(52), .guest_spa = cpu_to_le64(DATA),
            .guest_size = cpu_to_le32(32), .transport_spa = cpu_to_le64(NV),
            .transport_size = cpu_to_le32(32),
        };
        break;
    default:
        *(PspCmdLaunch *)buffer = launch;
        break;
    }
}

static bool is_on_guest(unsigned number)
{
    return number >= PSP_CMD_DECOMMISSION && number <= PSP_CMD_DBG_ENCRYPT;
}

static void make_pages_firmware(void)
{
    if (machine.host.platform.snp_state != PSP_PLATFORM_UNINIT) {
        make_firmware(BUFFER, PAGE);
        make_firmware(DATA, PAGE);
        make_firmware(NV, PSP_SEV_NV_SIZE);
        if (!machine.host.tmr.size) {
            make_firmware(TMR, 2 * MiB);
        }
    }
}

static int run_by_chance(GRand *rand, unsigned number)
{
    uint8_t *buffer = machine.ram + BUFFER;
    int status;

    fill_by_chance(rand, buffer);
    if (g_rand_boolean(rand)) {
        make_pages_firmware();
        if (is_on_guest(number)) {
            fill_guest(rand, number, buffer);
        } else {
            fill_platform(rand, number, buffer);
        }
    }
    if (chance_in(rand, 16) == 0) {
        buffer[chance_in(rand, BUFFER_SIZE)] = g_rand_int(rand);
    }
    status = psp_host_command(&machine.host, number,
                              chance_in(rand, 16) ? BUFFER
                                                  : any_address(rand));
    g_assert_cmpuint(machine.locked, ==, 0);
    g_assert_cmpuint(machine.mapped, ==, 0);
    return status;
}

/* No ASID has two owners, and guests are counted right. */
static void check_guests(void)
{
    bool taken[MAX_ASID + 1] = { false };
    unsigned count = 0;

    for (size_t i = 0; i < PSP_SEV_GUESTS; i++) {
        const PspSevGuest *guest = machine.host.guests[i];

        count += !!guest;
        if (guest && guest->asid) {
            g_assert_cmpuint(guest->asid, <=, MAX_ASID);
            g_assert_false(taken[guest->asid]);
            taken[guest->asid] = true;
            g_assert_cmpint(machine.host.platform.asids[guest->asid], ==,
                            PSP_ASID_OWNED);
        }
    }
    g_assert_cmpuint(machine.host.guest_count, ==, count);
}

static unsigned any_number(GRand *rand)
{
    unsigned number = chance_in(rand, 0x800);

    /* Keys take time. */
    return number == PSP_CMD_PEK_GEN || number == PSP_CMD_PDH_GEN
        ? PSP_CMD_NOP : number;
}

static void test_chance(void)
{
    GRand *rand = chance_new();
    unsigned rounds = chance_count(ROUNDS);
    unsigned done[ARRAY_SIZE(usual)] = { 0 };

    machine_start();
    for (unsigned i = 0; i < rounds; i++) {
        unsigned which = chance_in(rand, ARRAY_SIZE(usual));

        if (chance_in(rand, 2000) == 0) {
            psp_host_reset(&machine.host);
        } else if (chance_in(rand, 64) == 0) {
            run_by_chance(rand, any_number(rand));
        } else if (chance_in(rand, 64) == 0) {
            run_by_chance(rand, ends[chance_in(rand, ARRAY_SIZE(ends))]);
        } else {
            done[which] += run_by_chance(rand, usual[which].number) ==
                           SEV_RET_SUCCESS;
        }
        check_guests();
    }
    machine_stop();
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
        g_test_message("command 0x%x: %u times", usual[i].number, done[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(usual) && rounds >= ROUNDS; i++) {
        g_assert_cmpuint(done[i], >=, usual[i].least);
    }
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-host-chance/commands", test_chance);
    return g_test_run();
}
