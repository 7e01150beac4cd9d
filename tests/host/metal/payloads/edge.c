/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An instruction that begins in a page table and ends in the next page
 *
 * A processor that makes code of it walks, for the second page, the very table
 * that the first one is.
 */
#include "metal.h"

#define ROOT (AREA + 0x10000)

/* mov $0x12345678, %eax; ret */
static const u8 code[] = { 0xb8, 0x78, 0x56, 0x34, 0x12, 0xc3 };

typedef u32 code_fn(void);

void payload(void)
{
    u8 *at = (u8 *)ROOT + PAGE - 3;
    code_fn *run = (code_fn *)at, *before = (code_fn *)(at - 1);

    memcpy((void *)ROOT, (void *)PML4, PAGE);
    /* Code there that is known as such: what writes into it takes the lock. */
    at[-1] = 0xc3;
    before();
    memcpy(at, code, sizeof(code));
    before();
    asm volatile("mov %0, %%cr3" :: "r"((u64)ROOT) : "memory");
    check_eq(T("value"), run(), 0x12345678);
}
