/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The least that has to work: a line of text through the GHCB. */
#include "snp.h"

void payload(void)
{
    check(T("hello-through-the-ghcb"), true);
    check_eq(T("sev-status"), rdmsr(MSR_SEV_STATUS), 7);
    check_eq(T("ghcb-msr-reads-back"), rdmsr(MSR_GHCB), this_cpu()->ghcb_gpa);
}
