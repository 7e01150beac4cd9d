/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The least that has to work: a line of text, through the GHCB if there is. */
#include "snp.h"

static void do_pvalidate(void *page)
{
    pvalidate(page, 0, 1);
}

static void check_status(void)
{
    u64 status = rdmsr(MSR_SEV_STATUS);

    switch (guest_kind()) {
    case KIND_SEV:
        check_eq(SEV_T("sev-status-of-sev"), status, 1);
        check_eq(SEV_T("no-ghcb-msr"), rdmsr(MSR_GHCB), 0);
        break;
    case KIND_ES:
        check_eq(ES_T("sev-status-of-sev-es"), status, 3);
        break;
    default:
        check_eq(SNP_T("sev-status"), status, 7);
    }
}

void payload(void)
{
    if (has_ghcb()) {
        check(GHCB_T("hello-through-the-ghcb"), true);
        check_eq(GHCB_T("ghcb-msr-reads-back"), rdmsr(MSR_GHCB),
                 this_cpu()->ghcb_gpa);
    } else {
        check(SEV_T("hello-through-the-port"), true);
    }
    check_status();
    if (!has_rmp()) {
        check_trap(OLD_T("pvalidate-is-undefined"),
                   try_fn(do_pvalidate, priv(AREA_GPA)), UD, -1);
    }
}
