/* SPDX-License-Identifier: GPL-2.0-or-later */
/* String input of more than fits anywhere: an error, or the guest's end. */
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
    check_eq(T("long-string"), string_in(0xffffffff), 2);
    check_eq(T("long-string-error"), answer(GHCB_INFO2), GHCB_ERR_SCRATCH);
}
