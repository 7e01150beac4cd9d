/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that reports a #VC which it can not handle. */
#include "snp.h"

void payload(void)
{
    check(T("reports-an-unsupported-event"), true);
    ghcb_clear();
    ghcb_call(NAE_UNSUPPORTED, 0x1ff, 0);
    check("goes-on-after-unsupported-event", false);
}
