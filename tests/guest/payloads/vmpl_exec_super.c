/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMPL2 executes at CPL 0 what it may at CPL 3 only: the guest's end. */
#include "vmpls.h"

static void call_page(void *page)
{
    asm volatile("call *%0" :: "r"(page) : "memory");
}

static void execute(struct vmpl_call *call)
{
    call->answer = try_fn(call_page, (void *)call->page).vector;
}

void ap_main(unsigned index)
{
    vmpl_serve(index);
}

void payload(void)
{
    u8 *page = priv(AREA_GPA);

    vmpl_share(2);
    vmpl_prepare(2, 2, 0);
    validate(page, PAGE);
    *page = 0xc3;
    rmpadjust(page, 0, VMPL_R | VMPL_XU | VMPL_XS | 2);
    check_eq(T("executes"), vmpl_call(2, 2, execute, page, 0), -1ULL);
    rmpadjust(page, 0, VMPL_R | VMPL_XU | 2);
    vmpl_call(2, 2, execute, page, 0);
    check("not-denied", false);
}
