/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A GHCB that is not registered: the guest's end, or an error
 *
 * Nothing can be printed before the old GHCB is back.
 */
#include "snp.h"

static u64 flush_result(void)
{
    ghcb_clear();
    return (u64)ghcb_call(NAE_WBINVD, 0, 0) << 32 | ghcb_get(GHCB_INFO2);
}

void payload(void)
{
    u64 mine = this_cpu()->ghcb_gpa;
    u64 other = AREA_GPA + 0x10000;
    u64 before, registered, old;

    psc_msr(other, PSC_SHARED);
    vmgexit(other | 0x12);
    this_cpu()->ghcb_gpa = other;
    registered = flush_result();
    vmgexit(mine | 0x12);
    this_cpu()->ghcb_gpa = mine;
    check_eq(T("another-registered"), registered, 0);

    this_cpu()->ghcb_gpa = other;
    before = flush_result();
    vmgexit(other | 0x12);
    this_cpu()->ghcb_gpa = mine;
    old = flush_result();
    vmgexit(mine | 0x12);
    check_eq(SPEC_T("not-registered"), before,
             2ULL << 32 | GHCB_ERR_NOT_REGISTERED);
    check_eq(SPEC_T("old-one-not-registered"), old,
             2ULL << 32 | GHCB_ERR_NOT_REGISTERED);
}
