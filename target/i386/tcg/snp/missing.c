/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Features of a CPU model that TCG lacks, in one line
 *
 * QEMU tells each by a warning of its own, for each vCPU.  The models that
 * have SEV-SNP lack a dozen of them always, and guests live with it.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "cpu-internal.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "tcg/snp/snp-hooks.h"
#include "tcg/snp/world.h"

bool snp_cpu_tells_missing(X86CPU *cpu, const char *why)
{
    return snp_world() && !cpu->enforce_cpuid && !cpu->force_features &&
           strstart(why, "TCG ", NULL);
}

/* A name may be shared by several words; most bits have one. */
static unsigned add_names(GString *names, FeatureWord word, uint64_t bits)
{
    const FeatureWordInfo *info = &feature_word_info[word];
    unsigned count = 0;

    for (; bits; bits &= bits - 1, count++) {
        const char *name = info->feat_names[ctz64(bits)];

        g_string_append_printf(names, " %s", name ?: "(unnamed)");
    }
    return count;
}

void snp_cpu_tell_missing(X86CPU *cpu)
{
    g_autoptr(GString) names = g_string_new(NULL);
    unsigned count = 0;
    FeatureWord word;

    if (!cpu->check_cpuid || cpu->enforce_cpuid || cpu->force_features ||
        CPU(cpu)->cpu_index) {
        return;
    }
    for (word = 0; word < FEATURE_WORDS; word++) {
        count += add_names(names, word, cpu->filtered_features[word]);
    }
    if (count) {
        warn_report("TCG lacks %u features of the CPU model, the guest does"
                    " without:%s", count, names->str);
    }
}
