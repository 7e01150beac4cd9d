/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RMP of a bare-metal host, and its own guest with SEV-SNP
 *
 * The host may write entries as it likes as long as no firmware has taken the
 * RMP over.  APM volume 2, 15.36; volume 3, RMPUPDATE and PSMASH.
 */
#ifndef RMP_H
#define RMP_H

#include "svm.h"

#define SYSCFG          0xc0010010
#define SYSCFG_MFDM     (1ULL << 19)
#define SYSCFG_SMEE     (1ULL << 23)
#define SYSCFG_SNP      (1ULL << 24)
#define SYSCFG_VMPL     (1ULL << 25)
#define RMP_BASE        0xc0010132
#define RMP_END         0xc0010133
#define RMP_BOOKKEEPING 0x4000

/* An entry's first half */
#define RMP_ASSIGNED    (1ULL << 0)
#define RMP_2M          (1ULL << 1)
#define RMP_IMMUTABLE   (1ULL << 2)
#define RMP_COUNT(n)    ((u64)(n) << 3)
#define RMP_ASID(n)     ((u64)(n) << 51)
#define RMP_VMSA        (1ULL << 61)
#define RMP_VALIDATED   (1ULL << 62)
#define RMP_LOCK        (1ULL << 63)
/* and the second: all rights of all VMPLs */
#define RMP_ALL         0x1f1f1f1fULL

/* In an address of a host's and of a guest's */
#define CBIT            (1ULL << 51)

/* What RMPUPDATE reads, and RMPREAD writes */
#define STATE_REGION    2       /* in page_2m: others of its 2 MiB assigned */
struct rmp_state {
    u64 gpa;
    u8 assigned, page_2m, immutable, reserved;
    u32 asid;
} __attribute__((packed));

/** rmpupdate, psmash, rmpread: EAX */
static inline u64 rmpupdate(u64 spa, const struct rmp_state *state)
{
    asm volatile(".byte 0xf2, 0x0f, 0x01, 0xfe"
                 : "+a"(spa) : "c"(state) : "memory");
    return spa;
}

static inline u64 psmash(u64 spa)
{
    asm volatile(".byte 0xf3, 0x0f, 0x01, 0xff" : "+a"(spa) :: "memory");
    return spa;
}

static inline u64 rmpread(u64 spa, struct rmp_state *state)
{
    asm volatile(".byte 0xf2, 0x0f, 0x01, 0xfd"
                 : "+a"(spa) : "c"(state) : "memory");
    return spa;
}

/** rmp_entry: two words, in the table; volatile: the processor writes, too */
static inline volatile u64 *rmp_entry(u64 spa)
{
    return (u64 *)(rdmsr(RMP_BASE) + RMP_BOOKKEEPING + spa / PAGE * 16);
}

/** snp_on: with an RMP that says that every page is the host's */
void snp_on(void);

/** set_rmp: write an entry, and flush what was checked against the old one */
void set_rmp(u64 spa, u64 entry, u64 perms);
void flush_rmp(void);

/*
 * A guest: code, page tables and VMSA are private, and lie where nested_pages()
 * has pages of 4 KiB
 */
#define GUEST_CODE      0x1000000ULL
#define GUEST_ROOT      0x1001000ULL
#define GUEST_TABLE     0x1002000ULL
#define GUEST_STATE     0x1003000ULL
/* Free for the payloads; and what is mapped in 2 MiB by nested_pages() */
#define GUEST_DATA      0x1010000ULL
#define GUEST_BIG       0x1400000ULL
/* Where the guest sees all memory private; below that, it sees it shared. */
#define GUEST_PRIVATE   (4ULL << 30)
#define GUEST_ASID      1
/* Entries of its pages but for the address, validated or not */
#define GUEST_ASSIGNED  (RMP_ASSIGNED | RMP_ASID(GUEST_ASID))
#define GUEST_VALID     (GUEST_ASSIGNED | RMP_VALIDATED)

/**
 * map_small: the host's own mapping of GUEST_CODE and GUEST_BIG, 2 MiB each,
 * by pages of 4 KiB
 *
 * A larger page may not be written where a guest owns a part of it.
 */
void map_small(void);

/** guest_state: a field of the VMSA, which the host may only read */
static inline u64 *guest_state(unsigned offset)
{
    return (u64 *)(GUEST_STATE + offset);
}

/** set_guest_state: a field, while the page is the host's for a moment */
void set_guest_state(unsigned offset, u64 value);

/**
 * set_snp: vmcb, and the guest's pages: it starts with @code, with @rsi in
 * RSI, and its #VC handler is vc_handler
 */
void set_snp(const u8 *code, const u8 *end, unsigned vmpl, u64 rsi);

#endif
