/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code and page tables in a VMSA in use, whose spare bytes are the guest's;
 * three vCPUs
 *
 * As with data, who comes there waits for the vCPU that runs, and not for one
 * that is halted.
 */
#include "snp.h"

/* Behind what the processor reads or writes: table B-4 */
#define SPARE   0xff8
#define ENTRY   510

static volatile u64 spins, halts, go, fetched;

void ap_main(unsigned index)
{
    while (index == 1 && !halts) {
        spins++;
        pause();
    }
    while (index == 2 && !go) {
        pause();
    }
    if (index == 2) {
        invlpg(priv(VMSA_GPA));
        asm volatile("call *%0" :: "r"(priv(VMSA_GPA + SPARE)) : "memory");
        fetched = 1;
    }
    for (;;) {
        asm volatile("hlt");
    }
}

/* For vCPU 1: RET, and the entry of a page table that names @gpa */
static void start_with(u64 gpa)
{
    u8 *page = ap_vmsa(1);

    page[SPARE] = 0xc3;
    ((u64 *)page)[ENTRY] = gpa | CBIT | PTE;
    if (rmpadjust(page, 0, 0x10001).eax ||
        ap_request(AP_CREATE, 1, (u64)page, SEV_FEATURES)) {
        fatal("AP creation", 1);
    }
    ap_signal_once(1);
}

static void check_fetch(void)
{
    u64 seen;

    start_with(AREA_GPA);
    check(T("runs"), wait_for_more(&spins, 0));
    go = 1;
    delay_us(300000);
    check_eq(T("fetch-waits"), fetched, 0);
    seen = spins;
    check(T("runs-on"), wait_for_more(&spins, seen));
    halts = 1;
    check(T("fetch-is-made"), wait_for(&fetched, 1));
}

static void call(void *va)
{
    asm volatile("call *%0" :: "r"(va) : "rax", "memory");
}

/* Its other VMSA is the table behind the window's entry 3. */
static void *window_of(u64 table)
{
    *window_directory(3) = table | CBIT | PTE;
    asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
    return (u8 *)WINDOW_VA + 3 * PAGE_2M + ENTRY * PAGE;
}

static void check_walk(void)
{
    u8 *page = priv(AREA_GPA);

    validate(page, PAGE);
    page[0] = 0xc3;
    start_with(AREA_GPA);
    /* Nobody may use the page to see whether it is halted. */
    delay_us(500000);
    check_eq(T("fetch-through-halted"),
             try_fn(call, window_of(VMSA_GPA + PAGE)).vector, -1);
    *window_directory(3) = 0;
}

void payload(void)
{
    ap_start(2);
    check_fetch();
    check_walk();
}
