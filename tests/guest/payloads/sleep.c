/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that nobody could wake up is not suspended to RAM (S3). */
#include "snp.h"

/* Intel ICH9: PCI configuration, and power management at a base of ours */
#define CONFIG_ADDRESS  0xcf8
#define CONFIG_DATA     0xcfc
#define LPC             (0x80000000 | 0x1f << 11)
#define PM_BASE         0x600
#define PM1_STATUS      PM_BASE
#define WAKE_STATUS     (1 << 15)
#define PM1_CONTROL     (PM_BASE + 4)
#define SLEEP_S3        (1 << 13 | 1 << 10)

static void enable_power_management(void)
{
    io_out(CONFIG_ADDRESS, 4, LPC | 0x40);
    io_out(CONFIG_DATA, 4, PM_BASE | 1);
    io_out(CONFIG_ADDRESS, 4, LPC | 0x44);
    io_out(CONFIG_DATA, 1, 0x80);
}

/* What a guest does that wants to sleep (ACPI 6.5, 7.4.2.3) */
static bool sleeps(void)
{
    io_out(PM1_STATUS, 2, WAKE_STATUS);
    io_out(PM1_CONTROL, 2, SLEEP_S3);
    return !(io_in(PM1_STATUS, 2) & WAKE_STATUS);
}

void payload(void)
{
    enable_power_management();
    check(T("woken-up-at-once"), !sleeps());
    check(T("and-once-more"), !sleeps());
}
