/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page state change requests of an emulated SEV-SNP guest
 *
 * Feeds bytes to the parser and looks at the conversions it asks for, at its
 * answer and at what it writes back.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/tcg/snp/guest/page-state.h"

#define PRIVATE 1
#define SHARED 2
#define PSMASH 3
#define LARGE (1ULL << 56)

#define ROOM_FOR(entries) (8 + 8 * (entries))

typedef struct Conversion {
    uint64_t gpa;
    uint64_t size;
    bool to_private;
} Conversion;

typedef struct Fixture {
    uint8_t buffer[ROOM_FOR(SNP_PSC_MAX_ENTRIES) + 8];
    uint8_t *at;
    Conversion call[SNP_PSC_MAX_ENTRIES];
    unsigned calls;
    unsigned fail_at;
} Fixture;

static uint64_t entry(uint64_t gfn, unsigned op, unsigned done)
{
    return gfn << 12 | (uint64_t)op << 52 | done;
}

static void request(Fixture *f, unsigned current, unsigned last, ...)
{
    va_list entries;

    stw_le_p(f->at, current);
    stw_le_p(f->at + 2, last);
    va_start(entries, last);
    for (unsigned i = 0; i <= last; i++) {
        stq_le_p(f->at + ROOM_FOR(i), va_arg(entries, uint64_t));
    }
    va_end(entries);
}

static int record(void *opaque, uint64_t gpa, uint64_t size, bool to_private)
{
    Fixture *f = opaque;

    f->call[f->calls++] = (Conversion) { gpa, size, to_private };
    return f->calls == f->fail_at ? -EINVAL : 0;
}

static uint64_t run(Fixture *f)
{
    return snp_psc_buffer(f->at, ROOM_FOR(SNP_PSC_MAX_ENTRIES), record, f);
}

static void assert_call(const Fixture *f, unsigned i, uint64_t gpa,
                        uint64_t size, bool to_private)
{
    g_assert_cmpuint(i, <, f->calls);
    g_assert_cmphex(f->call[i].gpa, ==, gpa);
    g_assert_cmphex(f->call[i].size, ==, size);
    g_assert_cmpint(f->call[i].to_private, ==, to_private);
}

static unsigned current(const Fixture *f)
{
    return lduw_le_p(f->at);
}

static unsigned done(const Fixture *f, unsigned i)
{
    return ldq_le_p(f->at + ROOM_FOR(i)) & 0xfff;
}

static void set_up(Fixture *f, gconstpointer shift)
{
    memset(f, 0, sizeof(*f));
    /* Guests may place the buffer anywhere in the shared area. */
    f->at = f->buffer + GPOINTER_TO_UINT(shift);
}

static void test_one_page(Fixture *f, gconstpointer data)
{
    request(f, 0, 0, entry(0x123, PRIVATE, 0));
    g_assert_cmphex(run(f), ==, SNP_PSC_DONE);
    g_assert_cmpuint(f->calls, ==, 1);
    assert_call(f, 0, 0x123000, 0x1000, true);
    g_assert_cmpuint(current(f), ==, 1);
    g_assert_cmpuint(done(f, 0), ==, 1);
    g_assert_cmphex(ldq_le_p(f->at + 8), ==, entry(0x123, PRIVATE, 1));
}

static void test_merge(Fixture *f, gconstpointer data)
{
    request(f, 0, 6,
            entry(0x10, SHARED, 0), entry(0x11, SHARED, 0),
            entry(0x12, PRIVATE, 0), entry(0x14, PRIVATE, 0),
            entry(0x200, PRIVATE, 0) | LARGE,
            entry(0x400, PRIVATE, 0) | LARGE,
            entry(0x600, PRIVATE, 0));
    g_assert_cmphex(run(f), ==, SNP_PSC_DONE);
    g_assert_cmpuint(f->calls, ==, 5);
    assert_call(f, 0, 0x10000, 0x2000, false);
    assert_call(f, 1, 0x12000, 0x1000, true);
    assert_call(f, 2, 0x14000, 0x1000, true);
    assert_call(f, 3, 0x200000, 0x400000, true);
    assert_call(f, 4, 0x600000, 0x1000, true);
    g_assert_cmpuint(current(f), ==, 7);
    g_assert_cmpuint(done(f, 4), ==, 512);
    g_assert_cmpuint(done(f, 6), ==, 1);
}

static void test_partial(Fixture *f, gconstpointer data)
{
    /* The page behind it would be adjacent, were it joined. */
    request(f, 0, 1, entry(0x200, SHARED, 500) | LARGE,
            entry(0x400, SHARED, 0) | LARGE);
    g_assert_cmphex(run(f), ==, SNP_PSC_DONE);
    g_assert_cmpuint(f->calls, ==, 2);
    assert_call(f, 0, 0x3f4000, 0xc000, false);
    assert_call(f, 1, 0x400000, 0x200000, false);
    g_assert_cmpuint(done(f, 0), ==, 512);
}

static void test_done_before(Fixture *f, gconstpointer data)
{
    request(f, 0, 1, entry(0x20, PRIVATE, 1), entry(0x21, PRIVATE, 0));
    g_assert_cmphex(run(f), ==, SNP_PSC_DONE);
    g_assert_cmpuint(f->calls, ==, 1);
    assert_call(f, 0, 0x21000, 0x1000, true);
    g_assert_cmpuint(current(f), ==, 2);
}

static void test_resume(Fixture *f, gconstpointer data)
{
    request(f, 1, 1, entry(0x999, 0xf, 0xfff), entry(0x21, SHARED, 0));
    g_assert_cmphex(run(f), ==, SNP_PSC_DONE);
    g_assert_cmpuint(f->calls, ==, 1);
    assert_call(f, 0, 0x21000, 0x1000, false);
}

static void test_nothing_left(Fixture *f, gconstpointer data)
{
    request(f, 0xffff, 0, entry(0x21, SHARED, 0));
    g_assert_cmphex(run(f), ==, SNP_PSC_DONE);
    g_assert_cmpuint(f->calls, ==, 0);
    g_assert_cmpuint(current(f), ==, 0xffff);
}

static void test_other_operation(Fixture *f, gconstpointer data)
{
    request(f, 0, 1, entry(0x200, PSMASH, 0) | LARGE, entry(0x1, 0, 0));
    g_assert_cmphex(run(f), ==, SNP_PSC_DONE);
    g_assert_cmpuint(f->calls, ==, 0);
    g_assert_cmpuint(current(f), ==, 2);
    g_assert_cmpuint(done(f, 0), ==, 512);
    g_assert_cmpuint(done(f, 1), ==, 1);
}

static void test_bad_entry(Fixture *f, gconstpointer data)
{
    request(f, 0, 1, entry(0x10, PRIVATE, 0),
            entry(0x201, PRIVATE, 0) | LARGE);
    g_assert_cmphex(run(f), ==, 0x100000002);
    g_assert_cmpuint(f->calls, ==, 1);
    g_assert_cmpuint(current(f), ==, 1);

    request(f, 0, 0, entry(0x10, PRIVATE, 2));
    g_assert_cmphex(run(f), ==, 0x100000002);
    request(f, 0, 0, entry(0x200, PRIVATE, 513) | LARGE);
    g_assert_cmphex(run(f), ==, 0x100000002);
    g_assert_cmpuint(f->calls, ==, 1);
}

static void test_refused(Fixture *f, gconstpointer data)
{
    request(f, 0, 2, entry(0x10, PRIVATE, 0), entry(0x20, PRIVATE, 0),
            entry(0x30, PRIVATE, 0));
    f->fail_at = 2;
    g_assert_cmphex(run(f), ==, 0x100ULL << 32);
    g_assert_cmpuint(f->calls, ==, 2);
    g_assert_cmpuint(current(f), ==, 1);
    g_assert_cmpuint(done(f, 0), ==, 1);
    g_assert_cmpuint(done(f, 1), ==, 0);
}

static void test_bounds(Fixture *f, gconstpointer data)
{
    stw_le_p(f->at + 2, SNP_PSC_MAX_ENTRIES);
    g_assert_cmphex(run(f), ==, 0x100000001);
    stw_le_p(f->at + 2, SNP_PSC_MAX_ENTRIES - 1);
    g_assert_cmphex(run(f), ==, SNP_PSC_DONE);
    g_assert_cmpuint(current(f), ==, SNP_PSC_MAX_ENTRIES);

    /* Less room: the buffer starts later in the shared area. */
    stw_le_p(f->at, 0);
    stw_le_p(f->at + 2, 4);
    g_assert_cmphex(snp_psc_buffer(f->at, ROOM_FOR(4) + 7, record, f), ==,
                    0x100000001);
    g_assert_cmphex(snp_psc_buffer(f->at, ROOM_FOR(5), record, f), ==,
                    SNP_PSC_DONE);
    g_assert_cmphex(snp_psc_buffer(f->at, 8, record, f), ==, 0x100000001);
    g_assert_cmphex(snp_psc_buffer(f->at, 7, record, f), ==, 0x100000001);
    g_assert_cmpuint(f->calls, ==, 0);
}

static void test_msr(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(snp_psc_msr(0x0010000012345014, record, f), ==, 0x015);
    assert_call(f, 0, 0x12345000, 0x1000, true);
    g_assert_cmphex(snp_psc_msr(0x002fffffffffe014, record, f), ==, 0x015);
    assert_call(f, 1, 0xfffffffffe000, 0x1000, false);
    g_assert_cmphex(snp_psc_msr(0x0030000012345014, record, f), ==,
                    0x8000000000000015);
    g_assert_cmpuint(f->calls, ==, 2);
    f->fail_at = 3;
    g_assert_cmphex(snp_psc_msr(0x0010000012345014, record, f), ==,
                    0x8000000000000015);
}

static void add(const char *name, void (*test)(Fixture *, gconstpointer))
{
    g_autofree char *even = g_strdup_printf("/snp/page-state/%s", name);
    g_autofree char *odd = g_strdup_printf("/snp/page-state/odd/%s", name);

    g_test_add(even, Fixture, GUINT_TO_POINTER(0), set_up, test, NULL);
    g_test_add(odd, Fixture, GUINT_TO_POINTER(3), set_up, test, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("one-page", test_one_page);
    add("merge", test_merge);
    add("partial", test_partial);
    add("done-before", test_done_before);
    add("resume", test_resume);
    add("nothing-left", test_nothing_left);
    add("other-operation", test_other_operation);
    add("bad-entry", test_bad_entry);
    add("refused", test_refused);
    add("bounds", test_bounds);
    add("msr", test_msr);
    return g_test_run();
}
