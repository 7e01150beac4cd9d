/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU model EPYC-Turin, for a QEMU that has no such model
 *
 * QEMU has one of its own from 10.1 on, and this file is not built there: two
 * types of one name are QEMU's end.  A vCPU's signature is part of the launch
 * digest of an SEV-SNP guest, so family, model and stepping are those that QEMU
 * gives it, of whichever version.
 *
 * It is an EPYC-Genoa with what Zen 5 has besides: the instructions that
 * -march=znver5 stands for in GCC's manual, the bits of CPUID 8000_0021 EAX by
 * which it says what against speculative return stack overflow it needs, and
 * performance monitoring version 2.  Left out are PREFETCHI and bit 1 of that
 * word, which this QEMU has no names for; what it offers to nested guests, and
 * its caches, are Genoa's.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "cpu.h"

#define FAMILY      0x1a
#define MODEL       0
#define STEPPING    0

static void turin_init(Object *obj)
{
    uint64_t *features = X86_CPU(obj)->env.features;

    object_property_set_int(obj, "family", FAMILY, &error_abort);
    object_property_set_int(obj, "model", MODEL, &error_abort);
    object_property_set_int(obj, "stepping", STEPPING, &error_abort);
    object_property_set_str(obj, "model-id", "AMD EPYC-Turin Processor",
                            &error_abort);
    features[FEAT_7_0_ECX] |= CPUID_7_0_ECX_MOVDIRI | CPUID_7_0_ECX_MOVDIR64B;
    features[FEAT_7_0_EDX] |= CPUID_7_0_EDX_AVX512_VP2INTERSECT;
    features[FEAT_7_1_EAX] |= CPUID_7_1_EAX_AVX_VNNI;
    features[FEAT_8000_0007_EBX] |= CPUID_8000_0007_EBX_OVERFLOW_RECOV |
                                    CPUID_8000_0007_EBX_SUCCOR;
    features[FEAT_8000_0021_EAX] |= CPUID_8000_0021_EAX_SBPB |
                                    CPUID_8000_0021_EAX_IBPB_BRTYPE |
                                    CPUID_8000_0021_EAX_SRSO_USER_KERNEL_NO;
    features[FEAT_8000_0022_EAX] |= CPUID_8000_0022_EAX_PERFMON_V2;
}

/* Its CPUID is not that of QEMU's own EPYC-Turin, whichever version that is. */
static void turin_class_init(ObjectClass *class, void *data)
{
    X86_CPU_CLASS(class)->migration_safe = false;
}

/*
 * Not EPYC-Turin-v1, too: what QEMU tells of aliases and versions it takes from
 * the list of its own models.
 */
static const TypeInfo types[] = {
    {
        .name = X86_CPU_TYPE_NAME("EPYC-Turin"),
        .parent = X86_CPU_TYPE_NAME("EPYC-Genoa-v1"),
        .instance_init = turin_init,
        .class_init = turin_class_init,
    },
};

DEFINE_TYPES(types)
