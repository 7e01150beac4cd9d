/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan: the list that a guest is launched from
 *
 * The way of a launch, from top to bottom; time goes downwards, and the
 * file is named where a function is not called by the one above it:
 *
 *   sev.c        KVM_SEV_INIT2, KVM_SEV_SNP_LAUNCH_START
 *     sev_launch_command()            command.c
 *       sev_launch_reset()            state.c: an empty plan
 *       sev_plan_command()            plan.c: SEV features
 *   sev.c        for the firmware, while the machine is made
 *     sev_launch_add()                launch.c
 *       sev_plan_add()                plan.c
 *
 *   machine_done()                    launch.c
 *     snp_populate_metadata_pages()   sev.c: sections of the metadata
 *       sev_launch_wants_metadata()   checks them by check.c
 *       sev_launch_add()
 *     sev_launch_begin_measuring() -> thread: sev_plan_measure()  measure.c
 *     sev_launch_measure_only()       query.c: prints the digest, ends here
 *                                         |
 *   sev_snp_launch_finish()           sev.c: the guest is first run
 *     sev_launch_run()                launch.c
 *       sev_plan_populate()           populate.c, for each range:
 *         upm_convert()                   to private, nothing discarded
 *         KVM_SEV_SNP_LAUNCH_UPDATE       shared -> private, measured
 *       sev_launch_end_measuring() <----- joins the thread
 *       sev_plan_close()              populate.c
 *         upm_discard_hidden()            of the sources, by the policy
 *   sev.c        KVM_SEV_SNP_LAUNCH_FINISH: VMSAs are measured
 *
 *   pc_machine_reset()                hw/i386/pc.c: where the plan was kept
 *     sev_launch_again()              again.c: all of that from the beginning
 *       sev_plan_again()              repeat.c: from copies of the sources
 *       sev_plan_populate(), sev_plan_close()
 *
 * An SEV or SEV-ES guest has no such list beforehand: sev_launch_encrypt()
 * measures and launches each range as it comes, by sev_plan_encrypt(); again by
 * sev_plan_encrypt_again().
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qemu/memalign.h"
#include "plan.h"

SevLaunchRange *sev_plan_range(const SevLaunchPlan *plan, unsigned index)
{
    return &g_array_index(plan->ranges, SevLaunchRange, index);
}

unsigned sev_plan_ranges(const SevLaunchPlan *plan)
{
    return plan->ranges ? plan->ranges->len : 0;
}

static void clear_range(void *opaque)
{
    SevLaunchRange *range = opaque;

    g_free(range->contents);
    qemu_vfree(range->copy);
}

static SevLaunchRange *find_range(const SevLaunchPlan *plan, hwaddr gpa,
                                  uint64_t size)
{
    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        SevLaunchRange *range = sev_plan_range(plan, i);

        if (range->gpa == gpa && range->size == size) {
            return range;
        }
    }
    return NULL;
}

void sev_plan_add(SevLaunchPlan *plan, const SevLaunchRange *range)
{
    SevLaunchRange *old = find_range(plan, range->gpa, range->size);

    if (!plan->ranges) {
        plan->ranges = g_array_new(false, false, sizeof(*range));
        g_array_set_clear_func(plan->ranges, clear_range);
    }
    if (old) {
        clear_range(old);
        *old = *range;
    } else {
        g_array_append_vals(plan->ranges, range, 1);
        old = sev_plan_range(plan, sev_plan_ranges(plan) - 1);
    }
    old->contents = NULL;
    old->copy = NULL;
    plan->measured = false;
}

void sev_plan_reset(SevLaunchPlan *plan)
{
    g_clear_pointer(&plan->ranges, g_array_unref);
    g_clear_pointer(&plan->firmware_sha256, g_free);
    g_clear_pointer(&plan->vmsa_contents, g_free);
    g_clear_pointer(&plan->encrypted, g_checksum_free);
    g_clear_pointer(&plan->encrypted_pages, g_array_unref);
    plan->measured = plan->launched = plan->repeated = false;
    plan->launched_vcpus = 0;
}

void sev_plan_command(SevLaunchPlan *plan, int command, const void *data)
{
    const struct kvm_sev_init *init = data;

    switch (command) {
    case KVM_SEV_INIT2:
        plan->sev_features = init->vmsa_features;
        break;
    case KVM_SEV_ES_INIT:
        /* sev_es_sync_vmsa() of Linux 6.12, for the measurements of old */
        plan->without_fpu = true;
        break;
    case KVM_SEV_SNP_LAUNCH_START:
        /* Nobody asks KVM for this one. */
        plan->sev_features |= SEV_FEATURES_SNP_ACTIVE;
        break;
    }
}

unsigned sev_plan_vcpus(const SevLaunchPlan *plan)
{
    return plan->launched || plan->encrypted ? plan->launched_vcpus
                                             : plan->vcpus->count();
}

uint64_t sev_plan_pages(const SevLaunchPlan *plan)
{
    uint64_t pages = sev_plan_vcpus(plan);

    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        pages += DIV_ROUND_UP(sev_plan_range(plan, i)->size, PSP_PAGE_SIZE);
    }
    return pages;
}

void sev_plan_vmsa(const SevLaunchPlan *plan, unsigned index, SevVmsa *vmsa)
{
    PspVcpuReset reset;

    plan->vcpus->reset(index, &reset);
    reset.sev_features = plan->sev_features;
    psp_vmsa_init(vmsa, &reset);
    if (plan->without_fpu) {
        psp_vmsa_without_fpu(vmsa);
    }
}

char *sev_plan_source(const SevLaunchPlan *plan, const SevLaunchRange *range,
                      hwaddr gpa)
{
    switch (range->source) {
    case SEV_LAUNCH_SOURCE_FIRMWARE:
        return g_strdup_printf("%s, offset 0x%" HWADDR_PRIx,
                               plan->firmware ?: "the firmware",
                               gpa - range->gpa);
    case SEV_LAUNCH_SOURCE_KERNEL_HASHES:
        if (plan->encrypted) {
            return g_strdup("the kernel hashes");
        }
        return g_strdup_printf("the kernel hashes, metadata section %u",
                               range->section);
    default:
        return g_strdup_printf("metadata section %u", range->section);
    }
}
