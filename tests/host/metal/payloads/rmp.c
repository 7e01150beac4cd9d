/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RMP as a host meets it: CPUID, MSRs, RMPUPDATE, PSMASH, and #PF for its
 * own accesses
 *
 * APM volume 2, 15.36; volume 3, RMPUPDATE and PSMASH.  The machine has 256
 * MiB of RAM.
 */
#include "rmp.h"

#define HWCR            0xc0010015
#define SEV_STATUS      0xc0010131

/* Where pages change owners, and what they are to a guest */
#define SPA             0x4000000ULL
#define SPA_2           0x4400000ULL
/* Alone in its 2 MiB: a page table that changes its owner */
#define TABLE           0x6000000ULL
#define GPA             0x40000000ULL

/* Alone in its 2 MiB, and nothing but the small mapping touches it */
#define ALONE           0x6400000ULL

/* The same memory in pages of 4 KiB, 2 MiB and 1 GiB: entries of a PML4 */
#define SMALL           0x8000000000ULL
#define MIDDLE          0x10000000000ULL
#define PTE             0x067
#define LEAF            0x0e7

#define PF_RMP          (1ULL << 31)

#define FAIL_INPUT      1
#define FAIL_PERMISSION 2
#define FAIL_OVERLAP    4

struct tables {
    u64 pdpt[512], pd[512];
};

static u64 *const leaves = (u64 *)TABLE;
static struct tables small __attribute__((aligned(PAGE)));
static struct tables middle __attribute__((aligned(PAGE)));
static u64 last_result;

static u64 assign(u64 spa, u64 gpa, u32 asid, bool large)
{
    struct rmp_state state = { gpa, 1, large, 0, 0, asid };

    return rmpupdate(spa, &state);
}

static u64 release(u64 spa, bool large)
{
    struct rmp_state state = { .page_2m = large };

    return rmpupdate(spa, &state);
}

/* ---- what may fail ---- */

static void do_wrmsr(void *arg)
{
    u64 *pair = arg;

    wrmsr(pair[0], pair[1]);
}

static int try_wrmsr(u32 msr, u64 value)
{
    u64 pair[2] = { msr, value };

    return try(do_wrmsr, pair);
}

static void do_write(void *arg)
{
    /* volatile: the access itself is what counts */
    *(volatile u8 *)arg = 1;
}

static void do_read(void *arg)
{
    /* volatile: as above */
    (void)*(volatile u8 *)arg;
}

static void do_xchg(void *arg)
{
    __atomic_fetch_add((u8 *)arg, 1, __ATOMIC_SEQ_CST);
}

static void do_rmpupdate(void *arg)
{
    last_result = rmpupdate(SPA, arg);
}

static void do_rmpread(void *arg)
{
    last_result = rmpread(SPA, arg);
}

static void do_psmash(void *arg)
{
    last_result = psmash((u64)arg);
}

static void check_fault(const char *name, void (*fn)(void *), u64 address,
                        u64 error)
{
    int vector = try(fn, (void *)address);

    if (vector != PF) {
        check_eq(name, vector, PF);
        return;
    }
    if (trapped_cr2 != address) {
        check_eq(name, trapped_cr2, address);
        return;
    }
    check_eq(name, trapped.error, error);
}

/* ---- CPUID and MSRs ---- */

static void test_cpuid(void)
{
    u32 regs[4];

    cpuid(1, 0, regs);
    check_eq(T("no-hypervisor"), regs[2] >> 31, 0);
    cpuid(0x80000000, 0, regs);
    check(T("leaves"), regs[0] >= 0x8000001f);
    cpuid(0x80000008, 0, regs);
    check_eq(T("address-bits"), regs[0] & 0xff, 48);
    cpuid(0x8000000a, 0, regs);
    check_eq(T("svm-features"), regs[3] & 0xcb, 0xcb);
    check(T("asids"), regs[1] > 12);
    cpuid(0x8000001f, 0, regs);
    check_eq(T("sev-features"), regs[0] & 0x20043f, 0x43f);
    check_eq(T("c-bit"), regs[1] & 0xffff, 51 | 5 << 6 | 4 << 12);
    check_eq(T("sev-asids"), (u64)regs[2] << 32 | regs[3], 12ULL << 32 | 9);
}

static void test_msrs(void)
{
    u64 base = rdmsr(RMP_BASE), end = rdmsr(RMP_END);

    check_eq(T("syscfg-at-reset"), rdmsr(SYSCFG), SYSCFG_SMEE);
    check_eq(T("smm-locked"), rdmsr(HWCR) & 1, 1);
    wrmsr(HWCR, 0);
    check_eq(T("smm-stays-locked"), rdmsr(HWCR) & 1, 1);
    check_eq(T("host-sev-status"), rdmsr(SEV_STATUS), 0);
    check_eq(T("sev-status-read-only"), try_wrmsr(SEV_STATUS, 0), GP);
    check_eq(T("rmp-aligned"), (base | (end + 1)) & (PAGE_2M - 1), 0);
    check(T("rmp-covers-ram"),
          end + 1 - base >= RMP_BOOKKEEPING + 0x10000000 / PAGE * 16);
    check_eq(T("rmp-at-the-top"), end + 1, 0x10000000);
    check_eq(T("rmp-base-same"), try_wrmsr(RMP_BASE, base), -1);
    check_eq(T("rmp-base-other"), try_wrmsr(RMP_BASE, base - PAGE_2M), GP);
    check_eq(T("syscfg-reserved"), try_wrmsr(SYSCFG, SYSCFG_SMEE | 1), GP);
    check_eq(T("snp-without-encryption"), try_wrmsr(SYSCFG, SYSCFG_SNP), GP);
    check_eq(T("syscfg-mfdm"), try_wrmsr(SYSCFG, SYSCFG_SMEE | SYSCFG_MFDM),
             -1);
}

static void test_before_snp(void)
{
    struct rmp_state state = { };

    check_eq(T("rmpupdate-before-snp"), try(do_rmpupdate, &state), UD);
    check_eq(T("psmash-before-snp"), try(do_psmash, (void *)SPA), UD);
}

static void enable_snp(void)
{
    const u64 on = SYSCFG_SMEE | SYSCFG_MFDM | SYSCFG_SNP | SYSCFG_VMPL;
    struct rmp_state state;

    snp_on();
    check_eq(T("snp-enabled"), rdmsr(SYSCFG), on);
    wrmsr(SYSCFG, 0);
    check_eq(T("rmpread-of-later-chips"), try(do_rmpread, &state), UD);
    check_eq(T("snp-sticky"), rdmsr(SYSCFG), on & ~SYSCFG_MFDM);
    check_eq(T("rmp-base-locked"), try_wrmsr(RMP_BASE, rdmsr(RMP_BASE)), GP);
    check_eq(T("rmp-end-locked"), try_wrmsr(RMP_END, rdmsr(RMP_END)), GP);
}

/* ---- RMPUPDATE and PSMASH ---- */

static void test_rmpupdate(void)
{
    struct rmp_state fixed = { .immutable = 1 };
    struct rmp_state firmware = { .assigned = 1, .immutable = 1 };

    check_eq(T("assign"), assign(SPA, GPA, 5, false), 0);
    check_eq(T("assigned-entry"), *rmp_entry(SPA),
             RMP_ASSIGNED | GPA | RMP_ASID(5));
    check_eq(T("assigned-vmpls"), rmp_entry(SPA)[1], 0x1f);
    check_eq(T("assign-again"), assign(SPA, GPA + PAGE, 6, false), 0);
    check_eq(T("assigned-again"), *rmp_entry(SPA),
             RMP_ASSIGNED | (GPA + PAGE) | RMP_ASID(6));
    check_eq(T("count"), assign(SPA + PAGE, GPA, 5, false), 0);
    check_eq(T("counted"), *rmp_entry(SPA),
             RMP_ASSIGNED | (GPA + PAGE) | RMP_ASID(6) | RMP_COUNT(1));
    check_eq(T("overlap-by-large"), assign(SPA, GPA, 5, true), FAIL_OVERLAP);
    check_eq(T("release"), release(SPA, false), 0);
    check_eq(T("released-entry"), *rmp_entry(SPA), RMP_COUNT(1));
    check_eq(T("overlap-by-second"), assign(SPA, GPA, 5, true), FAIL_OVERLAP);
    check_eq(T("release-second"), release(SPA + PAGE, false), 0);
    check_eq(T("count-down"), *rmp_entry(SPA), 0);

    check_eq(T("make-firmware"), rmpupdate(SPA_2, &firmware), 0);
    check_eq(T("firmware-immutable"), release(SPA_2, false), FAIL_PERMISSION);
    check_eq(T("make-fixed"), rmpupdate(SPA_2 + PAGE, &fixed), 0);
    check_eq(T("fixed-immutable"), assign(SPA_2 + PAGE, GPA, 5, false),
             FAIL_PERMISSION);

    check_eq(T("spa-unaligned"), assign(SPA + 1, GPA, 5, false), FAIL_INPUT);
    check_eq(T("spa-not-covered"), assign(1ULL << 40, GPA, 5, false),
             FAIL_INPUT);
    check_eq(T("spa-with-c-bit"), assign(SPA | CBIT, GPA, 5, false),
             FAIL_INPUT);
    check_eq(T("large-unaligned"), assign(SPA + PAGE, GPA, 5, true),
             FAIL_INPUT);
    check_eq(T("asid-too-large"), assign(SPA, GPA, 1024, false), FAIL_INPUT);
}

static void test_large(void)
{
    unsigned i, wrong = 0;

    check_eq(T("assign-large"), assign(SPA, GPA, 5, true), 0);
    for (i = 0; i < 512; i++) {
        wrong += !(*rmp_entry(SPA + i * PAGE) & RMP_ASSIGNED);
    }
    check_eq(T("all-say-assigned"), wrong, 0);
    check_eq(T("first-says-large"), *rmp_entry(SPA),
             RMP_ASSIGNED | RMP_2M | GPA | RMP_ASID(5));
    check_eq(T("small-in-large"), release(SPA + PAGE, false), FAIL_OVERLAP);
    check_eq(T("smash-unaligned"), psmash(SPA + PAGE), FAIL_INPUT);
    check_eq(T("smash"), psmash(SPA), 0);
    check_eq(T("smashed-first"), *rmp_entry(SPA),
             RMP_ASSIGNED | GPA | RMP_ASID(5) | RMP_COUNT(511));
    check_eq(T("smashed-last"), *rmp_entry(SPA + 511 * PAGE),
             RMP_ASSIGNED | (GPA + 511 * PAGE) | RMP_ASID(5));
    check_eq(T("smash-twice"), psmash(SPA), FAIL_INPUT);
    check_eq(T("large-over-smashed"), release(SPA, true), FAIL_OVERLAP);
    for (i = 0, wrong = 0; i < 512; i++) {
        wrong += release(SPA + i * PAGE, false) != 0;
    }
    check_eq(T("released-one-by-one"), wrong, 0);
    check_eq(T("count-gone"), *rmp_entry(SPA), 0);
    check_eq(T("smash-host"), psmash(SPA), FAIL_INPUT);
    check_eq(T("smash-not-covered"), psmash(1ULL << 40), FAIL_INPUT);
    assign(SPA, GPA, 5, true);
    check_eq(T("release-large"), release(SPA, true), 0);
    check_eq(T("last-released"), *rmp_entry(SPA + 511 * PAGE), 0);
}

static void test_operands(void)
{
    struct rmp_state state = { };

    last_result = 99;
    check_eq(T("operand-not-canonical"),
             try(do_rmpupdate, (void *)0x800000000000ULL), GP);
    check_fault(T("operand-not-mapped"), do_rmpupdate, 0x18000000000ULL, 0);
    check_eq(T("operand-nothing-done"), last_result, 99);
    check_eq(T("operand-good"), try(do_rmpupdate, &state), -1);
}

/* ---- the host's own accesses ---- */

static void map(void)
{
    u64 *pml4 = (u64 *)PML4;
    unsigned i;

    for (i = 0; i < 512; i++) {
        leaves[i] = (SPA + i * PAGE) | PTE;
        middle.pd[i] = i * PAGE_2M | LEAF;
    }
    small.pdpt[0] = (u64)small.pd | PTE;
    small.pd[0] = TABLE | PTE;
    middle.pdpt[0] = (u64)middle.pd | PTE;
    pml4[SMALL >> 39] = (u64)small.pdpt | PTE;
    pml4[MIDDLE >> 39] = (u64)middle.pdpt | PTE;
    asm volatile("mov %0, %%cr3" :: "r"((u64)PML4) : "memory");
}

static void test_writes(void)
{
    const u64 at = SMALL + 7 * PAGE, error = PF_PRESENT | PF_WRITE | PF_RMP;

    memset((void *)SPA, 0x5a, PAGE_2M);
    do_write((void *)at);
    assign(SPA + 7 * PAGE, GPA, 5, false);
    check_fault(T("write"), do_write, at, error);
    check_eq(T("read"), try(do_read, (void *)at), -1);
    check_fault(T("write-after-read"), do_write, at + 8, error);
    check_fault(T("locked"), do_xchg, at, error);
    check_eq(T("neighbour"), try(do_write, (void *)(at + PAGE)), -1);
    check_fault(T("write-by-2m"), do_write, MIDDLE + SPA + 8 * PAGE, error);
    check_eq(T("read-by-2m"), try(do_read, (void *)(MIDDLE + SPA)), -1);
    check_fault(T("write-by-1g"), do_write, SPA, error);
    check_eq(T("next-2m"), try(do_write, (void *)(MIDDLE + SPA + PAGE_2M)),
             -1);
    release(SPA + 7 * PAGE, false);
    check_eq(T("write-released"), try(do_write, (void *)at), -1);
    check_eq(T("write-by-2m-released"),
             try(do_write, (void *)(MIDDLE + SPA + 8 * PAGE)), -1);
    check_eq(T("firmware-page"), try(do_write, (void *)SPA_2), PF);
    leaves[0] = (SPA_2 + PAGE) | PTE;
    invlpg((void *)SMALL);
    check_eq(T("fixed-page"), try(do_write, (void *)SMALL), -1);
}

/* A page that is mapped at few places, and by pages of 4 KiB alone */
static void test_few(void)
{
    const u64 first = SMALL + 20 * PAGE, second = SMALL + 30 * PAGE;
    const u64 error = PF_PRESENT | PF_WRITE | PF_RMP;

    leaves[20] = ALONE | PTE;
    leaves[30] = ALONE | PTE;
    leaves[31] = (ALONE + PAGE) | PTE;
    asm volatile("mov %0, %%cr3" :: "r"((u64)PML4) : "memory");
    do_write((void *)first);
    do_write((void *)(second + PAGE));
    assign(ALONE, GPA, 5, false);
    check_fault(T("only-one"), do_write, first, error);
    check_eq(T("only-one-read"), try(do_read, (void *)first), -1);
    check_eq(T("only-one-neighbour"),
             try(do_write, (void *)(second + PAGE)), -1);
    release(ALONE, false);
    check_eq(T("only-one-released"), try(do_write, (void *)first), -1);
    do_write((void *)second);
    assign(ALONE, GPA, 5, false);
    check_fault(T("first-of-two"), do_write, first, error);
    check_fault(T("second-of-two"), do_write, second, error);
    release(ALONE, false);
    do_write((void *)first);
    do_write((void *)(MIDDLE + ALONE + PAGE));
    assign(ALONE, GPA, 5, false);
    check_fault(T("larger-beside"), do_write, MIDDLE + ALONE + PAGE, error);
    check_fault(T("smaller-beside"), do_write, first, error);
    release(ALONE, false);
    do_write((void *)(MIDDLE + ALONE + 6 * PAGE));
    assign(ALONE + 5 * PAGE, GPA, 5, false);
    check_fault(T("larger-alone"), do_write, MIDDLE + ALONE + 6 * PAGE, error);
    release(ALONE + 5 * PAGE, false);
}

/* Tables that the host does not own: their entries cannot be marked. */
static void test_walk(void)
{
    const u64 at = SMALL + 3 * PAGE;

    assign(TABLE, GPA, 5, false);
    asm volatile("mov %0, %%cr3" :: "r"((u64)PML4) : "memory");
    check_fault(T("table-not-owned"), do_write, at,
                PF_PRESENT | PF_WRITE | PF_RMP);
    release(TABLE, false);
    check_eq(T("table-released"), try(do_write, (void *)at), -1);
}

static void test_reserved_bits(void)
{
    const u64 at = SMALL + 5 * PAGE;
    u64 *pte = &leaves[5];
    const u64 good = *pte;
    unsigned bit, wrong = 0;

    for (bit = 43; bit < 51; bit++) {
        *pte = good | 1ULL << bit;
        invlpg((void *)at);
        wrong += try(do_read, (void *)at) != PF ||
                 !(trapped.error & PF_RSVD);
    }
    check_eq(T("reserved-bits"), wrong, 0);
    *pte = good | CBIT;
    invlpg((void *)at);
    check_eq(T("c-bit-of-the-host"), try(do_read, (void *)at), -1);
    *pte = good;
    invlpg((void *)at);
}

/* The RMP's own pages are memory like others until firmware takes them. */
static void test_own_pages(void)
{
    u64 last = rdmsr(RMP_END) & ~(PAGE - 1);

    check_eq(T("rmp-covers-itself"), assign(last, 0, 0, false), 0);
    check_eq(T("rmp-page-write"), try(do_write, (void *)last), PF);
    check_eq(T("rmp-page-released"), release(last, false), 0);
}

void payload(void)
{
    test_cpuid();
    test_msrs();
    test_before_snp();
    enable_snp();
    test_rmpupdate();
    test_large();
    test_operands();
    map();
    test_writes();
    test_few();
    test_walk();
    test_reserved_bits();
    test_own_pages();
}
