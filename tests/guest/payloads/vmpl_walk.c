/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMPL2 walks a page table that it may read only, and is the guest's end: a
 * walk is taken for a write, APM volume 2, 15.25.5
 */
#include "vmpls.h"

static void read_page(struct vmpl_call *call)
{
    invlpg(call->page);
    call->answer = *(volatile u64 *)call->page;
}

void ap_main(unsigned index)
{
    vmpl_serve(index);
}

void payload(void)
{
    volatile u64 *table = priv(AREA_GPA), *page = priv(AREA_GPA + PAGE);
    volatile u64 *window = (u64 *)(WINDOW_VA + 16 * PAGE_2M);

    vmpl_share(2);
    vmpl_prepare(2, 2, 0);
    validate(table, 2 * PAGE);
    memset((void *)table, 0, PAGE);
    table[0] = (AREA_GPA + PAGE) | CBIT | PTE;
    *page = 7;
    *window_directory(16) = AREA_GPA | CBIT | PTE;
    rmpadjust(table, 0, VMPL_R | VMPL_W | 2);
    rmpadjust(page, 0, VMPL_R | 2);
    check_eq(T("walks"), vmpl_call(2, 2, read_page, window, 0), 7);
    rmpadjust(table, 0, VMPL_R | 2);
    /* The walk that VMPL0 may make is not one for VMPL2. */
    invlpg(window);
    check_eq(T("vmpl0-walks"), *window, 7);
    vmpl_call(2, 2, read_page, window, 0);
    check("not-denied", false);
}
