/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request by GHCB MSR that only SNP guests have ends one with SEV-ES. */
#include "snp.h"

#ifndef REQUEST
#define REQUEST 0x10
#endif

void payload(void)
{
    check(T("asks-for-what-is-snp's"), true);
    vmgexit(REQUEST);
    check("goes-on-after-the-request", false);
}
