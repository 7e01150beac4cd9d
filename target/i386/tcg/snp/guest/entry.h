/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One RMP entry of the guest world, SNP_RMP_*
 */
#ifndef TARGET_I386_TCG_SNP_GUEST_ENTRY_H
#define TARGET_I386_TCG_SNP_GUEST_ENTRY_H

#include "../rmp-word.h"

/**
 * snp_entry_change: give the bits of @mask the values in @value
 * @required: bits that it has to have, as of when it changes
 *
 * Atomic, as are all of these.
 */
SnpChange snp_entry_change(uint32_t *entry, uint32_t mask, uint32_t value,
                           uint32_t required);

/**
 * snp_entry_take: a vCPU enters the VMSA there (APM volume 2, 15.36.12)
 *
 * Returns: NULL, or why it cannot.
 */
const char *snp_entry_take(uint32_t *entry);

/** snp_entry_release: ... and leaves it */
void snp_entry_release(uint32_t *entry);

#endif
