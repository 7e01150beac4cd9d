/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated firmware's place in the guest world
 *
 * Connects the seam that target/i386/sev.c talks to (sev-firmware.h) with
 * the firmware on one side and with the emulated processor on the other.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "cpu.h"
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qom/object.h"
#include "system/upm/compat.h"
#include "sev.h"
#include "sev-features.h"
#include "sev-firmware.h"
#include "sev-certs.h"
#include "sev-vcpus.h"
#include "tcg/snp/guest/launch.h"
#include "tcg/snp/processor.h"
#include "upm-guest.h"
#include "upm-guest-options.h"
#include "attest.h"
#include "chip-source.h"
#include "kvm-rules.h"
#include "sev-guest.h"
#include "sev-home.h"
#include "sev-kvm.h"

/* A page-table entry has no room for a C-bit elsewhere. */
#define CBIT_MIN 32
#define CBIT_MAX 51

#define TYPE_GUEST_WORLD_PSP "emulated-amd-sp"
#define GUEST_WORLD_CHILD "amd-sp"

/*
 * The AMD-SP of one guest object, as its child
 *
 * @vm, @sev: the one guest that there is; @sev is NULL for an SEV-SNP guest,
 *     which is @vm
 * @cbitpos: constant once the machine is there
 * @message_lock: one guest message at a time; also keeps @chip
 */
typedef struct GuestWorld {
    Object parent_obj;

    PspPlatform platform;
    PspKvmGuest vm;
    PspSevKvm *sev;
    uint32_t cbitpos;
    QemuMutex message_lock;
    PspChipSource chip;
} GuestWorld;

DECLARE_INSTANCE_CHECKER(GuestWorld, GUEST_WORLD, TYPE_GUEST_WORLD_PSP)

/*
 * Any thread may ask, once sev_firmware_init_platform() was called.
 * Returns: NULL where this machine has no such guest.
 */
static GuestWorld *guest_world(void)
{
    Object *guest = OBJECT(current_machine->cgs);
    Object *child = guest
        ? object_resolve_path_component(guest, GUEST_WORLD_CHILD) : NULL;

    return child ? GUEST_WORLD(child) : NULL;
}

/*
 * What the firmware asks of this machine
 */

static void *processor_page(uint64_t gpa)
{
    return snp_launch_page(gpa);
}

static void processor_page_done(uint64_t gpa)
{
    snp_launch_page_done(gpa);
}

static void processor_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    snp_cpuid(cpu_env(first_cpu), leaf, subleaf, &regs[0], &regs[1],
              &regs[2], &regs[3]);
}

static const char *processor_vcpu_load(unsigned index, const SevVmsa *vmsa)
{
    CPUX86State *env = cpu_env(sev_vcpu(index));
    const char *why = snp_launch_vcpu(env, vmsa);

    /* Outside of the execution loop, which takes all flags from here */
    env->eflags = cpu_compute_eflags(env);
    return why;
}

/* With @message_lock */
static PspChip *guest_world_chip(void *opaque, Error **errp)
{
    g_autofree char *folder = upm_guest_cert_dir();
    GuestWorld *world = opaque;

    return psp_chip_source_get(&world->chip, folder, world->platform.product,
                               world->platform.vlek, errp);
}

static const PspPlatformOps guest_world_ops = {
    .chip = guest_world_chip,
    .cpuid = processor_cpuid,
};

static bool guest_world_identity(void *opaque, PspSevIdentity *identity,
                                 Error **errp)
{
    g_autofree char *folder = upm_guest_cert_dir();

    return psp_sev_home_open(folder, identity, errp);
}

static const PspProcessor processor = {
    .page = processor_page,
    .page_done = processor_page_done,
    .unencryptable = snp_launch_unencryptable,
    .encrypt = snp_launch_encrypt,
    .private_at = snp_launch_private,
    .ghcb_version = snp_guest_set_ghcb_version,
    .sev_features = snp_guest_set_features,
    .vcpus = sev_vcpus,
    .vcpu_reset = sev_vcpu_reset,
    .vcpu_load = processor_vcpu_load,
};

static void guest_world_instance_init(Object *obj)
{
    GuestWorld *world = GUEST_WORLD(obj);

    psp_platform_init(&world->platform, &guest_world_ops, world);
    /* No emulated processor has RAPL counters. */
    world->platform.platform_info = PSP_PLATFORM_RAPL_DIS |
                                     PSP_PLATFORM_ALIAS_CHECK;
    world->vm.processor = &processor;
    world->vm.guest.platform = &world->platform;
    qemu_mutex_init(&world->message_lock);
    psp_chip_source_init(&world->chip);
}

static void guest_world_finalize(Object *obj)
{
    GuestWorld *world = GUEST_WORLD(obj);

    psp_sev_kvm_free(world->sev);
    psp_chip_source_destroy(&world->chip);
    qemu_mutex_destroy(&world->message_lock);
    psp_platform_destroy(&world->platform);
    explicit_bzero(&world->vm, sizeof(world->vm));
}

static const TypeInfo guest_world_info = {
    .name = TYPE_GUEST_WORLD_PSP,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(GuestWorld),
    .instance_init = guest_world_instance_init,
    .instance_finalize = guest_world_finalize,
};

static void guest_world_register_types(void)
{
    type_register_static(&guest_world_info);
}

type_init(guest_world_register_types)

static GuestWorld *new_guest_world(Object *guest)
{
    Object *child = object_new(TYPE_GUEST_WORLD_PSP);

    object_property_add_child(guest, GUEST_WORLD_CHILD, child);
    object_unref(child);
    return GUEST_WORLD(child);
}

/*
 * The seam
 */

/* By the type of the guest object, and of an sev-guest by its policy */
static SnpGuestKind kind_of(ConfidentialGuestSupport *cgs)
{
    SnpGuestKind kind = { .sev = SVM_SEV, .views = !cgs->require_guest_memfd };
    uint32_t policy = object_property_get_uint(OBJECT(cgs), "policy", NULL);
    bool is_snp = object_dynamic_cast(OBJECT(cgs), TYPE_SEV_SNP_GUEST);

    if (is_snp || policy & PSP_SEV_POLICY_ES) {
        kind.sev |= SVM_SEV_ES;
        kind.ghcb_version = 2;
    }
    kind.sev |= is_snp ? SVM_SEV_SNP : 0;
    return kind;
}

QEMU_BUILD_BUG_ON((int)SEV_EMULATED_CHIP_GENOA != PSP_PRODUCT_GENOA);
QEMU_BUILD_BUG_ON((int)SEV_EMULATED_CHIP_TURIN != PSP_PRODUCT_TURIN);

/* What was asked for with the guest object */
static bool set_chip(PspPlatform *platform, const UpmGuestOptions *options,
                     Error **errp)
{
    platform->product = (PspProductId)options->emulated_chip;
    platform->report_version = options->emulated_report_version;
    platform->mitigations = options->emulated_mitigations;
    platform->vlek = options->emulated_vlek;
    if (options->emulated_smt) {
        platform->platform_info |= PSP_PLATFORM_SMT;
    }
    if (platform->mitigations &&
        psp_report_version(platform) < PSP_REPORT_MITIGATIONS) {
        error_setg(errp, "emulated-mitigations=0x%" PRIx64 " has no place in"
                   " attestation reports of version %u", platform->mitigations,
                   psp_report_version(platform));
        error_append_hint(errp, "Use emulated-report-version=%d.\n",
                          PSP_REPORT_MITIGATIONS);
        return false;
    }
    return true;
}

static bool check_features(const UpmGuestOptions *options, Error **errp)
{
    g_autofree char *why = sev_features_absent(options->sev_features);

    if (why) {
        error_setg(errp, "sev-snp-guest: %s", why);
    }
    return !why;
}

static bool make_sev(GuestWorld *world, bool es, Error **errp)
{
    world->sev = psp_sev_kvm_new(es, &processor, guest_world_identity, world,
                                 errp);
    return world->sev;
}

bool sev_firmware_init_platform(ConfidentialGuestSupport *cgs, uint32_t cbitpos,
                              Error **errp)
{
    const SnpGuestKind kind = kind_of(cgs);
    GuestWorld *world;

    if (cbitpos < CBIT_MIN || cbitpos > CBIT_MAX) {
        error_setg(errp, "cbitpos=%u is not possible on the emulated"
                   " processor; it takes %d to %d, and 51 is what most"
                   " hardware has", cbitpos, CBIT_MIN, CBIT_MAX);
        return false;
    }
    world = new_guest_world(OBJECT(cgs));
    world->cbitpos = cbitpos;
    if (!(kind.sev & SVM_SEV_SNP) &&
        !make_sev(world, kind.sev & SVM_SEV_ES, errp)) {
        return false;
    }
    if (kind.sev & SVM_SEV_SNP &&
        (!set_chip(&world->platform, upm_guest_options(OBJECT(cgs)), errp) ||
         !check_features(upm_guest_options(OBJECT(cgs)), errp))) {
        return false;
    }
    return snp_guest_start(cgs, cbitpos, &kind, errp);
}

bool sev_firmware_is_platform(void)
{
    if (sev_enabled()) {
        return sev_emulated();
    }
    return upm_guest_program_emulates();
}

static char *base64(const char *text)
{
    return g_base64_encode((const guchar *)text, strlen(text));
}

/* Without, there are no owners' sessions; all else can be had. */
static void tell_identity(SevCapability *cap)
{
    PspSevIdentity identity;
    PspSevChain chain;
    Error *err = NULL;

    if (!guest_world_identity(NULL, &identity, &err)) {
        warn_report_err(err);
        cap->pdh = base64("emulated SEV: no PDH");
        cap->cert_chain = base64("emulated SEV: no certificate chain");
        return;
    }
    psp_sev_identity_chain(&identity, &chain);
    cap->pdh = g_base64_encode((guchar *)&identity.pdh, sizeof(identity.pdh));
    cap->cert_chain = g_base64_encode((guchar *)&chain, sizeof(chain));
    explicit_bzero(&identity, sizeof(identity));
}

SevCapability *sev_firmware_capabilities(void)
{
    SevCapability *cap = g_new0(SevCapability, 1);
    const GuestWorld *world = guest_world();

    tell_identity(cap);
    cap->cpu0_id = base64("emulated SEV-SNP");
    cap->cbitpos = world ? world->cbitpos : CBIT_MAX;
    cap->reduced_phys_bits = 1;
    return cap;
}

int sev_firmware_command(int cmd, void *data, int *fw_error)
{
    GuestWorld *world = guest_world();
    int status;
    int ret = world->sev
        ? psp_sev_kvm_command(world->sev, cmd, data, &status)
        : psp_kvm_command(&world->vm, cmd, data, &status);

    if (fw_error) {
        *fw_error = status;
    }
    return ret;
}

void sev_firmware_forget(void)
{
    GuestWorld *world = guest_world();

    QEMU_LOCK_GUARD(&world->message_lock);
    if (world->sev) {
        snp_launch_forget();
        psp_sev_kvm_forget(world->sev);
    } else {
        psp_kvm_forget(&world->vm);
    }
}

void sev_firmware_hold_vcpus(void)
{
    snp_launch_hold_vcpus();
}

static unsigned guest_count(const GuestWorld *world)
{
    return !world ? 0 :
           world->sev ? psp_sev_kvm_guests(world->sev)
                      : world->vm.guest.state >= PSP_STATE_LAUNCH;
}

int sev_firmware_platform_command(int cmd, void *data, int *fw_error)
{
    const GuestWorld *world = guest_world();
    struct sev_user_data_status *status = data;

    if (cmd != SEV_PLATFORM_STATUS) {
        if (fw_error) {
            *fw_error = SEV_RET_UNSUPPORTED;
        }
        return -EIO;
    }
    *status = (struct sev_user_data_status) {
        .api_major = PSP_API_MAJOR,
        .api_minor = psp_api_minor(&world->platform),
        .state = PSP_PLATFORM_INIT,
        .flags = SEV_STATUS_FLAGS_CONFIG_ES,
        .build = PSP_BUILD,
        .guest_count = guest_count(world),
    };
    if (fw_error) {
        *fw_error = SEV_RET_SUCCESS;
    }
    return 0;
}

bool sev_firmware_is_ready(const void *request)
{
    g_autofree char *folder = upm_guest_cert_dir();
    const PspMessage *message = request;
    GuestWorld *world = guest_world();

    if (message->header.type != PSP_MSG_REPORT_REQ &&
        message->header.type != PSP_MSG_KEY_REQ) {
        return true;
    }
    QEMU_LOCK_GUARD(&world->message_lock);
    return psp_chip_source_is_ready(&world->chip, folder,
                                    world->platform.product,
                                    world->platform.vlek, NULL, NULL);
}

uint32_t sev_firmware_guest_request(const void *request, void *response)
{
    GuestWorld *world = guest_world();

    QEMU_LOCK_GUARD(&world->message_lock);
    return psp_guest_request(&world->vm.guest, request, response);
}

bool sev_firmware_is_report_request(const void *request)
{
    const PspMessage *message = request;

    return message->header.type == PSP_MSG_REPORT_REQ;
}

static GByteArray *chip_certs(Error **errp)
{
    GuestWorld *world = guest_world();
    PspChip *chip;

    QEMU_LOCK_GUARD(&world->message_lock);
    chip = guest_world_chip(world, errp);
    return chip ? g_byte_array_ref((GByteArray *)psp_chip_certs(chip)) : NULL;
}

GByteArray *sev_firmware_certs(int *lock, int *ret)
{
    const char *path = upm_guest_certs_path();
    GByteArray *table;
    Error *err = NULL;

    *lock = -1;
    if (path) {
        table = sev_certs_read(path, lock, ret, &err);
    } else {
        table = chip_certs(&err);
        *ret = table ? 0 : -EIO;
    }
    if (err) {
        sev_certs_report(err);
    }
    return table;
}

bool sev_firmware_launch_digest(uint8_t digest[48])
{
    const GuestWorld *world = guest_world();

    if (!world || world->vm.guest.state < PSP_STATE_LAUNCH) {
        return false;
    }
    memcpy(digest, world->vm.guest.digest, PSP_DIGEST_SIZE);
    return true;
}
