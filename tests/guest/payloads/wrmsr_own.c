/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By event a guest writes an MSR that is its own: the guest's end, or an
 * exception, which it is for reading
 */
#include "snp.h"

#define MSR_STAR 0xc0000081

static u64 access_star(bool write)
{
    ghcb_clear();
    ghcb_set(GHCB_RCX, MSR_STAR);
    ghcb_set(GHCB_RAX, 0);
    ghcb_set(GHCB_RDX, 0);
    return (u64)ghcb_call(NAE_MSR, write, 0) << 32 |
           (answer(GHCB_INFO2) & 0xfffff7ff);
}

void payload(void)
{
    wrmsr(MSR_STAR, 0x1234);
    check_eq(T("read-of-own"), access_star(false), 1ULL << 32 | 0x8000030d);
    check_eq(SPEC_T("write-of-own"), access_star(true),
             1ULL << 32 | 0x8000030d);
    check_eq(SPEC_T("own-is-kept"), rdmsr(MSR_STAR), 0x1234);
}
