/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMSAs that VMRUN refuses, APM volume 2, 15.5.1: the vCPU stays where it
 * is, and starts with the next good one; two vCPUs
 */
#include "snp.h"

static volatile u64 starts;

void ap_main(unsigned index)
{
    starts += index;
    for (;;) {
        pause();
    }
}

static void put8(u8 *page, unsigned offset, u64 value)
{
    memcpy(page + offset, &value, 8);
}

static u64 get8(u8 *page, unsigned offset)
{
    u64 value;

    memcpy(&value, page + offset, 8);
    return value;
}

static const struct {
    const char *name;
    unsigned offset;
    u64 clear, set;
} bad[] = {
    { T("no-snp-feature"), 0x3b0, 1, 0 },
    { T("vtom-feature"), 0x3b0, 0, 2 },
    { T("vmpl-1"), 0xc8, 0, 1ULL << 16 },
    { T("cpl-4"), 0xc8, 0, 4ULL << 24 },
    { T("efer-no-svme"), 0xd0, 0x1000, 0 },
    { T("efer-reserved"), 0xd0, 0, 1ULL << 40 },
    { T("cr0-upper-half"), 0x158, 0, 1ULL << 32 },
    { T("cr0-nw-without-cd"), 0x158, 1ULL << 30, 1ULL << 29 },
    { T("cr0-pg-without-pe"), 0x158, 1, 0 },
    { T("cr3-reserved"), 0x150, 0, 1ULL << 60 },
    { T("cr4-reserved"), 0x148, 0, 1ULL << 31 },
    { T("cr4-upper-half"), 0x148, 0, 1ULL << 40 },
    { T("cr4-no-pae"), 0x148, 1 << 5, 0 },
    { T("cs-64-and-32-bit"), 0x10, 0, 0x600ULL << 16 },
    { T("dr6-upper-half"), 0x168, 0, 1ULL << 32 },
    { T("dr7-upper-half"), 0x160, 0, 1ULL << 32 },
    { T("xcr0-reserved"), 0x3e8, 0, 1ULL << 62 },
    { T("mxcsr-reserved"), 0x408, 0, 1ULL << 20 },
};

void payload(void)
{
    u8 *page;

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        page = ap_vmsa(1);
        put8(page, bad[i].offset,
             (get8(page, bad[i].offset) & ~bad[i].clear) | bad[i].set);
        rmpadjust(page, 0, 0x10001);
        if (ap_request(AP_CREATE, 1, (u64)page, SEV_FEATURES)) {
            check(bad[i].name, false);
            continue;
        }
        delay_us(500);
        /* Not even a signal makes it run. */
        ap_signal(1);
        delay_us(500);
        check_eq(bad[i].name, starts, 0);
    }
    ap_start(1);
    check(T("good-one-starts"), wait_for(&starts, 1));
}
