/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One vCPU suspends the guest to RAM while the other asks for termination, by
 * the MSR protocol: reason set 5, code 0x42; two vCPUs
 */
#include "snp.h"

/* Intel ICH9: PCI configuration, and power management at a base of ours */
#define CONFIG_ADDRESS  0xcf8
#define CONFIG_DATA     0xcfc
#define LPC             (0x80000000 | 0x1f << 11)
#define PM_BASE         0x600
#define PM1_CONTROL     (PM_BASE + 4)
#define SLEEP_S3        (1 << 13 | 1 << 10)

static volatile u64 ready, go, asking;

void ap_main(unsigned index)
{
    (void)index;
    ready = 1;
    while (!go) {
        pause();
    }
    asking = 1;
    vmgexit(0x100 | 5 << 12 | 0x42 << 16);
    for (;;) {
        pause();
    }
}

static void enable_power_management(void)
{
    io_out(CONFIG_ADDRESS, 4, LPC | 0x40);
    io_out(CONFIG_DATA, 4, PM_BASE | 1);
    io_out(CONFIG_ADDRESS, 4, LPC | 0x44);
    io_out(CONFIG_DATA, 1, 0x80);
}

void payload(void)
{
    enable_power_management();
    ap_start(1);
    check(T("other-vcpu-runs"), wait_for(&ready, 1));
    go = 1;
    while (!asking) {
        pause();
    }
    io_out(PM1_CONTROL, 2, SLEEP_S3);
    for (;;) {
        pause();
    }
}
