/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of an emulated guest whose memory is encrypted in place
 *
 * Moves content between the two views of pages, and compares with what
 * hardware would show: a guest finds with the key what it has written with
 * it, and nobody finds it without.
 */
#include "qemu/osdep.h"
#include "target/i386/tcg/snp/guest/view-page.h"

#define SIZE SNP_VIEW_PAGE_SIZE
#define UNITS (SIZE / SNP_VIEW_UNIT)

typedef struct Page {
    uint8_t private[SIZE] QEMU_ALIGNED(8);
    uint8_t shared[SIZE] QEMU_ALIGNED(8);
    uint8_t state;
    SnpViewPage page;
} Page;

static const SnpViewKey key = { { 0x0123456789abcdef, 0xfedcba9876543210 } };
static const SnpViewKey other_key = { { 0x0123456789abcdef, 1 } };

static void make(Page *p, uint32_t block, uint64_t offset)
{
    memset(p, 0, sizeof(*p));
    p->page = (SnpViewPage) {
        .key = &key, .block = block, .offset = offset, .state = &p->state,
        .private = p->private, .shared = p->shared,
    };
}

/* The guest uses a view, as views.c lets it. */
static uint8_t *use(Page *p, bool private)
{
    if (!snp_view_use(&p->state, private)) {
        if (private) {
            snp_view_to_private(&p->page);
        } else {
            snp_view_to_shared(&p->page, false);
            /* as the private view is given back to the host */
            memset(p->private, 0, SIZE);
        }
    }
    g_assert_true(snp_view_use(&p->state, private));
    return private ? p->private : p->shared;
}

/* How many eight bytes of a page are all @value? */
static size_t count(const uint8_t *bytes, uint8_t value)
{
    size_t found = 0;

    for (size_t i = 0; i < SIZE; i += 8) {
        uint64_t word;

        memcpy(&word, bytes + i, 8);
        found += word == 0x0101010101010101 * value;
    }
    return found;
}

static void assert_all(const uint8_t *bytes, uint8_t value)
{
    g_assert_cmpuint(count(bytes, value), ==, SIZE / 8);
}

static void assert_none(const uint8_t *bytes, uint8_t value)
{
    g_assert_cmpuint(count(bytes, value), ==, 0);
}

/* The first use says whose it is, and nothing is copied. */
static void test_fresh(void)
{
    Page p;

    make(&p, 0, 0);
    memset(p.shared, 0x33, SIZE);
    g_assert_true(snp_view_use(&p.state, false));
    g_assert_cmpuint(p.state, ==, SNP_VIEW_SHARED);
    assert_all(p.shared, 0x33);
    g_assert_false(snp_view_use(&p.state, true));
    g_assert_cmpuint(p.state, ==, SNP_VIEW_SHARED);

    make(&p, 0, 0);
    memset(p.shared, 0x33, SIZE);
    g_assert_true(snp_view_use(&p.state, true));
    g_assert_cmpuint(p.state, ==, SNP_VIEW_BARE);
    g_assert_true(snp_view_is_private(p.state));
    assert_all(p.shared, 0x33);
    assert_all(p.private, 0);
    g_assert_false(snp_view_use(&p.state, false));
}

/* What was written with the key is there again, and never without it. */
static void test_private_round(void)
{
    Page p;

    make(&p, 1, 0x5000);
    memset(use(&p, true), 0x99, SIZE);
    assert_none(p.shared, 0x99);
    assert_none(use(&p, false), 0x99);
    assert_all(use(&p, true), 0x99);
    g_assert_cmpuint(p.state, ==, SNP_VIEW_PRIVATE);
    /* the shared view shows neither that nor what it had */
    assert_none(p.shared, 0x99);
    assert_none(p.shared, 0);
    assert_none(use(&p, false), 0x99);
    assert_all(use(&p, true), 0x99);
}

/* And the other way round */
static void test_shared_round(void)
{
    Page p;

    make(&p, 2, 0x7000);
    memset(use(&p, false), 0x66, SIZE);
    assert_none(use(&p, true), 0x66);
    assert_none(p.shared, 0x66);
    assert_all(use(&p, false), 0x66);
}

/* A device has written before the guest looks without the key. */
static void test_dma_first(void)
{
    Page p;

    make(&p, 0, 0x1000);
    memset(use(&p, false), 0x11, SIZE);
    memset(use(&p, true), 0x99, SIZE);
    g_assert_cmpuint(p.state, ==, SNP_VIEW_PRIVATE);
    memset(p.shared, 0x42, SIZE);
    assert_all(use(&p, false), 0x42);
}

/* Two units of a page, one of them in part; the others are as encrypted. */
static void test_dma_units(void)
{
    uint8_t spoilt[SNP_VIEW_UNIT];
    Page p, q;
    size_t i;

    make(&p, 0, 0x1000);
    memset(use(&p, false), 0x11, SIZE);
    memset(use(&p, true), 0x99, SIZE);
    q = p;
    q.page.state = &q.state;
    q.page.private = q.private;
    q.page.shared = q.shared;
    memset(p.shared + 3 * SNP_VIEW_UNIT, 0x42, SNP_VIEW_UNIT);
    p.shared[7 * SNP_VIEW_UNIT + 5] ^= 0x42;
    memcpy(spoilt, p.shared + 7 * SNP_VIEW_UNIT, sizeof(spoilt));
    use(&p, false);
    use(&q, false);
    for (i = 0; i < UNITS; i++) {
        bool same = !memcmp(p.shared + i * SNP_VIEW_UNIT,
                            q.shared + i * SNP_VIEW_UNIT, SNP_VIEW_UNIT);

        g_assert_cmpint(same, ==, i != 3 && i != 7);
    }
    g_assert_cmphex(p.shared[3 * SNP_VIEW_UNIT], ==, 0x42);
    g_assert_cmpint(memcmp(p.shared + 7 * SNP_VIEW_UNIT, spoilt,
                           sizeof(spoilt)), ==, 0);
    /* the guest finds its own again in all of the others */
    use(&p, true);
    for (i = 0; i < UNITS; i++) {
        uint8_t own[SNP_VIEW_UNIT];
        bool same;

        memset(own, 0x99, sizeof(own));
        same = !memcmp(p.private + i * SNP_VIEW_UNIT, own, sizeof(own));
        g_assert_cmpint(same, ==, i != 3 && i != 7);
    }
}

/* A page that the guest has used with the key only */
static void test_bare(void)
{
    Page p;

    make(&p, 0, 0x1000);
    memset(use(&p, true), 0x99, SIZE);
    memset(p.shared, 0, SIZE);
    snp_view_to_shared(&p.page, true);
    g_assert_cmpuint(p.state, ==, SNP_VIEW_SHARED);
    assert_all(p.shared, 0);

    make(&p, 0, 0x1000);
    memset(use(&p, true), 0x99, SIZE);
    snp_view_to_shared(&p.page, false);
    assert_none(p.shared, 0);
    assert_none(p.shared, 0x99);
    assert_all(use(&p, true), 0x99);
}

static void test_filled(void)
{
    Page p;

    make(&p, 0, 0x1000);
    memset(p.shared, 0x77, SIZE);
    memcpy(p.private, p.shared, SIZE);
    snp_view_filled(&p.page);
    g_assert_cmpuint(p.state, ==, SNP_VIEW_PRIVATE);
    assert_none(p.shared, 0x77);
    assert_all(use(&p, true), 0x77);
    assert_none(use(&p, false), 0x77);
    assert_all(use(&p, true), 0x77);
}

/* One content at two places, or with two keys, is not the same encrypted. */
static void test_depends(void)
{
    static const struct {
        const SnpViewKey *key;
        uint32_t block;
        uint64_t offset;
    } places[] = {
        { &key, 0, 0 }, { &key, 0, SIZE }, { &key, 1, 0 },
        { &key, 0xffff, 0 }, { &key, 0, 1ULL << 49 }, { &other_key, 0, 0 },
    };
    Page p[ARRAY_SIZE(places)];
    uint8_t noise[ARRAY_SIZE(places)][SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        make(&p[i], places[i].block, places[i].offset);
        p[i].page.key = places[i].key;
        memset(use(&p[i], true), 0, SIZE);
        use(&p[i], false);
        for (size_t k = 0; k < i; k++) {
            g_assert_cmpint(memcmp(p[i].shared, p[k].shared, SIZE), !=, 0);
        }
        /* nor is it inside of a page */
        g_assert_cmpint(memcmp(p[i].shared, p[i].shared + SNP_VIEW_UNIT,
                               SNP_VIEW_UNIT), !=, 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        uint8_t encrypted[SIZE];

        memcpy(encrypted, p[i].shared, SIZE);
        use(&p[i], true);
        memcpy(noise[i], p[i].shared, SIZE);
        /* what an encrypted page shows says nothing of its content */
        g_assert_cmpint(memcmp(noise[i], encrypted, SIZE), !=, 0);
        for (size_t k = 0; k < i; k++) {
            g_assert_cmpint(memcmp(noise[i], noise[k], SIZE), !=, 0);
        }
    }
}

/*
 * By chance: the guest writes and looks through both views, and a device
 * writes to what the guest has shared.  @known is what a unit holds, by who
 * wrote it: that view shows it, and the other one never does.
 */
static void test_chance(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(0x5e5);
    uint8_t known[UNITS] = { 0 };
    bool with_key[UNITS] = { false };
    Page p;

    make(&p, 3, 0x9000);
    memset(use(&p, false), 0, SIZE);
    for (int round = 0; round < 100000; round++) {
        bool private = g_rand_boolean(rand);
        unsigned unit = g_rand_int_range(rand, 0, UNITS);
        uint8_t *view = use(&p, private) + unit * SNP_VIEW_UNIT;
        uint8_t wanted[SNP_VIEW_UNIT];

        memset(wanted, known[unit], sizeof(wanted));
        g_assert_cmpint(!memcmp(view, wanted, sizeof(wanted)), ==,
                        with_key[unit] == private);
        if (g_rand_boolean(rand)) {
            known[unit] = g_rand_int(rand);
            with_key[unit] = private;
            memset(view, known[unit], SNP_VIEW_UNIT);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/snp-view/fresh", test_fresh);
    g_test_add_func("/snp-view/private-round", test_private_round);
    g_test_add_func("/snp-view/shared-round", test_shared_round);
    g_test_add_func("/snp-view/dma/first", test_dma_first);
    g_test_add_func("/snp-view/dma/units", test_dma_units);
    g_test_add_func("/snp-view/bare", test_bare);
    g_test_add_func("/snp-view/filled", test_filled);
    g_test_add_func("/snp-view/depends", test_depends);
    g_test_add_func("/snp-view/chance", test_chance);
    return g_test_run();
}
