/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A large page of which one half is in one RAM block and the other half in
 * the next; to be run with backends of 33 and 31 MiB
 */
#include "snp.h"

#define GPA     0x2000000UL
#define SECRET  0x5a
#define PUBLIC  0xc3

static void read_byte(void *va)
{
    *(volatile u8 *)va;
}

void payload(void)
{
    u64 last = GPA + PAGE_2M - PAGE;
    u64 entry = psc_entry(GPA, PSC_SHARED) | PSC_2M;

    validate(priv(GPA), PAGE_2M);
    fill(priv(GPA), PAGE_2M, SECRET);
    check_bytes(T("private"), priv(GPA), PAGE_2M, SECRET);
    rescind(priv(GPA), PAGE_2M);
    check_eq(T("to-shared"), psc(&entry, 1), 0);
    check_eq(T("to-shared-progress"), entry & 0xfff, 512);
    no_bytes(T("secret-not-shared"), shar(GPA), PAGE_2M, SECRET);
    fill(shar(GPA), PAGE_2M, PUBLIC);
    check_bytes(T("shared"), shar(GPA), PAGE_2M, PUBLIC);
    entry = psc_entry(GPA, PSC_PRIVATE) | PSC_2M;
    check_eq(T("to-private"), psc(&entry, 1), 0);
    check_trap(T("first-half-not-validated"), try_fn(read_byte, priv(GPA)),
               VC, NPF_NOT_VALIDATED);
    check_trap(T("second-half-not-validated"),
               try_fn(read_byte, priv(last)), VC, NPF_NOT_VALIDATED);
    validate(priv(GPA), PAGE_2M);
    no_bytes(T("public-not-private"), priv(GPA), PAGE_2M, PUBLIC);
    fill(priv(GPA), PAGE_2M, SECRET);
    check_bytes(T("private-again"), priv(GPA), PAGE_2M, SECRET);
    /* by access, on both sides of the boundary */
    *(volatile u64 *)shar(GPA + PAGE_2M / 2 - 4) = 1;
    check_eq(T("across-the-boundary"),
             *(volatile u64 *)shar(GPA + PAGE_2M / 2 - 4), 1);
    check_bytes(T("around-the-boundary"), priv(GPA), PAGE_2M / 2 - PAGE,
                SECRET);
}
