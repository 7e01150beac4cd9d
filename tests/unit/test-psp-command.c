/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware commands by system-physical address, over a fake RMP
 *
 * Which status each command ends with in which state of each page that it
 * names, at which addresses, and before SNP_INIT; and that a command which is
 * refused changes nothing.  The order of checks and the statuses are those of
 * AMD's published firmware (github.com/amd/AMD-ASPFW).
 */
#include "qemu/osdep.h"
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "upm/fake-psp.h"

#define ANY_STATE   ((1U << PSP_PAGE_STATE_LIMIT) - 1)
#define S(state)    (1U << PSP_PAGE_STATE_##state)
#define GUEST_PAGES (S(PRE_GUEST) | S(PRE_SWAP) | S(GUEST_INVALID) | \
                     S(GUEST_VALID))

enum { NO_GUEST, CREATED, LAUNCHED, STARTED, RUNNING };

typedef struct PageCase {
    const char *name;
    unsigned command;
    int guest;              /* at CONTEXT, before the command */
    PspCommandBuffer buffer;
    uint64_t page;          /* which of the pages is brought into each state */
    struct {
        uint64_t spa;       /* 0: none */
        PspPageState state;
    } others[2];            /* what is right already */
    unsigned good;          /* states in which the command succeeds */
    int status;             /* in all others */
} PageCase;

static void prepare(const PageCase *test)
{
    machine_reset();
    machine.signature = MILAN;
    if (test->guest == CREATED) {
        create_guest(CONTEXT);
    } else if (test->guest == LAUNCHED) {
        create_guest(CONTEXT);
        expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, POLICY), OK);
    } else if (test->guest == STARTED) {
        start_guest(CONTEXT, DEBUGGABLE, ASID);
    } else if (test->guest == RUNNING) {
        run_guest(CONTEXT, DEBUGGABLE, ASID);
        seal_request(SOURCE, machine_guest(CONTEXT), 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(test->others); i++) {
        if (test->others[i].spa) {
            machine_put(test->others[i].spa, test->others[i].state, ASID, GPA);
        }
    }
}

static void try_state(const PageCase *test, PspPageState state)
{
    uint64_t before;
    int status;

    prepare(test);
    machine_put(test->page, state, ASID, GPA);
    before = machine_fingerprint();
    status = machine_run(test->command, &test->buffer);
    g_test_message("%s, state %d: 0x%x", test->name, state, status);
    if (test->good & 1U << state) {
        g_assert_cmphex(status, ==, OK);
    } else {
        g_assert_cmphex(status, ==, test->status);
        g_assert_cmphex(machine_fingerprint(), ==, before);
    }
}

static void test_pages(void)
{
    const PageCase cases[] = {
        { "GCTX_CREATE", PSP_SNP_GCTX_CREATE, NO_GUEST, gctx_buffer(TARGET),
          TARGET, { }, S(FIRMWARE), PAGE_STATE },
        { "LAUNCH_START", PSP_SNP_LAUNCH_START, CREATED,
          start_buffer(CONTEXT, POLICY), CONTEXT, { }, S(CONTEXT), GUEST },
        { "ACTIVATE", PSP_SNP_ACTIVATE, LAUNCHED,
          activate_buffer(CONTEXT, ASID), CONTEXT, { }, S(CONTEXT), GUEST },
        { "ACTIVATE_EX", PSP_SNP_ACTIVATE_EX, STARTED,
          activate_ex_buffer(CONTEXT, ASID), CONTEXT, { }, S(CONTEXT), GUEST },
        { "LAUNCH_UPDATE, context", PSP_SNP_LAUNCH_UPDATE, STARTED,
          update_buffer(CONTEXT, PSP_PAGE_NORMAL, TARGET), CONTEXT,
          { { TARGET, PSP_PAGE_STATE_PRE_GUEST } }, S(CONTEXT), GUEST },
        { "LAUNCH_UPDATE, page", PSP_SNP_LAUNCH_UPDATE, STARTED,
          update_buffer(CONTEXT, PSP_PAGE_NORMAL, TARGET), TARGET, { },
          S(PRE_GUEST), PAGE_STATE },
        { "LAUNCH_FINISH", PSP_SNP_LAUNCH_FINISH, STARTED,
          finish_buffer(CONTEXT), CONTEXT, { }, S(CONTEXT), GUEST },
        { "GUEST_STATUS, context", PSP_SNP_GUEST_STATUS, RUNNING,
          status_buffer(CONTEXT, TARGET), CONTEXT,
          { { TARGET, PSP_PAGE_STATE_FIRMWARE } }, S(CONTEXT), GUEST },
        { "GUEST_STATUS, page", PSP_SNP_GUEST_STATUS, RUNNING,
          status_buffer(CONTEXT, TARGET + 0x40), TARGET, { }, S(FIRMWARE),
          PAGE_STATE },
        { "DECOMMISSION", PSP_SNP_DECOMMISSION, RUNNING, gctx_buffer(CONTEXT),
          CONTEXT, { }, S(CONTEXT), GUEST },
        { "GUEST_REQUEST, context", PSP_SNP_GUEST_REQUEST, RUNNING,
          request_buffer(CONTEXT, SOURCE, TARGET), CONTEXT,
          { { TARGET, PSP_PAGE_STATE_FIRMWARE } }, S(CONTEXT), GUEST },
        { "GUEST_REQUEST, request", PSP_SNP_GUEST_REQUEST, RUNNING,
          request_buffer(CONTEXT, SOURCE, TARGET), SOURCE,
          { { TARGET, PSP_PAGE_STATE_FIRMWARE } }, ANY_STATE },
        { "GUEST_REQUEST, response", PSP_SNP_GUEST_REQUEST, RUNNING,
          request_buffer(CONTEXT, SOURCE, TARGET), TARGET, { }, S(FIRMWARE),
          PAGE_STATE },
        { "DBG_DECRYPT, context", PSP_SNP_DBG_DECRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), CONTEXT,
          { { SOURCE, PSP_PAGE_STATE_GUEST_VALID },
            { TARGET, PSP_PAGE_STATE_FIRMWARE } }, S(CONTEXT), GUEST },
        { "DBG_DECRYPT, from", PSP_SNP_DBG_DECRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), SOURCE,
          { { TARGET, PSP_PAGE_STATE_FIRMWARE } }, GUEST_PAGES, PAGE_STATE },
        { "DBG_DECRYPT, to", PSP_SNP_DBG_DECRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), TARGET,
          { { SOURCE, PSP_PAGE_STATE_GUEST_VALID } }, S(FIRMWARE),
          PAGE_STATE },
        { "DBG_ENCRYPT, context", PSP_SNP_DBG_ENCRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), CONTEXT,
          { { TARGET, PSP_PAGE_STATE_PRE_GUEST } }, S(CONTEXT), GUEST },
        { "DBG_ENCRYPT, from", PSP_SNP_DBG_ENCRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), SOURCE,
          { { TARGET, PSP_PAGE_STATE_PRE_GUEST } }, ANY_STATE },
        { "DBG_ENCRYPT, to", PSP_SNP_DBG_ENCRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), TARGET, { },
          S(PRE_GUEST) | S(PRE_SWAP), PAGE_STATE },
        { "PAGE_RECLAIM", PSP_SNP_PAGE_RECLAIM, NO_GUEST, page_buffer(TARGET),
          TARGET, { }, ANY_STATE & ~(S(CONTEXT) | S(HV_FIXED) |
                                     S(FIRMWARE_IOMMU)), PAGE_STATE },
        { "PAGE_UNSMASH", PSP_SNP_PAGE_UNSMASH, NO_GUEST, page_buffer(BIG),
          BIG, { }, 0, PAGE_STATE },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int state = 0; state < PSP_PAGE_STATE_LIMIT; state++) {
            if (state != PSP_PAGE_STATE_DEFAULT) {
                try_state(&cases[i], state);
            }
        }
    }
}

/* What is no RAM, no page, or the RMP itself, in each place */
static void test_addresses(void)
{
    const struct {
        unsigned command;
        PspCommandBuffer buffer;
        int status;
    } cases[] = {
        { PSP_SNP_GCTX_CREATE, gctx_buffer(CONTEXT + 1), PARAM },
        { PSP_SNP_GCTX_CREATE, gctx_buffer(IN_RMP), PARAM },
        { PSP_SNP_GCTX_CREATE, gctx_buffer(DEFAULT), PAGE_STATE },
        { PSP_SNP_GCTX_CREATE, gctx_buffer(-PAGE), PAGE_STATE },
        { PSP_SNP_LAUNCH_START, start_buffer(CONTEXT + 8, POLICY), PARAM },
        { PSP_SNP_LAUNCH_START, start_buffer(IN_RMP, POLICY), PARAM },
        { PSP_SNP_LAUNCH_START, start_buffer(DEFAULT, POLICY), GUEST },
        { PSP_SNP_ACTIVATE, activate_buffer(CONTEXT + 8, 1), PARAM },
        { PSP_SNP_ACTIVATE, activate_buffer(NO_RAM, 1), GUEST },
        { PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT + 8, 1), PARAM },
        { PSP_SNP_LAUNCH_UPDATE,
          update_buffer(CONTEXT + 8, PSP_PAGE_ZERO, TARGET), PARAM },
        { PSP_SNP_LAUNCH_UPDATE,
          update_buffer(CONTEXT, PSP_PAGE_ZERO, TARGET + 8), PARAM },
        { PSP_SNP_LAUNCH_UPDATE, update_buffer(CONTEXT, PSP_PAGE_ZERO, IN_RMP),
          PARAM },
        { PSP_SNP_LAUNCH_UPDATE,
          update_buffer(CONTEXT, PSP_PAGE_ZERO, DEFAULT), PAGE_STATE },
        { PSP_SNP_LAUNCH_FINISH, finish_buffer(CONTEXT + 8), PARAM },
        { PSP_SNP_GUEST_STATUS, status_buffer(CONTEXT + 8, TARGET), PARAM },
        { PSP_SNP_GUEST_STATUS, status_buffer(CONTEXT, IN_RMP), PARAM },
        { PSP_SNP_GUEST_STATUS, status_buffer(CONTEXT, TARGET + PAGE - 0x1f),
          PARAM },
        { PSP_SNP_GUEST_STATUS, status_buffer(CONTEXT, TARGET + PAGE - 0x20),
          PAGE_STATE },
        { PSP_SNP_GUEST_STATUS, status_buffer(CONTEXT, DEFAULT), OK },
        { PSP_SNP_GUEST_STATUS, status_buffer(CONTEXT, NO_RAM), ADDRESS },
        { PSP_SNP_DECOMMISSION, gctx_buffer(CONTEXT + 8), PARAM },
        { PSP_SNP_DECOMMISSION, gctx_buffer(UINT64_MAX - 0xfff), GUEST },
        { PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT + 8, SOURCE, TARGET),
          PARAM },
        { PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, IN_RMP, TARGET),
          PARAM },
        { PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, SOURCE, IN_RMP),
          PARAM },
        { PSP_SNP_GUEST_REQUEST, request_buffer(CONTEXT, SOURCE, DEFAULT),
          PAGE_STATE },
        { PSP_SNP_DBG_DECRYPT, debug_buffer(CONTEXT + 8, SOURCE, TARGET),
          PARAM },
        { PSP_SNP_DBG_DECRYPT, debug_buffer(CONTEXT, SOURCE + 8, TARGET),
          PARAM },
        { PSP_SNP_DBG_DECRYPT, debug_buffer(CONTEXT, SOURCE, TARGET + 8),
          PARAM },
        { PSP_SNP_DBG_DECRYPT, debug_buffer(CONTEXT, IN_RMP, TARGET), PARAM },
        { PSP_SNP_DBG_ENCRYPT, debug_buffer(CONTEXT, SOURCE, IN_RMP), PARAM },
        { PSP_SNP_PAGE_RECLAIM, page_buffer(TARGET + 2), PARAM },
        { PSP_SNP_PAGE_RECLAIM, page_buffer(TARGET + 0x800), PARAM },
        { PSP_SNP_PAGE_RECLAIM, page_buffer(IN_RMP), PARAM },
        { PSP_SNP_PAGE_RECLAIM, page_buffer(DEFAULT), PAGE_STATE },
        { PSP_SNP_PAGE_RECLAIM, page_buffer(-PAGE), PAGE_STATE },
        { PSP_SNP_PAGE_UNSMASH, page_buffer(BIG + PAGE), PARAM },
        { PSP_SNP_PAGE_UNSMASH, page_buffer(BIG + 1), PARAM },
        { PSP_SNP_PAGE_UNSMASH, page_buffer(MACHINE_RMP), PARAM },
        { PSP_SNP_PAGE_UNSMASH, page_buffer(MACHINE_RAM), PAGE_STATE },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        machine_reset();
        run_guest(CONTEXT, POLICY, ASID);
        g_test_message("case %zu", i);
        expect(cases[i].command, cases[i].buffer, cases[i].status);
    }
}

#define C(spa)  ((spa) | 1ULL << 51)

/* A host with SME marks the addresses of all that it hands over. */
static void test_cbit(void)
{
    const struct {
        unsigned command;
        PspCommandBuffer buffer;
        int status;
    } life[] = {
        { PSP_SNP_GCTX_CREATE, gctx_buffer(C(CONTEXT)), OK },
        { PSP_SNP_GCTX_CREATE, gctx_buffer(CONTEXT), PAGE_STATE },
        { PSP_SNP_LAUNCH_START, start_buffer(C(CONTEXT), DEBUGGABLE), OK },
        { PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, DEBUGGABLE),
          GUEST_STATE },
        { PSP_SNP_ACTIVATE, activate_buffer(C(CONTEXT), ASID), OK },
        { PSP_SNP_ACTIVATE_EX, activate_ex_buffer(C(CONTEXT), ASID), OK },
        { PSP_SNP_LAUNCH_UPDATE,
          update_buffer(C(CONTEXT), PSP_PAGE_ZERO, C(OTHER)), OK },
        { PSP_SNP_LAUNCH_FINISH, finish_buffer(C(CONTEXT)), OK },
        { PSP_SNP_GUEST_STATUS, status_buffer(C(CONTEXT), C(TARGET)), OK },
        { PSP_SNP_DBG_DECRYPT,
          debug_buffer(C(CONTEXT), C(OTHER), C(TARGET)), OK },
        { PSP_SNP_DBG_ENCRYPT,
          debug_buffer(C(CONTEXT), C(SOURCE), C(BIG)), OK },
        { PSP_SNP_PAGE_UNSMASH, page_buffer(C(BIG)), OK },
        { PSP_SNP_PAGE_RECLAIM, page_buffer(C(BIG) | 1), OK },
        { PSP_SNP_PAGE_RECLAIM, page_buffer(C(TARGET)), OK },
        { PSP_SNP_DECOMMISSION, gctx_buffer(C(CONTEXT)), OK },
        { PSP_SNP_DECOMMISSION, gctx_buffer(CONTEXT), GUEST },
        /* It is no way into the RMP. */
        { PSP_SNP_GCTX_CREATE, gctx_buffer(C(IN_RMP)), PARAM },
        { PSP_SNP_PAGE_RECLAIM, page_buffer(C(IN_RMP)), PARAM },
    };

    machine_reset();
    machine_put(CONTEXT, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    machine_put(TARGET, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    put_page(OTHER, GPA);
    for (uint64_t at = 0; at < LARGE; at += PAGE) {
        put_page(BIG + at, LARGE + at);
    }
    for (size_t i = 0; i < ARRAY_SIZE(life); i++) {
        g_test_message("step %zu", i);
        expect(life[i].command, life[i].buffer, life[i].status);
    }
    g_assert_true(buffer_is_zero(machine_ram + TARGET, PAGE));
    g_assert_cmphex(machine_ram[BIG], ==, machine_ram[SOURCE]);
}

/* A message's pages and the list of APIC IDs, too */
static void test_cbit_request(void)
{
    PspCommandBuffer buffer = activate_ex_buffer(CONTEXT, ASID);

    machine_reset();
    machine_put(TARGET, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    run_guest(CONTEXT, POLICY, ASID);
    seal_request(SOURCE, machine_guest(CONTEXT), 1);
    expect(PSP_SNP_GUEST_REQUEST,
           request_buffer(C(CONTEXT), C(SOURCE), C(TARGET)), OK);
    buffer.activate_ex.ids_paddr = cpu_to_le64(C(SOURCE));
    expect(PSP_SNP_ACTIVATE_EX, buffer, OK);
    buffer.activate_ex.ids_paddr = cpu_to_le64(C(IN_RMP));
    expect(PSP_SNP_ACTIVATE_EX, buffer, PARAM);
}

/* Before SNP_INIT nothing works that is about guests or pages. */
static void test_platform_state(void)
{
    static const struct {
        unsigned command;
        int status;
    } cases[] = {
        { PSP_SNP_DECOMMISSION, PLATFORM },
        { PSP_SNP_ACTIVATE, PLATFORM }, { PSP_SNP_GUEST_STATUS, PLATFORM },
        { PSP_SNP_GCTX_CREATE, PLATFORM }, { PSP_SNP_GUEST_REQUEST, PLATFORM },
        { PSP_SNP_ACTIVATE_EX, PARAM }, { PSP_SNP_LAUNCH_START, PLATFORM },
        { PSP_SNP_LAUNCH_UPDATE, PLATFORM },
        { PSP_SNP_LAUNCH_FINISH, PLATFORM }, { PSP_SNP_DBG_DECRYPT, PLATFORM },
        { PSP_SNP_DBG_ENCRYPT, PLATFORM }, { PSP_SNP_PAGE_RECLAIM, PLATFORM },
        { PSP_SNP_PAGE_UNSMASH, PLATFORM }, { PSP_SNP_VLEK_LOAD, PARAM },
    };
    static const PspCommandBuffer zeros;
    PspCommandBuffer ones;

    memset(&ones, 0xff, sizeof(ones));
    machine_reset();
    machine.snp_state = PSP_PLATFORM_UNINIT;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        expect(cases[i].command, zeros, cases[i].status);
        /* all but one look at reserved bits before that */
        if (cases[i].command != PSP_SNP_DBG_ENCRYPT) {
            expect(cases[i].command, ones, PARAM);
        }
    }
    expect(PSP_SNP_DBG_ENCRYPT, ones, PLATFORM);
    expect(PSP_SNP_DF_FLUSH, zeros, OK);
    expect(PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT, 1), PLATFORM);
}

/* What is no command of these is nothing that anybody reads a buffer for. */
static void test_buffers(void)
{
    static const PspCommandBuffer zeros;

    machine_reset();
    for (unsigned command = 0; command < 0x10000; command++) {
        size_t size = psp_snp_command_size(command);

        g_assert_cmpuint(size, <=, sizeof(PspCommandBuffer));
        if (!size && command != PSP_SNP_DF_FLUSH) {
            g_assert_cmphex(psp_snp_command(&machine, command, &zeros), ==,
                            SEV_RET_INVALID_COMMAND);
        }
    }
    g_assert_cmphex(psp_snp_command(&machine, PSP_SNP_DF_FLUSH, NULL), ==, OK);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-command/pages", test_pages);
    g_test_add_func("/psp-command/addresses", test_addresses);
    g_test_add_func("/psp-command/cbit", test_cbit);
    g_test_add_func("/psp-command/cbit/request", test_cbit_request);
    g_test_add_func("/psp-command/platform-state", test_platform_state);
    g_test_add_func("/psp-command/buffers", test_buffers);
    ret = g_test_run();
    machine_free();
    return ret;
}
