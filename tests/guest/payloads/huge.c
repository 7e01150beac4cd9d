/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shared half of huge pages: one goes back as a whole, when all of it is
 * private
 */
#include "snp.h"

#define GPA     AREA_GPA
#define SECRET  0x5a
#define PUBLIC  0xc3

static void convert(u64 gpa, u64 frames, u64 state)
{
    for (u64 i = 0; i < frames; i++) {
        u64 entry = psc_entry(gpa + i * PAGE, state);

        if (psc(&entry, 1)) {
            check(T("converted"), 0);
        }
    }
}

void payload(void)
{
    u64 large = psc_entry(GPA, PSC_SHARED) | PSC_2M;

    host_mark();
    check_eq(T("to-shared"), psc(&large, 1), 0);
    fill(shar(GPA), PAGE_2M, PUBLIC);
    host_huge(T("one-in-use"), 1, 0, 0);

    /* all but the last frame */
    convert(GPA, 511, PSC_PRIVATE);
    host_huge(T("kept-for-one-frame"), 1, 0, 511 * PAGE);
    host_expect(T("kept-content"), GPA, PAGE_2M, PUBLIC);
    check_bytes(T("last-frame"), shar(GPA + 511 * PAGE), PAGE, PUBLIC);

    convert(GPA + 511 * PAGE, 1, PSC_PRIVATE);
    host_huge(T("given-back"), 0, PAGE_2M, 0);
    check(T("converted"), 1);
}
