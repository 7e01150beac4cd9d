/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An entry of the reverse map table, as it lies in memory
 *
 * The format of family 19h (Zen 3 and Zen 4), which a host's software reads
 * from the table itself: Linux, arch/x86/virt/svm/sev.c, struct rmpentry.
 * What the fields mean: AMD64 APM volume 2, 15.36.3.
 *
 * Locking: an entry in a guest's memory may be read by anybody at any time;
 * writers hold the table's lock.
 */
#ifndef TARGET_I386_SEV_RMP_H
#define TARGET_I386_SEV_RMP_H

#include "qemu/bitops.h"

#define SEV_RMP_ASSIGNED        (1ULL << 0)
#define SEV_RMP_PAGE_2M         (1ULL << 1)
#define SEV_RMP_IMMUTABLE       (1ULL << 2)
#define SEV_RMP_VMSA            (1ULL << 61)
#define SEV_RMP_VALIDATED       (1ULL << 62)
#define SEV_RMP_LOCK            (1ULL << 63)
#define SEV_RMP_GPA_MASK        MAKE_64BIT_MASK(12, 39)
#define SEV_RMP_ASID_SHIFT      51
#define SEV_RMP_ASID_BITS       10
/* In the entry of a 2 MiB aligned page: assigned 4 KiB pages after it */
#define SEV_RMP_SUBPAGES_SHIFT  3
#define SEV_RMP_SUBPAGES_BITS   9

/* Bookkeeping of the processor in front of the first entry, in bytes */
#define SEV_RMP_BOOKKEEPING     0x4000

#define SEV_RMP_VMPLS           4
/* Permissions of one VMPL, a byte: APM volume 3, RMPADJUST */
#define SEV_RMP_READ            (1U << 0)
#define SEV_RMP_WRITE           (1U << 1)
#define SEV_RMP_EXEC_USER       (1U << 2)
#define SEV_RMP_EXEC_SUPER      (1U << 3)
#define SEV_RMP_SUPER_STACK     (1U << 4)
#define SEV_RMP_PERM_ALL        0x1fU

/**
 * SevRmpEntry: one entry
 * @lo: SEV_RMP_*, the guest-physical address and the ASID
 * @perms: SEV_RMP_READ and so on, a byte for each VMPL, VMPL0 the lowest
 *
 * Both in host byte order; little endian where they lie in memory.
 */
typedef struct SevRmpEntry {
    uint64_t lo;
    uint64_t perms;
} SevRmpEntry;

static inline uint64_t sev_rmp_gpa(const SevRmpEntry *entry)
{
    return entry->lo & SEV_RMP_GPA_MASK;
}

static inline unsigned sev_rmp_asid(const SevRmpEntry *entry)
{
    return extract64(entry->lo, SEV_RMP_ASID_SHIFT, SEV_RMP_ASID_BITS);
}

static inline unsigned sev_rmp_subpages(const SevRmpEntry *entry)
{
    return extract64(entry->lo, SEV_RMP_SUBPAGES_SHIFT,
                     SEV_RMP_SUBPAGES_BITS);
}

static inline unsigned sev_rmp_perm(const SevRmpEntry *entry, unsigned vmpl)
{
    return extract64(entry->perms, vmpl * 8, 8);
}

#endif
