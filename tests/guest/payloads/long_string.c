/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * String input of more than fits: an error, and above 2 GiB the guest's end, or
 * an error, too
 */
#include "snp.h"

#define STRING_IN (0x511 << 16 | 0x1d)

static u32 string_in(u64 count)
{
    ghcb_clear();
    ghcb_set(GHCB_SCRATCH, this_cpu()->ghcb_gpa + GHCB_BUFFER);
    return ghcb_call(NAE_IOIO, STRING_IN, count);
}

void payload(void)
{
    check_eq(T("string-that-fits"),
             string_in(GHCB_BUFFER_END - GHCB_BUFFER), 0);
    check_eq(T("below-2-gib"), string_in(0x7fffffff), 2);
    check_eq(T("below-2-gib-error"), answer(GHCB_INFO2), GHCB_ERR_SCRATCH);
    check_eq(SPEC_T("long-string"), string_in(0x80000000), 2);
    check_eq(SPEC_T("long-string-error"), answer(GHCB_INFO2),
             GHCB_ERR_SCRATCH);
}
