/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page state change requests: what their encodings mean
 *
 * The guest can write its buffer while it is read.  So everything is copied
 * once, decisions are made on the copy, and only progress goes back.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "page-state.h"

#define PAGE_SIZE_4K (4 * KiB)
#define PAGES_PER_2M (2 * MiB / PAGE_SIZE_4K)

/* Where things are in the buffer */
#define HEADER_CURRENT  0
#define HEADER_LAST     2
#define HEADER_SIZE     8
#define ENTRY_SIZE      8

#define OP_PRIVATE  1
#define OP_SHARED   2

#define MSR_RESPONSE        0x015
#define MSR_RESPONSE_ERROR  (MSR_RESPONSE | 1ULL << 63)

/* An entry, taken apart */
typedef struct PscEntry {
    unsigned done;
    uint64_t gfn;
    unsigned op;
    bool large;
} PscEntry;

/* One request; @current and @last are indices of entries */
typedef struct PscRequest {
    uint8_t *buffer;
    unsigned current;
    unsigned last;
    uint64_t entry[SNP_PSC_MAX_ENTRIES];
} PscRequest;

static unsigned entry_pages(const PscEntry *entry)
{
    return entry->large ? PAGES_PER_2M : 1;
}

static PscEntry entry_decode(uint64_t raw)
{
    return (PscEntry) {
        .done = extract64(raw, 0, 12),
        .gfn = extract64(raw, 12, 40),
        .op = extract64(raw, 52, 4),
        .large = extract64(raw, 56, 1),
    };
}

static bool entry_is_valid(const PscEntry *entry)
{
    unsigned pages = entry_pages(entry);

    return entry->done <= pages && entry->gfn % pages == 0;
}

static void write_current(PscRequest *psc)
{
    stw_le_p(psc->buffer + HEADER_CURRENT, psc->current);
}

static void finish_entries(PscRequest *psc, unsigned count)
{
    for (; count; count--, psc->current++) {
        PscEntry entry = entry_decode(psc->entry[psc->current]);
        uint64_t raw = deposit64(psc->entry[psc->current], 0, 12,
                                 entry_pages(&entry));

        stq_le_p(psc->buffer + HEADER_SIZE + psc->current * ENTRY_SIZE, raw);
    }
    write_current(psc);
}

/* How many entries, from the current one on, make one conversion */
static unsigned batch_length(const PscRequest *psc, const PscEntry *first)
{
    uint64_t next = first->gfn + entry_pages(first);
    unsigned i = psc->current + 1;

    /* What is left of a large page is split, so it stays alone. */
    if (first->done) {
        return 1;
    }
    for (; i <= psc->last; i++) {
        PscEntry entry = entry_decode(psc->entry[i]);

        if (entry.op != first->op || entry.gfn != next || entry.done ||
            entry.large != first->large) {
            break;
        }
        next += entry_pages(&entry);
    }
    return i - psc->current;
}

/* The current entry and what can be joined to it; 0 or an error */
static uint64_t serve_batch(PscRequest *psc, SnpPscConvert *convert,
                            void *opaque)
{
    PscEntry first = entry_decode(psc->entry[psc->current]);
    unsigned pages = entry_pages(&first), count;

    if (!entry_is_valid(&first)) {
        return SNP_PSC_INVALID_ENTRY;
    }
    if (first.done == pages) {
        psc->current++;
        write_current(psc);
        return SNP_PSC_DONE;
    }
    count = batch_length(psc, &first);
    if (first.op == OP_PRIVATE || first.op == OP_SHARED) {
        uint64_t todo = (uint64_t)count * pages - first.done;

        if (convert(opaque, (first.gfn + first.done) * PAGE_SIZE_4K,
                    todo * PAGE_SIZE_4K, first.op == OP_PRIVATE)) {
            return SNP_PSC_FAILED;
        }
    }
    finish_entries(psc, count);
    return SNP_PSC_DONE;
}

/* False where the header names entries that there is no room for */
static bool request_read(PscRequest *psc, void *buffer, size_t size)
{
    size_t room = (size - HEADER_SIZE) / ENTRY_SIZE;

    psc->buffer = buffer;
    psc->current = lduw_le_p(psc->buffer + HEADER_CURRENT);
    psc->last = lduw_le_p(psc->buffer + HEADER_LAST);
    barrier();
    if (psc->last >= MIN(room, SNP_PSC_MAX_ENTRIES)) {
        return false;
    }
    for (unsigned i = 0; i <= psc->last; i++) {
        psc->entry[i] = ldq_le_p(psc->buffer + HEADER_SIZE + i * ENTRY_SIZE);
    }
    barrier();
    return true;
}

uint64_t snp_psc_buffer(void *buffer, size_t size, SnpPscConvert *convert,
                        void *opaque)
{
    PscRequest psc;
    uint64_t error;

    if (size < HEADER_SIZE || !request_read(&psc, buffer, size)) {
        return SNP_PSC_INVALID_HEADER;
    }
    while (psc.current <= psc.last) {
        error = serve_batch(&psc, convert, opaque);
        if (error) {
            return error;
        }
    }
    return SNP_PSC_DONE;
}

uint64_t snp_psc_msr(uint64_t request, SnpPscConvert *convert, void *opaque)
{
    uint64_t gfn = extract64(request, 12, 40);
    unsigned op = extract64(request, 52, 4);

    if (op != OP_PRIVATE && op != OP_SHARED) {
        return MSR_RESPONSE_ERROR;
    }
    if (convert(opaque, gfn * PAGE_SIZE_4K, PAGE_SIZE_4K, op == OP_PRIVATE)) {
        return MSR_RESPONSE_ERROR;
    }
    return MSR_RESPONSE;
}
