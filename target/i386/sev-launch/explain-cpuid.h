/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why the firmware did not take a CPUID page
 */
#ifndef TARGET_I386_SEV_LAUNCH_EXPLAIN_CPUID_H
#define TARGET_I386_SEV_LAUNCH_EXPLAIN_CPUID_H

#include "target/i386/sev-abi.h"

/**
 * SevCpuidNameFn: how a bit of CPUID is switched off
 * @reg: 0 to 3 for EAX, EBX, ECX, EDX
 *
 * Returns: the name of a property of -cpu, or NULL where there is none.
 */
typedef const char *SevCpuidNameFn(uint32_t leaf, uint32_t subleaf,
                                   unsigned reg, unsigned bit);

/**
 * sev_cpuid_explain: compare the CPUID page that was refused with the one
 * that would be taken
 *
 * Leaf by leaf, each register with both values; then the option of -cpu
 * without which they would have been the same.
 *
 * Returns: lines of text to be freed.
 */
char *sev_cpuid_explain(const PspCpuidPage *before, const PspCpuidPage *after,
                        SevCpuidNameFn *name);

/** sev_cpuid_name: the names that QEMU's CPU models have, cpuid-names.c */
SevCpuidNameFn sev_cpuid_name;

#endif
