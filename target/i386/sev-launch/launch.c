/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch of a guest object: its plan, connected with sev.c and the machine
 *
 * sev.c still decides what is launched and in which order, but each range
 * goes into the plan, and the plan is launched: as a whole where memory is
 * private, range by range where it is encrypted in place.  The way is drawn in
 * plan.c.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "cpu.h"
#include "hw/i386/pc.h"
#include "qapi/error.h"
#include "qemu/datadir.h"
#include "qemu/error-report.h"
#include "system/cpus.h"
#include "system/system.h"
#include "system/upm/compat.h"
#include "sev.h"
#include "state.h"

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

void sev_launch_add(uint64_t gpa, void *host, uint64_t size, int type)
{
    SevLaunchState *launch = sev_launch_current();
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
    sev_launch_wait(launch);
    sev_plan_add(&launch->plan, &range);
}

/* QEMU 10.1 and later can take what is launched from an IGVM file. */
static bool has_igvm_file(void)
{
    return object_property_find(OBJECT(current_machine), "igvm-cfg") &&
           object_property_get_link(OBJECT(current_machine), "igvm-cfg", NULL);
}

/* What descriptions and digests depend on, known when the machine is made */
static void look_at_machine(SevLaunchPlan *plan)
{
    const char *name = current_machine->firmware;

    g_free(plan->firmware);
    plan->firmware = name ? qemu_find_file(QEMU_FILE_TYPE_BIOS, name) : NULL;
    /* It says what vCPUs start with, by more than a reset and a vector. */
    plan->foreign_vcpus = has_igvm_file();
    /* KVM has no way back to a VM that was not launched yet. */
    plan->kept = sev_emulated() && sev_es_enabled() &&
                 !plan->foreign_vcpus &&
                 object_dynamic_cast(OBJECT(current_machine), TYPE_PC_MACHINE);
}

static void machine_done(Notifier *notifier, void *data)
{
    SevLaunchState *launch = container_of(notifier, SevLaunchState,
                                          machine_done);
    OvmfSevMetadata *metadata = pc_system_get_ovmf_sev_metadata_ptr();

    look_at_machine(&launch->plan);
    if (!metadata && !launch->plan.foreign_vcpus) {
        sev_launch_no_metadata();
        exit(EXIT_FAILURE);
    }
    if (metadata) {
        sev_launch_hint_hashes(OBJECT(launch->guest), metadata);
        launch->populate(launch->guest, metadata);
        sev_launch_begin_measuring(launch);
    }
    sev_launch_measure_only();
}

void sev_launch_init(struct SevSnpGuestState *guest, SevPopulateFn *populate)
{
    SevLaunchState *launch = sev_launch_of(OBJECT(guest));

    if (!launch->populate) {
        launch->machine_done.notify = machine_done;
        qemu_add_machine_init_done_notifier(&launch->machine_done);
    }
    launch->guest = guest;
    launch->populate = populate;
}

bool sev_launch_wants_metadata(const void *table, const void *hashes,
                               uint32_t hashes_offset)
{
    SevLaunchState *launch = sev_launch_current();

    if (launch->populated) {
        return false;
    }
    sev_launch_check_metadata(table, hashes, hashes_offset);
    launch->populated = true;
    return true;
}

static int run(SevLaunchState *launch, int fd, Error **errp)
{
    int ret = sev_plan_populate(&launch->plan, fd, sev_launch_command, errp);

    if (ret) {
        return ret;
    }
    return sev_launch_end_measuring(launch, errp) &&
           sev_plan_close(&launch->plan, errp) ? 0 : -EIO;
}

void sev_launch_run(int fd)
{
    Error *err = NULL;

    if (run(sev_launch_current(), fd, &err)) {
        error_report_err(err);
        exit(EXIT_FAILURE);
    }
    /*
     * A monitor may have looked at registers, and QEMU would give them back
     * to KVM before a vCPU runs.  LAUNCH_FINISH ends that.
     */
    cpu_synchronize_all_post_init();
}

/*
 * SEV and SEV-ES
 */

/* The firmware is what comes first, or all of it what an IGVM file has. */
static SevLaunchSource source_of_next(const SevLaunchPlan *plan)
{
    return plan->encrypted && !plan->foreign_vcpus
           ? SEV_LAUNCH_SOURCE_KERNEL_HASHES : SEV_LAUNCH_SOURCE_FIRMWARE;
}

int sev_launch_encrypt(int fd, uint64_t gpa,
                       const struct kvm_sev_launch_update_data *update,
                       int *status)
{
    SevLaunchPlan *plan = &sev_launch_current()->plan;
    SevLaunchRange range = {
        .gpa = gpa, .size = update->len, .type = PSP_PAGE_NORMAL,
        .source = source_of_next(plan),
        .host = (uint8_t *)(uintptr_t)update->uaddr,
    };
    Error *err = NULL;
    int ret;

    if (!plan->encrypted) {
        look_at_machine(plan);
    }
    ret = sev_plan_encrypt(plan, &range, fd, sev_launch_command, status, &err);
    if (ret) {
        error_report_err(err);
    }
    return ret;
}

int sev_launch_encrypt_vcpus(int fd, int *status)
{
    SevLaunchPlan *plan = &sev_launch_current()->plan;
    Error *err = NULL;
    int ret = sev_plan_encrypt_vcpus(plan, fd, sev_launch_command, status,
                                     &err);

    if (ret) {
        error_report_err(err);
    }
    return ret;
}
