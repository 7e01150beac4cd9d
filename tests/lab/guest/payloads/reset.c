/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reset gives all pages the state that they began with; what the policy
 * discards is gone.  The payload runs twice.
 */
#include "kvm.h"

#define PAGES 512ULL
#define SIZE (PAGES * PAGE)
#define PAT1 0x11
#define PAT2 0x22

static void before(void)
{
    fill(shar(AREA_GPA), 2 * SIZE, PAT1);
    must_map(AREA_GPA, PAGES, TO_PRIVATE);
    fill(priv(AREA_GPA), SIZE, PAT2);
    check_bytes(T("private-before"), priv(AREA_GPA), SIZE, PAT2);
    host("private", T("counted-before"), SIZE, 0, 0);
    outb(0xcf9, 0xe);
    for (;;) {
        pause();
    }
}

void payload(void)
{
    if (host("boots", NULL, 0, 0, 0) == 1) {
        before();
    }
    host("private", T("all-shared-after"), 0, 0, 0);
    host_mark();
    check_bytes(T("shared-half-by-policy"), shar(AREA_GPA), SIZE,
                discards('s') ? 0 : PAT1);
    check_bytes(T("shared-pages-as-before"), shar(AREA_GPA + SIZE), SIZE,
                PAT1);
    host_counted(T("no-access-converts"), 0, 0, 0);
    must_map(AREA_GPA, PAGES, TO_PRIVATE);
    check_bytes(T("private-half-by-policy"), priv(AREA_GPA), SIZE,
                discards('p') ? 0 : PAT2);
}
