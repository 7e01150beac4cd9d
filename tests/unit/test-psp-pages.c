/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page states: what the bits of an RMP entry stand for, where the firmware may
 * write, and how a page comes back from it
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "upm/fake-psp.h"

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

/* The entries that the other tests make stand for the states that they say. */
static void test_entries(void)
{
    machine_reset();
    for (int state = 0; state < PSP_PAGE_STATE_LIMIT; state++) {
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
 * SNP_PAGE_RECLAIM, SNP_PAGE_UNSMASH
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

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/psp-pages/states", test_page_states);
    g_test_add_func("/psp-pages/entries", test_entries);
    g_test_add_func("/psp-pages/writable", test_writable);
    g_test_add_func("/psp-pages/reclaim", test_reclaim);
    g_test_add_func("/psp-pages/unsmash", test_unsmash);
    ret = g_test_run();
    machine_free();
    return ret;
}
