/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launch digests of guests that only differ in their vCPUs
 *
 * An owner of many guests has one firmware for all of them, and sizes of
 * several kinds.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/i386/pc.h"
#include "qapi/error.h"
#include "qapi/util.h"
#include "qemu/bswap.h"
#include "system/upm/compat.h"
#include "variants.h"

/* In the table of GUIDs at the end of the firmware: where APs start */
#define RESET_BLOCK_GUID "00f771de-1a7e-4fcb-890e-68c77e2fb44e"

#define MODELS  "EPYC"

static const uint16_t counts[] = {
    1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256,
};

bool sev_launch_ap_eip(uint32_t *eip)
{
    uint8_t *block;
    int size;

    if (!pc_system_ovmf_table_find(RESET_BLOCK_GUID, &block, &size) ||
        size < sizeof(*eip)) {
        return false;
    }
    *eip = ldl_le_p(block);
    return true;
}

/*
 * Models
 */

/* "EPYC-Milan", and no version of it, which has the same signature */
static char *model_name(ObjectClass *oc)
{
    const char *type = object_class_get_name(oc);
    char *name;

    if (object_class_is_abstract(oc) || !g_str_has_prefix(type, MODELS) ||
        !g_str_has_suffix(type, X86_CPU_TYPE_SUFFIX)) {
        return NULL;
    }
    name = g_strndup(type, strlen(type) - strlen(X86_CPU_TYPE_SUFFIX));
    if (strstr(name, "-v")) {
        g_clear_pointer(&name, g_free);
    }
    return name;
}

/* A model's vCPU knows it, and need not be part of any machine. */
static uint32_t signature_of(ObjectClass *oc)
{
    Object *cpu = object_new_with_class(oc);
    uint32_t signature = X86_CPU(cpu)->env.cpuid_version;

    object_unref(cpu);
    return signature;
}

/*
 * Digests
 */

typedef struct Variants {
    const SevLaunchPlan *plan;
    const uint8_t *seed;
    bool has_ap_eip;
    uint32_t ap_eip;
    SevLaunchVariantList **tail;
} Variants;

static char *digest_of(const Variants *variants, unsigned vcpus,
                       uint32_t signature, Error **errp)
{
    uint8_t digest[PSP_DIGEST_SIZE];

    memcpy(digest, variants->seed, sizeof(digest));
    return sev_plan_chain_vcpus(variants->plan, vcpus, signature,
                                variants->ap_eip, digest, errp)
           ? sev_launch_hex(digest, sizeof(digest)) : NULL;
}

static bool add_variant(Variants *variants, const char *model, unsigned vcpus,
                        uint32_t signature, Error **errp)
{
    char *digest = digest_of(variants, vcpus, signature, errp);
    SevLaunchVariant *variant;

    if (!digest) {
        return false;
    }
    variant = g_new0(SevLaunchVariant, 1);
    variant->cpu_model = g_strdup(model);
    variant->cpu_signature = signature;
    variant->vcpus = vcpus;
    variant->digest = digest;
    QAPI_LIST_APPEND(variants->tail, variant);
    return true;
}

static bool add_model(Variants *variants, ObjectClass *oc, Error **errp)
{
    g_autofree char *model = model_name(oc);
    uint32_t signature;

    if (!model) {
        return true;
    }
    signature = signature_of(oc);
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        if (counts[i] > 1 && !variants->has_ap_eip) {
            break;
        }
        if (!add_variant(variants, model, counts[i], signature, errp)) {
            return false;
        }
    }
    return true;
}

bool sev_launch_variants(const SevLaunchPlan *plan,
                         const uint8_t seed[PSP_DIGEST_SIZE],
                         SevLaunchVariantList **list, Error **errp)
{
    Variants variants = { .plan = plan, .seed = seed, .tail = list };
    GSList *models = object_class_get_list_sorted(TYPE_X86_CPU, false);
    bool made = true;

    variants.has_ap_eip = sev_launch_ap_eip(&variants.ap_eip);
    for (GSList *model = models; model && made; model = model->next) {
        made = add_model(&variants, model->data, errp);
    }
    g_slist_free(models);
    return made;
}
