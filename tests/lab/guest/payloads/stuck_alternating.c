/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One instruction that needs a page as private and as shared can never end;
 * the guest is stopped for a reason that says so
 *
 * The same page as private and as shared by turns, from one instruction after
 * the other, is no such case, however often.
 */
#include "kvm.h"

#define TURNS 1500

void payload(void)
{
    volatile u8 *one = priv(AREA_GPA), *other = shar(AREA_GPA);
    void *from = priv(AREA_GPA), *to = shar(AREA_GPA + 8);
    u64 n = 1;

    for (unsigned i = 0; i < TURNS; i++) {
        *one = i;
        *other = i;
    }
    check(T("turns-by-instructions"), true);
    host("stops", T("stopped-by-name"), 0, 0, 0);
    asm volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(n) :: "memory");
    fatal("went on", n);
}
