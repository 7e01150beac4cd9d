/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory of an SEV-SNP guest is filled as the launch plan says
 *
 * Linux, Documentation/virt/kvm/x86/amd-memory-encryption.rst for
 * KVM_SEV_SNP_LAUNCH_UPDATE; Linux 6.12 to 7.3, arch/x86/kvm/svm/sev.c and
 * virt/kvm/guest_memfd.c, read for what it answers.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "system/upm/host.h"
#include "errors.h"
#include "plan.h"
#include "trace/trace-target_i386.h"

/* A flash device lies below 4 GiB; no PC maps more of it than this. */
#define FLASH_BASE (4 * GiB - 16 * MiB)
#define FLASH_HINT \
    "A flash device has no private memory: give the firmware by -bios FILE," \
    " not by -drive if=pflash or -machine pflash0=.\n"

/*
 * How often a call that may have met a signal is made: the first times at
 * once, then a millisecond apart.
 */
#define TRIES           100
#define TRIES_AT_ONCE   10

static const char *type_name(const SevLaunchRange *range)
{
    /* the firmware counts from 1 */
    return SevLaunchPageType_str(range->type - PSP_PAGE_NORMAL);
}

/* The command, and all that is known of the page at @extent */
static char *describe_page(const SevLaunchPlan *plan,
                           const SevLaunchRange *range, const UpmExtent *extent)
{
    g_autofree char *source = sev_plan_source(plan, range, extent->gpa);

    return g_strdup_printf("SEV-SNP launch: LAUNCH_UPDATE of the %s page at"
                           " 0x%" HWADDR_PRIx " (from %s; RAM block '%s',"
                           " offset 0x%" PRIx64 ")",
                           type_name(range), extent->gpa, source,
                           extent->block->name, extent->offset);
}

static int make_private(const SevLaunchPlan *plan,
                        const SevLaunchRange *range, Error **errp)
{
    ERRP_GUARD();
    int ret = upm_convert(range->gpa, range->size, true, UPM_CAUSE_LAUNCH,
                          UPM_KEEP_HIDDEN, errp);

    if (!ret) {
        return 0;
    }
    error_prepend(errp, "SEV-SNP launch: 0x%" HWADDR_PRIx "-0x%" HWADDR_PRIx
                  " can not be made private: ", range->gpa,
                  range->gpa + range->size - 1);
    if (ret == -EINVAL && range->gpa >= FLASH_BASE && range->gpa < 4 * GiB) {
        error_append_hint(errp, FLASH_HINT "%s", plan->firmware
                          ? "The flash device displaces what -bios names:"
                            " take it away.\n" : "");
    }
    return ret;
}

/*
 * KVM does nothing while a signal is pending, or work that an io_uring has for
 * the thread.  For what is to be repeated its documentation has EAGAIN; Linux
 * up to 7.3 answers EIO with the status that it had before, as it does where
 * the firmware was not the cause.  The other causes (a page that is not
 * private or launched already, no memory, a source that cannot be read) are
 * there again at each try, and what they leave behind is the same each time:
 * trying costs time only.  Where the firmware refuses a page, its status is
 * not 0.
 */
static bool may_be_signal(int ret, int status)
{
    return ret == -EAGAIN || ret == -EINTR ||
           (ret == -EIO && (status == SEV_RET_SUCCESS ||
                            status == SEV_RET_NO_FW_CALL));
}

static bool wait_for_try(unsigned try)
{
    if (try >= TRIES) {
        return false;
    }
    if (try >= TRIES_AT_ONCE) {
        g_usleep(1000);
    }
    return true;
}

/* Take note of what was done; false where that is not what was asked for. */
static bool advance(const struct kvm_sev_snp_launch_update *update,
                    UpmExtent *extent)
{
    uint64_t done = extent->size - update->len;

    if (!done || update->len > extent->size ||
        update->gfn_start != (extent->gpa + done) >> PSP_PAGE_BITS) {
        return false;
    }
    extent->gpa += done;
    extent->offset += done;
    extent->size -= done;
    return true;
}

/*
 * One memory slot's part of a range; on failure @extent is what is left of it.
 * KVM returns 0 where it has done some of the pages, and the error that
 * stopped it only when it is asked again.
 */
static int populate_extent(const SevLaunchRange *range, UpmExtent *extent,
                           int fd, SevCommandFn *command, int *status)
{
    struct kvm_sev_snp_launch_update update = {
        .uaddr = (uintptr_t)range->host + (extent->gpa - range->gpa),
        .gfn_start = extent->gpa >> PSP_PAGE_BITS,
        .len = extent->size,
        .type = range->type,
    };
    unsigned try = 0;

    while (extent->size) {
        int ret;

        trace_kvm_sev_snp_launch_update(update.uaddr, extent->gpa, update.len,
                                        type_name(range));
        *status = SEV_RET_NO_FW_CALL;
        ret = command(fd, KVM_SEV_SNP_LAUNCH_UPDATE, &update, status);
        if (may_be_signal(ret, *status) && wait_for_try(++try)) {
            continue;
        }
        if (ret) {
            return ret;
        }
        if (!advance(&update, extent)) {
            return -EIO;
        }
        try = 0;
    }
    return 0;
}

/* @before: the CPUID page that was given, NULL for other pages */
static void explain_failure(const SevLaunchPlan *plan,
                            const SevLaunchRange *range,
                            const UpmExtent *extent, const PspCpuidPage *before,
                            int ret, int status, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *what = describe_page(plan, range, extent);
    g_autofree char *text = NULL;

    sev_update_error(errp, what, ret, status);
    if (before && status == SEV_RET_INVALID_PARAM) {
        text = sev_cpuid_explain(before, (const PspCpuidPage *)range->host,
                                 plan->cpuid_name);
        error_append_hint(errp, "%s", text);
    }
}

static int populate_range(const SevLaunchPlan *plan,
                          const SevLaunchRange *range, int fd,
                          SevCommandFn *command, Error **errp)
{
    g_autofree PspCpuidPage *before = NULL;
    uint64_t done = 0;
    int ret = make_private(plan, range, errp);

    if (range->type == PSP_PAGE_CPUID) {
        before = g_memdup2(range->host, sizeof(*before));
    }
    while (!ret && done < range->size) {
        UpmExtent extent;
        int status;

        RCU_READ_LOCK_GUARD();
        /* upm_convert() has found memory everywhere. */
        if (!upm_memory_resolve(range->gpa + done, range->size - done,
                                &extent)) {
            error_setg(errp, "SEV-SNP launch: the memory at 0x%" HWADDR_PRIx
                       " is gone", range->gpa + done);
            return -EINVAL;
        }
        done += extent.size;
        ret = populate_extent(range, &extent, fd, command, &status);
        if (ret) {
            explain_failure(plan, range, &extent, before, ret, status, errp);
        }
    }
    return ret;
}

int sev_plan_populate(const SevLaunchPlan *plan, int fd,
                      SevCommandFn *command, Error **errp)
{
    if (plan->launched) {
        error_setg(errp, "SEV-SNP launch: the guest was launched already");
        return -EEXIST;
    }
    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        int ret = populate_range(plan, sev_plan_range(plan, i), fd, command,
                                 errp);

        if (ret) {
            return ret;
        }
    }
    return 0;
}

/* Kernel hashes of an SEV guest are no whole pages. */
bool sev_plan_discard(const SevLaunchPlan *plan, Error **errp)
{
    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        SevLaunchRange *range = sev_plan_range(plan, i);
        hwaddr begin = QEMU_ALIGN_DOWN(range->gpa, UPM_FRAME_SIZE);
        hwaddr end = ROUND_UP(range->gpa + range->size, UPM_FRAME_SIZE);

        if (upm_discard_hidden(begin, end - begin, errp)) {
            return false;
        }
        range->host = NULL;
    }
    return true;
}

/* Copies are nobody's memory but the plan's. */
static bool leave_sources(SevLaunchPlan *plan, Error **errp)
{
    if (!plan->repeated) {
        if (plan->kept) {
            sev_plan_keep(plan);
        }
        return sev_plan_discard(plan, errp);
    }
    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        sev_plan_range(plan, i)->host = NULL;
    }
    return true;
}

bool sev_plan_close(SevLaunchPlan *plan, Error **errp)
{
    unsigned vcpus = plan->vcpus->count();
    g_autofree uint8_t (*contents)[PSP_DIGEST_SIZE] =
        g_malloc_n(vcpus, PSP_DIGEST_SIZE);

    if (plan->launched) {
        return true;
    }
    if (!plan->measured && !sev_plan_measure(plan, errp)) {
        return false;
    }
    for (unsigned i = 0; i < vcpus; i++) {
        if (!sev_plan_vmsa_contents(plan, i, contents[i], errp)) {
            return false;
        }
    }
    if (!leave_sources(plan, errp)) {
        return false;
    }
    plan->vmsa_contents = g_steal_pointer(&contents);
    plan->launched_vcpus = vcpus;
    plan->launched = true;
    return true;
}
