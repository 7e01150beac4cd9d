/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An explicit conversion to private leaves the pages mapped, so that their
 * first accesses do not fault; KVM's own counter of faults tells
 */
#include "kvm.h"

#define PAGES 64

static void touch(void *va)
{
    for (u64 i = 0; i < PAGES; i++) {
        ((volatile u64 *)va)[i * PAGE / 8] = i;
    }
}

void payload(void)
{
    u64 base = AREA_GPA;

    /* page tables and code have been used before the count begins */
    fill(shar(base), PAGES * PAGE, 0);
    host("faults-mark", NULL, 0, 0, 0);
    must_map(base, PAGES, TO_PRIVATE);
    host("pre-faulted", T("pre-fault-called-once"), base, PAGES * PAGE, 0);
    touch(priv(base));
    host("faults", T("private-accesses-do-not-fault"), 0, PAGES / 8, 0);
    must_map(base, PAGES, TO_SHARED);
    host("pre-faulted", T("no-pre-fault-for-shared"), 0, 0, 0);
    touch(shar(base));
    host("faults", T("shared-accesses-do"), PAGES, 2 * PAGES, 0);
}
