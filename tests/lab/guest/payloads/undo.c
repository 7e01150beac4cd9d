/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host can not discard memory for a while: a request fails, leaves state
 * and contents of the page, and the guest goes on
 */
#include "kvm.h"

void payload(void)
{
    fill(shar(AREA_GPA), 2 * PAGE, 0x11);
    host_mark();
    host_discard_fails(true);
    check(T("to-private-refused"),
          map_gpa_range(AREA_GPA, 2, TO_PRIVATE) != 0);
    check_bytes(T("shared-as-before"), shar(AREA_GPA), 2 * PAGE, 0x11);
    host_expect(T("host-sees-it"), AREA_GPA, 2 * PAGE, 0x11);
    host_discard_fails(false);
    check_eq(T("to-private"), map_gpa_range(AREA_GPA, 2, TO_PRIVATE), 0);
    fill(priv(AREA_GPA), 2 * PAGE, 0x22);
    host_discard_fails(true);
    check(T("to-shared-refused"), map_gpa_range(AREA_GPA, 2, TO_SHARED) != 0);
    check_bytes(T("private-as-before"), priv(AREA_GPA), 2 * PAGE, 0x22);
    host_discard_fails(false);
    check_eq(T("to-shared"), map_gpa_range(AREA_GPA, 2, TO_SHARED), 0);
    host_counted(T("counted"), 0, 2 * PAGE, 2 * PAGE);
}
