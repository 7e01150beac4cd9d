/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that cannot be suspended to RAM
 */
#ifndef SYSTEM_UPM_SUSPEND_H
#define SYSTEM_UPM_SUSPEND_H

typedef struct ACPIREGS ACPIREGS;

/**
 * upm_forbid_suspend: the guest must not be suspended to RAM
 * @why: for a message; not copied
 *
 * For the guest object, before the machine runs.  Locking: BQL.
 */
void upm_forbid_suspend(const char *why);

/**
 * upm_acpi_suspend: the guest has asked for S3 by its PM1 control register
 *
 * Where it is not to have that, it finds itself woken up at once, as by an
 * event that came at the same time; the reason is told once.  Locking: BQL.
 */
void upm_acpi_suspend(ACPIREGS *registers);

#endif
