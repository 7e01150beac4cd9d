/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMRUN and #VMEXIT of a guest with SEV-SNP
 *
 * No firmware has taken the RMP over, so that this host writes entries as it
 * likes.  Code, page tables and VMSA are the guest's private pages, all else
 * is shared.  APM volume 2, 15.36.12.
 */
#include "svm.h"

#define SYSCFG          0xc0010010
#define RMP_BASE        0xc0010132
#define BOOKKEEPING     0x4000

#define RMP_ASSIGNED    (1ULL << 0)
#define RMP_IMMUTABLE   (1ULL << 2)
#define RMP_ASID(n)     ((u64)(n) << 51)
#define RMP_VMSA        (1ULL << 61)
#define RMP_VALIDATED   (1ULL << 62)
#define RMP_LOCK        (1ULL << 63)
#define GUEST_PAGE      (RMP_ASSIGNED | RMP_VALIDATED | RMP_ASID(1))
#define VMSA_PAGE       (GUEST_PAGE | RMP_VMSA)

#define CBIT            (1ULL << 51)
#define EXIT_BUSY       (~1ULL)
#define NPF_RMP         (1ULL << 31)
#define NPF_ENC         (1ULL << 34)

/* In the region that is mapped in pages of 4 KiB */
#define CODE            0x1000000ULL
#define ROOT            0x1001000ULL
#define TABLE           0x1002000ULL
#define STATE           0x1003000ULL
#define DATA            0x1010000ULL

#define GUEST(name, text)                                               \
    asm(".pushsection .text\n" #name ": " text "\n" #name "_end:"       \
        " rep; vmmcall\n hlt\n .popsection");                           \
    extern const u8 name[], name##_end[]

GUEST(g_status, "movl $0xc0010131, %ecx\n rdmsr\n movl %eax, %ebx");
GUEST(g_load, "movq (%rsi), %rbx");

/*
 * A larger page may not be written where the guest owns a part of it, so that
 * the host maps these, too, in pages of 4 KiB.
 */
static void map_small(void)
{
    static u64 directory[512] __attribute__((aligned(PAGE)));
    static u64 table[512] __attribute__((aligned(PAGE)));

    for (unsigned i = 0; i < 512; i++) {
        directory[i] = (u64)i << 21 | 0xe7;
        table[i] = (NESTED_SMALL_START + i * PAGE) | 0x67;
    }
    directory[NESTED_SMALL_START >> 21] = (u64)table | 0x67;
    *(u64 *)PDPT = (u64)directory | 0x67;
    asm volatile("mov %%cr3, %%rax\n mov %%rax, %%cr3" ::: "rax", "memory");
}

static volatile u64 *rmp_entry(u64 spa)
{
    return (u64 *)(rdmsr(RMP_BASE) + BOOKKEEPING + (spa >> 12) * 16);
}

static void set_rmp(u64 spa, u64 entry)
{
    volatile u64 *at = rmp_entry(spa);

    at[0] = entry & RMP_ASSIGNED ? entry | spa : entry;
    at[1] = 0x1f;
    /* What was checked against the old entry has to go. */
    asm volatile("mov %%cr3, %%rax\n mov %%rax, %%cr3" ::: "rax", "memory");
    vmcb[VMCB_TLB_CONTROL] = 1;
}

/* The VMSA is made while its page is the host's. */
static void start(const u8 *code, const u8 *end)
{
    static const u64 private[] = { CODE, ROOT, TABLE };

    set_rmp(STATE, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(private); i++) {
        set_rmp(private[i], 0);
    }
    memcpy((void *)CODE, code, end - code + 5);
    set_encrypted((void *)CODE);
    *vmcb64(VMCB_VMSA) = STATE;
    *vmsa64(VMSA_FEATURES) = 1;
    *vmsa64(SAVE_CR3) = ROOT | CBIT;
    *vmsa64(SAVE_IDTR + 8) = 0;
    *(u64 *)ROOT = TABLE | CBIT | 0x67;
    for (unsigned i = 0; i < 4; i++) {
        ((u64 *)TABLE)[i] = (u64)i << 30 | 0xe7;
        ((u64 *)TABLE)[4 + i] = (u64)i << 30 | CBIT | 0xe7;
    }
    memcpy((void *)STATE, vmsa, PAGE);
    set_rmp(STATE, VMSA_PAGE);
    for (unsigned i = 0; i < ARRAY_SIZE(private); i++) {
        set_rmp(private[i], GUEST_PAGE);
    }
}

static u64 *state64(unsigned offset)
{
    return (u64 *)(STATE + offset);
}

static void check_failure(const char *name, u64 entry, u64 code)
{
    start(g_status, g_status_end);
    set_rmp(STATE, entry);
    check_eq(name, run(), code);
    set_rmp(STATE, VMSA_PAGE);
}

static void vmsa_page(void)
{
    check_failure(T("vmsa-of-host"), 0, EXIT_INVALID);
    check_failure(T("vmsa-of-other"), (VMSA_PAGE & ~RMP_ASID(1)) | RMP_ASID(2),
                  EXIT_INVALID);
    check_failure(T("no-vmsa"), GUEST_PAGE, EXIT_INVALID);
    check_failure(T("vmsa-not-validated"), VMSA_PAGE & ~RMP_VALIDATED,
                  EXIT_INVALID);
    check_failure(T("vmsa-immutable"), VMSA_PAGE | RMP_IMMUTABLE,
                  EXIT_INVALID);
    check_failure(T("vmsa-in-use"), VMSA_PAGE | RMP_LOCK, EXIT_BUSY);
    start(g_status, g_status_end);
    *vmcb32(VMCB_ASID) = 2;
    check_eq(T("other-asid"), run(), EXIT_INVALID);
}

static void faults(void)
{
    set_rmp(DATA, 0);
    start(g_load, g_load_end);
    set_rmp(STATE, 0);
    *state64(VMSA_RSI) = (4ULL << 30) + DATA;
    set_rmp(STATE, VMSA_PAGE);
    check_eq(T("private-is-shared"), run_encrypted(), EXIT_NPF);
    check_eq(T("private-is-shared-error"), *vmcb64(VMCB_INFO1) &
             (NPF_RMP | NPF_ENC), NPF_RMP | NPF_ENC);
    check_eq(T("private-is-shared-address"), *vmcb64(VMCB_INFO2) & ~0xfffULL,
             DATA);
    set_rmp(DATA, GUEST_PAGE);
    check_eq(T("assigned"), run_encrypted(), EXIT_VMGEXIT);
    *nested_entry(DATA) = 0;
    set_rmp(STATE, 0);
    *state64(SAVE_RIP) = CODE;
    set_rmp(STATE, VMSA_PAGE);
    check_eq(T("not-there"), run_encrypted(), EXIT_NPF);
    check_eq(T("not-there-error"), *vmcb64(VMCB_INFO1) & (NPF_RMP | NPF_ENC),
             NPF_ENC);
    set_rmp(DATA, 0);
}

/*
 * The VMCB of any guest, and a VMSA that is the host's, are in use while their
 * guest runs: RMPUPDATE would fail.  The guest looks up their entries itself.
 */
static void in_use(void)
{
    set_guest(g_load);
    regs.rsi = (u64)rmp_entry((u64)vmcb);
    check_eq(T("plain-guest"), run(), EXIT_VMMCALL);
    check_eq(T("vmcb-in-use"), regs.rbx, RMP_LOCK);
    check_eq(T("vmcb-left"), *rmp_entry((u64)vmcb), 0);
    set_encrypted(g_load);
    *vmsa64(VMSA_RSI) = (u64)rmp_entry((u64)vmsa);
    check_eq(T("es-guest"), run_encrypted(), EXIT_VMGEXIT);
    check_eq(T("vmsa-of-es-in-use"), *vmsa64(VMSA_RBX), RMP_LOCK);
    check_eq(T("vmsa-of-es-left"), *rmp_entry((u64)vmsa), 0);
    /* One page for both would be in use already. */
    set_encrypted(g_load);
    *vmcb64(VMCB_VMSA) = (u64)vmcb;
    check_eq(T("vmsa-is-vmcb"), run(), EXIT_BUSY);
}

void payload(void)
{
    svm_on();
    map_small();
    wrmsr(SYSCFG, rdmsr(SYSCFG) | 1 << 19);
    wrmsr(SYSCFG, rdmsr(SYSCFG) | 1 << 24 | 1 << 25);
    start(g_status, g_status_end);
    check_eq(T("runs"), run_encrypted(), EXIT_VMGEXIT);
    check_eq(T("sev-status"), *state64(VMSA_RBX), 7);
    check_eq(T("no-longer-in-use"), *rmp_entry(STATE) & RMP_LOCK, 0);
    vmsa_page();
    faults();
    in_use();
}
