/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many conversions a second, for bench/run: one page to and fro, and used
 * each time; what the host prints around them has the time
 */
#include "snp.h"

#define ROUNDS 10000

void payload(void)
{
    print("# begin\n");
    for (u64 i = 0; i < ROUNDS; i++) {
        to_shared(AREA_GPA, PAGE);
        *(volatile u8 *)shar(AREA_GPA) = i;
        to_private(AREA_GPA, PAGE);
        *(volatile u8 *)priv(AREA_GPA) = i;
    }
    print("# end\n");
    result("conversions", 2 * ROUNDS);
    check(T("done"), true);
}
