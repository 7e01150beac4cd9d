/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Features of a guest, SEV_FEATURES of its VMSAs, by name
 *
 * AMD64 APM volume 2 (24593), table B-4, offset 3B0h.
 */
#ifndef TARGET_I386_SEV_FEATURES_H
#define TARGET_I386_SEV_FEATURES_H

#include "sev-vmsa.h"

/**
 * SevFeature: one that can be asked for
 * @name: of the guest object's property
 * @mask: its bit
 * @description: of the property
 * @absent: why the emulated processor does not have it, NULL where it has
 */
typedef struct SevFeature {
    const char *name;
    uint64_t mask;
    const char *description;
    const char *absent;
} SevFeature;

/** sev_feature: feature @index, NULL behind the last one */
const SevFeature *sev_feature(unsigned index);

/** sev_features_emulated: those that the emulated processor has */
uint64_t sev_features_emulated(void);

/**
 * sev_features_text: "debug-swap, secure-tsc, bit 12", to be freed
 *
 * Without SNPActive, which nobody asks for.
 */
char *sev_features_text(uint64_t features);

/**
 * sev_features_absent: why the emulated processor does not have the first of
 * these features, to be freed; NULL where it has all, or where it is not known
 */
char *sev_features_absent(uint64_t features);

#endif
