/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reverse map table (RMP) of an emulated host
 *
 * It lies in the machine's own RAM, in the format of target/i386/sev-rmp.h:
 * SEV_RMP_BOOKKEEPING bytes and then an entry for each 4 KiB page.  Software
 * of the host reads it there.
 *
 * A 2 MiB page is 512 entries that all have SEV_RMP_PAGE_2M and the same
 * state, with guest-physical addresses that count up: whichever of them is
 * looked at says assigned.  The first one of a 2 MiB aligned region counts
 * how many of the other 511 pages are assigned as 4 KiB ones.
 *
 * AMD64 APM volume 2, 15.36.3 to 15.36.10; volume 3, RMPUPDATE, PSMASH and
 * RMPREAD.
 *
 * Locking: whoever writes holds the table's lock.  snp_rmp_get() may be called
 * without it: it returns an entry as it was at some time.  That may be out of
 * date at once, but whoever changed it ends what translations it forbids
 * afterwards: marks.h, snp_rmp_flush().
 *
 * Addresses are system-physical, without C-bit; they need not be aligned and
 * may be anything.
 */
#ifndef TARGET_I386_TCG_SNP_HOST_RMP_H
#define TARGET_I386_TCG_SNP_HOST_RMP_H

#include "exec/hwaddr.h"
#include "hw/i386/snp-host.h"
#include "target/i386/sev-rmp.h"

#define SNP_RMP_PAGES_2M 512

/* Results of RMPUPDATE, PSMASH and RMPREAD in EAX */
enum {
    SNP_RMP_SUCCESS = 0,
    SNP_RMP_FAIL_INPUT = 1,
    SNP_RMP_FAIL_PERMISSION = 2,
    SNP_RMP_FAIL_INUSE = 3,
    SNP_RMP_FAIL_OVERLAP = 4,
};

/* Other pages of the 2 MiB that begin with this one are assigned, as 4 KiB. */
#define SNP_RMP_REGION_ASSIGNED (1U << 1)

/**
 * SnpRmpState: the 16 bytes at RCX that RMPUPDATE reads and RMPREAD writes
 * @gpa: guest-physical address; RMPUPDATE does not look at bits 11:0
 * @assigned, @page_2m, @immutable: bit 0 each
 * @page_2m: and bit 1, SNP_RMP_REGION_ASSIGNED, which RMPREAD alone knows
 * @asid: owner, 0 for the host's firmware
 */
typedef struct SnpRmpState {
    uint64_t gpa;
    uint8_t assigned;
    uint8_t page_2m;
    uint8_t immutable;
    uint8_t reserved;
    uint32_t asid;
} SnpRmpState;

/** snp_rmp_lock, snp_rmp_unlock: keep other writers out; not recursive */
void snp_rmp_lock(SnpHost *host);
void snp_rmp_unlock(SnpHost *host);

/**
 * snp_rmp_get: the entry of the page at @spa, as it lies in the table
 *
 * Returns: false outside the table; the page is the hypervisor's then, for
 * ever.
 */
bool snp_rmp_get(SnpHost *host, hwaddr spa, SevRmpEntry *entry);

/**
 * snp_rmp_set: write the entry of the page at @spa
 *
 * With SEV_RMP_PAGE_2M and SEV_RMP_ASSIGNED, the entries of all 512 pages of
 * the 2 MiB around it, of which @entry is the first one's.  The count of
 * sub-pages in @entry is not looked at: the table keeps it.
 *
 * Locking: the table's lock.  The caller flushes, snp_rmp_flush().
 *
 * Returns: false outside the table.
 */
bool snp_rmp_set(SnpHost *host, hwaddr spa, const SevRmpEntry *entry);

/**
 * snp_rmp_set_in_use: a VMCB or a VMSA is entered or left
 * @in_use: VMRUN has taken it; RMPUPDATE and PSMASH fail with INUSE until
 *     #VMEXIT
 *
 * Locking: the table's lock.
 *
 * Returns: false where it is in use already, or outside the table.
 */
bool snp_rmp_set_in_use(SnpHost *host, hwaddr spa, bool in_use);

/**
 * snp_rmp_is_in_use: is any of so many pages from @spa on?
 *
 * Locking: the table's lock.  Returns: false outside the table.
 */
bool snp_rmp_is_in_use(SnpHost *host, hwaddr spa, size_t pages);

/**
 * snp_rmp_host_owns: is a page the hypervisor's?
 * @large: all of the 2 MiB around it; a processor looks at a larger mapping
 *     in parts of 2 MiB
 */
bool snp_rmp_host_owns(SnpHost *host, hwaddr spa, bool large);

/**
 * snp_rmpupdate: instruction RMPUPDATE
 * @changed: set where translations have to end
 *
 * Takes the table's lock.  Returns: SNP_RMP_*, EAX.
 */
uint32_t snp_rmpupdate(SnpHost *host, uint64_t spa, const SnpRmpState *state,
                       bool *changed);

/** snp_psmash: instruction PSMASH; as snp_rmpupdate() */
uint32_t snp_psmash(SnpHost *host, uint64_t spa, bool *changed);

/**
 * snp_rmpread: instruction RMPREAD
 * @state: set if SNP_RMP_SUCCESS is returned
 *
 * Returns: SNP_RMP_*, EAX.
 */
uint32_t snp_rmpread(SnpHost *host, uint64_t spa, SnpRmpState *state);

/**
 * snp_rmp_flush: end all translations, on all vCPUs
 * snp_rmp_flush_guests: those of guests, the host's stay
 *
 * Each vCPU forgets them before it starts another translation block.  From
 * any thread; in a vCPU's the translation block has to be left soon.
 */
void snp_rmp_flush(SnpHost *host);
void snp_rmp_flush_guests(SnpHost *host);

#endif
