/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See view-page.h. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "view-page.h"

#define WORDS (SNP_VIEW_PAGE_SIZE / sizeof(uint64_t))
#define WORDS_OF_UNIT (SNP_VIEW_UNIT / sizeof(uint64_t))

/* Two streams of one key: what encrypts, and what an encrypted page shows */
#define CIPHER 0
#define NOISE (1ULL << 63)

/*
 * A counter through the finalizer of SplitMix64 (Steele, Lea, Flood: Fast
 * splittable pseudorandom number generators, 2014), between two halves of the
 * key
 */
static uint64_t stream(const SnpViewPage *page, uint64_t which, size_t i)
{
    uint64_t x = (uint64_t)page->block << 47 |
                 (page->offset / sizeof(uint64_t) + i);

    x = (x ^ which ^ page->key->word[0]) * 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return (x ^ x >> 31) + page->key->word[1];
}

/* @to may be @from. */
static void combine(const SnpViewPage *page, uint64_t *to,
                    const uint64_t *from, size_t first, size_t count)
{
    size_t i;

    for (i = first; i < first + count; i++) {
        to[i] = from[i] ^ stream(page, CIPHER, i);
    }
}

static void make_noise(const SnpViewPage *page)
{
    uint64_t *shared = page->shared;
    size_t i;

    for (i = 0; i < WORDS; i++) {
        shared[i] = stream(page, NOISE, i);
    }
}

static bool is_noise(const SnpViewPage *page, size_t first)
{
    const uint64_t *shared = page->shared;
    size_t i;

    for (i = first; i < first + WORDS_OF_UNIT; i++) {
        if (shared[i] != stream(page, NOISE, i)) {
            return false;
        }
    }
    return true;
}

bool snp_view_use(uint8_t *state, bool private)
{
    uint8_t now = qatomic_read(state);

    if (now == SNP_VIEW_FRESH) {
        uint8_t wanted = private ? SNP_VIEW_BARE : SNP_VIEW_SHARED;

        now = qatomic_cmpxchg(state, SNP_VIEW_FRESH, wanted);
        if (now == SNP_VIEW_FRESH) {
            return true;
        }
    }
    return snp_view_is_private(now) == private;
}

void snp_view_to_private(const SnpViewPage *page)
{
    combine(page, page->private, page->shared, 0, WORDS);
    snp_view_filled(page);
}

void snp_view_to_shared(const SnpViewPage *page, bool written)
{
    bool bare = qatomic_read(page->state) == SNP_VIEW_BARE;
    size_t i;

    for (i = 0; i < WORDS; i += WORDS_OF_UNIT) {
        if (bare ? !written : is_noise(page, i)) {
            combine(page, page->shared, page->private, i, WORDS_OF_UNIT);
        }
    }
    qatomic_set(page->state, SNP_VIEW_SHARED);
}

void snp_view_filled(const SnpViewPage *page)
{
    make_noise(page);
    qatomic_set(page->state, SNP_VIEW_PRIVATE);
}
