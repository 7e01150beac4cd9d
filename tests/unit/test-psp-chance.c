/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware commands by chance: whatever a hostile host sends, with
 * RMPUPDATEs in between
 *
 * The machine itself (upm/fake-psp.h) looks at what the firmware does.  For
 * other commands see upm/chance.h.
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "upm/chance.h"
#include "upm/fake-psp.h"

static const uint64_t places[] = {
    CONTEXT, OTHER, TARGET, SOURCE, BIG, BIG + PAGE, DEFAULT, NO_RAM, IN_RMP,
    MACHINE_RMP - PAGE, MACHINE_RAM - PAGE, LARGE, LARGE + 3 * PAGE, 0, -PAGE,
};

static uint64_t chance_place(GRand *rand)
{
    uint64_t spa = places[g_rand_int_range(rand, 0, ARRAY_SIZE(places))];

    switch (g_rand_int_range(rand, 0, 16)) {
    case 0:
        return (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
    case 1:
        return spa + g_rand_int_range(rand, 0, PAGE);
    case 2:
        return spa | 1;
    case 3:
        return spa | PSP_CBIT;
    default:
        return spa;
    }
}

static bool is_large(uint64_t spa)
{
    return machine_entry(spa)->lo & SEV_RMP_PAGE_2M;
}

static bool has_immutable(uint64_t spa, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += PAGE) {
        if (machine_entry(spa + at)->lo & SEV_RMP_IMMUTABLE) {
            return true;
        }
    }
    return false;
}

/* RMPUPDATE: not of immutable pages, nor of a part of a large one */
static void chance_rmpupdate(GRand *rand)
{
    uint64_t spa = places[g_rand_int_range(rand, 0, ARRAY_SIZE(places))];
    SevRmpEntry entry = { .perms = SEV_RMP_PERM_ALL };
    bool large;

    if (spa >= MACHINE_RMP) {
        return;
    }
    large = is_large(spa) || g_rand_int_range(rand, 0, 8) == 0;
    spa &= large ? ~(LARGE - 1) : ~0ULL;
    if (has_immutable(spa, large ? LARGE : PAGE)) {
        return;
    }
    if (g_rand_int_range(rand, 0, 4)) {
        entry.lo = SEV_RMP_ASSIGNED;
    }
    if (g_rand_boolean(rand)) {
        entry.lo |= SEV_RMP_IMMUTABLE;
    }
    if (g_rand_boolean(rand)) {
        entry.lo |= (uint64_t)g_rand_int_range(rand, 0, 6) << 51 |
                    ((uint64_t)g_rand_int(rand) << 12 & SEV_RMP_GPA_MASK);
    }
    machine_update(spa, &entry, large);
}

/* A Context page is the one sort of page that nobody takes back. */
static void lay(uint64_t spa, PspPageState state, unsigned asid, uint64_t gpa)
{
    if (machine_state(spa) != PSP_PAGE_STATE_CONTEXT && !is_large(spa)) {
        machine_put(spa, state, asid, gpa);
    }
}

/* As KVM would: pages are brought into the state that the command wants. */
static void chance_prepare(GRand *rand, unsigned command, uint64_t gctx,
                           uint64_t *a, uint64_t *b)
{
    const PspGuest *guest = machine_guest(gctx);
    unsigned asid = guest && guest->asid ? guest->asid : 1;
    uint64_t page = places[g_rand_int_range(rand, 2, 4)];

    if (g_rand_boolean(rand)) {
        return;
    }
    switch (command) {
    case PSP_SNP_GCTX_CREATE:
        lay(gctx, PSP_PAGE_STATE_FIRMWARE, 0, 0);
        break;
    case PSP_SNP_LAUNCH_UPDATE:
        lay(page, PSP_PAGE_STATE_PRE_GUEST, asid, GPA);
        *a = page;
        break;
    case PSP_SNP_DBG_DECRYPT:
        lay(page, PSP_PAGE_STATE_FIRMWARE, 0, 0);
        lay(LARGE, PSP_PAGE_STATE_GUEST_VALID, asid, GPA);
        *a = LARGE;
        *b = page;
        break;
    case PSP_SNP_DBG_ENCRYPT:
        lay(page, PSP_PAGE_STATE_PRE_SWAP, asid, GPA);
        *b = page;
        break;
    case PSP_SNP_GUEST_STATUS:
    case PSP_SNP_GUEST_REQUEST:
        lay(page, PSP_PAGE_STATE_FIRMWARE, 0, 0);
        if (guest) {
            seal_request(MACHINE_RAM - PAGE, guest,
                         guest->message_count[2] + 1);
        }
        *a = command == PSP_SNP_GUEST_STATUS ? page : MACHINE_RAM - PAGE;
        *b = page;
        break;
    case PSP_SNP_PAGE_UNSMASH:
        if (is_large(BIG)) {
            machine_update(BIG, &(SevRmpEntry) { 0 }, true);
        }
        for (uint64_t at = 0; at < LARGE; at += PAGE) {
            lay(BIG + at, PSP_PAGE_STATE_PRE_GUEST, asid, GPA + at);
        }
        *a = BIG;
        break;
    }
}

/* Mostly as it should be, else anything */
static PspCommandBuffer chance_buffer(GRand *rand, unsigned command)
{
    uint64_t gctx = g_rand_int_range(rand, 0, 8) ? CONTEXT : OTHER;
    uint64_t a = chance_place(rand), b = chance_place(rand);
    PspCommandBuffer buffer = gctx_buffer(gctx);
    uint8_t *raw = (uint8_t *)&buffer;

    chance_prepare(rand, command, gctx, &a, &b);
    switch (command) {
    case PSP_SNP_LAUNCH_START:
        buffer = start_buffer(gctx, DEBUGGABLE);
        break;
    case PSP_SNP_ACTIVATE:
        buffer = activate_buffer(gctx, g_rand_int_range(rand, 0, 6));
        break;
    case PSP_SNP_ACTIVATE_EX:
        buffer = activate_ex_buffer(gctx, g_rand_int_range(rand, 0, 6));
        break;
    case PSP_SNP_LAUNCH_UPDATE:
        buffer = update_buffer(gctx, g_rand_int_range(rand, 0, 8), a);
        buffer.launch_update.flags |=
            cpu_to_le32(g_rand_int_range(rand, 0, 10) == 0);
        break;
    case PSP_SNP_LAUNCH_FINISH:
        buffer = finish_buffer(gctx);
        buffer.launch_finish.flags = cpu_to_le64(g_rand_int_range(rand, 0, 4));
        buffer.launch_finish.id_block_paddr = cpu_to_le64(a);
        buffer.launch_finish.id_auth_paddr = cpu_to_le64(b);
        break;
    case PSP_SNP_GUEST_STATUS:
        buffer = status_buffer(gctx, a);
        break;
    case PSP_SNP_GUEST_REQUEST:
        buffer = request_buffer(gctx, a, b);
        break;
    case PSP_SNP_DBG_DECRYPT:
    case PSP_SNP_DBG_ENCRYPT:
        buffer = debug_buffer(gctx, a, b);
        break;
    case PSP_SNP_PAGE_RECLAIM:
    case PSP_SNP_PAGE_UNSMASH:
        buffer = page_buffer(a);
        break;
    case PSP_SNP_VLEK_LOAD:
        buffer.vlek_load.length = cpu_to_le32(0x10);
        buffer.vlek_load.vlek_wrapped_version = 0;
        buffer.vlek_load.vlek_wrapped_paddr = cpu_to_le64(a);
        break;
    }
    if (g_rand_int_range(rand, 0, 12) == 0) {
        raw[g_rand_int_range(rand, 0, sizeof(buffer))] = g_rand_int(rand);
    }
    return buffer;
}

static const unsigned chance_commands[] = {
    PSP_SNP_DF_FLUSH, PSP_SNP_DECOMMISSION, PSP_SNP_ACTIVATE,
    PSP_SNP_GUEST_STATUS, PSP_SNP_GCTX_CREATE, PSP_SNP_GUEST_REQUEST,
    PSP_SNP_ACTIVATE_EX, PSP_SNP_LAUNCH_START, PSP_SNP_LAUNCH_UPDATE,
    PSP_SNP_LAUNCH_FINISH, PSP_SNP_DBG_DECRYPT, PSP_SNP_DBG_ENCRYPT,
    PSP_SNP_PAGE_RECLAIM, PSP_SNP_PAGE_UNSMASH, PSP_SNP_VLEK_LOAD,
};

/* Each guest has a Context page, and each ASID one guest at most. */
static void check_guests(void)
{
    bool taken[PSP_ASID_LIMIT] = { false };
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, machine.guests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const PspGuest *guest = value;

        g_assert_cmpint(machine_state(guest->spa), ==, PSP_PAGE_STATE_CONTEXT);
        if (guest->asid) {
            g_assert_cmpint(machine.asids[guest->asid], ==, PSP_ASID_OWNED);
            g_assert_false(taken[guest->asid]);
            taken[guest->asid] = true;
        }
    }
}

#define ROUNDS      100000
/* Each command has to have succeeded more often, in so many rounds. */
#define LEAST_DONE  50

static void test_chance(void)
{
    GRand *rand = chance_new();
    unsigned rounds = chance_count(ROUNDS);
    unsigned done[ARRAY_SIZE(chance_commands)] = { 0 };

    machine_reset();
    for (unsigned i = 0; i < rounds; i++) {
        unsigned which = g_rand_int_range(rand, 0,
                                          ARRAY_SIZE(chance_commands));
        unsigned command = chance_commands[which];
        PspCommandBuffer buffer = chance_buffer(rand, command);

        if (i % 20000 == 0) {
            machine_reset();
        }
        chance_rmpupdate(rand);
        machine_map_fails = g_rand_int_range(rand, 0, 50) == 0;
        done[which] += machine_run(command, &buffer) == SEV_RET_SUCCESS;
        if (g_rand_int_range(rand, 0, 16) == 0) {
            machine_run(g_rand_int_range(rand, 0, 0x200), &buffer);
        }
        check_guests();
    }
    /* A test that only gets refusals would prove little. */
    for (size_t i = 0; i < ARRAY_SIZE(done); i++) {
        /* There is no VLEK that would be taken. */
        bool never = chance_commands[i] == PSP_SNP_VLEK_LOAD;

        g_test_message("command 0x%x: %u times", chance_commands[i], done[i]);
        if (!never && rounds >= ROUNDS) {
            g_assert_cmpuint(done[i], >, LEAST_DONE);
        }
    }
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-chance/commands", test_chance);
    ret = g_test_run();
    machine_free();
    return ret;
}
