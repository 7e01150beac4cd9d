/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two vCPUs convert memory until they are reset, and then again
 *
 * Each life writes to 8 MiB, in each half.
 */
#include "snp.h"

#define SIZE    (8ULL << 20)

static volatile u64 started;

static void NOINLINE convert_for_ever(u64 gpa)
{
    for (u64 at = 0;; at = (at + PAGE) % SIZE) {
        to_private(gpa + at, PAGE);
        *(volatile u64 *)priv(gpa + at) = at + 1;
        to_shared(gpa + at, PAGE);
        *(volatile u64 *)shar(gpa + at) = at + 1;
        if (!at) {
            started = 1;
        }
    }
}

void ap_main(unsigned index)
{
    convert_for_ever(AREA_GPA + index * SIZE);
}

void payload(void)
{
    to_private(AREA_GPA, SIZE);
    fill(priv(AREA_GPA), SIZE, 0x77);
    ap_start(1);
    check(T("other-vcpu-runs"), wait_for(&started, 1));
    print("# both convert\n");
    convert_for_ever(AREA_GPA);
}
