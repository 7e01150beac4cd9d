/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware commands by system-physical address, over a fake RMP
 *
 * Which status each command ends with in which state of each page that it
 * names, of the guest, of its ASID and of the platform; and that a command
 * which is refused changes nothing.  The order of checks and the statuses
 * are those of AMD's published firmware (github.com/amd/AMD-ASPFW).
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include <linux/kvm.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/memalign.h"
#include "target/i386/psp/attest.h"
#include "target/i386/psp/kvm-rules.h"
#include "upm/fake-psp.h"

enum {
    OK = SEV_RET_SUCCESS,
    PAGE_STATE = PSP_STATUS_INVALID_PAGE_STATE,
    PAGE_SIZE_ = PSP_STATUS_INVALID_PAGE_SIZE,
    PARAM = SEV_RET_INVALID_PARAM,
    ADDRESS = SEV_RET_INVALID_ADDRESS,
    PLATFORM = SEV_RET_INVALID_PLATFORM_STATE,
    GUEST = SEV_RET_INVALID_GUEST,
    GUEST_STATE = SEV_RET_INVALID_GUEST_STATE,
};

/*
 * Page states
 */

/* Each combination of bits has the state that the table of 56860 says. */
static void test_page_states(void)
{
    for (unsigned bits = 0; bits < 64; bits++) {
        bool assigned = bits & 1, validated = bits & 2, asid = bits & 4;
        bool immutable = bits & 8, gpa = bits & 16, vmsa = bits & 32;
        SevRmpEntry entry = {
            .lo = (assigned ? SEV_RMP_ASSIGNED : 0) |
                  (validated ? SEV_RMP_VALIDATED : 0) |
                  (immutable ? SEV_RMP_IMMUTABLE : 0) |
                  (vmsa ? SEV_RMP_VMSA : 0) |
                  (asid ? 5ULL << SEV_RMP_ASID_SHIFT : 0) |
                  (gpa ? GPA : 0),
        };
        PspPageState want = PSP_PAGE_STATE_INVALID;

        if (!assigned) {
            if (!validated && !asid) {
                want = immutable ? PSP_PAGE_STATE_HV_FIXED
                                 : PSP_PAGE_STATE_HYPERVISOR;
            }
        } else if (asid) {
            want = immutable ? (validated ? PSP_PAGE_STATE_PRE_SWAP
                                          : PSP_PAGE_STATE_PRE_GUEST)
                             : (validated ? PSP_PAGE_STATE_GUEST_VALID
                                          : PSP_PAGE_STATE_GUEST_INVALID);
        } else if (!validated) {
            want = !immutable ? PSP_PAGE_STATE_RECLAIM
                 : gpa ? PSP_PAGE_STATE_METADATA
                 : vmsa ? PSP_PAGE_STATE_CONTEXT : PSP_PAGE_STATE_FIRMWARE;
        }
        g_assert_cmpint(psp_page_state(&entry), ==, want);
        entry.lo |= SEV_RMP_PAGE_2M | 0x1ffULL << SEV_RMP_SUBPAGES_SHIFT;
        g_assert_cmpint(psp_page_state(&entry), ==, want);
    }
}

static void test_page_names(void)
{
    machine_reset();
    for (int state = 0; state < PSP_PAGE_STATE_LIMIT; state++) {
        g_assert_nonnull(psp_page_state_name(state));
        if (state != PSP_PAGE_STATE_DEFAULT) {
            machine_put(TARGET, state, ASID, GPA);
            g_assert_cmpint(machine_state(TARGET), ==, state);
        }
    }
}

/* The range that the firmware wants to write to, of any alignment */
static void test_writable(void)
{
    machine_reset();
    machine_put(TARGET, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    machine_put(TARGET + PAGE, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    g_assert_cmphex(psp_pages_writable(&machine, TARGET, 2 * PAGE), ==, OK);
    g_assert_cmphex(psp_pages_writable(&machine, TARGET + 12, 2 * PAGE - 12),
                    ==, OK);
    g_assert_cmphex(psp_pages_writable(&machine, TARGET + 12, 2 * PAGE), ==,
                    PAGE_STATE);
    g_assert_cmphex(psp_pages_writable(&machine, TARGET - 1, 2), ==,
                    PAGE_STATE);
    g_assert_cmphex(psp_pages_writable(&machine, TARGET + 2 * PAGE - 1, 1), ==,
                    OK);
    g_assert_cmphex(psp_pages_writable(&machine, SOURCE, 0), ==, OK);
    g_assert_cmphex(psp_pages_writable(&machine, DEFAULT, 3 * PAGE), ==, OK);
    g_assert_cmphex(psp_pages_writable(&machine, IN_RMP, 4), ==, PARAM);
    g_assert_cmphex(psp_pages_writable(&machine, (1ULL << 52) - 4, 8), ==,
                    ADDRESS);
    g_assert_cmphex(psp_pages_writable(&machine, UINT64_MAX, UINT64_MAX), ==,
                    ADDRESS);
}

/*
 * Every command, and every state of every page that it names
 */

#define ANY_STATE   ((1U << PSP_PAGE_STATE_LIMIT) - 1)
#define S(state)    (1U << PSP_PAGE_STATE_##state)
#define GUEST_PAGES (S(PRE_GUEST) | S(PRE_SWAP) | S(GUEST_INVALID) | \
                     S(GUEST_VALID))

enum { NO_GUEST, CREATED, STARTED, RUNNING };

typedef struct PageCase {
    const char *name;
    unsigned command;
    int guest;              /* at CONTEXT, before the command */
    PspCommandBuffer buffer;
    uint64_t page;          /* which of the pages is brought into each state */
    uint64_t other;         /* Firmware, or a page of the guest, 0: none */
    PspPageState other_state;
    unsigned good;          /* states in which the command succeeds */
    int status;             /* in all others */
} PageCase;

static void prepare(const PageCase *test)
{
    machine_reset();
    machine.signature = MILAN;
    if (test->guest == CREATED) {
        create_guest(CONTEXT);
    } else if (test->guest == STARTED) {
        start_guest(CONTEXT, DEBUGGABLE, ASID);
    } else if (test->guest == RUNNING) {
        run_guest(CONTEXT, DEBUGGABLE, ASID);
    }
    if (test->other) {
        machine_put(test->other, test->other_state, ASID, GPA);
    }
}

/* Memory, RMP and guest contexts in one number */
static uint64_t fingerprint(void)
{
    uint64_t sum = 0;
    GHashTableIter iter;
    gpointer guest;

    for (size_t i = 0; i < MACHINE_RAM / 8; i++) {
        sum = (sum ^ ldq_he_p(machine_ram + i * 8)) * 0x100000001b3ULL;
    }
    for (uint64_t spa = 0; spa < MACHINE_RMP; spa += PAGE) {
        sum = (sum ^ machine_entry(spa)->lo) * 0x100000001b3ULL;
        sum = (sum ^ machine_entry(spa)->perms) * 0x100000001b3ULL;
    }
    g_hash_table_iter_init(&iter, machine.guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest)) {
        for (size_t i = 0; i < sizeof(PspGuest); i++) {
            sum = (sum ^ ((uint8_t *)guest)[i]) * 0x100000001b3ULL;
        }
    }
    for (size_t i = 0; i < sizeof(machine.asids); i++) {
        sum = (sum ^ machine.asids[i]) * 0x100000001b3ULL;
    }
    return sum;
}

static void try_state(const PageCase *test, PspPageState state)
{
    uint64_t before;
    int status;

    prepare(test);
    machine_put(test->page, state, ASID, GPA);
    before = fingerprint();
    status = machine_run(test->command, &test->buffer);
    g_test_message("%s, %s: 0x%x", test->name, psp_page_state_name(state),
                   status);
    if (test->good & 1U << state) {
        g_assert_cmphex(status, ==, OK);
    } else {
        g_assert_cmphex(status, ==, test->status);
        g_assert_cmphex(fingerprint(), ==, before);
    }
}

static void test_pages(void)
{
    const PageCase cases[] = {
        { "GCTX_CREATE", PSP_SNP_GCTX_CREATE, NO_GUEST, gctx_buffer(TARGET),
          TARGET, 0, 0, S(FIRMWARE), PAGE_STATE },
        { "LAUNCH_START", PSP_SNP_LAUNCH_START, CREATED,
          start_buffer(CONTEXT, POLICY), CONTEXT, 0, 0, S(CONTEXT), GUEST },
        { "ACTIVATE", PSP_SNP_ACTIVATE, STARTED,
          activate_buffer(CONTEXT, ASID + 1), CONTEXT, 0, 0, 0, GUEST },
        { "ACTIVATE_EX", PSP_SNP_ACTIVATE_EX, STARTED,
          activate_ex_buffer(CONTEXT, ASID), CONTEXT, 0, 0, S(CONTEXT),
          GUEST },
        { "LAUNCH_UPDATE, context", PSP_SNP_LAUNCH_UPDATE, STARTED,
          update_buffer(CONTEXT, PSP_PAGE_NORMAL, TARGET), CONTEXT, TARGET,
          PSP_PAGE_STATE_PRE_GUEST, S(CONTEXT), GUEST },
        { "LAUNCH_UPDATE, page", PSP_SNP_LAUNCH_UPDATE, STARTED,
          update_buffer(CONTEXT, PSP_PAGE_NORMAL, TARGET), TARGET, 0, 0,
          S(PRE_GUEST), PAGE_STATE },
        { "LAUNCH_FINISH", PSP_SNP_LAUNCH_FINISH, STARTED,
          finish_buffer(CONTEXT), CONTEXT, 0, 0, S(CONTEXT), GUEST },
        { "GUEST_STATUS, context", PSP_SNP_GUEST_STATUS, RUNNING,
          status_buffer(CONTEXT, TARGET), CONTEXT, TARGET,
          PSP_PAGE_STATE_FIRMWARE, S(CONTEXT), GUEST },
        { "GUEST_STATUS, page", PSP_SNP_GUEST_STATUS, RUNNING,
          status_buffer(CONTEXT, TARGET + 0x40), TARGET, 0, 0, S(FIRMWARE),
          PAGE_STATE },
        { "DECOMMISSION", PSP_SNP_DECOMMISSION, RUNNING, gctx_buffer(CONTEXT),
          CONTEXT, 0, 0, S(CONTEXT), GUEST },
        { "GUEST_REQUEST, context", PSP_SNP_GUEST_REQUEST, RUNNING,
          request_buffer(CONTEXT, SOURCE, TARGET), CONTEXT, TARGET,
          PSP_PAGE_STATE_FIRMWARE, 0, GUEST },
        { "GUEST_REQUEST, response", PSP_SNP_GUEST_REQUEST, RUNNING,
          request_buffer(CONTEXT, SOURCE, TARGET), TARGET, 0, 0, 0,
          PAGE_STATE },
        { "DBG_DECRYPT, context", PSP_SNP_DBG_DECRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), CONTEXT, 0, 0, 0, 0 },
        { "DBG_DECRYPT, from", PSP_SNP_DBG_DECRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), SOURCE, TARGET,
          PSP_PAGE_STATE_FIRMWARE, GUEST_PAGES, PAGE_STATE },
        { "DBG_DECRYPT, to", PSP_SNP_DBG_DECRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), TARGET, SOURCE,
          PSP_PAGE_STATE_GUEST_VALID, S(FIRMWARE), PAGE_STATE },
        { "DBG_ENCRYPT, from", PSP_SNP_DBG_ENCRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), SOURCE, TARGET,
          PSP_PAGE_STATE_PRE_GUEST, ANY_STATE, 0 },
        { "DBG_ENCRYPT, to", PSP_SNP_DBG_ENCRYPT, RUNNING,
          debug_buffer(CONTEXT, SOURCE, TARGET), TARGET, 0, 0,
          S(PRE_GUEST) | S(PRE_SWAP), PAGE_STATE },
        { "PAGE_RECLAIM", PSP_SNP_PAGE_RECLAIM, NO_GUEST, page_buffer(TARGET),
          TARGET, 0, 0, ANY_STATE & ~(S(CONTEXT) | S(HV_FIXED) |
                                      S(FIRMWARE_IOMMU)), PAGE_STATE },
        { "PAGE_UNSMASH", PSP_SNP_PAGE_UNSMASH, NO_GUEST, page_buffer(BIG),
          BIG, 0, 0, 0, PAGE_STATE },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int state = 0; state < PSP_PAGE_STATE_LIMIT; state++) {
            /* those two are about more than the state, see below */
            bool more = (cases[i].command == PSP_SNP_GUEST_REQUEST ||
                         cases[i].command == PSP_SNP_ACTIVATE) &&
                        state == (cases[i].page == CONTEXT
                                  ? PSP_PAGE_STATE_CONTEXT
                                  : PSP_PAGE_STATE_FIRMWARE);

            if (state != PSP_PAGE_STATE_DEFAULT && !more && cases[i].good +
                cases[i].status) {
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

static void test_buffers(void)
{
    static const PspCommandBuffer zeros;

    machine_reset();
    for (unsigned command = 0; command < 0x10000; command++) {
        size_t size = psp_snp_command_size(command);

        if (size) {
            g_assert_cmphex(psp_snp_command(&machine, command, &zeros,
                                            size - 1), ==, ADDRESS);
            g_assert_cmphex(psp_snp_command(&machine, command, NULL, 0), ==,
                            ADDRESS);
        } else if (command != PSP_SNP_DF_FLUSH) {
            g_assert_cmphex(psp_snp_command(&machine, command, &zeros,
                                            sizeof(zeros)), ==,
                            SEV_RET_INVALID_COMMAND);
        }
    }
    g_assert_cmphex(psp_snp_command(&machine, PSP_SNP_DF_FLUSH, NULL, 0), ==,
                    OK);
}

/*
 * Guest contexts
 */

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
    /* Pages of somebody else come before that. */
    machine_asid_pages = 1;
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, 5),
           SEV_RET_INVALID_CONFIG);
    machine_asid_pages = 0;
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
    machine_asid_pages = 1;
    expect(PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT, ASID),
           SEV_RET_INVALID_CONFIG);
    machine_asid_pages = 0;
    start_guest(OTHER, POLICY, 5);
    expect(PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT, 5),
           SEV_RET_ASID_OWNED);
    expect(PSP_SNP_ACTIVATE_EX, activate_ex_buffer(CONTEXT, ASID), OK);
    /* More cores for the same ASID; its pages are the guest's own. */
    machine_asid_pages = 1;
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
    machine_wbinvd = false;
    expect(PSP_SNP_DF_FLUSH, gctx_buffer(0), SEV_RET_WBINVD_REQUIRED);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, ASID),
           SEV_RET_DFFLUSH_REQUIRED);
    machine_wbinvd = true;
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
    const PspGuestStatus *status = (void *)(machine_ram + TARGET + 0x60);
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
 * Launch
 */

static void test_update_refused(void)
{
    PspCommandBuffer good = update_buffer(CONTEXT, PSP_PAGE_NORMAL, TARGET);
    PspCommandBuffer buffer;
    uint64_t before;

    machine_reset();
    create_guest(CONTEXT);
    put_page(TARGET, GPA);
    expect(PSP_SNP_LAUNCH_UPDATE, good, GUEST_STATE);
    expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, POLICY), OK);
    expect(PSP_SNP_LAUNCH_UPDATE, good, SEV_RET_INACTIVE);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, ASID), OK);
    before = fingerprint();
    machine_put(TARGET, PSP_PAGE_STATE_PRE_GUEST, ASID + 1, GPA);
    expect(PSP_SNP_LAUNCH_UPDATE, good, PSP_STATUS_INVALID_PAGE_OWNER);
    put_page(TARGET, GPA);

    buffer = good;
    buffer.launch_update.reserved_0c = 1;
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, PARAM);
    buffer = good;
    buffer.launch_update.reserved_18 = 1;
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, PARAM);
    buffer = good;
    buffer.launch_update.reserved_1c = cpu_to_le32(1);
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, PARAM);
    buffer = good;
    buffer.launch_update.flags |= cpu_to_le32(0x20);
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, PARAM);
    buffer = good;
    buffer.launch_update.flags |= cpu_to_le32(PSP_LAUNCH_UPDATE_IMI);
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, SEV_RET_UNSUPPORTED);
    expect(PSP_SNP_LAUNCH_UPDATE, update_buffer(CONTEXT, 0, TARGET), PARAM);
    expect(PSP_SNP_LAUNCH_UPDATE, update_buffer(CONTEXT, 7, TARGET), PARAM);
    /* The size is looked at before the type. */
    buffer = update_buffer(CONTEXT, 7, TARGET);
    buffer.launch_update.flags |= cpu_to_le32(PSP_LAUNCH_UPDATE_2M);
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, PAGE_SIZE_);
    machine_map_fails = true;
    expect(PSP_SNP_LAUNCH_UPDATE, good, ADDRESS);
    machine_map_fails = false;
    g_assert_cmphex(fingerprint(), ==, before);

    expect(PSP_SNP_LAUNCH_FINISH, finish_buffer(CONTEXT), OK);
    expect(PSP_SNP_LAUNCH_UPDATE, good, GUEST_STATE);
}

static void test_update_large_refused(void)
{
    static const struct {
        int type, status;
    } cases[] = {
        { PSP_PAGE_VMSA, PAGE_SIZE_ }, { PSP_PAGE_SECRETS, PAGE_SIZE_ },
        { PSP_PAGE_CPUID, PAGE_SIZE_ }, { 0, PARAM }, { 7, PARAM },
        { PSP_PAGE_NORMAL, OK },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        PspCommandBuffer buffer = update_buffer(CONTEXT, cases[i].type, BIG);

        machine_reset();
        start_guest(CONTEXT, POLICY, ASID);
        put_large_page(BIG, PSP_PAGE_STATE_PRE_GUEST, GPA);
        if (cases[i].status != PARAM) {
            expect(PSP_SNP_LAUNCH_UPDATE, buffer, PAGE_SIZE_);
        }
        buffer.launch_update.flags |= cpu_to_le32(PSP_LAUNCH_UPDATE_2M);
        expect(PSP_SNP_LAUNCH_UPDATE, buffer, cases[i].status);
    }
    /* A large entry that is not aligned, which no RMPUPDATE makes */
    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    put_page(BIG + PAGE, GPA);
    machine_entry(BIG + PAGE)->lo |= SEV_RMP_PAGE_2M;
    {
        PspCommandBuffer buffer = update_buffer(CONTEXT, PSP_PAGE_NORMAL,
                                                BIG + PAGE);

        buffer.launch_update.flags |= cpu_to_le32(PSP_LAUNCH_UPDATE_2M);
        expect(PSP_SNP_LAUNCH_UPDATE, buffer, ADDRESS);
    }
}

/* What becomes of the page, in memory and in the RMP */
static void check_page(uint64_t spa, int type)
{
    const SevRmpEntry *entry = machine_entry(spa);

    g_assert_cmpint(machine_state(spa), ==, PSP_PAGE_STATE_GUEST_VALID);
    g_assert_cmphex(sev_rmp_gpa(entry), ==, GPA);
    g_assert_cmpuint(sev_rmp_asid(entry), ==, ASID);
    g_assert_cmpint(!!(entry->lo & SEV_RMP_VMSA), ==, type == PSP_PAGE_VMSA);
    g_assert_cmphex(entry->perms, ==, 0x1312111f);
}

static void test_update_content(void)
{
    for (int type = PSP_PAGE_NORMAL; type <= PSP_PAGE_CPUID; type++) {
        PspSecretsPage *secrets;

        machine_reset();
        start_guest(CONTEXT, POLICY, ASID);
        put_page(TARGET, GPA);
        if (type == PSP_PAGE_CPUID) {
            memset(machine_ram + TARGET, 0, PAGE);
        }
        expect(PSP_SNP_LAUNCH_UPDATE, update_buffer(CONTEXT, type, TARGET),
               OK);
        check_page(TARGET, type);
        secrets = (void *)(machine_ram + TARGET);
        if (type == PSP_PAGE_ZERO || type == PSP_PAGE_CPUID) {
            g_assert_true(buffer_is_zero(machine_ram + TARGET, PAGE));
        } else if (type == PSP_PAGE_SECRETS) {
            g_assert_cmpuint(le32_to_cpu(secrets->version), ==, 3);
            g_assert_cmphex(le32_to_cpu(secrets->fms), ==, MILAN);
            g_assert_cmpuint(secrets->gosvw[2], ==, 3);
            g_assert_cmpmem(secrets->vmpck, sizeof(secrets->vmpck),
                            machine_guest(CONTEXT)->vmpck,
                            sizeof(secrets->vmpck));
        } else {
            g_assert_cmphex(machine_ram[TARGET], ==, 0xa5);
        }
        g_assert_cmphex(machine_ram[TARGET + PAGE], ==, 0xa5);
        g_assert_cmphex(machine_ram[TARGET - 1], ==, 0xa5);
        expect(PSP_SNP_LAUNCH_UPDATE, update_buffer(CONTEXT, type, TARGET),
               PAGE_STATE);
    }
}

/* KVM takes a refused CPUID page back, and shows it to who asked. */
static void test_update_cpuid(void)
{
    PspCpuidPage *page;
    uint64_t before;
    uint8_t digest[PSP_DIGEST_SIZE];

    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    put_page(TARGET, GPA);
    page = (void *)(machine_ram + TARGET);
    memset(page, 0, sizeof(*page));
    page->count = cpu_to_le32(1);
    page->entries[0].leaf = cpu_to_le32(7);
    page->entries[0].ebx = cpu_to_le32(0x219c97a9 | 1U << 16);
    before = machine_entry(TARGET)->lo;
    memcpy(digest, machine_guest(CONTEXT)->digest, sizeof(digest));
    expect(PSP_SNP_LAUNCH_UPDATE,
           update_buffer(CONTEXT, PSP_PAGE_CPUID, TARGET), PARAM);
    g_assert_cmphex(le32_to_cpu(page->entries[0].ebx), ==, 0x219c97a9);
    g_assert_cmphex(machine_entry(TARGET)->lo, ==, before);
    g_assert_cmpmem(digest, sizeof(digest), machine_guest(CONTEXT)->digest,
                    sizeof(digest));
    expect(PSP_SNP_PAGE_RECLAIM, page_buffer(TARGET), OK);
    g_assert_cmpint(machine_state(TARGET), ==, PSP_PAGE_STATE_GUEST_INVALID);
    put_page(TARGET, GPA);
    expect(PSP_SNP_LAUNCH_UPDATE,
           update_buffer(CONTEXT, PSP_PAGE_CPUID, TARGET), OK);
}

static void test_finish(void)
{
    PspCommandBuffer buffer = finish_buffer(CONTEXT);

    machine_reset();
    create_guest(CONTEXT);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, GUEST_STATE);
    expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, POLICY), OK);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, SEV_RET_INACTIVE);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, ASID), OK);
    buffer.launch_finish.flags = cpu_to_le64(8);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, PARAM);
    buffer.launch_finish.flags = cpu_to_le64(1ULL << 63);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, PARAM);

    /* ID blocks: what is in them is test-sev-firmware's matter. */
    buffer.launch_finish.flags = cpu_to_le64(PSP_LAUNCH_FINISH_ID_BLOCK);
    buffer.launch_finish.id_block_paddr = cpu_to_le64(NO_RAM);
    buffer.launch_finish.id_auth_paddr = cpu_to_le64(SOURCE);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, ADDRESS);
    buffer.launch_finish.id_block_paddr = cpu_to_le64(SOURCE);
    buffer.launch_finish.id_auth_paddr = cpu_to_le64(IN_RMP);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, PARAM);
    buffer.launch_finish.id_auth_paddr = cpu_to_le64(SOURCE + 0x1000);
    stl_le_p(machine_ram + SOURCE + 80, 1);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, SEV_RET_BAD_MEASUREMENT);
    memcpy(machine_ram + SOURCE, machine_guest(CONTEXT)->digest,
           PSP_DIGEST_SIZE);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, SEV_RET_POLICY_FAILURE);
    stq_le_p(machine_ram + SOURCE + 88, POLICY);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, PARAM);
    stl_le_p(machine_ram + SOURCE + 0x1000, 1);
    stl_le_p(machine_ram + SOURCE + 0x1000 + 0x240, 2);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, SEV_RET_BAD_SIGNATURE);
    g_assert_cmpint(machine_guest(CONTEXT)->state, ==, PSP_STATE_LAUNCH);

    expect(PSP_SNP_LAUNCH_FINISH, finish_buffer(CONTEXT), OK);
    g_assert_cmpuint(machine_guest(CONTEXT)->host_data[0], ==, 9);
    expect(PSP_SNP_LAUNCH_FINISH, finish_buffer(CONTEXT), GUEST_STATE);
}

/*
 * The same pages as in the guest world: the same digest
 */

static void *world_page(uint64_t gpa)
{
    static uint8_t page[PSP_PAGE_SIZE];

    return page;
}

static void world_page_done(uint64_t gpa)
{
}

static void world_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    memset(regs, 0, 4 * sizeof(regs[0]));
}

static unsigned world_vcpus(void)
{
    return 2;
}

static void world_vcpu_reset(unsigned index, PspVcpuReset *reset)
{
    *reset = (PspVcpuReset) {
        .cs_selector = 0xf000, .cs_base = 0xffff0000,
        .rip = index ? 0xb004 : 0xfff0, .signature = MILAN,
    };
}

static const char *world_vcpu_load(unsigned index, const SevVmsa *vmsa)
{
    return NULL;
}

static const int launch_types[] = {
    PSP_PAGE_NORMAL, PSP_PAGE_ZERO, PSP_PAGE_NORMAL, PSP_PAGE_UNMEASURED,
    PSP_PAGE_SECRETS, PSP_PAGE_CPUID,
};

static void fill_source(uint8_t *page, size_t index)
{
    for (size_t i = 0; i < PAGE; i++) {
        page[i] = launch_types[index] == PSP_PAGE_CPUID ? 0 : i * 7 + index;
    }
}

static void digest_of_guest_world(uint8_t digest[PSP_DIGEST_SIZE])
{
    static const PspProcessor processor = {
        world_page, world_page_done, world_vcpus, world_vcpu_reset,
        world_vcpu_load,
    };
    static const PspPlatformOps ops = { .cpuid = world_cpuid };
    PspPlatform platform = { .ops = &ops };
    PspKvmGuest vm = {
        .processor = &processor, .guest.platform = &platform,
    };
    struct kvm_sev_init init = { 0 };
    struct kvm_sev_snp_launch_start start = { .policy = POLICY };
    struct kvm_sev_snp_launch_finish finish = { 0 };
    g_autofree uint8_t *source = qemu_memalign(PAGE, PAGE);
    int status;

    g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_INIT2, &init, &status), ==,
                    0);
    g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_SNP_LAUNCH_START, &start,
                                    &status), ==, 0);
    for (size_t i = 0; i < ARRAY_SIZE(launch_types); i++) {
        struct kvm_sev_snp_launch_update update = {
            .gfn_start = (GPA >> 12) + i, .uaddr = (uintptr_t)source,
            .len = PAGE, .type = launch_types[i],
        };

        fill_source(source, i);
        g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_SNP_LAUNCH_UPDATE,
                                        &update, &status), ==, 0);
    }
    g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish,
                                    &status), ==, 0);
    memcpy(digest, vm.guest.digest, PSP_DIGEST_SIZE);
}

static PspCommandBuffer without_perms(PspCommandBuffer buffer)
{
    memset(buffer.launch_update.vmpl_perms, 0, 3);
    return buffer;
}

static void test_digest(void)
{
    uint8_t digest[PSP_DIGEST_SIZE];

    digest_of_guest_world(digest);
    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    for (size_t i = 0; i < ARRAY_SIZE(launch_types); i++) {
        uint64_t spa = TARGET + i * 2 * PAGE;

        fill_source(machine_ram + spa, i);
        put_page(spa, GPA + i * PAGE);
        expect(PSP_SNP_LAUNCH_UPDATE, without_perms(
            update_buffer(CONTEXT, launch_types[i], spa)), OK);
    }
    for (unsigned i = 0; i < world_vcpus(); i++) {
        uint64_t spa = SOURCE + i * PAGE;
        SevVmsa *vmsa = (void *)(machine_ram + spa);
        PspVcpuReset reset;

        world_vcpu_reset(i, &reset);
        reset.sev_features = SEV_FEATURES_SNP_ACTIVE;
        psp_vmsa_init(vmsa, &reset);
        /* not measured, and kept */
        vmsa->tsc_scale = cpu_to_le64(0x1234);
        vmsa->tsc_offset = cpu_to_le64(0x5678);
        put_page(spa, PSP_VMSA_GPA);
        expect(PSP_SNP_LAUNCH_UPDATE, without_perms(
            update_buffer(CONTEXT, PSP_PAGE_VMSA, spa)), OK);
        g_assert_cmphex(le64_to_cpu(vmsa->tsc_scale), ==, 0x1234);
        g_assert_cmphex(le64_to_cpu(vmsa->tsc_offset), ==, 0x5678);
    }
    expect(PSP_SNP_LAUNCH_FINISH, finish_buffer(CONTEXT), OK);
    g_assert_cmpmem(machine_guest(CONTEXT)->digest, PSP_DIGEST_SIZE, digest,
                    PSP_DIGEST_SIZE);
}

/* PAGE_INFO has the permissions of VMPL3 first, the command those of VMPL1. */
static void test_digest_perms(void)
{
    static const uint8_t perms[3] = { 0x13, 0x12, 0x11 };
    uint8_t digest[PSP_DIGEST_SIZE] = { 0 };

    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    put_page(TARGET, GPA);
    expect(PSP_SNP_LAUNCH_UPDATE,
           update_buffer(CONTEXT, PSP_PAGE_ZERO, TARGET), OK);
    g_assert_true(psp_digest_chain(digest, PSP_PAGE_ZERO, GPA, perms, NULL,
                                   &error_abort));
    g_assert_cmpmem(machine_guest(CONTEXT)->digest, PSP_DIGEST_SIZE, digest,
                    PSP_DIGEST_SIZE);
}

/* 2 MiB are measured as 512 small pages, permissions included. */
static void test_digest_large(void)
{
    uint8_t digest[PSP_DIGEST_SIZE];
    PspCommandBuffer buffer = update_buffer(CONTEXT, PSP_PAGE_NORMAL, BIG);

    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    for (uint64_t at = 0; at < LARGE; at += PAGE) {
        stq_le_p(machine_ram + BIG + at, at);
        put_page(BIG + at, GPA + at);
        buffer.launch_update.page_paddr = cpu_to_le64(BIG + at);
        expect(PSP_SNP_LAUNCH_UPDATE, buffer, OK);
    }
    memcpy(digest, machine_guest(CONTEXT)->digest, sizeof(digest));

    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    for (uint64_t at = 0; at < LARGE; at += PAGE) {
        stq_le_p(machine_ram + BIG + at, at);
    }
    put_large_page(BIG, PSP_PAGE_STATE_PRE_GUEST, GPA);
    buffer = update_buffer(CONTEXT, PSP_PAGE_NORMAL, BIG);
    buffer.launch_update.flags |= cpu_to_le32(PSP_LAUNCH_UPDATE_2M);
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, OK);
    check_page(BIG, PSP_PAGE_NORMAL);
    g_assert_cmphex(sev_rmp_gpa(machine_entry(BIG + PAGE)), ==, GPA + PAGE);
    g_assert_cmpint(machine_state(BIG + PAGE), ==, PSP_PAGE_STATE_GUEST_VALID);
    g_assert_cmpmem(machine_guest(CONTEXT)->digest, PSP_DIGEST_SIZE, digest,
                    PSP_DIGEST_SIZE);
}

/*
 * Pages
 */

static void test_reclaim(void)
{
    static const struct {
        PspPageState from, to;
    } cases[] = {
        { PSP_PAGE_STATE_FIRMWARE, PSP_PAGE_STATE_RECLAIM },
        { PSP_PAGE_STATE_METADATA, PSP_PAGE_STATE_RECLAIM },
        { PSP_PAGE_STATE_PRE_GUEST, PSP_PAGE_STATE_GUEST_INVALID },
        { PSP_PAGE_STATE_PRE_SWAP, PSP_PAGE_STATE_GUEST_VALID },
        { PSP_PAGE_STATE_HYPERVISOR, PSP_PAGE_STATE_HYPERVISOR },
        { PSP_PAGE_STATE_RECLAIM, PSP_PAGE_STATE_RECLAIM },
        { PSP_PAGE_STATE_GUEST_VALID, PSP_PAGE_STATE_GUEST_VALID },
        { PSP_PAGE_STATE_GUEST_INVALID, PSP_PAGE_STATE_GUEST_INVALID },
    };

    machine_reset();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SevRmpEntry before;

        machine_put(TARGET, cases[i].from, ASID, GPA);
        before = *machine_entry(TARGET);
        expect(PSP_SNP_PAGE_RECLAIM, page_buffer(TARGET | 1), PAGE_SIZE_);
        expect(PSP_SNP_PAGE_RECLAIM, page_buffer(TARGET), OK);
        g_assert_cmpint(machine_state(TARGET), ==, cases[i].to);
        /* IMMUTABLE, and nothing else */
        g_assert_cmphex(machine_entry(TARGET)->lo, ==,
                        before.lo & ~SEV_RMP_IMMUTABLE);

        if (cases[i].from == PSP_PAGE_STATE_HYPERVISOR) {
            continue;
        }
        put_large_page(BIG, cases[i].from, GPA);
        expect(PSP_SNP_PAGE_RECLAIM, page_buffer(BIG), PAGE_SIZE_);
        expect(PSP_SNP_PAGE_RECLAIM, page_buffer(BIG | 1), OK);
        g_assert_cmpint(machine_state(BIG), ==, cases[i].to);
    }
    /* A large entry out of place */
    machine_put(TARGET, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    machine_entry(TARGET)->lo |= SEV_RMP_PAGE_2M;
    expect(PSP_SNP_PAGE_RECLAIM, page_buffer(TARGET | 1), ADDRESS);
}

static void put_512(PspPageState state)
{
    for (uint64_t at = 0; at < LARGE; at += PAGE) {
        machine_put(BIG + at, state, ASID, GPA + at);
    }
}

static void test_unsmash(void)
{
    static const struct {
        uint64_t at, change, perms;
    } spoilers[] = {
        { 0, SEV_RMP_PAGE_2M }, { PAGE, SEV_RMP_PAGE_2M },
        { LARGE - PAGE, SEV_RMP_IMMUTABLE }, { PAGE, SEV_RMP_VMSA },
        { 5 * PAGE, SEV_RMP_VALIDATED }, { PAGE, 1ULL << 51 },
        { 511 * PAGE, 1ULL << 20 }, { 7 * PAGE, 0, 0x100 },
        { 0, 1ULL << 12 }, { 3 * PAGE, SEV_RMP_ASSIGNED },
    };

    for (size_t i = 0; i < ARRAY_SIZE(spoilers); i++) {
        machine_reset();
        put_512(PSP_PAGE_STATE_PRE_GUEST);
        machine_entry(BIG + spoilers[i].at)->lo ^= spoilers[i].change;
        machine_entry(BIG + spoilers[i].at)->perms ^= spoilers[i].perms;
        expect(PSP_SNP_PAGE_UNSMASH, page_buffer(BIG), PAGE_STATE);
        g_assert_cmpuint(machine_flushes, ==, 0);
    }
    for (int state = 0; state < PSP_PAGE_STATE_LIMIT; state++) {
        bool good = state == PSP_PAGE_STATE_PRE_GUEST ||
                    state == PSP_PAGE_STATE_PRE_SWAP;

        if (state == PSP_PAGE_STATE_DEFAULT) {
            continue;
        }
        machine_reset();
        put_512(state);
        expect(PSP_SNP_PAGE_UNSMASH, page_buffer(BIG),
               good ? OK : PAGE_STATE);
        if (good) {
            g_assert_cmpint(machine_state(BIG), ==, state);
            g_assert_true(machine_entry(BIG)->lo & SEV_RMP_PAGE_2M);
            g_assert_true(machine_entry(BIG + PAGE)->lo & SEV_RMP_PAGE_2M);
            g_assert_cmphex(sev_rmp_gpa(machine_entry(BIG + PAGE)), ==,
                            GPA + PAGE);
            g_assert_cmpuint(machine_flushes, ==, 1);
            expect(PSP_SNP_PAGE_RECLAIM, page_buffer(BIG | 1), OK);
        }
    }
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
    const PspTcb tcb = PSP_CHIP_TCB;
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

#include "upm/fake-psp.c.inc"

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-command/page-states", test_page_states);
    g_test_add_func("/psp-command/page-names", test_page_names);
    g_test_add_func("/psp-command/writable", test_writable);
    g_test_add_func("/psp-command/pages", test_pages);
    g_test_add_func("/psp-command/addresses", test_addresses);
    g_test_add_func("/psp-command/cbit", test_cbit);
    g_test_add_func("/psp-command/cbit/request", test_cbit_request);
    g_test_add_func("/psp-command/platform-state", test_platform_state);
    g_test_add_func("/psp-command/buffers", test_buffers);
    g_test_add_func("/psp-command/gctx-create", test_gctx_create);
    g_test_add_func("/psp-command/launch-start", test_launch_start);
    g_test_add_func("/psp-command/activate", test_activate);
    g_test_add_func("/psp-command/activate-ex", test_activate_ex);
    g_test_add_func("/psp-command/asids", test_asids);
    g_test_add_func("/psp-command/guest-status", test_guest_status);
    g_test_add_func("/psp-command/update/refused", test_update_refused);
    g_test_add_func("/psp-command/update/large", test_update_large_refused);
    g_test_add_func("/psp-command/update/content", test_update_content);
    g_test_add_func("/psp-command/update/cpuid", test_update_cpuid);
    g_test_add_func("/psp-command/finish", test_finish);
    g_test_add_func("/psp-command/digest", test_digest);
    g_test_add_func("/psp-command/digest-perms", test_digest_perms);
    g_test_add_func("/psp-command/digest-large", test_digest_large);
    g_test_add_func("/psp-command/reclaim", test_reclaim);
    g_test_add_func("/psp-command/unsmash", test_unsmash);
    g_test_add_func("/psp-command/debug", test_debug);
    g_test_add_func("/psp-command/debug-refused", test_debug_refused);
    g_test_add_func("/psp-command/request", test_request);
    g_test_add_func("/psp-command/vlek", test_vlek);
    ret = g_test_run();
    psp_platform_destroy(&machine);
    qemu_vfree(machine_ram);
    return ret;
}
