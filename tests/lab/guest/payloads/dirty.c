/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host asks for what takes a log of dirty pages, which KVM has not for
 * memory slots with a private half: it gets an error, and the guest goes on
 */
#include "kvm.h"

#define PAGES 8

void payload(void)
{
    fill(shar(AREA_GPA), 2 * PAGES * PAGE, 0x11);
    must_map(AREA_GPA, PAGES, TO_PRIVATE);
    fill(priv(AREA_GPA), PAGES * PAGE, 0x22);
    host("no-dirty-bitmap", T("no-dirty-bitmap"), 0, 0, 0);
    host("no-dirty-bitmap-hmp", T("no-dirty-bitmap-by-hmp"), 0, 0, 0);
    host("no-dirty-ring", T("no-dirty-ring"), 0, 0, 0);
    host("no-dirty-limit", T("no-dirty-limit"), 0, 0, 0);
    check_bytes(T("private-as-before"), priv(AREA_GPA), PAGES * PAGE, 0x22);
    host_expect(T("shared-as-before"), AREA_GPA + PAGES * PAGE, PAGES * PAGE,
                0x11);
    must_map(AREA_GPA, PAGES, TO_SHARED);
    must_map(AREA_GPA + PAGES * PAGE, PAGES, TO_PRIVATE);
    fill(shar(AREA_GPA), PAGES * PAGE, 0x33);
    host_expect(T("goes-on-converting"), AREA_GPA, PAGES * PAGE, 0x33);
    host("page-sampling", T("sampling-goes-on"), 0, 0, 0);
}
