/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: where the attributes say what the map of
 * some memory says
 *
 * Attributes belong to guest addresses and outlive memory slots, and QEMU
 * deletes a slot and adds it again whenever the memory beside it changes, as
 * often as a guest likes.  So it is remembered of which memory the attributes
 * of a range are.  A conversion keeps both in step where the memory is mapped;
 * whatever changes only one of them has its range forgotten here, which costs
 * the ioctls for it when it comes back, and nothing else.
 *
 * Entries do not overlap, neither in guest addresses nor in a block, and those
 * that can be one are.  There is a bound on their number, whatever a guest
 * does: beyond it the smallest one is left out.
 *
 * Locking: entries are made with the BQL and conversions kept away, see
 * upm_kvm_inhibits(); they are forgotten by anybody, so they have a lock of
 * their own, with which nothing is called.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "qemu/seqlock.h"
#include "internal.h"

static QemuMutex marked_lock;
/* Odd while entries are written; who looks for some needs no lock. */
static QemuSeqLock marked_sequence;
static UpmExtent marked[UPM_KVM_MARKED_MAX];
static unsigned int n_marked;

static void __attribute__((constructor)) marked_init(void)
{
    qemu_mutex_init(&marked_lock);
    seqlock_init(&marked_sequence);
}

static void write_begin(void)
{
    seqlock_write_lock(&marked_sequence, &marked_lock);
}

static void write_end(void)
{
    seqlock_write_unlock(&marked_sequence, &marked_lock);
}

/* Is the memory of both in one place, as one slot would have it? */
static bool same_place(const UpmExtent *a, const UpmExtent *b)
{
    return a->block == b->block && a->gpa - a->offset == b->gpa - b->offset;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

static unsigned int smallest(void)
{
    unsigned int i, least = 0;

    for (i = 1; i < n_marked; i++) {
        if (marked[i].size < marked[least].size) {
            least = i;
        }
    }
    return least;
}

static void append(const UpmExtent *entry)
{
    unsigned int i = n_marked;

    if (!entry->size) {
        return;
    }
    if (n_marked == UPM_KVM_MARKED_MAX) {
        i = smallest();
        if (marked[i].size >= entry->size) {
            return;
        }
    } else {
        n_marked++;
    }
    marked[i] = *entry;
}

static void take_out(unsigned int i)
{
    marked[i] = marked[--n_marked];
}

/*
 * Leave out @size bytes of entry @i that begin @from bytes behind its start,
 * or before it.
 */
static void cut(unsigned int i, int64_t from, uint64_t size)
{
    UpmExtent head = marked[i], tail = marked[i];
    uint64_t end = MIN(from + size, head.size);

    head.size = MAX(from, 0);
    upm_extent_skip(&tail, end);
    take_out(i);
    append(&head);
    append(&tail);
}

/*
 * From the last one on, since cut() puts rests and the last entry, none of
 * which is to be looked at again, where they do no harm.
 */
static void cut_addresses(hwaddr gpa, uint64_t size, const UpmExtent *but)
{
    unsigned int i = n_marked;

    while (i-- > 0) {
        if (overlap(marked[i].gpa, marked[i].size, gpa, size) &&
            !(but && same_place(&marked[i], but))) {
            cut(i, gpa - marked[i].gpa, size);
        }
    }
}

/* The same memory at another address */
static void cut_aliases(const UpmExtent *extent)
{
    unsigned int i = n_marked;

    while (i-- > 0) {
        if (marked[i].block == extent->block &&
            overlap(marked[i].offset, marked[i].size,
                    extent->offset, extent->size) &&
            !same_place(&marked[i], extent)) {
            cut(i, extent->offset - marked[i].offset, extent->size);
        }
    }
}

/* Take out what lies at either end of @entry and make it a part of it. */
static void merge(UpmExtent *entry)
{
    unsigned int i = n_marked;

    while (i-- > 0) {
        UpmExtent other = marked[i];

        if (!same_place(&other, entry)) {
            continue;
        }
        if (other.gpa + other.size == entry->gpa) {
            other.size += entry->size;
            *entry = other;
            take_out(i);
        } else if (entry->gpa + entry->size == other.gpa) {
            entry->size += other.size;
            take_out(i);
        }
    }
}

void upm_kvm_marked_add(const UpmExtent *extent)
{
    UpmExtent entry = *extent;

    g_assert(bql_locked());
    write_begin();
    cut_addresses(extent->gpa, extent->size, NULL);
    cut_aliases(extent);
    merge(&entry);
    append(&entry);
    write_end();
}

static bool begins_in(const UpmExtent *rest, const UpmExtent *entry)
{
    return rest->gpa >= entry->gpa &&
           rest->gpa - entry->gpa < entry->size && same_place(rest, entry);
}

/* Leave out an entry that @rest begins in; false where it begins in none. */
static bool skip_entry(UpmExtent *rest)
{
    unsigned int i;

    for (i = 0; i < n_marked; i++) {
        if (begins_in(rest, &marked[i])) {
            uint64_t into = rest->gpa - marked[i].gpa;

            upm_extent_skip(rest, MIN(rest->size, marked[i].size - into));
            return true;
        }
    }
    return false;
}

/* Bytes of @rest, which begins in no entry, before the next one */
static uint64_t until_entry(const UpmExtent *rest)
{
    uint64_t size = rest->size;
    unsigned int i;

    for (i = 0; i < n_marked; i++) {
        if (marked[i].gpa > rest->gpa && same_place(&marked[i], rest)) {
            size = MIN(size, marked[i].gpa - rest->gpa);
        }
    }
    return size;
}

bool upm_kvm_marked_gap(UpmExtent *rest, UpmExtent *gap)
{
    g_assert(bql_locked());
    QEMU_LOCK_GUARD(&marked_lock);
    while (rest->size && skip_entry(rest)) {
        continue;
    }
    *gap = *rest;
    gap->size = until_entry(rest);
    upm_extent_skip(rest, gap->size);
    return gap->size;
}

/* Is there something for cut_addresses() or cut_aliases()? */
static bool is_elsewhere(const UpmExtent *extent)
{
    unsigned int i, n = qatomic_read(&n_marked);

    for (i = 0; i < n; i++) {
        const UpmExtent *entry = &marked[i];

        if (!same_place(entry, extent) &&
            (overlap(entry->gpa, entry->size, extent->gpa, extent->size) ||
             (entry->block == extent->block &&
              overlap(entry->offset, entry->size,
                      extent->offset, extent->size)))) {
            return true;
        }
    }
    return false;
}

/*
 * Mostly there is nothing to forget.  No entry is made meanwhile, and where
 * one is cut or moved it is looked at once more, with the lock.
 */
void upm_kvm_marked_converted(const UpmExtent *extent)
{
    unsigned int sequence = seqlock_read_begin(&marked_sequence);

    if (!is_elsewhere(extent) &&
        !seqlock_read_retry(&marked_sequence, sequence)) {
        return;
    }
    write_begin();
    cut_addresses(extent->gpa, extent->size, extent);
    cut_aliases(extent);
    write_end();
}

void upm_kvm_marked_forget(hwaddr gpa, uint64_t size)
{
    write_begin();
    cut_addresses(gpa, size, NULL);
    write_end();
}

void upm_kvm_marked_forget_block(UpmBlock *block)
{
    unsigned int i;

    write_begin();
    i = n_marked;
    while (i-- > 0) {
        if (marked[i].block == block) {
            take_out(i);
        }
    }
    write_end();
}

unsigned int upm_kvm_marked_count(void)
{
    QEMU_LOCK_GUARD(&marked_lock);
    return n_marked;
}
