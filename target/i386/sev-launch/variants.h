/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launch digests of guests that only differ in their vCPUs
 */
#ifndef TARGET_I386_SEV_LAUNCH_VARIANTS_H
#define TARGET_I386_SEV_LAUNCH_VARIANTS_H

#include "plan.h"

/** sev_launch_hex: bytes in hexadecimal, to be freed */
char *sev_launch_hex(const uint8_t *bytes, size_t size);

/**
 * sev_launch_ap_eip: where the firmware wants all vCPUs but the first to start
 *
 * Returns: false where it does not say so.
 */
bool sev_launch_ap_eip(uint32_t *eip);

/**
 * sev_launch_variants: digests for models and numbers of vCPUs
 * @seed: from sev_plan_seed()
 * @list: appended to, also where this fails
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool sev_launch_variants(const SevLaunchPlan *plan,
                         const uint8_t seed[PSP_DIGEST_SIZE],
                         SevLaunchVariantList **list, Error **errp);

#endif
