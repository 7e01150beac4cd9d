/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RMP of an emulated host: entries, and the instructions on them
 *
 * There is no vCPU in this file: its unit test is tests/unit/test-snp-rmp.c.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "rmp.h"

#define PAGE_SHIFT_4K 12
#define PAGE_4K (4 * KiB)
#define PAGE_2M (2 * MiB)

#define SUBPAGES_MASK \
    MAKE_64BIT_MASK(SEV_RMP_SUBPAGES_SHIFT, SEV_RMP_SUBPAGES_BITS)
/* What the processor alone changes: not the writer's of an entry */
#define KEPT (SUBPAGES_MASK | SEV_RMP_LOCK)

void snp_rmp_lock(SnpHost *host)
{
    qemu_mutex_lock(&host->rmp_lock);
}

void snp_rmp_unlock(SnpHost *host)
{
    qemu_mutex_unlock(&host->rmp_lock);
}

/*
 * Entries
 */

/* As it lies in memory, little endian; NULL outside the table */
static SevRmpEntry *find(SnpHost *host, hwaddr spa)
{
    uint64_t size = host->rmp_end - host->rmp_base + 1;
    uint64_t entries = (size - SEV_RMP_BOOKKEEPING) / sizeof(SevRmpEntry);
    uint64_t page = spa >> PAGE_SHIFT_4K;

    if (!host->rmp || page >= entries) {
        return NULL;
    }
    return (SevRmpEntry *)((uint8_t *)host->rmp + SEV_RMP_BOOKKEEPING) + page;
}

static uint64_t load(const uint64_t *word)
{
    return le64_to_cpu(qatomic_read(word));
}

static void store(uint64_t *word, uint64_t value)
{
    qatomic_set(word, cpu_to_le64(value));
}

static void get(SnpHost *host, const SevRmpEntry *at, SevRmpEntry *entry)
{
    unsigned int sequence;

    do {
        sequence = seqlock_read_begin(&host->rmp_sequence);
        entry->lo = load(&at->lo);
        entry->perms = load(&at->perms);
    } while (seqlock_read_retry(&host->rmp_sequence, sequence));
}

/* Nobody sees one word of them and not the other: see get(). */
static void put(SnpHost *host, SevRmpEntry *at, uint64_t lo, uint64_t perms)
{
    seqlock_write_begin(&host->rmp_sequence);
    store(&at->lo, lo);
    store(&at->perms, perms);
    seqlock_write_end(&host->rmp_sequence);
}

/* The first entry of the 2 MiB around a page */
static SevRmpEntry *head_of(SnpHost *host, hwaddr spa)
{
    return find(host, spa & ~(PAGE_2M - 1));
}

static bool is_assigned(uint64_t lo)
{
    return lo & SEV_RMP_ASSIGNED;
}

static bool is_large(uint64_t lo)
{
    return is_assigned(lo) && lo & SEV_RMP_PAGE_2M;
}

static void add_subpages(SevRmpEntry *head, int count)
{
    uint64_t lo = load(&head->lo);
    unsigned subpages = extract64(lo, SEV_RMP_SUBPAGES_SHIFT,
                                  SEV_RMP_SUBPAGES_BITS);

    store(&head->lo, deposit64(lo, SEV_RMP_SUBPAGES_SHIFT,
                               SEV_RMP_SUBPAGES_BITS, subpages + count));
}

/* One 4 KiB page; keeps the count in the first entry around it */
static void put_small(SnpHost *host, hwaddr spa, const SevRmpEntry *entry)
{
    SevRmpEntry *at = find(host, spa), *head = head_of(host, spa);
    uint64_t old = load(&at->lo);
    bool was = is_assigned(old) && !(old & SEV_RMP_PAGE_2M);
    bool is = is_assigned(entry->lo) && !(entry->lo & SEV_RMP_PAGE_2M);

    put(host, at, (entry->lo & ~KEPT) | (old & KEPT), entry->perms);
    if (at != head && was != is) {
        add_subpages(head, is ? 1 : -1);
    }
}

/* All 512 pages around @spa; @gpa_step: a guest's addresses count up */
static void put_large(SnpHost *host, hwaddr spa, const SevRmpEntry *entry)
{
    SevRmpEntry *head = head_of(host, spa);
    uint64_t step = sev_rmp_asid(entry) ? PAGE_4K : 0;
    uint64_t gpa = sev_rmp_gpa(entry);
    uint64_t flags = entry->lo & ~(KEPT | SEV_RMP_GPA_MASK);
    size_t i;

    for (i = 0; i < SNP_RMP_PAGES_2M; i++) {
        uint64_t lo = flags | ((gpa + i * step) & SEV_RMP_GPA_MASK);

        put(host, &head[i], lo | (load(&head[i].lo) & SEV_RMP_LOCK),
            entry->perms);
    }
}

bool snp_rmp_get(SnpHost *host, hwaddr spa, SevRmpEntry *entry)
{
    const SevRmpEntry *at = find(host, spa);

    if (!at) {
        return false;
    }
    get(host, at, entry);
    return true;
}

bool snp_rmp_set(SnpHost *host, hwaddr spa, const SevRmpEntry *entry)
{
    hwaddr last = spa | (PAGE_2M - 1);

    if (!find(host, is_large(entry->lo) ? last : spa)) {
        return false;
    }
    if (is_large(entry->lo)) {
        put_large(host, spa, entry);
    } else {
        put_small(host, spa, entry);
    }
    return true;
}

bool snp_rmp_set_in_use(SnpHost *host, hwaddr spa, bool in_use)
{
    SevRmpEntry *at = find(host, spa);
    uint64_t lo;

    if (!at) {
        return false;
    }
    lo = load(&at->lo);
    if (in_use && lo & SEV_RMP_LOCK) {
        return false;
    }
    store(&at->lo, in_use ? lo | SEV_RMP_LOCK : lo & ~SEV_RMP_LOCK);
    return true;
}

bool snp_rmp_host_owns(SnpHost *host, hwaddr spa, bool large)
{
    const SevRmpEntry *at = large ? head_of(host, spa) : find(host, spa);
    uint64_t lo = at ? load(&at->lo) : 0;

    /* The first entry's count answers for 4 KiB pages behind it. */
    return !is_assigned(lo) && !(large && lo & SUBPAGES_MASK);
}

/*
 * RMPUPDATE
 */

static bool any_with(SnpHost *host, hwaddr spa, size_t pages, uint64_t flag)
{
    const SevRmpEntry *at = find(host, spa);
    size_t i;

    for (i = 0; i < pages; i++) {
        if (load(&at[i].lo) & flag) {
            return true;
        }
    }
    return false;
}

/* Pages of the other size than the one that is asked for */
static bool overlaps(SnpHost *host, hwaddr spa, bool large)
{
    uint64_t lo = load(&head_of(host, spa)->lo);

    if (is_large(lo)) {
        return !large;
    }
    return large && (is_assigned(lo) || lo & SUBPAGES_MASK);
}

static bool is_valid_input(SnpHost *host, uint64_t spa,
                           const SnpRmpState *state)
{
    bool large = state->page_2m & 1;
    uint64_t size = large ? PAGE_2M : PAGE_4K;

    if (spa & (size - 1) || !find(host, spa | (size - 1))) {
        return false;
    }
    if (!(state->assigned & 1)) {
        return true;
    }
    return !(state->asid >> SEV_RMP_ASID_BITS) &&
           !(state->gpa & (size - 1) & SEV_RMP_GPA_MASK) &&
           !(state->gpa & ~(SEV_RMP_GPA_MASK | (PAGE_4K - 1)));
}

static void make_entry(const SnpRmpState *state, SevRmpEntry *entry)
{
    *entry = (SevRmpEntry) {
        .lo = state->immutable & 1 ? SEV_RMP_IMMUTABLE : 0,
    };
    if (!(state->assigned & 1)) {
        return;
    }
    entry->lo |= SEV_RMP_ASSIGNED | (state->gpa & SEV_RMP_GPA_MASK) |
                 (uint64_t)state->asid << SEV_RMP_ASID_SHIFT |
                 (state->page_2m & 1 ? SEV_RMP_PAGE_2M : 0);
    entry->perms = SEV_RMP_PERM_ALL;
}

bool snp_rmp_is_in_use(SnpHost *host, hwaddr spa, size_t pages)
{
    return find(host, spa) && find(host, spa + (pages - 1) * PAGE_4K) &&
           any_with(host, spa, pages, SEV_RMP_LOCK);
}

static uint32_t update_locked(SnpHost *host, uint64_t spa,
                              const SnpRmpState *state)
{
    bool large = state->page_2m & 1;
    size_t pages = large ? SNP_RMP_PAGES_2M : 1;
    SevRmpEntry entry;

    if (any_with(host, spa, pages, SEV_RMP_IMMUTABLE)) {
        return SNP_RMP_FAIL_PERMISSION;
    }
    if (overlaps(host, spa, large)) {
        return SNP_RMP_FAIL_OVERLAP;
    }
    if (any_with(host, spa, pages, SEV_RMP_LOCK)) {
        return SNP_RMP_FAIL_INUSE;
    }
    make_entry(state, &entry);
    if (large) {
        put_large(host, spa, &entry);
    } else {
        put_small(host, spa, &entry);
    }
    return SNP_RMP_SUCCESS;
}

uint32_t snp_rmpupdate(SnpHost *host, uint64_t spa, const SnpRmpState *state,
                       bool *changed)
{
    uint32_t result;

    *changed = false;
    if (!is_valid_input(host, spa, state)) {
        return SNP_RMP_FAIL_INPUT;
    }
    snp_rmp_lock(host);
    result = update_locked(host, spa, state);
    snp_rmp_unlock(host);
    *changed = result == SNP_RMP_SUCCESS;
    return result;
}

/*
 * PSMASH
 */

static uint32_t smash_locked(SnpHost *host, uint64_t spa)
{
    SevRmpEntry *head = head_of(host, spa);
    uint64_t lo = load(&head->lo);
    size_t i;

    if (!is_large(lo)) {
        return SNP_RMP_FAIL_INPUT;
    }
    if (lo & SEV_RMP_IMMUTABLE) {
        return SNP_RMP_FAIL_PERMISSION;
    }
    if (any_with(host, spa, SNP_RMP_PAGES_2M, SEV_RMP_LOCK)) {
        return SNP_RMP_FAIL_INUSE;
    }
    for (i = 0; i < SNP_RMP_PAGES_2M; i++) {
        store(&head[i].lo, load(&head[i].lo) & ~SEV_RMP_PAGE_2M);
    }
    add_subpages(head, SNP_RMP_PAGES_2M - 1);
    return SNP_RMP_SUCCESS;
}

uint32_t snp_psmash(SnpHost *host, uint64_t spa, bool *changed)
{
    uint32_t result;

    *changed = false;
    if (spa & (PAGE_2M - 1) || !find(host, spa | (PAGE_2M - 1))) {
        return SNP_RMP_FAIL_INPUT;
    }
    snp_rmp_lock(host);
    result = smash_locked(host, spa);
    snp_rmp_unlock(host);
    *changed = result == SNP_RMP_SUCCESS;
    return result;
}

/*
 * RMPREAD
 */

uint32_t snp_rmpread(SnpHost *host, uint64_t spa, SnpRmpState *state)
{
    SevRmpEntry entry;

    if (spa & (PAGE_4K - 1) || !snp_rmp_get(host, spa, &entry)) {
        return SNP_RMP_FAIL_INPUT;
    }
    *state = (SnpRmpState) {
        .gpa = sev_rmp_gpa(&entry),
        .assigned = is_assigned(entry.lo),
        .page_2m = !!(entry.lo & SEV_RMP_PAGE_2M),
        .immutable = !!(entry.lo & SEV_RMP_IMMUTABLE),
        .asid = sev_rmp_asid(&entry),
    };
    if (!(spa & (PAGE_2M - 1)) && sev_rmp_subpages(&entry)) {
        state->page_2m |= SNP_RMP_REGION_ASSIGNED;
    }
    return SNP_RMP_SUCCESS;
}
