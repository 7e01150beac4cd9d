/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Creates and destroys one vCPU from two others, for ever; to be run with four
 */
#include "snp.h"

static volatile u64 runs;

static void flood(void)
{
    u64 vmsa = VMSA_GPA + 4 * PAGE;

    for (u64 i = 0;; i++) {
        ap_request(i % 16 ? AP_CREATE : AP_DESTROY, 3, vmsa, SEV_FEATURES);
    }
}

void ap_main(unsigned index)
{
    runs++;
    if (index == 3) {
        for (;;) {
            pause();
        }
    }
    ghcb_setup();
    flood();
}

void payload(void)
{
    for (unsigned i = 1; i < 4; i++) {
        ap_start(i);
    }
    check(T("all-run"), wait_for_more(&runs, 2));
    flood();
}
