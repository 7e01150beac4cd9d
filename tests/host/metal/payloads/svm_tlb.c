/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translations of a host and of its guests, which survive world switches
 *
 * One address, WINDOW, means another page to each side.  APM volume 2, 15.16.
 */
#include "svm.h"

#define WINDOW          0x8000000000ULL         /* second entry of a PML4 */
#define PTE             0x67
#define ROUNDS          1000
#define MANY            20000

#define PAGE_AT(i)      (AREA + 0x100000 + (i) * PAGE)

/* Tables of one side: what lies below WINDOW is the host's. */
struct tables {
    u64 pml4[512], pdpt[512], pd[512], pt[512];
};

static struct tables host_tables __attribute__((aligned(PAGE)));
static struct tables guest_tables __attribute__((aligned(PAGE)));
static struct tables other_tables __attribute__((aligned(PAGE)));

asm(".pushsection .text\n"
    "g_read: movq (%r15), %rax\n vmmcall\n ud2\n"
    "g_reload: movq (%r15), %rbx\n movq %r14, (%r13)\n"
    "  movq %cr3, %rcx\n movq %rcx, %cr3\n movq (%r15), %rax\n vmmcall\n"
    "g_invlpg: movq (%r15), %rbx\n movq %r14, (%r13)\n"
    "  invlpg (%r15)\n movq (%r15), %rax\n vmmcall\n"
    ".popsection");
extern const u8 g_read[], g_reload[], g_invlpg[];

static void set_tables(struct tables *t, unsigned page)
{
    t->pml4[0] = *(u64 *)PML4;
    t->pml4[1] = (u64)t->pdpt | PTE;
    t->pdpt[0] = (u64)t->pd | PTE;
    t->pd[0] = (u64)t->pt | PTE;
    t->pt[0] = PAGE_AT(page) | PTE;
}

static void set_reader(struct tables *t, u32 asid)
{
    set_guest(g_read);
    *save64(SAVE_CR3) = (u64)t->pml4;
    *vmcb32(VMCB_ASID) = asid;
    regs.r15 = WINDOW;
}

static u64 guest_reads(void)
{
    *save64(SAVE_RIP) = (u64)g_read;
    return run() == EXIT_VMMCALL ? *save64(SAVE_RAX) : ~0ULL;
}

static u64 host_reads(void)
{
    return *(volatile u64 *)WINDOW;
}

static void load_cr3(void *root)
{
    asm volatile("mov %0, %%cr3" :: "r"(root) : "memory");
}

static void invlpga(u64 address, u32 asid)
{
    asm volatile("invlpga %%rax, %%ecx" :: "a"(address), "c"(asid) : "memory");
}

/* Neither side sees the other's page. */
static void sides(void)
{
    unsigned wrong = 0;

    set_tables(&host_tables, 0);
    set_tables(&guest_tables, 1);
    load_cr3(host_tables.pml4);
    set_reader(&guest_tables, 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        wrong += guest_reads() != 1 || host_reads() != 0;
    }
    check_eq(T("sides"), wrong, 0);
}

static void guest_changes(void)
{
    set_reader(&guest_tables, 1);
    guest_reads();
    guest_tables.pt[0] = PAGE_AT(2) | PTE;
    vmcb[VMCB_TLB_CONTROL] = 3;
    check_eq(T("flush-this-asid"), guest_reads(), 2);
    guest_tables.pt[0] = PAGE_AT(3) | PTE;
    vmcb[VMCB_TLB_CONTROL] = 1;
    check_eq(T("flush-all-asids"), guest_reads(), 3);
    guest_tables.pt[0] = PAGE_AT(4) | PTE;
    vmcb[VMCB_TLB_CONTROL] = 7;
    check_eq(T("flush-local"), guest_reads(), 4);
    vmcb[VMCB_TLB_CONTROL] = 0;
    guest_tables.pt[0] = PAGE_AT(5) | PTE;
    invlpga(WINDOW, 1);
    check_eq(T("invlpga"), guest_reads(), 5);
    guest_tables.pt[0] = PAGE_AT(6) | PTE;
    *vmcb32(VMCB_ASID) = 2;
    check_eq(T("new-asid"), guest_reads(), 6);
    set_tables(&other_tables, 7);
    *save64(SAVE_CR3) = (u64)other_tables.pml4;
    *vmcb32(VMCB_ASID) = 3;
    check_eq(T("new-root"), guest_reads(), 7);
    *save64(SAVE_CR3) = (u64)guest_tables.pml4;
    *vmcb32(VMCB_ASID) = 2;
    check_eq(T("first-root-again"), guest_reads(), 6);
}

/* The guest changes its own tables. */
static void own_changes(void)
{
    set_reader(&guest_tables, 1);
    regs.r13 = (u64)guest_tables.pt;
    regs.r14 = PAGE_AT(8) | PTE;
    *save64(SAVE_RIP) = (u64)g_reload;
    run();
    check_eq(T("own-cr3"), *save64(SAVE_RAX), 8);
    regs.r14 = PAGE_AT(9) | PTE;
    *save64(SAVE_RIP) = (u64)g_invlpg;
    run();
    check_eq(T("own-invlpg"), *save64(SAVE_RAX), 9);
    check_eq(T("host-after-guest"), host_reads(), 0);
}

static void host_changes(void)
{
    set_reader(&guest_tables, 1);
    host_reads();
    guest_reads();
    host_tables.pt[0] = PAGE_AT(10) | PTE;
    invlpg((void *)WINDOW);
    check_eq(T("host-invlpg"), host_reads(), 10);
    guest_reads();
    host_tables.pt[0] = PAGE_AT(11) | PTE;
    load_cr3(host_tables.pml4);
    check_eq(T("host-cr3"), host_reads(), 11);
    check_eq(T("guest-after-host"), guest_reads(), 9);
}

/* Nested paging: WINDOW's page is a page of the guest's, found by NPT. */
static void nested_changes(void)
{
    u64 root = nested_pages();

    set_tables(&guest_tables, 12);
    set_reader(&guest_tables, 4);
    *vmcb64(VMCB_NESTED_CTL) = 1;
    *vmcb64(VMCB_NESTED_CR3) = root;
    check_eq(T("nested"), guest_reads(), 12);
    *nested_entry(PAGE_AT(12)) = PAGE_AT(13) | 7;
    vmcb[VMCB_TLB_CONTROL] = 3;
    check_eq(T("nested-flush"), guest_reads(), 13);
    vmcb[VMCB_TLB_CONTROL] = 0;
    *nested_entry(PAGE_AT(12)) = 0;
    *vmcb32(VMCB_ASID) = 5;
    guest_reads();
    check_eq(T("nested-unmapped"), exit_code(), EXIT_NPF);
    /* What was not there needs no flush to be there. */
    *nested_entry(PAGE_AT(12)) = PAGE_AT(14) | 7;
    check_eq(T("nested-mapped"), guest_reads(), 14);
    *vmcb64(VMCB_NESTED_CTL) = 0;
    *vmcb32(VMCB_ASID) = 6;
    check_eq(T("no-longer-nested"), guest_reads(), 12);
}

/* A guest of other paging modes than the host's, and back */
static void modes(void)
{
    set_reader(&guest_tables, 7);
    *save64(SAVE_CR4) |= 1 << 7;
    *save64(SAVE_CR0) &= ~0x10000ULL;
    check_eq(T("other-cr0"), guest_reads(), 12);
    check_eq(T("host-after-other-cr0"), host_reads(), 11);
}

/* No flush for each switch: the host, who counts, has the limit. */
static void count(void)
{
    set_reader(&guest_tables, 1);
    guest_reads();
    host("count", T("flushes"), 0, 0, 0);
    for (unsigned i = 0; i < MANY; i++) {
        guest_reads();
    }
    host("counted", NULL, MANY, 0, 0);
}

void payload(void)
{
    svm_on();
    for (unsigned i = 0; i < 16; i++) {
        *(u64 *)PAGE_AT(i) = i;
    }
    sides();
    guest_changes();
    own_changes();
    host_changes();
    nested_changes();
    modes();
    count();
}
