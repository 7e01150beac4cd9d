/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware commands on a guest: it comes and goes, gets an ASID, is asked for
 * its state, debugged, and talks to the firmware
 */
#include "qemu/osdep.h"
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "upm/fake-psp.h"

static void test_gctx_create(void)
{
    PspGuest *guest;

    machine_reset();
    put_large_page(BIG, PSP_PAGE_STATE_FIRMWARE, 0);
    expect(PSP_SNP_GCTX_CREATE, gctx_buffer(BIG), PAGE_SIZE_);
    machine_put(TARGET, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    machine_map_fails = true;
    expect(PSP_SNP_GCTX_CREATE, gctx_buffer(TARGET), SEV_RET_INVALID_CONFIG);
    g_assert_null(machine_guest(TARGET));
    g_assert_cmpint(machine_state(TARGET), ==, PSP_PAGE_STATE_FIRMWARE);
    machine_map_fails = false;

    create_guest(CONTEXT);
    g_assert_cmpint(machine_state(CONTEXT), ==, PSP_PAGE_STATE_CONTEXT);
    g_assert_true(buffer_is_zero(machine_ram + CONTEXT, PAGE));
    guest = machine_guest(CONTEXT);
    g_assert_cmpint(guest->state, ==, PSP_STATE_INIT);
    g_assert_cmpuint(guest->asid, ==, 0);
    g_assert_cmpuint(psp_snp_guests(&machine), ==, 0);
    /* It can neither be made twice nor be reclaimed. */
    expect(PSP_SNP_GCTX_CREATE, gctx_buffer(CONTEXT), PAGE_STATE);
    expect(PSP_SNP_PAGE_RECLAIM, page_buffer(CONTEXT), PAGE_STATE);
    g_assert_true(machine_guest(CONTEXT) == guest);
    /* A page that only looks like one is none. */
    machine_put(OTHER, PSP_PAGE_STATE_CONTEXT, 0, 0);
    expect(PSP_SNP_LAUNCH_START, start_buffer(OTHER, POLICY), GUEST);
}

static void test_launch_start(void)
{
    static const struct {
        uint64_t policy;
        int status;
    } cases[] = {
        { POLICY, OK },
        { POLICY & ~PSP_POLICY_ONE, SEV_RET_POLICY_FAILURE },
        { POLICY & ~PSP_POLICY_SMT, SEV_RET_POLICY_FAILURE },
        { POLICY | 1ULL << 25, SEV_RET_POLICY_FAILURE },
        { POLICY | 1ULL << 63, SEV_RET_POLICY_FAILURE },
        { POLICY | PSP_API_MAJOR << 8 | PSP_API_MINOR, OK },
        { POLICY | PSP_API_MAJOR << 8 | (PSP_API_MINOR + 1),
          SEV_RET_POLICY_FAILURE },
        { POLICY | (PSP_API_MAJOR + 1) << 8, SEV_RET_POLICY_FAILURE },
        { POLICY | PSP_POLICY_MIGRATE_MA, OK },
        { POLICY | PSP_POLICY_SINGLE_SOCKET, OK },
        { POLICY | PSP_POLICY_RAPL_DIS, OK },
        { POLICY | PSP_POLICY_AES_256_XTS, SEV_RET_POLICY_FAILURE },
        { POLICY | PSP_POLICY_HIDE_CIPHERTEXT, SEV_RET_POLICY_FAILURE },
    };
    PspCommandBuffer buffer = start_buffer(CONTEXT, POLICY);
    PspGuest *guest;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        machine_reset();
        create_guest(CONTEXT);
        expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, cases[i].policy),
               cases[i].status);
        guest = machine_guest(CONTEXT);
        g_assert_cmpint(guest->state == PSP_STATE_LAUNCH, ==,
                        !cases[i].status);
        g_assert_cmpuint(psp_snp_guests(&machine), ==, !cases[i].status);
        g_assert_cmpint(buffer_is_zero(guest->vmpck, sizeof(guest->vmpck)), ==,
                        cases[i].status != 0);
    }

    machine_reset();
    create_guest(CONTEXT);
    buffer.launch_start.flags = cpu_to_le32(PSP_LAUNCH_START_MA_EN);
    expect(PSP_SNP_LAUNCH_START, buffer, SEV_RET_UNSUPPORTED);
    buffer.launch_start.flags = cpu_to_le32(PSP_LAUNCH_START_IMI_EN);
    expect(PSP_SNP_LAUNCH_START, buffer, SEV_RET_UNSUPPORTED);
    buffer.launch_start.flags = cpu_to_le32(4);
    expect(PSP_SNP_LAUNCH_START, buffer, PARAM);
    buffer = start_buffer(CONTEXT, POLICY);
    buffer.launch_start.ma_gctx_paddr = cpu_to_le64(1);
    expect(PSP_SNP_LAUNCH_START, buffer, PARAM);
    expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, POLICY), OK);
    expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, POLICY), GUEST_STATE);
}

static void test_activate(void)
{
    machine_reset();
    create_guest(CONTEXT);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, ASID), GUEST_STATE);
    expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, POLICY), OK);
    start_guest(OTHER, POLICY, 5);

    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, 0),
           SEV_RET_INVALID_ASID);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, MACHINE_ASIDS + 1),
           SEV_RET_INVALID_ASID);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, UINT32_MAX),
           SEV_RET_INVALID_ASID);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, 5), SEV_RET_ASID_OWNED);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, MACHINE_ASIDS), OK);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, MACHINE_ASIDS),
           SEV_RET_ASID_OWNED);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, 7), SEV_RET_ACTIVE);
}

static void test_activate_ex(void)
{
    PspCommandBuffer buffer = activate_ex_buffer(CONTEXT, ASID);

    machine_reset();
    create_guest(CONTEXT);
    expect(PSP_SNP_ACTIVATE_EX, buffer, GUEST_STATE);
    expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, POLICY), OK);
    buffer.activate_ex.length = cpu_to_le32(0x1f);
    expect(PSP_SNP_ACTIVATE_EX, buffer, PARAM);
    buffer = activate_ex_buffer(CONTEXT, ASID);
    buffer.activate_ex.reserved = 1;
    expect(PSP_SNP_ACTIVATE_EX, buffer, PARAM);
    buffer = activate_ex_buffer(CONTEXT, ASID);
    buffer.activate_ex.numids = 0;
    expect(PSP_SNP_ACTIVATE_EX, buffer, PARAM);
    buffer.activate_ex.numids = cpu_to_le32(PSP_APIC_IDS_MAX + 1);
    expect(PSP_SNP_ACTIVATE_EX, buffer, PARAM);
    buffer = activate_ex_buffer(CONTEXT, ASID);
    buffer.activate_ex.ids_paddr = cpu_to_le64(NO_RAM);
    expect(PSP_SNP_ACTIVATE_EX, buffer, ADDRESS);
    buffer.activate_ex.ids_paddr = cpu_to_le64(MACHINE_RAM - 4);
    expect(PSP_SNP_ACTIVATE_EX, buffer, ADDRESS);
    buffer.activate_ex.ids_paddr = cpu_to_le64(IN_RMP);
    expect(PSP_SNP_ACTIVATE_EX, buffer, PARAM);
    expect(PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT, 0),
           SEV_RET_INVALID_ASID);
    start_guest(OTHER, POLICY, 5);
    expect(PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT, 5),
           SEV_RET_ASID_OWNED);
    expect(PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT, ASID), OK);
    /* More cores for the same ASID */
    expect(PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT, ASID), OK);
    expect(PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT, 4),
           SEV_RET_ACTIVE);
}

/* An ASID is dirty after its guest, until caches are written back. */
static void test_asids(void)
{
    machine_reset();
    g_assert_true(psp_asids_clean(&machine));
    run_guest(CONTEXT, POLICY, ASID);
    run_guest(OTHER, POLICY, ASID + 1);
    g_assert_cmpuint(psp_snp_guests(&machine), ==, 2);
    expect(PSP_SNP_DF_FLUSH, gctx_buffer(0), OK);
    g_assert_false(psp_asids_clean(&machine));

    expect(PSP_SNP_DECOMMISSION, gctx_buffer(CONTEXT), OK);
    g_assert_cmpint(machine_state(CONTEXT), ==, PSP_PAGE_STATE_FIRMWARE);
    g_assert_null(machine_guest(CONTEXT));
    g_assert_cmpuint(psp_snp_guests(&machine), ==, 1);
    expect(PSP_SNP_DECOMMISSION, gctx_buffer(CONTEXT), GUEST);
    expect(PSP_SNP_GCTX_CREATE, gctx_buffer(CONTEXT), OK);
    expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, POLICY), OK);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, ASID),
           SEV_RET_DFFLUSH_REQUIRED);
    expect(PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT, ASID),
           SEV_RET_DFFLUSH_REQUIRED);
    expect(PSP_SNP_DF_FLUSH, gctx_buffer(0), OK);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, ASID), OK);

    /* Without an ASID there is nothing to be flushed. */
    expect(PSP_SNP_DECOMMISSION, gctx_buffer(CONTEXT), OK);
    expect(PSP_SNP_DECOMMISSION, gctx_buffer(OTHER), OK);
    expect(PSP_SNP_DF_FLUSH, gctx_buffer(0), OK);
    create_guest(CONTEXT);
    expect(PSP_SNP_DECOMMISSION, gctx_buffer(CONTEXT), OK);
    g_assert_true(psp_asids_clean(&machine));
    /* The whole of it may happen again. */
    expect(PSP_SNP_PAGE_RECLAIM, page_buffer(CONTEXT), OK);
    g_assert_cmpint(machine_state(CONTEXT), ==, PSP_PAGE_STATE_RECLAIM);
    psp_platform_reset(&machine);
    g_assert_cmpint(machine.snp_state, ==, PSP_PLATFORM_UNINIT);
    g_assert_cmpuint(g_hash_table_size(machine.guests), ==, 0);
}

static void test_guest_status(void)
{
    const PspGuestStatus *status;
    PspCommandBuffer buffer = status_buffer(CONTEXT, TARGET + 0x60);
    PspCommandBuffer finish = finish_buffer(CONTEXT);

    machine_reset();
    machine_put(TARGET, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    status = (void *)(machine_ram + TARGET + 0x60);
    create_guest(CONTEXT);
    expect(PSP_SNP_GUEST_STATUS, buffer, OK);
    g_assert_true(buffer_is_zero(status, sizeof(*status)));
    g_assert_cmphex(machine_ram[TARGET + 0x5f], ==, 0xa5);
    g_assert_cmphex(machine_ram[TARGET + 0x80], ==, 0xa5);
    expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, DEBUGGABLE), OK);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, ASID), OK);
    expect(PSP_SNP_GUEST_STATUS, buffer, OK);
    g_assert_cmphex(le64_to_cpu(status->policy), ==, DEBUGGABLE);
    g_assert_cmpuint(le32_to_cpu(status->asid), ==, ASID);
    g_assert_cmpuint(status->state, ==, 1);
    finish.launch_finish.flags = cpu_to_le64(PSP_LAUNCH_FINISH_VCEK_DIS);
    expect(PSP_SNP_LAUNCH_FINISH, finish, OK);
    expect(PSP_SNP_GUEST_STATUS, buffer, OK);
    g_assert_cmpuint(status->state, ==, 2);
    g_assert_cmpuint(le32_to_cpu(status->vcek_dis), ==, 1);
}

/*
 * Debugging
 */

static void test_debug(void)
{
    machine_reset();
    machine_put(TARGET, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    machine_put(SOURCE, PSP_PAGE_STATE_GUEST_VALID, ASID, GPA);
    memset(machine_ram + SOURCE, 0x42, PAGE);
    start_guest(CONTEXT, DEBUGGABLE, ASID);
    expect(PSP_SNP_DBG_DECRYPT, debug_buffer(CONTEXT, SOURCE, TARGET), OK);
    g_assert_cmphex(machine_ram[TARGET], ==, 0x42);
    g_assert_cmphex(machine_ram[TARGET + PAGE], ==, 0xa5);

    put_page(OTHER, GPA);
    machine_put(TARGET, PSP_PAGE_STATE_HYPERVISOR, 0, 0);
    memset(machine_ram + TARGET, 0x43, PAGE);
    expect(PSP_SNP_DBG_ENCRYPT, debug_buffer(CONTEXT, TARGET, OTHER), OK);
    g_assert_cmphex(machine_ram[OTHER], ==, 0x43);
    expect(PSP_SNP_DBG_ENCRYPT, debug_buffer(CONTEXT, NO_RAM, OTHER), ADDRESS);
    expect(PSP_SNP_DBG_ENCRYPT, debug_buffer(CONTEXT, DEFAULT, OTHER), OK);

    /* A small page in the middle of a large one */
    put_large_page(BIG, PSP_PAGE_STATE_GUEST_VALID, GPA);
    machine_put(TARGET, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    memset(machine_ram + BIG + 9 * PAGE, 0x44, PAGE);
    expect(PSP_SNP_DBG_DECRYPT,
           debug_buffer(CONTEXT, BIG + 9 * PAGE, TARGET), OK);
    g_assert_cmphex(machine_ram[TARGET + PAGE - 1], ==, 0x44);
    expect(PSP_SNP_DBG_ENCRYPT,
           debug_buffer(CONTEXT, TARGET, BIG + 9 * PAGE), PAGE_STATE);

    machine_put(SOURCE, PSP_PAGE_STATE_GUEST_VALID, ASID + 1, GPA);
    expect(PSP_SNP_DBG_DECRYPT, debug_buffer(CONTEXT, SOURCE, TARGET),
           PSP_STATUS_INVALID_PAGE_OWNER);
    machine_put(OTHER, PSP_PAGE_STATE_PRE_GUEST, ASID + 1, GPA);
    expect(PSP_SNP_DBG_ENCRYPT, debug_buffer(CONTEXT, TARGET, OTHER),
           PSP_STATUS_INVALID_PAGE_OWNER);
}

static void test_debug_refused(void)
{
    machine_reset();
    machine_put(TARGET, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    machine_put(SOURCE, PSP_PAGE_STATE_PRE_GUEST, ASID, GPA);
    run_guest(CONTEXT, POLICY, ASID);
    expect(PSP_SNP_DBG_DECRYPT, debug_buffer(OTHER, SOURCE, TARGET), GUEST);
    expect(PSP_SNP_DBG_ENCRYPT, debug_buffer(OTHER, TARGET, SOURCE), GUEST);
    expect(PSP_SNP_DBG_DECRYPT, debug_buffer(CONTEXT, SOURCE, TARGET),
           SEV_RET_POLICY_FAILURE);
    expect(PSP_SNP_DBG_ENCRYPT, debug_buffer(CONTEXT, TARGET, SOURCE),
           SEV_RET_POLICY_FAILURE);
    g_assert_cmphex(machine_ram[TARGET], ==, 0xa5);
}

/*
 * Messages
 */

static void test_request(void)
{
    const size_t size = 0x60 + sizeof(PspTscResponse);
    PspMessageHeader *answer;
    PspGuest *guest;

    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    machine_put(TARGET, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    guest = machine_guest(CONTEXT);
    answer = (void *)(machine_ram + TARGET);
    seal_request(SOURCE, guest, 1);
    expect(PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, SOURCE, TARGET),
           GUEST_STATE);
    expect(PSP_SNP_LAUNCH_FINISH, finish_buffer(CONTEXT), OK);
    expect(PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, SOURCE, TARGET), OK);
    g_assert_cmpuint(answer->type, ==, PSP_MSG_TSC_INFO_REQ + 1);
    g_assert_cmpuint(le64_to_cpu(answer->seqno), ==, 2);
    g_assert_cmphex(machine_ram[TARGET + size], ==, 0xa5);
    g_assert_cmpint(machine_state(TARGET), ==, PSP_PAGE_STATE_FIRMWARE);
    /* No number twice */
    expect(PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, SOURCE, TARGET),
           PSP_STATUS_AEAD_OFLOW);

    /* At the end of a page, and across it */
    seal_request(SOURCE + PAGE - size, guest, 3);
    expect(PSP_SNP_GUEST_REQUEST,
           request_buffer(CONTEXT, SOURCE + PAGE - size,
                          TARGET + PAGE - size + 1), PARAM);
    g_assert_cmpuint(guest->message_count[2], ==, 2);
    expect(PSP_SNP_GUEST_REQUEST,
           request_buffer(CONTEXT, SOURCE + PAGE - size,
                          TARGET + PAGE - size), OK);
    g_assert_cmphex(machine_ram[TARGET + PAGE], ==, 0xa5);
    seal_request(SOURCE + PAGE - size + 1, guest, 5);
    expect(PSP_SNP_GUEST_REQUEST,
           request_buffer(CONTEXT, SOURCE + PAGE - size + 1, TARGET), PARAM);
    expect(PSP_SNP_GUEST_REQUEST,
           request_buffer(CONTEXT, SOURCE + PAGE - 0x5f, TARGET), PARAM);
    expect(PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, NO_RAM, TARGET),
           ADDRESS);
    seal_request(DEFAULT, guest, 5);
    machine_ram[DEFAULT] ^= 1;
    expect(PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, DEFAULT, TARGET),
           SEV_RET_BAD_MEASUREMENT);
    machine_ram[DEFAULT] ^= 1;
    expect(PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, DEFAULT, TARGET),
           OK);

    put_large_page(BIG, PSP_PAGE_STATE_FIRMWARE, 0);
    expect(PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, SOURCE, BIG),
           PAGE_SIZE_);
    put_large_page(BIG, PSP_PAGE_STATE_GUEST_VALID, GPA);
    expect(PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, BIG, TARGET),
           PAGE_SIZE_);
}

/*
 * The platform's own
 */

static void test_vlek(void)
{
    const uint64_t tcb = cpu_to_le64(psp_chip_tcb(&machine));
    PspCommandBuffer buffer = { .vlek_load = {
        .length = cpu_to_le32(0x10), .vlek_wrapped_paddr = cpu_to_le64(SOURCE)
    } };

    machine_reset();
    expect(PSP_SNP_VLEK_LOAD, buffer, PSP_STATUS_BAD_SVN);
    memcpy(machine_ram + SOURCE + 0x190, &tcb, sizeof(tcb));
    expect(PSP_SNP_VLEK_LOAD, buffer, SEV_RET_BAD_MEASUREMENT);
    machine.config.reported_tcb = 1;
    expect(PSP_SNP_VLEK_LOAD, buffer, PSP_STATUS_BAD_SVN);
    buffer.vlek_load.vlek_wrapped_paddr = cpu_to_le64(NO_RAM);
    expect(PSP_SNP_VLEK_LOAD, buffer, ADDRESS);
    buffer.vlek_load.reserved_05[2] = 1;
    expect(PSP_SNP_VLEK_LOAD, buffer, PARAM);
    buffer.vlek_load.reserved_05[2] = 0;
    buffer.vlek_load.vlek_wrapped_version = 1;
    expect(PSP_SNP_VLEK_LOAD, buffer, PARAM);
    buffer.vlek_load.vlek_wrapped_version = 0;
    buffer.vlek_load.length = cpu_to_le32(0x11);
    expect(PSP_SNP_VLEK_LOAD, buffer, PARAM);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-guest/gctx-create", test_gctx_create);
    g_test_add_func("/psp-guest/launch-start", test_launch_start);
    g_test_add_func("/psp-guest/activate", test_activate);
    g_test_add_func("/psp-guest/activate-ex", test_activate_ex);
    g_test_add_func("/psp-guest/asids", test_asids);
    g_test_add_func("/psp-guest/status", test_guest_status);
    g_test_add_func("/psp-guest/debug", test_debug);
    g_test_add_func("/psp-guest/debug-refused", test_debug_refused);
    g_test_add_func("/psp-guest/request", test_request);
    g_test_add_func("/psp-guest/vlek", test_vlek);
    ret = g_test_run();
    machine_free();
    return ret;
}
