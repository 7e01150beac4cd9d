/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of CPUID bits, as properties of -cpu have them
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "cpu-internal.h"
#include "explain-cpuid.h"

/* A state component is there for the feature that uses it (SDM, 13.1). */
static const char *const xsave_component_names[32] = {
    [2] = "avx",
    [3] = "mpx",
    [4] = "mpx",
    [5] = "avx512f",
    [6] = "avx512f",
    [7] = "avx512f",
    [9] = "pku",
    [15] = "arch-lbr",
    [17] = "amx-tile",
    [18] = "amx-tile",
};

const char *sev_cpuid_name(uint32_t leaf, uint32_t subleaf, unsigned reg,
                           unsigned bit)
{
    static const int regs[] = { R_EAX, R_EBX, R_ECX, R_EDX };

    if (leaf == 0xd && (subleaf == 0 ? reg == 0 : subleaf == 1 && reg == 2)) {
        return xsave_component_names[bit];
    }
    for (FeatureWord w = 0; w < FEATURE_WORDS; w++) {
        const FeatureWordInfo *info = &feature_word_info[w];

        if (info->type == CPUID_FEATURE_WORD && info->cpuid.eax == leaf &&
            (!info->cpuid.needs_ecx || info->cpuid.ecx == subleaf) &&
            info->cpuid.reg == regs[reg] && info->feat_names[bit]) {
            return info->feat_names[bit];
        }
    }
    return NULL;
}
