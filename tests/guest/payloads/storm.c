/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that converts one page to and fro, asks for what is refused as
 * often, and then asks to be ended: reason set 1, code 2
 */
#include "snp.h"

#define CONVERSIONS 4000
#define REFUSALS    4000
#define MMIO        0xfed00000
/* the response, with no error */
#define DONE        0x15

void payload(void)
{
    unsigned i, failed = 0, done = 0;

    for (i = 0; i < CONVERSIONS; i++) {
        failed += psc_msr(AREA_GPA, i % 2 ? PSC_PRIVATE : PSC_SHARED) !=
                  DONE;
    }
    check_eq(T("conversions"), failed, 0);
    for (i = 0; i < REFUSALS; i++) {
        done += psc_msr(MMIO, PSC_SHARED) == DONE;
    }
    check_eq(T("refusals"), done, 0);
    vmgexit(0x100 | 1 << 12 | 2 << 16);
    check("goes-on-after-termination", false);
}
