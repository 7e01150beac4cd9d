/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of CPUID bits, as properties of -cpu have them
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "cpu-internal.h"
#include "explain-cpuid.h"

/* A state component is there for the feature that uses it. */
static const char *xsave_component_name(unsigned component)
{
    const ExtSaveArea *area;
    int bit;

    if (component < 2 || component >= XSAVE_STATE_AREA_COUNT) {
        return NULL;
    }
    area = &x86_ext_save_areas[component];
    bit = area->bits ? ctz32(area->bits) : -1;
    return bit < 0 ? NULL : feature_word_info[area->feature].feat_names[bit];
}

const char *sev_cpuid_name(uint32_t leaf, uint32_t subleaf, unsigned reg,
                           unsigned bit)
{
    static const int regs[] = { R_EAX, R_EBX, R_ECX, R_EDX };

    if (leaf == 0xd && (subleaf == 0 ? reg == 0 : subleaf == 1 && reg == 2)) {
        return xsave_component_name(bit);
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
