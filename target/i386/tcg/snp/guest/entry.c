/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One RMP entry, which vCPUs change at the same time
 *
 * Nothing here knows a vCPU, so that it has a unit test.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "entry.h"

#define VMSA_FLAGS (SNP_RMP_ASSIGNED | SNP_RMP_VALIDATED | SNP_RMP_VMSA)

/*
 * A translation of what is validated no more may be in use, as on hardware:
 * the conversion that follows ends it, see provider.c.
 */
SnpChange snp_entry_change(uint32_t *entry, uint32_t mask, uint32_t value,
                           uint32_t required)
{
    uint32_t word = qatomic_read(entry), old, new;

    /* Meanwhile a vCPU may enter it, or split the large page. */
    do {
        old = word;
        new = (old & ~mask) | value;
        if (old & SNP_RMP_IN_USE) {
            return SNP_IN_USE;
        }
        if (required & ~old) {
            return SNP_OUTDATED;
        }
        if (old == new) {
            return SNP_UNCHANGED;
        }
        if (old & ~new & SNP_RMP_VALIDATED) {
            new |= SNP_RMP_STALE;
        }
        word = qatomic_cmpxchg(entry, old, new);
    } while (word != old);
    return SNP_CHANGED;
}

const char *snp_entry_take(uint32_t *entry)
{
    uint32_t word = qatomic_read(entry), seen;

    do {
        if ((word & VMSA_FLAGS) != VMSA_FLAGS) {
            return "not a VMSA page";
        }
        if (word & SNP_RMP_IN_USE) {
            return "in use by another vCPU";
        }
        seen = word;
        word = qatomic_cmpxchg(entry, seen, seen | SNP_RMP_IN_USE);
    } while (word != seen);
    return NULL;
}

void snp_entry_release(uint32_t *entry)
{
    qatomic_and(entry, ~SNP_RMP_IN_USE);
}
