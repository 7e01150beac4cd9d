/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory is unplugged, and the attribute of its pages stays: an
 * access to what is in its place, here nothing, comes to an end
 */
#include "dimm.h"

void payload(void)
{
    map_dimm();
    check_eq(T("request"), map_gpa_range(DIMM_GPA, 8, TO_PRIVATE), 0);
    fill(priv(DIMM_GPA), 8 * PAGE, 0x11);
    check_bytes(T("private"), priv(DIMM_GPA), 8 * PAGE, 0x11);
    dimm_eject();
    check(T("access-ends"), *(volatile u8 *)shar(DIMM_GPA) != 0x11);
    check(T("next-page-as-well"),
          *(volatile u8 *)shar(DIMM_GPA + PAGE) != 0x11);
}
