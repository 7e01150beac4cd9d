/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RMPUPDATE, PSMASH and RMPREAD of an emulated host, over a table of 16 MiB of
 * pages
 *
 * A row is a state, an operation, its result, and the state afterwards.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "target/i386/tcg/snp/host/rmp.h"

#define PAGE            0x1000ULL
#define LARGE           0x200000ULL
#define ENTRIES         4096
#define SPA             (2 * LARGE)             /* what the rows are about */
#define OUTSIDE         (ENTRIES * PAGE)
#define GPA             (16 * LARGE)
#define ASID(n)         ((uint64_t)(n) << SEV_RMP_ASID_SHIFT)

#define A               SEV_RMP_ASSIGNED
#define L               SEV_RMP_PAGE_2M
#define I               SEV_RMP_IMMUTABLE
#define V               SEV_RMP_VALIDATED
#define VMSA            SEV_RMP_VMSA
#define BUSY            SEV_RMP_LOCK
#define GUEST           (A | GPA | ASID(5))
#define COUNT(n)        ((uint64_t)(n) << SEV_RMP_SUBPAGES_SHIFT)
#define ALL             SEV_RMP_PERM_ALL

enum { SMALL_OP, LARGE_OP, SMASH_OP };

typedef struct Fixture {
    SnpHost host;
    uint8_t *table;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    size_t size = SEV_RMP_BOOKKEEPING + ENTRIES * sizeof(SevRmpEntry);

    f->table = g_malloc0(size);
    f->host.rmp = f->table;
    f->host.rmp_base = 1 * GiB;
    f->host.rmp_end = f->host.rmp_base + size - 1;
    qemu_mutex_init(&f->host.rmp_lock);
    seqlock_init(&f->host.rmp_sequence);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    qemu_mutex_destroy(&f->host.rmp_lock);
    g_free(f->table);
}

static SevRmpEntry read_entry(Fixture *f, uint64_t spa)
{
    SevRmpEntry entry = { };

    g_assert_true(snp_rmp_get(&f->host, spa, &entry));
    return entry;
}

static void set_entry(Fixture *f, uint64_t spa, uint64_t lo, uint64_t perms)
{
    SevRmpEntry entry = { .lo = lo, .perms = perms };

    snp_rmp_lock(&f->host);
    g_assert_true(snp_rmp_set(&f->host, spa, &entry));
    if (lo & BUSY) {
        g_assert_true(snp_rmp_set_in_use(&f->host, spa, true));
    }
    snp_rmp_unlock(&f->host);
}

static uint32_t operate(Fixture *f, int op, uint64_t spa,
                        const SnpRmpState *state)
{
    SnpRmpState large = *state;
    bool changed = false;
    uint32_t result;

    large.page_2m = 1;
    switch (op) {
    case SMALL_OP:
        result = snp_rmpupdate(&f->host, spa, state, &changed);
        break;
    case LARGE_OP:
        result = snp_rmpupdate(&f->host, spa, &large, &changed);
        break;
    default:
        result = snp_psmash(&f->host, spa, &changed);
        break;
    }
    g_assert_cmpint(changed, ==, result == SNP_RMP_SUCCESS);
    return result;
}

typedef struct Row {
    const char *name;
    /* the first page's entry, and that of the page after it, before */
    uint64_t head, tail;
    int op;
    /* offset of the operand from SPA */
    uint64_t at;
    SnpRmpState state;
    uint32_t result;
    /* the operand's entry and the first page's afterwards, if successful */
    uint64_t after, head_after;
} Row;

#define TO_GUEST { GPA, 1, 0, 0, 0, 5 }
#define TO_PRE_GUEST { GPA, 1, 0, 1, 0, 5 }
#define TO_FIRMWARE { 0, 1, 0, 1, 0, 0 }
#define TO_HOST { }
#define TO_FIXED { 0, 0, 0, 1, 0, 0 }

static const Row rows[] = {
    /* 4 KiB: states */
    { "assign", 0, 0, SMALL_OP, 0, TO_GUEST, 0, GUEST, GUEST },
    { "pre-guest", 0, 0, SMALL_OP, 0, TO_PRE_GUEST, 0, GUEST | I, GUEST | I },
    { "firmware", 0, 0, SMALL_OP, 0, TO_FIRMWARE, 0, A | I, A | I },
    { "fixed", 0, 0, SMALL_OP, 0, TO_FIXED, 0, I, I },
    { "release", GUEST | V, 0, SMALL_OP, 0, TO_HOST, 0, 0, 0 },
    { "again", GUEST | V, 0, SMALL_OP, 0, TO_GUEST, 0, GUEST, GUEST },
    { "vmsa-goes", GUEST | VMSA, 0, SMALL_OP, 0, TO_GUEST, 0, GUEST, GUEST },
    { "reclaimed", A, 0, SMALL_OP, 0, TO_HOST, 0, 0, 0 },
    /* the first page counts those behind it */
    { "count-up", 0, 0, SMALL_OP, PAGE, TO_GUEST, 0, GUEST, COUNT(1) },
    { "count-stays", GUEST, GUEST, SMALL_OP, PAGE, TO_GUEST, 0, GUEST,
      GUEST | COUNT(1) },
    { "count-down", 0, GUEST, SMALL_OP, PAGE, TO_HOST, 0, 0, 0 },
    { "count-survives", GUEST, GUEST, SMALL_OP, 0, TO_HOST, 0, COUNT(1),
      COUNT(1) },
    { "fixed-does-not-count", 0, 0, SMALL_OP, PAGE, TO_FIXED, 0, I, 0 },
    /* immutable */
    { "immutable", GUEST | I, 0, SMALL_OP, 0, TO_HOST, 2, },
    { "firmware-stays", A | I, 0, SMALL_OP, 0, TO_HOST, 2, },
    { "context-stays", A | I | VMSA, 0, SMALL_OP, 0, TO_HOST, 2, },
    { "fixed-stays", I, 0, SMALL_OP, 0, TO_HOST, 2, },
    { "immutable-large", GUEST | L | I, 0, LARGE_OP, 0, TO_HOST, 2, },
    { "immutable-inside", 0, I, LARGE_OP, 0, TO_GUEST, 2, },
    /* sizes */
    { "large", 0, 0, LARGE_OP, 0, TO_GUEST, 0, GUEST | L, GUEST | L },
    { "large-release", GUEST | L | V, 0, LARGE_OP, 0, TO_HOST, 0, 0, 0 },
    { "large-again", GUEST | L | V, 0, LARGE_OP, 0, TO_GUEST, 0, GUEST | L,
      GUEST | L },
    { "small-over-large", GUEST | L, 0, SMALL_OP, 0, TO_HOST, 4, },
    { "small-in-large", GUEST | L, 0, SMALL_OP, PAGE, TO_HOST, 4, },
    { "large-over-first", GUEST, 0, LARGE_OP, 0, TO_GUEST, 4, },
    { "large-over-second", 0, GUEST, LARGE_OP, 0, TO_GUEST, 4, },
    { "large-frees-small", 0, GUEST, LARGE_OP, 0, TO_HOST, 4, },
    /* a VMSA that runs */
    { "in-use", GUEST | VMSA | BUSY, 0, SMALL_OP, 0, TO_HOST, 3, },
    { "in-use-large", GUEST | L | VMSA | BUSY, 0, LARGE_OP, 0, TO_HOST, 3, },
    { "in-use-smash", GUEST | L | VMSA | BUSY, 0, SMASH_OP, 0, { }, 3, },
    /* operands */
    { "spa-unaligned", 0, 0, SMALL_OP, 8, TO_GUEST, 1, },
    { "spa-high", 0, 0, SMALL_OP, OUTSIDE - SPA, TO_GUEST, 1, },
    { "spa-top", 0, 0, SMALL_OP, -PAGE - SPA, TO_GUEST, 1, },
    { "spa-cbit", 0, 0, SMALL_OP, 1ULL << 51, TO_GUEST, 1, },
    { "spa-last", 0, 0, SMALL_OP, OUTSIDE - SPA - PAGE, TO_GUEST, 0, GUEST,
      0 },
    { "large-unaligned", 0, 0, LARGE_OP, PAGE, TO_GUEST, 1, },
    { "large-high", 0, 0, LARGE_OP, OUTSIDE - SPA, TO_GUEST, 1, },
    { "asid-too-wide", 0, 0, SMALL_OP, 0, { GPA, 1, 0, 0, 0, 1024 }, 1, },
    { "asid-widest", 0, 0, SMALL_OP, 0, { GPA, 1, 0, 0, 0, 1023 }, 0,
      A | GPA | ASID(1023), A | GPA | ASID(1023) },
    { "gpa-too-wide", 0, 0, SMALL_OP, 0, { 1ULL << 51, 1, 0, 0, 0, 5 }, 1, },
    { "gpa-low-bits", 0, 0, SMALL_OP, 0, { GPA | 0xabc, 1, 0, 0, 0, 5 }, 0,
      GUEST, GUEST },
    { "gpa-unaligned", 0, 0, LARGE_OP, 0, { GPA | PAGE, 1, 0, 0, 0, 5 }, 1, },
    { "host-has-no-gpa", 0, 0, SMALL_OP, 0, { GPA, 0, 0, 0, 0, 1024 }, 0, 0,
      0 },
    /* PSMASH */
    { "smash", GUEST | L | V, 0, SMASH_OP, 0, { }, 0,
      GUEST | V | COUNT(511), GUEST | V | COUNT(511) },
    { "smash-small", GUEST, 0, SMASH_OP, 0, { }, 1, },
    { "smash-host", 0, 0, SMASH_OP, 0, { }, 1, },
    { "smash-unaligned", GUEST | L, 0, SMASH_OP, PAGE, { }, 1, },
    { "smash-outside", 0, 0, SMASH_OP, OUTSIDE - SPA, { }, 1, },
    { "smash-top", 0, 0, SMASH_OP, -LARGE - SPA, { }, 1, },
    { "smash-immutable", GUEST | L | I, 0, SMASH_OP, 0, { }, 2, },
};

static void test_row(Fixture *f, gconstpointer data)
{
    const Row *row = data;
    size_t size = f->host.rmp_end - f->host.rmp_base + 1;
    g_autofree uint8_t *before = NULL;
    uint32_t result;

    set_entry(f, SPA, row->head, row->head & A ? 0x0f0f0f1f : 0);
    if (row->tail) {
        set_entry(f, SPA + PAGE, row->tail, ALL);
    }
    before = g_memdup2(f->table, size);
    result = operate(f, row->op, SPA + row->at, &row->state);
    g_assert_cmpuint(result, ==, row->result);
    if (result) {
        g_assert_cmpmem(before, size, f->table, size);
        return;
    }
    g_assert_cmphex(read_entry(f, SPA + row->at).lo, ==, row->after);
    g_assert_cmphex(read_entry(f, SPA).lo, ==, row->head_after);
    if (row->op != SMASH_OP) {
        g_assert_cmphex(read_entry(f, SPA + row->at).perms, ==,
                        row->after & A ? ALL : 0);
    }
}

/* Whichever of the 512 entries of a large page is looked at says assigned. */
static void test_large(Fixture *f, gconstpointer data)
{
    SnpRmpState state = TO_GUEST;
    SevRmpEntry entry;
    size_t i;

    g_assert_cmpuint(operate(f, LARGE_OP, SPA, &state), ==, 0);
    for (i = 0; i < SNP_RMP_PAGES_2M; i++) {
        entry = read_entry(f, SPA + i * PAGE);
        g_assert_cmphex(entry.lo, ==, (GUEST | L) + i * PAGE);
        g_assert_cmphex(entry.perms, ==, ALL);
    }
    g_assert_cmphex(read_entry(f, SPA - PAGE).lo, ==, 0);
    g_assert_cmphex(read_entry(f, SPA + LARGE).lo, ==, 0);
}

/* PSMASH keeps all but the size, and what it leaves can be taken apart. */
static void test_smash(Fixture *f, gconstpointer data)
{
    SnpRmpState state = TO_HOST;
    SevRmpEntry entry;
    size_t i;

    set_entry(f, SPA, GUEST | L | V, 0x03071f1f);
    g_assert_cmpuint(operate(f, SMASH_OP, SPA, &state), ==, 0);
    for (i = 0; i < SNP_RMP_PAGES_2M; i++) {
        entry = read_entry(f, SPA + i * PAGE);
        g_assert_cmphex(entry.lo, ==, (GUEST | V | (i ? 0 : COUNT(511))) +
                                      i * PAGE);
        g_assert_cmphex(entry.perms, ==, 0x03071f1f);
    }
    for (i = 1; i < SNP_RMP_PAGES_2M; i++) {
        g_assert_cmpuint(operate(f, LARGE_OP, SPA, &state), ==, 4);
        g_assert_cmpuint(operate(f, SMALL_OP, SPA + i * PAGE, &state), ==, 0);
        entry = read_entry(f, SPA);
        g_assert_cmpuint(sev_rmp_subpages(&entry), ==, 511 - i);
    }
    g_assert_cmpuint(operate(f, SMALL_OP, SPA, &state), ==, 0);
    g_assert_cmpuint(operate(f, LARGE_OP, SPA, &state), ==, 0);
    g_assert_cmphex(read_entry(f, SPA).lo, ==, 0);
}

static void check_read(Fixture *f, uint64_t spa, SnpRmpState expected)
{
    SnpRmpState state;

    memset(&state, 0xee, sizeof(state));
    g_assert_cmpuint(snp_rmpread(&f->host, spa, &state), ==, 0);
    g_assert_cmpmem(&state, sizeof(state), &expected, sizeof(expected));
}

static void test_read(Fixture *f, gconstpointer data)
{
    SevRmpEntry *third = (SevRmpEntry *)(f->table + SEV_RMP_BOOKKEEPING) +
                         SPA / PAGE + 2;
    SnpRmpState state = { };

    check_read(f, SPA, (SnpRmpState) { });
    set_entry(f, SPA + PAGE, GUEST | V | VMSA | BUSY, ALL);
    check_read(f, SPA + PAGE, (SnpRmpState) TO_GUEST);
    check_read(f, SPA, (SnpRmpState) { .page_2m = SNP_RMP_REGION_ASSIGNED });
    set_entry(f, SPA + LARGE, GUEST | L | I, ALL);
    check_read(f, SPA + LARGE, (SnpRmpState) { GPA, 1, 1, 1, 0, 5 });
    check_read(f, SPA + 2 * LARGE - PAGE,
               (SnpRmpState) { GPA + LARGE - PAGE, 1, 1, 1, 0, 5 });
    set_entry(f, SPA + 2 * LARGE, I, 0);
    check_read(f, SPA + 2 * LARGE, (SnpRmpState) TO_FIXED);
    /* Reserved bits, which software of the host can set, are no count. */
    third->lo = cpu_to_le64(COUNT(1));
    check_read(f, SPA + 2 * PAGE, (SnpRmpState) { });
    check_read(f, OUTSIDE - PAGE, (SnpRmpState) { });
    g_assert_cmpuint(snp_rmpread(&f->host, OUTSIDE, &state), ==, 1);
    g_assert_cmpuint(snp_rmpread(&f->host, SPA + 1, &state), ==, 1);
    g_assert_cmpuint(snp_rmpread(&f->host, UINT64_MAX, &state), ==, 1);
}

/* Whose page is it, as a host's write asks */
static void test_owner(Fixture *f, gconstpointer data)
{
    g_assert_true(snp_rmp_host_owns(&f->host, SPA, true));
    set_entry(f, SPA + 7 * PAGE, GUEST, ALL);
    g_assert_false(snp_rmp_host_owns(&f->host, SPA + 7 * PAGE, false));
    g_assert_true(snp_rmp_host_owns(&f->host, SPA + 8 * PAGE, false));
    g_assert_true(snp_rmp_host_owns(&f->host, SPA, false));
    g_assert_false(snp_rmp_host_owns(&f->host, SPA, true));
    g_assert_false(snp_rmp_host_owns(&f->host, SPA + 9 * PAGE, true));
    g_assert_true(snp_rmp_host_owns(&f->host, SPA + LARGE, true));
    set_entry(f, SPA + 7 * PAGE, 0, 0);
    g_assert_true(snp_rmp_host_owns(&f->host, SPA, true));
    set_entry(f, SPA, GUEST | L, ALL);
    g_assert_false(snp_rmp_host_owns(&f->host, SPA + 511 * PAGE, false));
    set_entry(f, SPA, 0, 0);
    set_entry(f, SPA, I, 0);
    g_assert_true(snp_rmp_host_owns(&f->host, SPA, false));
    g_assert_true(snp_rmp_host_owns(&f->host, OUTSIDE, false));
    g_assert_true(snp_rmp_host_owns(&f->host, UINT64_MAX, true));
}

/* Outside of the table there is nothing to read or to write. */
static void test_outside(Fixture *f, gconstpointer data)
{
    SevRmpEntry entry = { .lo = GUEST };

    g_assert_false(snp_rmp_get(&f->host, OUTSIDE, &entry));
    g_assert_false(snp_rmp_set(&f->host, OUTSIDE, &entry));
    g_assert_false(snp_rmp_set_in_use(&f->host, OUTSIDE, true));
    entry.lo |= L;
    g_assert_false(snp_rmp_set(&f->host, UINT64_MAX, &entry));
    g_assert_true(snp_rmp_set_in_use(&f->host, SPA, true));
    g_assert_false(snp_rmp_set_in_use(&f->host, SPA, true));
    g_assert_true(snp_rmp_set_in_use(&f->host, SPA, false));
    g_assert_true(snp_rmp_set_in_use(&f->host, SPA, true));
}

typedef struct Race {
    Fixture *f;
    uint64_t spa;
} Race;

static void *assign_and_release(void *opaque)
{
    static const SnpRmpState guest = TO_GUEST, host = TO_HOST;
    Race *race = opaque;
    int i;

    for (i = 0; i < 20000; i++) {
        g_assert_cmpuint(operate(race->f, SMALL_OP, race->spa, &guest), ==, 0);
        g_assert_cmpuint(operate(race->f, SMALL_OP, race->spa, &host), ==, 0);
    }
    operate(race->f, SMALL_OP, race->spa, &guest);
    return NULL;
}

/* Neighbours share a count, and lose nothing of it. */
static void test_race(Fixture *f, gconstpointer data)
{
    Race races[4];
    QemuThread threads[4];
    SevRmpEntry entry;
    int i;

    for (i = 0; i < 4; i++) {
        races[i] = (Race) { f, SPA + (i + 1) * PAGE };
        qemu_thread_create(&threads[i], "rmp", assign_and_release, &races[i],
                           QEMU_THREAD_JOINABLE);
    }
    for (i = 0; i < 4; i++) {
        qemu_thread_join(&threads[i]);
    }
    entry = read_entry(f, SPA);
    g_assert_cmpuint(sev_rmp_subpages(&entry), ==, 4);
}

typedef struct Reader {
    Fixture *f;
    SevRmpEntry entry;
    bool over;
} Reader;

static void *read_one(void *opaque)
{
    Reader *reader = opaque;

    reader->entry = read_entry(reader->f, SPA);
    qatomic_set(&reader->over, true);
    return NULL;
}

/* Who reads while somebody writes waits for the other half. */
static void test_torn(Fixture *f, gconstpointer data)
{
    SevRmpEntry *at = (SevRmpEntry *)(f->table + SEV_RMP_BOOKKEEPING) +
                      SPA / PAGE;
    Reader reader = { .f = f };
    QemuThread thread;

    set_entry(f, SPA, GUEST, ALL);
    seqlock_write_begin(&f->host.rmp_sequence);
    at->lo = cpu_to_le64(GUEST | V);
    qemu_thread_create(&thread, "rmp", read_one, &reader,
                       QEMU_THREAD_JOINABLE);
    g_usleep(100000);
    g_assert_false(qatomic_read(&reader.over));
    at->perms = cpu_to_le64(0x0f0f0f1f);
    seqlock_write_end(&f->host.rmp_sequence);
    qemu_thread_join(&thread);
    g_assert_cmphex(reader.entry.lo, ==, GUEST | V);
    g_assert_cmphex(reader.entry.perms, ==, 0x0f0f0f1f);
}

#define ADD(path, fn) g_test_add(path, Fixture, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *path = g_strdup_printf("/snp-rmp/table/%s",
                                                rows[i].name);

        g_test_add(path, Fixture, &rows[i], set_up, test_row, tear_down);
    }
    ADD("/snp-rmp/large", test_large);
    ADD("/snp-rmp/smash", test_smash);
    ADD("/snp-rmp/read", test_read);
    ADD("/snp-rmp/owner", test_owner);
    ADD("/snp-rmp/outside", test_outside);
    ADD("/snp-rmp/race", test_race);
    ADD("/snp-rmp/torn", test_torn);
    return g_test_run();
}
