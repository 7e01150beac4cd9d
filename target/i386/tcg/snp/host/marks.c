/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: which translations a page of memory may have
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "exec/page-protection.h"
#include "qemu/atomic.h"
#include "qemu/units.h"
#include "tcg/svm-assist.h"
#include "tcg/snp/host/marks.h"
#include "tcg/snp/host/rmp.h"

/*
 * A mark, the host's part: where the page was, in which MMU index of which
 * vCPU.  A page's virtual address has 57 bits at most, sign-extended.
 */
#define MARK_HOST       (1ULL << 0)
/* It has been elsewhere as well */
#define MARK_MANY       (1ULL << 1)
#define MARK_GUEST      (1ULL << 2)
/* Of the first of 2 MiB: there were larger mappings of pages in it */
#define MARK_LARGE      (1ULL << 3)
#define MARK_IDX_SHIFT  4
#define MARK_IDX_BITS   4
#define MARK_PAGE_SHIFT 8
#define MARK_PAGE_BITS  (57 - 12)
#define MARK_CPU_SHIFT  (MARK_PAGE_SHIFT + MARK_PAGE_BITS)
#define MARK_CPU_BITS   (64 - MARK_CPU_SHIFT)
#define MARK_WHERE      (~0ULL << MARK_IDX_SHIFT)

static uint64_t *mark_of(SnpHost *host, hwaddr spa)
{
    return spa / (4 * KiB) < host->mark_count ? host->marks + spa / (4 * KiB)
                                              : NULL;
}

static uint64_t *large_mark_of(SnpHost *host, hwaddr spa)
{
    return mark_of(host, QEMU_ALIGN_DOWN(spa, 2 * MiB));
}

static uint64_t add(uint64_t old, uint64_t mark)
{
    if (old & mark & MARK_HOST && (old ^ mark) & MARK_WHERE) {
        return old | MARK_MANY;
    }
    return old | mark;
}

static void put(uint64_t *at, uint64_t mark)
{
    uint64_t old = qatomic_load_acquire(at), seen;

    while (add(old, mark) != old) {
        seen = qatomic_cmpxchg(at, old, add(old, mark));
        if (seen == old) {
            return;
        }
        old = seen;
    }
}

static uint64_t host_mark(CPUState *cs, const SnpAccess *access)
{
    uint64_t mark = MARK_HOST;

    if (cs->cpu_index >> MARK_CPU_BITS) {
        return mark | MARK_MANY;
    }
    mark = deposit64(mark, MARK_IDX_SHIFT, MARK_IDX_BITS, access->mmu_idx);
    mark = deposit64(mark, MARK_PAGE_SHIFT, MARK_PAGE_BITS,
                     access->addr >> 12);
    return deposit64(mark, MARK_CPU_SHIFT, MARK_CPU_BITS, cs->cpu_index);
}

void snp_mark_translation(SnpHost *host, CPUState *cs,
                          const SnpAccess *access)
{
    uint64_t *at = mark_of(host, access->paddr);

    if (!at) {
        return;
    }
    if (access->mmu_idx >= MMU_NESTED_IDX) {
        put(at, MARK_GUEST);
        return;
    }
    if (!(access->prot & PAGE_WRITE)) {
        return;
    }
    put(at, host_mark(cs, access));
    if (access->page_size >= 2 * MiB) {
        put(large_mark_of(host, access->paddr), MARK_LARGE);
    }
}

/* What else is marked stays, for the page at hand. */
static bool take_large(SnpHost *host, hwaddr spa)
{
    uint64_t *at = large_mark_of(host, spa);

    return qatomic_read(at) & MARK_LARGE &&
           qatomic_fetch_and(at, ~MARK_LARGE) & MARK_LARGE;
}

/* One at most, of this vCPU */
static bool is_known(CPUState *cs, uint64_t mark)
{
    return !(mark & MARK_MANY) &&
           (!(mark & MARK_HOST) ||
            extract64(mark, MARK_CPU_SHIFT, MARK_CPU_BITS) == cs->cpu_index);
}

static void end_host(CPUState *cs, uint64_t mark)
{
    vaddr page = sextract64(mark, MARK_PAGE_SHIFT, MARK_PAGE_BITS);

    tlb_flush_page_by_mmuidx(cs, page << 12,
                             1 << extract64(mark, MARK_IDX_SHIFT,
                                            MARK_IDX_BITS));
}

void snp_end_translations(SnpHost *host, CPUState *cs, hwaddr spa)
{
    uint64_t *at = mark_of(host, spa), mark;
    bool is_large;

    /* The entry is written before marks are read, as put() is before it. */
    smp_mb();
    is_large = at && take_large(host, spa);
    mark = at ? qatomic_xchg(at, 0) : MARK_MANY;
    if (is_large || !is_known(cs, mark)) {
        snp_rmp_flush(host);
        return;
    }
    if (mark & MARK_HOST) {
        end_host(cs, mark);
    }
    if (mark & MARK_GUEST) {
        snp_rmp_flush_guests(host);
    }
}
