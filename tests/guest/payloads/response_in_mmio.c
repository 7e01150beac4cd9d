/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answer to a guest request belongs where no memory is, even if it is that
 * the firmware refuses: the guest's end, or an error
 */
#include "snp.h"

/* The hypervisor's part of SW_EXITINFO2 */
#define VMM_GENERIC 0xffffffff

void payload(void)
{
    ghcb_clear();
    check_eq(T("response-in-memory"),
             ghcb_call(NAE_GUEST_REQ, AREA_GPA, AREA_GPA + PAGE), 0);
    ghcb_clear();
    check_eq(SPEC_T("response-in-mmio"),
             ghcb_call(NAE_GUEST_REQ, AREA_GPA, 0xfed01000), 0);
    check_eq(SPEC_T("response-in-mmio-result"), answer(GHCB_INFO2) >> 32,
             VMM_GENERIC);
}
