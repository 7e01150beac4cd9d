/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page walks that end at a table which the host does not own, and what is told
 * of them and of the walks behind them
 *
 * No firmware has taken the RMP over, so that this host writes entries as it
 * likes.  APM volume 2, 15.36.10 and 15.12.15.
 */
#include "svm.h"

#define SYSCFG          0xc0010010
#define RMP_BASE        0xc0010132
#define BOOKKEEPING     0x4000

#define SET             (1ULL << 0)             /* assigned */
#define ASID(n)         ((u64)(n) << 51)
#define VMSA            (1ULL << 61)
#define V               (1ULL << 62)            /* validated */
#define OWN             (SET | ASID(1) | V)
#define OTHER           (SET | ASID(2) | V)

#define CBIT            (1ULL << 51)

/* Error codes of #PF and #NPF */
#define P               (1ULL << 0)
#define W               (1ULL << 1)
#define U               (1ULL << 2)
#define RMP             (1ULL << 31)
#define FINAL           (1ULL << 32)
#define ENC             (1ULL << 34)

/* Mapped in pages of 4 KiB, by the host and by nested tables */
#define CODE            0x1000000ULL
#define ROOT            0x1001000ULL
#define TABLE           0x1002000ULL
#define STATE           0x1003000ULL
#define DATA            0x1010000ULL
#define NESTED          0x1020000ULL            /* a table, of what follows */
#define BIG             0x1400000ULL

/* Where a guest sees it all private; below, all is shared. */
#define PRIVATE         (4ULL << 30)
#define CR2             0x1234000ULL

#define GUEST(name, text)                                               \
    asm(".pushsection .text\n" #name ": " text "\n rep; vmmcall\n"      \
        #name "_end: .popsection");                                     \
    extern const u8 name[], name##_end[]

GUEST(g_load, "movq (%rsi), %rbx");
GUEST(g_store, "movq %rsi, (%rsi)");
GUEST(g_pvalidate, ".byte 0xf2, 0x0f, 0x01, 0xff");

static void map_small(void)
{
    static u64 directory[512] __attribute__((aligned(PAGE)));
    static u64 table[512] __attribute__((aligned(PAGE)));

    for (unsigned i = 0; i < 512; i++) {
        directory[i] = (u64)i << 21 | 0xe7;
        table[i] = (CODE + i * PAGE) | 0x67;
    }
    directory[CODE >> 21] = (u64)table | 0x67;
    *(u64 *)PDPT = (u64)directory | 0x67;
}

static void set_rmp(u64 spa, u64 entry)
{
    u64 *at = (u64 *)(rdmsr(RMP_BASE) + BOOKKEEPING + (spa >> 12) * 16);

    at[0] = entry ? entry | spa : 0;
    at[1] = 0x1f1f1f1f;
    asm volatile("mov %%cr3, %%rax\n mov %%rax, %%cr3" ::: "rax", "memory");
    vmcb[VMCB_TLB_CONTROL] = 1;
}

/* Of what leads to BIG, in tables that are there already */
static u64 *nested_directory_entry(void)
{
    u64 *pml4 = (u64 *)*vmcb64(VMCB_NESTED_CR3);
    u64 *pdpt = (u64 *)(pml4[0] & ~0xfffULL);

    return (u64 *)(pdpt[0] & ~0xfffULL) + (BIG >> 21);
}

/* Nested tables of BIG lie where the RMP can be told of them. */
static void set_nested(void)
{
    for (unsigned i = 0; i < 512; i++) {
        ((u64 *)NESTED)[i] = (BIG + i * PAGE) | 7;
    }
    *nested_directory_entry() = NESTED | 7;
}

/* @at: RSI and RAX, which PVALIDATE takes its page from; ECX is 0 */
static void start(const u8 *code, const u8 *end, u64 at)
{
    static const u64 private[] = { CODE, ROOT, TABLE, STATE };

    for (unsigned i = 0; i < ARRAY_SIZE(private); i++) {
        set_rmp(private[i], 0);
    }
    set_rmp(NESTED, 0);
    memcpy((void *)CODE, code, end - code);
    set_encrypted((void *)CODE);
    set_nested();
    *vmcb64(VMCB_VMSA) = STATE;
    *vmsa64(VMSA_FEATURES) = 1;
    *vmsa64(SAVE_CR3) = ROOT | CBIT;
    *vmsa64(VMSA_RSI) = at;
    *vmsa64(SAVE_RAX) = at;
    *(u64 *)ROOT = TABLE | CBIT | 0x67;
    for (unsigned i = 0; i < 4; i++) {
        ((u64 *)TABLE)[i] = (u64)i << 30 | 0xe7;
        ((u64 *)TABLE)[4 + i] = (u64)i << 30 | CBIT | 0xe7;
    }
    memcpy((void *)STATE, vmsa, PAGE);
    for (unsigned i = 0; i < ARRAY_SIZE(private); i++) {
        set_rmp(private[i], OWN | (private[i] == STATE ? VMSA : 0));
    }
}

static void check_npf(const char *name, u64 error, u64 address)
{
    u64 exit = run_encrypted();

    if (exit != EXIT_NPF) {
        check_eq(name, exit, EXIT_NPF);
    } else if ((*vmcb64(VMCB_INFO2) & ~0xfffULL) != address) {
        check_eq(name, *vmcb64(VMCB_INFO2), address);
    } else {
        check_eq(name, *vmcb64(VMCB_INFO1), error);
    }
}

static void test_nested_tables(void)
{
    start(g_load, g_load_end, PRIVATE + BIG);
    set_rmp(NESTED, OTHER);
    check_npf(T("load-nested-table-of-other"), P | U | RMP | FINAL | ENC, BIG);
    start(g_load, g_load_end, BIG);
    set_rmp(NESTED, OTHER);
    check_npf(T("shared-nested-table-of-other"), P | U | RMP | FINAL, BIG);
    start(g_pvalidate, g_pvalidate_end, PRIVATE + BIG);
    set_rmp(NESTED, OTHER);
    check_npf(T("pvalidate-nested-table-of-other"), P | U | RMP | FINAL | ENC,
              BIG);
    /* That one is over: what is missing here is missing, and no more. */
    start(g_load, g_load_end, PRIVATE + DATA);
    *nested_entry(DATA) = 0;
    check_npf(T("absent-after-it"), U | FINAL | ENC, DATA);
    *nested_entry(DATA) = DATA | 7;
    start(g_pvalidate, g_pvalidate_end, PRIVATE + BIG);
    ((u64 *)NESTED)[0] = 0;
    check_npf(T("pvalidate-absent"), U | FINAL | ENC, BIG);
}

/* A guest that has its page tables from the host, who intercepts its #PF */
static void test_shadow(void)
{
    set_rmp(DATA, OTHER);
    set_guest(g_store);
    *vmcb32(VMCB_EXCEPTIONS) = 1 << PF;
    *save64(SAVE_CR2) = CR2;
    regs.rsi = DATA;
    check_eq(T("shadow-store"), run(), EXIT_EXCEPTION + PF);
    check_eq(T("shadow-store-error"), *vmcb64(VMCB_INFO1), P | W | RMP);
    check_eq(T("shadow-store-address"), *vmcb64(VMCB_INFO2), DATA);
    check_eq(T("shadow-store-cr2"), *save64(SAVE_CR2), CR2);
    set_rmp(DATA, 0);
    check_eq(T("shadow-store-own"), run(), EXIT_VMMCALL);
}

void payload(void)
{
    svm_on();
    map_small();
    wrmsr(SYSCFG, rdmsr(SYSCFG) | 1 << 24 | 1 << 25);
    test_nested_tables();
    test_shadow();
}
