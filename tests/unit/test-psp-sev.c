/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP of a host: ASIDs, handles and states of SEV and SEV-ES
 * guests
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "upm/psp-sev.h"
#include "upm/sev-owner.h"

static void test_asids(void)
{
    uint32_t sev, es, other;

    start_sev(true);
    sev = new_guest(0);
    es = new_guest(PSP_SEV_POLICY_ES);
    other = new_guest(0);
    g_assert_cmpint(activate(99, 9), ==, SEV_RET_INVALID_GUEST);
    g_assert_cmpint(activate(0, 9), ==, SEV_RET_INVALID_GUEST);
    g_assert_cmpint(activate(UINT32_MAX, 9), ==, SEV_RET_INVALID_GUEST);
    g_assert_cmpint(activate(sev, 0), ==, SEV_RET_INVALID_ASID);
    g_assert_cmpint(activate(sev, MAX_ASID + 1), ==, SEV_RET_INVALID_ASID);
    g_assert_cmpint(activate(sev, UINT32_MAX), ==, SEV_RET_INVALID_ASID);
    /* SEV-ES guests have the ones below, others the ones from there on. */
    g_assert_cmpint(activate(sev, MIN_SEV_ASID - 1), ==, SEV_RET_INVALID_ASID);
    g_assert_cmpint(activate(es, MIN_SEV_ASID), ==, SEV_RET_INVALID_ASID);
    g_assert_cmpint(activate(sev, MIN_SEV_ASID), ==, 0);
    g_assert_cmpint(activate(es, MIN_SEV_ASID - 1), ==, 0);
    g_assert_cmpint(activate(sev, MIN_SEV_ASID + 1), ==, SEV_RET_ACTIVE);
    g_assert_cmpint(activate(other, MIN_SEV_ASID), ==, SEV_RET_ASID_OWNED);
    g_assert_cmpuint(le32_to_cpu(status_of(sev).asid), ==, MIN_SEV_ASID);

    /* An active guest cannot go. */
    g_assert_cmpint(on_handle(PSP_CMD_DECOMMISSION, sev), ==, SEV_RET_ACTIVE);
    g_assert_cmpint(on_handle(PSP_CMD_DEACTIVATE, other), ==,
                    SEV_RET_INACTIVE);
    g_assert_cmpint(on_handle(PSP_CMD_DEACTIVATE, 99), ==,
                    SEV_RET_INVALID_GUEST);
    /* It has not run: its ASID is as good as new. */
    g_assert_cmpint(on_handle(PSP_CMD_DEACTIVATE, sev), ==, 0);
    g_assert_cmpint(on_handle(PSP_CMD_DECOMMISSION, sev), ==, 0);
    g_assert_cmpint(on_handle(PSP_CMD_DECOMMISSION, sev), ==,
                    SEV_RET_INVALID_GUEST);
    g_assert_cmpint(status_of(sev).state, ==, 0);
    g_assert_cmpint(activate(other, MIN_SEV_ASID), ==, 0);

    /* It has run: not before a DF_FLUSH. */
    memset(machine.ram + DATA, 0, PAGE);
    g_assert_cmpint(launch(PSP_CMD_LAUNCH_MEASURE, other, DATA, 64), ==, 0);
    g_assert_cmpint(on_handle(PSP_CMD_LAUNCH_FINISH, other), ==, 0);
    g_assert_cmpint(on_handle(PSP_CMD_DEACTIVATE, other), ==, 0);
    g_assert_cmpint(activate(other, MIN_SEV_ASID), ==,
                    SEV_RET_DFFLUSH_REQUIRED);
    /* That comes before the question whose ASID it may be. */
    g_assert_cmpint(activate(new_guest(PSP_SEV_POLICY_ES), MIN_SEV_ASID), ==,
                    SEV_RET_DFFLUSH_REQUIRED);
    g_assert_cmpint(command(PSP_CMD_DF_FLUSH, NULL, 0), ==, 0);
    g_assert_cmpint(activate(other, MIN_SEV_ASID), ==, 0);
    machine_stop();
}

static void test_handles(void)
{
    PspCmdPlatformStatus status;
    uint32_t handle = 0, first;

    start_sev(false);
    first = new_guest(0);
    for (unsigned i = 1; i < PSP_SEV_GUESTS; i++) {
        g_assert_cmpuint(new_guest(0), !=, first);
    }
    g_assert_cmpint(launch_start(0, &handle), ==, SEV_RET_RESOURCE_LIMIT);
    g_assert_cmpint(command(PSP_CMD_PLATFORM_STATUS, &status, sizeof(status)),
                    ==, 0);
    g_assert_cmpuint(le32_to_cpu(status.guests), ==, PSP_SEV_GUESTS);
    g_assert_cmpint(status.state, ==, 2);
    g_assert_cmpint(command(PSP_CMD_PEK_GEN, NULL, 0), ==,
                    SEV_RET_INVALID_PLATFORM_STATE);
    g_assert_cmpint(on_handle(PSP_CMD_DECOMMISSION, first), ==, 0);
    g_assert_cmpuint(new_guest(0), ==, first);
    g_assert_cmpint(command(PSP_CMD_SHUTDOWN, NULL, 0), ==, 0);
    g_assert_cmpint(command(PSP_CMD_PLATFORM_STATUS, &status, sizeof(status)),
                    ==, 0);
    g_assert_cmpuint(status.guests, ==, 0);
    machine_stop();
}

static void test_start(void)
{
    uint32_t handle = 0, other;

    start_sev(false);
    g_assert_cmpint(launch_start(PSP_SEV_POLICY_ES, &handle), ==,
                    SEV_RET_UNSUPPORTED);
    handle = 7;
    g_assert_cmpint(launch_start(0, &handle), ==, SEV_RET_INVALID_GUEST);
    other = new_guest(PSP_SEV_POLICY_NODBG);
    handle = other;
    g_assert_cmpint(launch_start(0, &handle), ==, SEV_RET_POLICY_FAILURE);
    handle = other;
    g_assert_cmpint(launch_start(PSP_SEV_POLICY_NODBG, &handle), ==, 0);
    g_assert_cmpuint(handle, !=, other);
    other = new_guest(PSP_SEV_POLICY_NOKS);
    handle = other;
    g_assert_cmpint(launch_start(PSP_SEV_POLICY_NOKS, &handle), ==,
                    SEV_RET_POLICY_FAILURE);
    machine_stop();
}

/* LAUNCH_START with an owner who has signed that policy */
static int start_owned(uint32_t policy)
{
    const PspSevCert owner = vector_owner();
    const uint32_t bytes = cpu_to_le32(policy);
    const PspSevSession session = session_for(policy);
    PspCmdLaunchStart start = {
        .policy = bytes,
        .cert_spa = cpu_to_le64(DATA),
        .cert_size = cpu_to_le32(CERT_SIZE),
        .session_spa = cpu_to_le64(DATA + PAGE),
        .session_size = cpu_to_le32(sizeof(session)),
    };

    machine.host.identity.pdh_key = *vector_pdh();
    memcpy(machine.ram + DATA, &owner, CERT_SIZE);
    memcpy(machine.ram + DATA + PAGE, &session, sizeof(session));
    return command(PSP_CMD_LAUNCH_START, &start, sizeof(start));
}

/* An owner's policy has to be met; one of nobody is not looked at. */
static void test_policy(void)
{
    static const struct {
        uint32_t policy;
        int owned;
    } cases[] = {
        { 0, 0 },
        { 1U << 16 | 55U << 24, 0 },
        { 1U << 16 | 56U << 24, SEV_RET_POLICY_FAILURE },
        { 2U << 16, SEV_RET_POLICY_FAILURE },
        { 0xffU << 24, 0 },
        { 1U << 6, SEV_RET_POLICY_FAILURE },
        { 1U << 15, SEV_RET_POLICY_FAILURE },
    };

    start_sev(false);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t handle = 0;

        g_test_message("policy 0x%x", cases[i].policy);
        g_assert_cmpint(start_owned(cases[i].policy), ==, cases[i].owned);
        g_assert_cmpint(launch_start(cases[i].policy, &handle), ==, 0);
    }
    machine_stop();
}

/* Each command in each state of the guest */
static void test_guest_states(void)
{
    static const unsigned all[] = { 0x31, 0x32, 0x33, 0x34, 0x35, 0x36 };
    static const int expected[][ARRAY_SIZE(all)] = {
        [PSP_SEV_LUPDATE] = {
            0, 0, 0, SEV_RET_INVALID_GUEST_STATE, SEV_RET_INVALID_GUEST_STATE,
            SEV_RET_INVALID_GUEST_STATE
        },
        [PSP_SEV_LSECRET] = {
            SEV_RET_INVALID_GUEST_STATE, SEV_RET_INVALID_GUEST_STATE,
            SEV_RET_INVALID_GUEST_STATE, SEV_RET_BAD_MEASUREMENT, 0, 0
        },
        [PSP_SEV_RUNNING] = {
            SEV_RET_INVALID_GUEST_STATE, SEV_RET_INVALID_GUEST_STATE,
            SEV_RET_INVALID_GUEST_STATE, SEV_RET_INVALID_GUEST_STATE,
            SEV_RET_INVALID_GUEST_STATE, 0
        },
    };

    for (PspSevState state = PSP_SEV_LUPDATE; state <= PSP_SEV_RUNNING;
         state++) {
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
            PspCmdAttestation report = { .spa = cpu_to_le64(DATA) };
            PspCmdLaunchSecret secret = {
                .header_spa = cpu_to_le64(DATA),
                .header_size = cpu_to_le32(52),
                .guest_spa = cpu_to_le64(DATA),
                .guest_size = cpu_to_le32(32),
                .transport_spa = cpu_to_le64(DATA),
                .transport_size = cpu_to_le32(32),
            };
            uint32_t handle;
            int status;

            start_sev(true);
            handle = new_guest(PSP_SEV_POLICY_ES);
            g_assert_cmpint(activate(handle, 1), ==, 0);
            if (state >= PSP_SEV_LSECRET) {
                g_assert_cmpint(launch(PSP_CMD_LAUNCH_MEASURE, handle, DATA,
                                       64), ==, 0);
            }
            if (state == PSP_SEV_RUNNING) {
                g_assert_cmpint(on_handle(PSP_CMD_LAUNCH_FINISH, handle), ==,
                                0);
            }
            g_assert_cmpint(status_of(handle).state, ==, state);
            g_test_message("state %d command %x", state, all[i]);
            report.handle = secret.handle = cpu_to_le32(handle);
            report.size = cpu_to_le32(0xd0);
            switch (all[i]) {
            case PSP_CMD_LAUNCH_SECRET:
                status = command(all[i], &secret, sizeof(secret));
                break;
            case PSP_CMD_LAUNCH_FINISH:
                status = on_handle(all[i], handle);
                break;
            case PSP_CMD_ATTESTATION:
                status = command(all[i], &report, sizeof(report));
                break;
            default:
                status = launch(all[i], handle, DATA, PAGE);
                break;
            }
            g_assert_cmpint(status, ==, expected[state][i]);
            machine_stop();
        }
    }
}

static void test_update(void)
{
    uint32_t sev, es;

    start_sev(true);
    sev = new_guest(0);
    es = new_guest(PSP_SEV_POLICY_ES);
    g_assert_cmpint(launch(0x31, 99, DATA, PAGE), ==, SEV_RET_INVALID_GUEST);
    g_assert_cmpint(launch(0x31, sev, DATA, PAGE), ==, SEV_RET_INACTIVE);
    g_assert_cmpint(activate(sev, MIN_SEV_ASID), ==, 0);
    g_assert_cmpint(activate(es, 1), ==, 0);
    g_assert_cmpint(launch(0x31, sev, DATA + 8, PAGE), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(launch(0x31, sev, DATA, PAGE + 8), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpint(launch(0x31, sev, DATA, 0), ==, SEV_RET_INVALID_LEN);
    g_assert_cmpint(launch(0x31, sev, DATA, UINT32_MAX & ~15U), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpint(launch(0x31, sev, DATA, 64 * MiB + 16), ==,
                    SEV_RET_INVALID_LEN);
    /* As much may be, but there is not so much RAM. */
    g_assert_cmpint(launch(0x31, sev, DATA, 64 * MiB), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(launch(0x31, sev, RAM_SIZE - 16, 32), ==,
                    SEV_RET_INVALID_ADDRESS);
    g_assert_cmpint(launch(0x32, sev, DATA, PAGE), ==, SEV_RET_UNSUPPORTED);
    g_assert_cmpint(launch(0x32, es, DATA, PAGE - 16), ==,
                    SEV_RET_INVALID_LEN);
    g_assert_cmpint(launch(0x32, es, DATA, PAGE), ==, 0);
    g_assert_cmpint(launch(0x31, sev, DATA, 16), ==, 0);
    /* Marked as an encrypted page; nothing else lies beyond the mark. */
    g_assert_cmpint(launch(0x31, sev, DATA | PSP_CBIT, 16), ==, 0);
    g_assert_cmpint(launch(0x31, sev, PSP_CBIT - 16, 32), ==,
                    SEV_RET_INVALID_ADDRESS);
    machine_stop();
}

/* Once SNP is on, a guest's page is the firmware's while it is encrypted. */
static void test_update_states(void)
{
    uint32_t handle;

    machine_start();
    snp_init();
    sev_init(PSP_INIT_ES);
    make_firmware(BUFFER, PAGE);
    handle = new_guest(0);
    g_assert_cmpint(activate(handle, MIN_SEV_ASID), ==, 0);
    for (PspPageState state = PSP_PAGE_STATE_HYPERVISOR;
         state < PSP_PAGE_STATE_LIMIT; state++) {
        set_state(DATA, state);
        g_assert_cmpint(launch(0x31, handle, DATA, PAGE), ==,
                        state == PSP_PAGE_STATE_FIRMWARE ?
                        0 : PSP_STATUS_INVALID_PAGE_STATE);
        g_assert_cmpint(state_of(DATA), ==, state);
    }
    machine_stop();
}

static int debug(unsigned number, uint32_t handle, uint64_t from, uint64_t to,
                 uint32_t size)
{
    PspCmdDebug debug = {
        .handle = cpu_to_le32(handle),
        .from_spa = cpu_to_le64(from),
        .to_spa = cpu_to_le64(to),
        .size = cpu_to_le32(size),
    };

    return command(number, &debug, sizeof(debug));
}

static void test_debug(void)
{
    uint32_t handle, closed;

    start_sev(false);
    handle = new_guest(0);
    closed = new_guest(PSP_SEV_POLICY_NODBG);
    for (unsigned number = 0x60; number <= 0x61; number++) {
        g_assert_cmpint(debug(number, handle, DATA, DATA + PAGE, 64), ==,
                        SEV_RET_INACTIVE);
    }
    g_assert_cmpint(activate(handle, MIN_SEV_ASID), ==, 0);
    for (unsigned number = 0x60; number <= 0x61; number++) {
        put_pattern(DATA, PAGE);
        memset(machine.ram + DATA + PAGE, 0, PAGE);
        g_assert_cmpint(debug(number, handle, DATA + 8, DATA + PAGE, 64), ==,
                        SEV_RET_INVALID_ADDRESS);
        g_assert_cmpint(debug(number, handle, DATA, DATA + PAGE + 8, 64), ==,
                        SEV_RET_INVALID_ADDRESS);
        g_assert_cmpint(debug(number, handle, DATA, DATA + PAGE, 65), ==,
                        SEV_RET_INVALID_LEN);
        g_assert_cmpint(debug(number, 99, DATA, DATA + PAGE, 64), ==,
                        SEV_RET_INVALID_GUEST);
        g_assert_cmpint(debug(number, closed, DATA, DATA + PAGE, 64), ==,
                        SEV_RET_POLICY_FAILURE);
        g_assert_cmpint(debug(number, handle, DATA, RAM_SIZE, 64), ==,
                        SEV_RET_INVALID_ADDRESS);
        g_assert_cmpint(debug(number, handle, RAM_SIZE, DATA, 64), ==,
                        SEV_RET_INVALID_ADDRESS);
        g_assert_cmpint(debug(number, handle, DATA, DATA + PAGE, 64), ==, 0);
        g_assert_cmpmem(machine.ram + DATA, 64, machine.ram + DATA + PAGE, 64);
        g_assert_cmpint(machine.ram[DATA + PAGE + 64], ==, 0);
    }
    machine_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-sev/asids", test_asids);
    g_test_add_func("/psp-sev/handles", test_handles);
    g_test_add_func("/psp-sev/start", test_start);
    g_test_add_func("/psp-sev/policy", test_policy);
    g_test_add_func("/psp-sev/guest-states", test_guest_states);
    g_test_add_func("/psp-sev/update", test_update);
    g_test_add_func("/psp-sev/update/states", test_update_states);
    g_test_add_func("/psp-sev/debug", test_debug);
    return g_test_run();
}
