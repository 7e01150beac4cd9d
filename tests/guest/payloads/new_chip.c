/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A report of a chip that is not made yet: who asks waits, and another vCPU
 * goes on to convert memory; two vCPUs
 */
#include "snp.h"

#define REQUEST_GPA     AREA_GPA
#define RESPONSE_GPA    (AREA_GPA + PAGE)
#define OTHER_GPA       (AREA_GPA + PAGE_2M)
/* The header of a guest message, 56860 table 99 */
#define TYPE            0x34
#define REPORT_REQUEST  5

static volatile u64 rounds;

void ap_main(unsigned index)
{
    (void)index;
    ghcb_setup();
    for (;;) {
        to_private(OTHER_GPA, PAGE);
        to_shared(OTHER_GPA, PAGE);
        rounds++;
    }
}

void payload(void)
{
    u64 before;

    to_shared(REQUEST_GPA, 2 * PAGE);
    memset(shar(REQUEST_GPA), 0, PAGE);
    ((volatile u8 *)shar(REQUEST_GPA))[TYPE] = REPORT_REQUEST;
    ap_start(1);
    check(T("other-runs"), wait_for_more(&rounds, 0));
    print("# asks\n");
    before = rounds;
    ghcb_clear();
    ghcb_call(NAE_GUEST_REQ, REQUEST_GPA, RESPONSE_GPA);
    /* The message is none, which the firmware says once it can. */
    check_eq(T("no-error"), answer(GHCB_INFO1), 0);
    check(T("refused"), answer(GHCB_INFO2) != 0);
    check(T("other-goes-on"), rounds - before > 100);
    print("# answered\n");
}
