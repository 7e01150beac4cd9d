/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RDTSC by event, which KVM accepts and cannot serve: the guest's end */
#include "snp.h"

void payload(void)
{
    check(T("asks-for-rdtsc"), true);
    ghcb_clear();
    ghcb_call(NAE_RDTSC, 0, 0);
    check("goes-on-after-rdtsc", false);
}
