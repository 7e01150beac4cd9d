/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan, as users see it
 */
#ifndef TARGET_I386_SEV_LAUNCH_QUERY_H
#define TARGET_I386_SEV_LAUNCH_QUERY_H

#include "sev-launch.h"

/**
 * sev_launch_plan: the plan of this machine's guest, measured
 * @firmware_sha256: in hexadecimal, NULL where there is none; not to be freed
 *
 * Locking: BQL.  Returns: NULL with @errp set where there is no such plan.
 */
const SevLaunchPlan *sev_launch_plan(const char **firmware_sha256,
                                     Error **errp);

/** sev_launch_encrypted_plan: the same of an SEV or SEV-ES guest, or NULL */
const SevLaunchPlan *sev_launch_encrypted_plan(const char **firmware_sha256);

/**
 * sev_launch_measure_only: with measure-only=, print the measurement and exit
 *
 * To be called when the plan is complete.
 */
void sev_launch_measure_only(void);

#endif
