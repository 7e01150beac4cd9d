/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request for memory of two blocks: the pages of both turn private, and
 * memory that lies hidden below the second one is left alone
 *
 * Between 0xd0000 and 0xd7fff ROMs' memory takes the place of RAM while the
 * register of q35's host bridge says so.
 */
#include "kvm.h"
#include "pam.h"

#define START   0xc8000
#define HIDDEN  0xd0000
#define PAGES   ((0xd8000 - START) / PAGE)

void payload(void)
{
    set_all_pam(PAM_RAM);
    fill(shar(HIDDEN), 8 * PAGE, 0x11);
    set_pam(3, 0);
    fill(shar(START), PAGES * PAGE, 0x22);
    check_eq(T("request"), map_gpa_range(START, PAGES, TO_PRIVATE), 0);
    fill(priv(START), PAGES * PAGE, 0x33);
    check_bytes(T("private"), priv(START), PAGES * PAGE, 0x33);
    set_pam(3, PAM_RAM);
    check_bytes(T("hidden-memory-kept"), shar(HIDDEN), 8 * PAGE, 0x11);
}
