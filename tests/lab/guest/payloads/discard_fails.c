/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host can not discard memory for a while: requests are granted all the
 * same, what stays there is on an account, and is what it was
 */
#include "kvm.h"

#define PAGES 2

static void host_held(const char *name, u64 shared_pages, u64 private_pages)
{
    host("held-by-errors", name, shared_pages * PAGE, private_pages * PAGE, 0);
}

void payload(void)
{
    fill(shar(AREA_GPA), PAGES * PAGE, 0x11);
    host_fails(FAILS_DISCARD, 0);
    check_eq(T("to-private"), map_gpa_range(AREA_GPA, PAGES, TO_PRIVATE), 0);
    fill(priv(AREA_GPA), PAGES * PAGE, 0x22);
    check_bytes(T("private"), priv(AREA_GPA), PAGES * PAGE, 0x22);
    host_held(T("shared-half-held"), PAGES, 0);
    check_eq(T("to-shared"), map_gpa_range(AREA_GPA, PAGES, TO_SHARED), 0);
    check_bytes(T("shared-as-before"), shar(AREA_GPA), PAGES * PAGE, 0x11);
    host_expect(T("host-sees-it"), AREA_GPA, PAGES * PAGE, 0x11);
    host_held(T("private-half-held"), 0, PAGES);
    host_fails(FAILS_NOTHING, 0);
    check_eq(T("to-private-again"), map_gpa_range(AREA_GPA, PAGES, TO_PRIVATE),
             0);
    check_bytes(T("private-as-before"), priv(AREA_GPA), PAGES * PAGE, 0x22);
    host_held(T("nothing-held"), 0, 0);
    host_expect(T("shared-half-discarded"), AREA_GPA, PAGES * PAGE, 0);
}
