/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMPL2 executes at CPL 3 what it may at CPL 0 only: the guest's end. */
#include "vmpls.h"

static u8 user_stack[256] __attribute__((aligned(16)));

static void enter_user(void *page)
{
    run_user(page, user_stack + sizeof(user_stack));
}

static void execute(struct vmpl_call *call)
{
    call->answer = try_fn(enter_user, (void *)call->page).vector;
}

void ap_main(unsigned index)
{
    vmpl_serve(index);
}

void payload(void)
{
    u16 *page = priv(AREA_GPA);

    vmpl_share(2);
    vmpl_prepare(2, 2, 0);
    validate(page, PAGE);
    /* UD2 */
    *page = 0x0b0f;
    rmpadjust(page, 0, VMPL_R | VMPL_XU | VMPL_XS | 2);
    check_eq(T("executes"), vmpl_call(2, 2, execute, page, 0), UD);
    rmpadjust(page, 0, VMPL_R | VMPL_XS | 2);
    vmpl_call(2, 2, execute, page, 0);
    check("not-denied", false);
}
