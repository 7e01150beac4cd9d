/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that cannot be suspended to RAM
 */
#ifndef SYSTEM_UPM_SUSPEND_H
#define SYSTEM_UPM_SUSPEND_H

typedef struct ACPIREGS ACPIREGS;

/**
 * upm_guest_unsuspendable: why the machine's guest must not be suspended to RAM
 *
 * The target's to say, of the guest object that there is.  Locking: BQL.
 *
 * Returns: words for a message, or NULL where it may.
 */
const char *upm_guest_unsuspendable(void);

/**
 * upm_acpi_suspend: the guest has asked for S3 by its PM1 control register
 *
 * Where it is not to have that, it finds itself woken up at once, as by an
 * event that came at the same time; the reason is told once.  Locking: BQL.
 */
void upm_acpi_suspend(ACPIREGS *registers);

#endif
