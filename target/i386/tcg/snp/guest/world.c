/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest world of a machine: its table, and how it begins
 */
#include "qemu/osdep.h"
#include "qemu/config-file.h"
#include "qemu/error-report.h"
#include "qemu/option.h"
#include "qapi/error.h"
#include "hw/i386/x86.h"
#include "system/confidential-guest-support.h"
#include "system/cpu-timers.h"
#include "system/replay.h"
#include "system/reset.h"
#include "system/upm/compat.h"
#include "target/i386/sev-launch/again.h"
#include "target/i386/sev-launch/launch.h"
#include "target/i386/upm-guest.h"
#include "target/i386/upm-guest-options.h"
#include "target/i386/upm-compat.h"
#include "tcg/snp/guest/guest.h"
#include "tcg/snp/guest/launch.h"

#define TYPE_SNP_GUEST "snp-guest-world"
OBJECT_DECLARE_SIMPLE_TYPE(SnpGuest, SNP_GUEST)

static const TypeInfo guest_info = {
    .name = TYPE_SNP_GUEST,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(SnpGuest),
};

static void register_guest(void)
{
    type_register_static(&guest_info);
}

type_init(register_guest);

/* What all kinds of guests have */
#define GUEST_OPS                                       \
    .rdmsr = snp_guest_rdmsr,                           \
    .wrmsr = snp_guest_wrmsr,                           \
    .cpuid = snp_guest_cpuid,                           \
    .memory = snp_guest_memory,                         \
    .realize = snp_guest_realize,                       \
    .reserved = snp_guest_reserved,                     \
    .debug_translate = snp_guest_debug_translate

/* Registers are the hypervisor's: #VC and INIT are the guest's own affair. */
#define OPEN_STATE_OPS                                  \
    .name = "an SEV guest",                             \
    .hypercall = snp_plain_hypercall,                   \
    .reset = snp_plain_reset

#define ENCRYPTED_STATE_OPS                             \
    .intercepted = snp_guest_intercepted,               \
    .io_intercepted = snp_guest_io_intercepted,         \
    .vmgexit = snp_vmgexit,                             \
    .holds_nmi = snp_guest_holds_nmi,                   \
    .wake = snp_ap_wake,                                \
    .restricted = snp_is_restricted,                    \
    .pending = snp_guest_pending,                       \
    .inject = snp_guest_inject,                         \
    .reset = snp_guest_reset,                           \
    .init_signal = snp_guest_init_signal,               \
    .sipi_signal = snp_guest_sipi_signal

/* Two halves of memory, or one that is seen in two ways */
#define PLAIN_MEMORY_OPS                                \
    .access = snp_plain_access,                         \
    .fault = snp_guest_fault
#define VIEW_MEMORY_OPS                                 \
    .access = snp_view_access,                          \
    .fault = snp_view_fault

static const SnpWorldOps sev_world = {
    GUEST_OPS, OPEN_STATE_OPS, PLAIN_MEMORY_OPS,
};

static const SnpWorldOps sev_view_world = {
    GUEST_OPS, OPEN_STATE_OPS, VIEW_MEMORY_OPS,
};

/* The RMP's instructions are undefined before they would ask. */
static const SnpWorldOps es_world = {
    GUEST_OPS, ENCRYPTED_STATE_OPS, PLAIN_MEMORY_OPS,
    .name = "an SEV-ES guest",
};

static const SnpWorldOps es_view_world = {
    GUEST_OPS, ENCRYPTED_STATE_OPS, VIEW_MEMORY_OPS,
    .name = "an SEV-ES guest",
};

static const SnpWorldOps snp_world_ops = {
    GUEST_OPS, ENCRYPTED_STATE_OPS,
    .name = "an SEV-SNP guest",
    .access = snp_guest_access,
    .fault = snp_guest_fault,
    .operand = snp_guest_operand,
    .fit = snp_guest_fit,
    .set = snp_guest_set,
};

static const SnpWorldOps *world_of(const SnpGuestKind *kind)
{
    if (kind->sev & SVM_SEV_SNP) {
        return &snp_world_ops;
    }
    if (kind->sev & SVM_SEV_ES) {
        return kind->views ? &es_view_world : &es_world;
    }
    return kind->views ? &sev_view_world : &sev_world;
}

const char *snp_guest_name(void)
{
    /* Behind the article */
    return strchr(snp_world()->name, ' ') + 1;
}

/*
 * A vCPU whose state is encrypted can only start with what the launch has
 * measured.
 */
static bool cpus_are_resettable_by_launch(void)
{
    return sev_launch_can_repeat();
}

static int count_accelerator(void *opaque, QemuOpts *opts, Error **errp)
{
    (*(int *)opaque)++;
    return 0;
}

/* Emulation protects nothing, so it has to be asked for by name. */
static bool emulation_was_asked_for(ConfidentialGuestSupport *cgs)
{
    int listed = 0;

    qemu_opts_foreach(qemu_find_opts("accel"), count_accelerator, &listed,
                      NULL);
    return listed == 1 || upm_guest_emulated(OBJECT(cgs)) ||
           upm_guest_program_emulates();
}

/* There is no private half in the address space of SMM. */
static bool forbid_smm(const char *guest, Error **errp)
{
    X86MachineState *x86ms = X86_MACHINE(qdev_get_machine());

    if (x86ms->smm == ON_OFF_AUTO_ON) {
        error_setg(errp, "%s has no SMM under TCG; use -machine smm=off",
                   guest);
        return false;
    }
    x86ms->smm = ON_OFF_AUTO_OFF;
    return true;
}

static bool check_machine(ConfidentialGuestSupport *cgs, const char *guest,
                          Error **errp)
{
    ERRP_GUARD();

    if (!emulation_was_asked_for(cgs)) {
        error_setg(errp, "no accelerator could be used for %s, and emulation "
                   "protects nothing", guest);
        error_append_hint(errp, "Use '-accel tcg' alone, or emulated=on on "
                          "the guest object, to run it emulated.\n");
        return false;
    }
    if (!object_dynamic_cast(qdev_get_machine(), TYPE_X86_MACHINE)) {
        error_setg(errp, "%s needs a PC; use -machine q35", guest);
        return false;
    }
    if (replay_mode != REPLAY_MODE_NONE || icount_enabled()) {
        error_setg(errp, "%s cannot be recorded, replayed or run with "
                   "-icount: its conversions are not deterministic", guest);
        return false;
    }
    return forbid_smm(guest, errp);
}

static void reset_guest(void *opaque)
{
    SnpGuest *guest = opaque;

    qatomic_set(&guest->migration_control, 0);
    qatomic_set(&guest->ap_jump_table, 0);
}

/*
 * What the CPU model decides comes with the vCPUs, see snp_guest_realize(), and
 * features with KVM_SEV_INIT2.
 */
static SnpGuestRules rules_of(const SnpGuestKind *kind,
                              const UpmGuestOptions *options)
{
    uint64_t features = kind->sev & SVM_SEV_SNP ? SEV_FEATURES_SNP_ACTIVE : 0;

    return (SnpGuestRules) {
        .specification = options->emulated_hypervisor ==
                         SEV_EMULATED_HYPERVISOR_SPECIFICATION,
        .large_pages = options->emulated_large_pages,
        .vmpls = options->emulated_vmpls,
        .vmsa = {
            .features_set = features, .features = features,
            .vmpls = SNP_VMPLS,
        },
    };
}

static bool make_guest(MachineState *machine, uint32_t cbitpos,
                       const SnpGuestKind *kind, Error **errp)
{
    const UpmGuestOptions *options = upm_guest_options(OBJECT(machine->cgs));
    g_autoptr(Object) obj = object_new(TYPE_SNP_GUEST);
    SnpGuest *guest = SNP_GUEST(obj);

    guest->kind = *kind;
    guest->rules = rules_of(kind, options);
    if (!snp_world_enter(world_of(kind), guest, cbitpos, errp)) {
        return false;
    }
    object_property_add_child(OBJECT(machine), "snp-guest-world", obj);
    guest->vcpus = g_new0(SnpVcpu, machine->smp.max_cpus);
    snp_memory_init(&guest->mem, obj, cbitpos);
    if (kind->sev & SVM_SEV_SNP) {
        snp_memory_add_ciphertext(&guest->mem, obj);
    }
    if (kind->views) {
        snp_view_init();
    } else {
        snp_provider_init(kind->sev & SVM_SEV_SNP);
    }
    qemu_register_reset(reset_guest, guest);
    guest->unplug.unrealize = snp_guest_unplugged;
    device_listener_register(&guest->unplug);
    return true;
}

void snp_guest_set_ghcb_version(uint8_t version)
{
    snp_guest()->kind.ghcb_version = version;
}

void snp_guest_set_features(uint64_t features)
{
    snp_guest()->rules.vmsa.features = features;
}

bool snp_guest_start(ConfidentialGuestSupport *cgs, uint32_t cbitpos,
                     const SnpGuestKind *kind, Error **errp)
{
    AccelOpsClass *ops;

    if (!check_machine(cgs, world_of(kind)->name, errp) ||
        !make_guest(MACHINE(qdev_get_machine()), cbitpos, kind, errp)) {
        return false;
    }
    ops = ACCEL_OPS_CLASS(object_class_by_name(ACCEL_OPS_NAME("tcg")));
    if (ops && kind->sev & SVM_SEV_ES) {
        ops->cpus_are_resettable = cpus_are_resettable_by_launch;
    }
    if (!sev_launch_only_measures()) {
        warn_report("%s is emulated: nothing in this guest is confidential",
                    kind->sev & SVM_SEV_SNP ? "SEV-SNP" :
                    kind->sev & SVM_SEV_ES ? "SEV-ES" : "SEV");
    }
    return true;
}
