/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Family and model of a processor, from its signature: CPUID leaf 1 EAX
 *
 * AMD64 APM volume 3, appendix E.3.2.  Only for family 15 (0fh) and later:
 * what comes before has no extended family.
 */
#ifndef TARGET_I386_CPUID_SIGNATURE_H
#define TARGET_I386_CPUID_SIGNATURE_H

#include "qemu/bitops.h"

static inline unsigned cpuid_family(uint32_t signature)
{
    return extract32(signature, 8, 4) + extract32(signature, 20, 8);
}

static inline unsigned cpuid_model(uint32_t signature)
{
    return extract32(signature, 16, 4) << 4 | extract32(signature, 4, 4);
}

#endif
