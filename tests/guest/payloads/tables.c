/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables where none should be, and fetches through a clear C-bit
 *
 * Tables and instructions are private whatever the entry says, APM volume 2,
 * 15.34.5.
 */
#include "snp.h"

#ifndef LEVELS
#define LEVELS 4
#endif
#define CR4_LA57        (1 << 12)

static void read_byte(void *va)
{
    *(volatile u8 *)va;
}

static void write_byte(void *va)
{
    *(volatile u8 *)va = 1;
}

static void call(void *va)
{
    asm volatile("call *%0" :: "r"(va) : "rax", "memory");
}

/* The window's entry 3 names a table; VA is what that table maps. */
static void *with_table(u64 entry)
{
    void *va = (void *)(WINDOW_VA + 3 * PAGE_2M);

    *window_directory(3) = entry;
    asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
    return va;
}

static void check_tables(void)
{
    u64 area = AREA_GPA;
    u64 target = area + PAGE_2M;
    volatile u64 *root = (u64 *)paging_root;
    volatile u64 *table;
    void *va;
    u64 cr4;

    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    check_eq(T("levels"), cr4 & CR4_LA57 ? 5 : 4, LEVELS);

    validate(priv(target), PAGE);
    fill(priv(target), PAGE, 0x44);

    va = with_table(area | CBIT | PTE);
    check_trap(T("table-unvalidated-read"), try_fn(read_byte, va), VC,
               NPF_NOT_VALIDATED);
    check_trap(T("table-unvalidated-write"), try_fn(write_byte, va), VC,
               NPF_NOT_VALIDATED);
    check_trap(T("table-unvalidated-fetch"), try_fn(call, va), VC,
               NPF_NOT_VALIDATED);
    /* It works once it is validated. */
    validate(priv(area), PAGE);
    table = priv(area);
    table[0] = target | CBIT | PTE;
    check_bytes(T("table-validated"), va, PAGE, 0x44);

    /* One that has been walked is none any more, once CR3 was written. */
    pvalidate(priv(area), 0, 0);
    va = with_table(area | CBIT | PTE);
    check_trap(T("table-rescinded"), try_fn(read_byte, va), VC,
               NPF_NOT_VALIDATED);
    validate(priv(area), PAGE);
    table[0] = target | CBIT | PTE;
    check_bytes(T("table-validated-again"), va, PAGE, 0x44);

    /* An entry with a clear C-bit names the private page all the same. */
    va = with_table(area | PTE);
    check_bytes(T("table-with-c-bit-clear"), va, PAGE, 0x44);

    /* A page that is shared by now: what the host writes is no table. */
    to_shared(area, PAGE);
    *(volatile u64 *)shar(area) = target | CBIT | PTE;
    va = with_table(area | PTE);
    check_trap(T("table-in-shared-page"), try_fn(read_byte, va), VC,
               NPF_NOT_VALIDATED);

    /* No processor has addresses that long below such a C-bit. */
    va = with_table(0x7ffffffff0000ULL | CBIT | PTE);
    check_trap(T("table-beyond-memory"), try_fn(read_byte, va), PF, -1);
    /* The topmost level: what entry 1 of the root names. */
    root[1] = (area + 8 * PAGE_2M) | CBIT | PTE;
    va = (void *)(1ULL << (12 + 9 * (LEVELS - 1)));
    check_trap(T("directory-unvalidated"), try_fn(read_byte, va), VC,
               NPF_NOT_VALIDATED);
    root[1] = 0;
    with_table(0);
}

static void check_reserved(void)
{
    void *va = map_entry(9, AREA_GPA | CBIT | 1ULL << 52 | PTE);

    /* Bits 62:52 are the guest's own, those below are physical. */
    check(T("available-bits"), try_fn(read_byte, va).vector != PF);
    map_entry(9, 0);
}

/* mov $VALUE, %eax; ret */
static void write_code(u64 gpa, u32 value)
{
    volatile u8 *p = priv(gpa);

    p[0] = 0xb8;
    *(volatile u32 *)(p + 1) = value;
    p[5] = 0xc3;
}

/* Zeroes are code too: add %al, (%rax), so RAX has to name a byte. */
static u32 run(const void *p)
{
    static u8 sink;
    u64 rax = (u64)&sink;

    asm volatile("call *%1" : "+a"(rax) : "r"(p) : "memory");
    return rax;
}

static void check_fetch(void)
{
    u64 gpa = AREA_GPA + 4 * PAGE_2M;
    void *clear;

    validate(priv(gpa), PAGE);
    write_code(gpa, 0x1111);
    clear = map_page(10, gpa, false);
    check_eq(T("fetch-with-c-bit-clear"), run(clear), 0x1111);
    check(T("fetch-with-c-bit-clear-keeps-private"),
          pvalidate(priv(gpa), 0, 1).cf);

    /* What the host can write is never run. */
    to_shared(gpa, PAGE);
    ((volatile u8 *)shar(gpa))[0] = 0xc3;
    check_trap(T("fetch-from-shared-page"), try_fn(call, clear), VC,
               NPF_NOT_VALIDATED);
}

/* Translations of code that is gone */
static void check_stale(void)
{
    u64 gpa = AREA_GPA + 6 * PAGE_2M;
    u64 other = gpa + PAGE;
    u64 entry = psc_entry(gpa, PSC_SHARED);

    validate(priv(gpa), 2 * PAGE);
    write_code(gpa, 1);
    write_code(other, 2);
    for (int i = 0; i < 100; i++) {
        run(priv(gpa));
        run(priv(other));
    }
    check_eq(T("code"), run(priv(gpa)), 1);
    /* Changed in place */
    write_code(gpa, 3);
    check_eq(T("code-changed"), run(priv(gpa)), 3);

    rescind(priv(gpa), PAGE);
    check_trap(T("code-rescinded"), try_fn(call, priv(gpa)), VC,
               NPF_NOT_VALIDATED);
    psc(&entry, 1);
    check_trap(T("code-discarded"), try_fn(call, priv(gpa)), VC,
               NPF_NOT_VALIDATED);
    to_private(gpa, PAGE);
    /* What is there now is run: the old code if kept, or zeroes up to other. */
    check_eq(T("code-is-what-is-there"), run(priv(gpa)),
             *(volatile u32 *)(priv(gpa) + 1) == 3 ? 3 : 2);
    write_code(gpa, 4);
    check_eq(T("code-new"), run(priv(gpa)), 4);
    check_eq(T("code-of-neighbour"), run(priv(other)), 2);

    /* The same through a 2 MiB conversion */
    entry = psc_entry(gpa, PSC_SHARED) | PSC_2M;
    psc(&entry, 1);
    check_trap(T("code-discarded-2m"), try_fn(call, priv(other)), VC,
               NPF_NOT_VALIDATED);
    to_private(gpa, PAGE_2M);
    write_code(other, 5);
    check_eq(T("code-new-2m"), run(priv(other)), 5);
    /* and a page that goes away by an access with a clear C-bit */
    *(volatile u8 *)shar(other) = 0xc3;
    check_trap(T("code-gone-by-access"), try_fn(call, priv(other)), VC,
               NPF_NOT_VALIDATED);
}

/* See end_table, too. */
static void check_no_memory(void)
{
    void *va;

    if (!host_goes_on()) {
        return;
    }
    va = with_table(0xfed00000 | CBIT | PTE);
    check(SPEC_T("table-in-mmio"), try_fn(read_byte, va).vector == VC);
    va = with_table(0x80000000 | CBIT | PTE);
    check(SPEC_T("table-in-a-hole"), try_fn(read_byte, va).vector == VC);
    va = with_table(0xffe00000 | CBIT | PTE);
    check(SPEC_T("table-below-the-image"), try_fn(read_byte, va).vector == VC);
    with_table(0);
}

void payload(void)
{
    check_tables();
    check_reserved();
    check_fetch();
    check_stale();
    check_no_memory();
}
