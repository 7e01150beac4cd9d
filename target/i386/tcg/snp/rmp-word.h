/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An RMP entry as a guest's instructions see it, in one word
 */
#ifndef TARGET_I386_TCG_SNP_RMP_WORD_H
#define TARGET_I386_TCG_SNP_RMP_WORD_H

/* APM volume 2, 15.36.3; an entry that is clear is the hypervisor's. */
#define SNP_RMP_ASSIGNED    (1U << 0)
#define SNP_RMP_VALIDATED   (1U << 1)
#define SNP_RMP_PAGE_2M     (1U << 2)
#define SNP_RMP_VMSA        (1U << 3)
#define SNP_RMP_IMMUTABLE   (1U << 4)
/*
 * The guest world's own: was validated, so that there may be translations; the
 * page state is shared, as the map says
 */
#define SNP_RMP_STALE       (1U << 5)
#define SNP_RMP_SHARED      (1U << 7)
/* A vCPU runs with the VMSA there */
#define SNP_RMP_IN_USE      (1U << 6)
/* Permissions of VMPL 1 to 3, a byte each; VMPL0 has all, always. */
#define SNP_RMP_PERM_SHIFT(vmpl) ((vmpl) * 8)
#define SNP_VMPLS 4

/**
 * SnpChange: what SnpWorldOps.set() comes to
 * @SNP_UNCHANGED: the entries had that value
 * @SNP_CHANGED: any bit of any of them has changed
 * @SNP_IN_USE: one is in use, and has not changed
 * @SNP_OUTDATED: one has not what it had when it was looked at, and has not
 *     changed: the instruction has to look again
 */
typedef enum SnpChange {
    SNP_UNCHANGED,
    SNP_CHANGED,
    SNP_IN_USE,
    SNP_OUTDATED,
} SnpChange;

#endif
