/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Certificates are wanted where no memory is, GHCB specification 4.1.8: the
 * guest's end, or an error
 */
#include "snp.h"

/* The hypervisor's part of SW_EXITINFO2 */
#define VMM_GENERIC 0xffffffff

static u32 extended(u64 data)
{
    ghcb_clear();
    ghcb_set(GHCB_RAX, data);
    ghcb_set(GHCB_RBX, 8);
    return ghcb_call(NAE_EXT_REQ, AREA_GPA, AREA_GPA + PAGE);
}

void payload(void)
{
    /* A type of 5 makes it a report request, if a malformed one. */
    psc_msr(AREA_GPA, PSC_SHARED);
    fill(shar(AREA_GPA), PAGE, 5);
    check_eq(T("certs-in-memory"), extended(AREA_GPA + 2 * PAGE), 0);
    check_eq(SPEC_T("certs-in-mmio"), extended(0xfed00000), 0);
    check_eq(SPEC_T("certs-in-mmio-result"), answer(GHCB_INFO2) >> 32,
             VMM_GENERIC);
    check_eq(SPEC_T("certs-nowhere"), extended(~0xfffULL), 0);
    check_eq(SPEC_T("certs-nowhere-result"), answer(GHCB_INFO2) >> 32,
             VMM_GENERIC);
}
