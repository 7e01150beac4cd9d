/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that cannot be suspended to RAM
 *
 * A wake-up starts vCPUs at an address that the guest has left with its
 * firmware (ACPI 6.5, 16.1).  With encrypted registers nobody can do that, so
 * that a guest which sleeps would never come back.
 */
#include "qemu/osdep.h"
#include "hw/acpi/acpi.h"
#include "qemu/error-report.h"
#include "system/runstate.h"
#include "system/upm/suspend.h"

void upm_acpi_suspend(ACPIREGS *registers)
{
    const char *why = upm_guest_unsuspendable();

    if (!why) {
        qemu_system_suspend_request();
        return;
    }
    warn_report_once("the guest is not suspended to RAM (S3): %s", why);
    /* A guest waits for this bit, whatever has become of the rest. */
    registers->pm1.evt.sts |= ACPI_BITMASK_WAKE_STATUS;
}
