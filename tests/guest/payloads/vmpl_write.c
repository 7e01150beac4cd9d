/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMPL2 writes where it may read only, and is the guest's end. */
#include "vmpls.h"

#define MARK 0x0123456789abcdef

static void read_page(struct vmpl_call *call)
{
    call->answer = *(volatile u64 *)call->page;
}

static void write_page(struct vmpl_call *call)
{
    *(volatile u64 *)call->page = 0;
}

void ap_main(unsigned index)
{
    vmpl_serve(index);
}

void payload(void)
{
    volatile u64 *page = priv(AREA_GPA);

    vmpl_share(2);
    vmpl_prepare(2, 2, 0);
    validate(page, PAGE);
    *page = MARK;
    rmpadjust(page, 0, VMPL_R | 2);
    check_eq(T("reads"), vmpl_call(2, 2, read_page, page, 0), MARK);
    vmpl_call(2, 2, write_page, page, 0);
    check("not-denied", false);
}
