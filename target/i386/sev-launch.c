/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What target/i386/sev.c does the same way with every firmware
 *
 * sev.c still decides what is launched and in which order, but each range
 * goes into the plan, and the plan is launched: as a whole where memory is
 * private, range by range where it is encrypted in place.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "cpu-internal.h"
#include "crypto/hash.h"
#include "hw/core/cpu.h"
#include "hw/i386/pc.h"
#include "qapi/error.h"
#include "qemu/datadir.h"
#include "qemu/error-report.h"
#include "qemu/thread.h"
#include "system/cpus.h"
#include "system/system.h"
#include "system/tcg.h"
#include "system/upm/compat.h"
#include "sev.h"
#include "sev-firmware.h"
#include "sev-launch-query.h"
#include "sev-metadata.h"

bool sev_emulated(void)
{
    return tcg_enabled();
}

bool sev_launch_has_kernel(const void *hashes)
{
    if (!hashes) {
        error_report("SEV-SNP launch: kernel-hashes=on needs a kernel to hash;"
                     " give one by -kernel FILE");
    }
    return hashes;
}

/*
 * vCPUs
 */

CPUState *sev_launch_vcpu(unsigned index)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        if (!index--) {
            return cs;
        }
    }
    g_assert_not_reached();
}

unsigned sev_launch_vcpus(void)
{
    CPUState *cs;
    unsigned count = 0;

    CPU_FOREACH(cs) {
        count++;
    }
    return count;
}

void sev_launch_vcpu_reset(unsigned index, PspVcpuReset *reset)
{
    CPUState *cs = sev_launch_vcpu(index);
    CPUX86State *env = cpu_env(cs);

    /* A reset has brought the architecture's own reset vector back. */
    sev_es_set_reset_vector(cs);
    *reset = (PspVcpuReset) {
        .cs_selector = env->segs[R_CS].selector,
        .cs_base = env->segs[R_CS].base,
        .rip = env->eip,
        .signature = env->cpuid_version,
        .sev_features = sev_snp_enabled() ? SEV_FEATURES_SNP_ACTIVE : 0,
    };
}

static void init_vmsa(unsigned index, SevVmsa *vmsa)
{
    PspVcpuReset reset;

    sev_launch_vcpu_reset(index, &reset);
    psp_vmsa_init(vmsa, &reset);
}

/*
 * Names of CPUID bits
 */

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

static const char *cpuid_bit_name(uint32_t leaf, uint32_t subleaf,
                                  unsigned reg, unsigned bit)
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

/*
 * The plan of this machine's guest
 */

static const SevLaunchVmsas vmsas = {
    .count = sev_launch_vcpus,
    .init = init_vmsa,
};

static SevLaunchPlan plan = {
    .cpuid_name = cpuid_bit_name,
    .vmsas = &vmsas,
};

static struct {
    struct SevSnpGuestState *guest;
    SevPopulateFn *populate;
    bool populated;             /* all pages are in the plan */
    QemuThread thread;
    bool measuring;             /* @thread has to be waited for */
    char *firmware_sha256;
    Error *err;
} launch;

/* Number of the metadata section that starts at @gpa, or -1 */
static int find_section(hwaddr gpa, uint32_t *type)
{
    const OvmfSevMetadata *metadata = pc_system_get_ovmf_sev_metadata_ptr();

    for (uint32_t i = 0; metadata && i < metadata->num_desc; i++) {
        if (metadata->descs[i].base == gpa) {
            *type = metadata->descs[i].type;
            return i;
        }
    }
    return -1;
}

static void *measure(void *opaque)
{
    if (!sev_plan_measure(&plan, &launch.err)) {
        return NULL;
    }
    for (unsigned i = 0; i < plan.ranges->len; i++) {
        SevLaunchRange *range = &g_array_index(plan.ranges, SevLaunchRange,
                                               i);

        if (range->source == SEV_LAUNCH_SOURCE_FIRMWARE) {
            qcrypto_hash_digest(QCRYPTO_HASH_ALGO_SHA256, (char *)range->host,
                                range->size, &launch.firmware_sha256, NULL);
            break;
        }
    }
    return NULL;
}

/* Measuring takes about as long as the launch, and can run beside it. */
static void measure_begin(void)
{
    launch.measuring = true;
    qemu_thread_create(&launch.thread, "snp-measure", measure, NULL,
                       QEMU_THREAD_JOINABLE);
}

static bool measure_end(Error **errp)
{
    if (launch.measuring) {
        qemu_thread_join(&launch.thread);
        launch.measuring = false;
    }
    if (launch.err) {
        error_propagate(errp, error_copy(launch.err));
        return false;
    }
    return plan.measured || sev_plan_measure(&plan, errp);
}

bool sev_launch_add(uint64_t gpa, void *host, uint64_t size, int type)
{
    SevLaunchRange range = {
        .gpa = gpa, .size = size, .type = type, .host = host,
        .source = SEV_LAUNCH_SOURCE_FIRMWARE,
    };
    uint32_t section_type;
    int section = find_section(gpa, &section_type);

    if (section >= 0) {
        range.section = section;
        range.source = section_type == SEV_DESC_TYPE_SNP_KERNEL_HASHES &&
                       type == PSP_PAGE_NORMAL
                       ? SEV_LAUNCH_SOURCE_KERNEL_HASHES
                       : SEV_LAUNCH_SOURCE_METADATA;
    }
    if (launch.measuring) {
        measure_end(NULL);
    }
    sev_plan_add(&plan, &range);
    return true;
}

static void find_firmware(void)
{
    const char *name = current_machine->firmware;

    plan.firmware = name ? qemu_find_file(QEMU_FILE_TYPE_BIOS, name) : NULL;
}

/* QEMU 10.1 and later can take what is launched from an IGVM file. */
static bool has_igvm_file(void)
{
    return object_property_find(OBJECT(current_machine), "igvm-cfg") &&
           object_property_get_link(OBJECT(current_machine), "igvm-cfg", NULL);
}

static void machine_done(Notifier *notifier, void *data)
{
    OvmfSevMetadata *metadata = pc_system_get_ovmf_sev_metadata_ptr();

    if (!metadata && !has_igvm_file()) {
        sev_launch_no_metadata();
        exit(EXIT_FAILURE);
    }
    find_firmware();
    if (metadata) {
        launch.populate(launch.guest, metadata);
        launch.populated = true;
        measure_begin();
    }
    sev_launch_measure_only();
}

static Notifier machine_done_notifier = { .notify = machine_done };

void sev_launch_init(struct SevSnpGuestState *guest, SevPopulateFn *populate)
{
    launch.guest = guest;
    launch.populate = populate;
    qemu_add_machine_init_done_notifier(&machine_done_notifier);
}

bool sev_launch_populated(void)
{
    return launch.populated;
}

int sev_launch_run(int fd, SevCommandFn *command)
{
    Error *err = NULL;
    int ret = sev_plan_populate(&plan, fd, command, &err);

    if (!ret && (!measure_end(&err) || !sev_plan_close(&plan, &err))) {
        ret = -EIO;
    }
    if (ret) {
        error_report_err(err);
        return ret;
    }
    /*
     * A monitor may have looked at registers, and QEMU would give them back
     * to KVM before a vCPU runs.  LAUNCH_FINISH ends that.
     */
    cpu_synchronize_all_post_init();
    return 0;
}

/*
 * SEV and SEV-ES
 */

/* The firmware is what comes first, or all of it what an IGVM file has. */
static SevLaunchSource source_of_next(void)
{
    return plan.encrypted && !has_igvm_file()
           ? SEV_LAUNCH_SOURCE_KERNEL_HASHES : SEV_LAUNCH_SOURCE_FIRMWARE;
}

int sev_launch_encrypt(int fd, SevCommandFn *command, uint64_t gpa, void *host,
                       uint64_t size)
{
    SevLaunchRange range = {
        .gpa = gpa, .size = size, .type = PSP_PAGE_NORMAL, .host = host,
        .source = source_of_next(),
    };
    Error *err = NULL;
    int ret;

    if (!plan.encrypted) {
        find_firmware();
        launch.firmware_sha256 = g_compute_checksum_for_data(G_CHECKSUM_SHA256,
                                                             host, size);
    }
    ret = sev_plan_encrypt(&plan, &range, fd, command, &err);
    if (ret) {
        error_report_err(err);
    }
    return ret;
}

int sev_launch_encrypt_vcpus(int fd, SevCommandFn *command)
{
    Error *err = NULL;
    int ret = sev_plan_encrypt_vcpus(&plan, fd, command, &err);

    if (ret) {
        error_report_err(err);
    }
    return ret;
}

const SevLaunchPlan *sev_launch_encrypted_plan(const char **firmware_sha256)
{
    *firmware_sha256 = launch.firmware_sha256;
    /* Such a file can have states of vCPUs that only the firmware sees. */
    return plan.encrypted && !has_igvm_file() ? &plan : NULL;
}

const SevLaunchPlan *sev_launch_plan(const char **firmware_sha256,
                                     Error **errp)
{
    if (!launch.populated && !plan.launched) {
        error_setg(errp, "there is no SEV-SNP guest whose firmware says what"
                   " to launch");
        return NULL;
    }
    if (!measure_end(errp)) {
        return NULL;
    }
    *firmware_sha256 = launch.firmware_sha256;
    return &plan;
}
