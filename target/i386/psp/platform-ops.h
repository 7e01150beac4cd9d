/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the emulated firmware asks of the machine that it is part of
 *
 * Addresses are system-physical, sizes in bytes.  The firmware holds no
 * pointer to memory beyond one command.
 *
 * Locking: all are called from psp_snp_command() and its like, under the BQL;
 * rmp_get, rmp_set and flush with the RMP's lock held by rmp_lock.
 */
#ifndef TARGET_I386_PSP_PLATFORM_OPS_H
#define TARGET_I386_PSP_PLATFORM_OPS_H

#include "target/i386/sev-rmp.h"

typedef struct PspChip PspChip;

/* EAX, EBX, ECX, EDX in this order */
typedef void PspCpuidFn(uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);

/**
 * PspPlatformOps: the machine, as the firmware sees it
 *
 * @rmp_get: the entry of the 4 KiB page at @spa, as it lies in the table;
 *     false where the table does not cover it (the Default state)
 * @rmp_set: write that entry; false where there is none.  One with
 *     SEV_RMP_PAGE_2M is the first of 512, and all of them become part of the
 *     large page.  The count of sub-pages is the table's own matter
 * @rmp_lock, @rmp_unlock: keep RMPUPDATE and PSMASH of the processors out.
 *     Held for one command at most, never while a command waits or signs
 * @map: host address of memory, NULL where any of it is not RAM.  The RMP
 *     has no say in it, the firmware looks there itself
 * @unmap: what @map returned; @is_write as there
 * @flush: make all processors forget translations that they checked against
 *     an entry that has changed since
 * @chip: who signs reports, see chip.h; NULL with @errp set
 * @cpuid: answers of the processor that CPUID pages are held against.  NULL:
 *     they are held against what the chip of PspPlatform.signature can do
 *
 * A platform that runs no commands by mailbox (the guest world's) needs
 * @chip and @cpuid only.
 */
typedef struct PspPlatformOps {
    bool (*rmp_get)(void *opaque, uint64_t spa, SevRmpEntry *entry);
    bool (*rmp_set)(void *opaque, uint64_t spa, const SevRmpEntry *entry);
    void (*rmp_lock)(void *opaque);
    void (*rmp_unlock)(void *opaque);
    void *(*map)(void *opaque, uint64_t spa, uint64_t size, bool is_write);
    void (*unmap)(void *opaque, void *p, uint64_t size, bool is_write);
    void (*flush)(void *opaque);
    PspChip *(*chip)(void *opaque, Error **errp);
    PspCpuidFn *cpuid;
} PspPlatformOps;

#endif
