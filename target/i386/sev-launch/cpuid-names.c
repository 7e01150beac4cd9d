/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of CPUID bits, as properties of -cpu have them
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "cpu-internal.h"
#include "explain-cpuid.h"

enum { EAX, EBX, ECX, EDX };

typedef struct CpuidBit {
    uint32_t leaf, subleaf;
    unsigned reg, bit;
} CpuidBit;

/*
 * A state component is there for the feature that uses it (SDM volume 1, 13.1).
 * Their names are looked up: some have none before a later QEMU.
 */
static const CpuidBit xsave_components[32] = {
    [2] = { 1, 0, ECX, 28 },                            /* AVX */
    [3] = { 7, 0, EBX, 14 }, [4] = { 7, 0, EBX, 14 },   /* MPX */
    [5] = { 7, 0, EBX, 16 }, [6] = { 7, 0, EBX, 16 },   /* AVX-512 */
    [7] = { 7, 0, EBX, 16 },
    [8] = { 7, 0, EBX, 25 },                            /* PT */
    [9] = { 7, 0, ECX, 3 },                             /* PKRU */
    [10] = { 7, 0, ECX, 29 },                           /* PASID: ENQCMD */
    [11] = { 7, 0, ECX, 7 }, [12] = { 7, 0, ECX, 7 },   /* CET, its SHSTK */
    [13] = { 6, 0, EAX, 13 },                           /* HDC */
    [14] = { 7, 0, EDX, 5 },                            /* UINTR */
    [15] = { 7, 0, EDX, 19 },                           /* LBR */
    [16] = { 6, 0, EAX, 7 },                            /* HWP */
    [17] = { 7, 0, EDX, 24 }, [18] = { 7, 0, EDX, 24 }, /* AMX */
    [19] = { 7, 1, EDX, 21 },                           /* APX */
};

const char *sev_cpuid_name(uint32_t leaf, uint32_t subleaf, unsigned reg,
                           unsigned bit)
{
    static const int regs[] = { R_EAX, R_EBX, R_ECX, R_EDX };

    if (leaf == 0xd && (subleaf == 0 ? reg == EAX :
                        subleaf == 1 && reg == ECX)) {
        const CpuidBit *user = &xsave_components[bit];

        /* Others have their number, and no option. */
        return user->leaf ? sev_cpuid_name(user->leaf, user->subleaf,
                                           user->reg, user->bit) : NULL;
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
