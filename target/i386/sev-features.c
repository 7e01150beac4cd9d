/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See sev-features.h. */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "sev-features.h"

/*
 * Of names that QEMU's developers have agreed on or proposed, these have them:
 * debug-swap and secure-tsc.
 */
static const SevFeature known[] = {
    {
        "restricted-injection", SEV_FEATURES_RESTRICTED_INJECTION,
        "Interrupts and NMIs come by #HV and a doorbell page only",
    }, {
        "debug-swap", SEV_FEATURES_DEBUG_SWAP,
        "Debug registers are the guest's own, and breakpoints work",
    }, {
        "prevent-host-ibs", SEV_FEATURES_PREVENT_HOST_IBS,
        "The host cannot sample the guest's instructions",
    }, {
        "btb-isolation", SEV_FEATURES_BTB_ISOLATION,
        "The guest's branches are not predicted by others' branches",
    }, {
        "secure-tsc", SEV_FEATURES_SECURE_TSC,
        "The TSC is out of the host's reach",
        "its TSC is the host's clock, with no frequency to vouch for",
    }, {
        "smt-protection", SEV_FEATURES_SMT_PROTECTION,
        "A vCPU runs only while the other thread of its core is idle",
    },
};

const SevFeature *sev_feature(unsigned index)
{
    return index < ARRAY_SIZE(known) ? &known[index] : NULL;
}

uint64_t sev_features_emulated(void)
{
    uint64_t features = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        features |= known[i].absent ? 0 : known[i].mask;
    }
    return features;
}

static const SevFeature *find(uint64_t mask)
{
    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        if (known[i].mask == mask) {
            return &known[i];
        }
    }
    return NULL;
}

char *sev_features_text(uint64_t features)
{
    GString *text = g_string_new(NULL);

    features &= ~SEV_FEATURES_SNP_ACTIVE;
    for (unsigned bit = 0; bit < 64; bit++) {
        const SevFeature *feature = find(BIT_ULL(bit));

        if (!(features & BIT_ULL(bit))) {
            continue;
        }
        g_string_append(text, text->len ? ", " : "");
        if (feature) {
            g_string_append(text, feature->name);
        } else {
            g_string_append_printf(text, "bit %u", bit);
        }
    }
    return g_string_free(text, false);
}

char *sev_features_absent(uint64_t features)
{
    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        if (features & known[i].mask && known[i].absent) {
            return g_strdup_printf("%s=on: the emulated processor does not "
                                   "have it: %s", known[i].name,
                                   known[i].absent);
        }
    }
    return NULL;
}
