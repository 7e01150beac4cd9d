/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan: a list of page ranges, launched and measured in order
 *
 * Linux, Documentation/virt/kvm/x86/amd-memory-encryption.rst for
 * KVM_SEV_SNP_LAUNCH_UPDATE; SEV-SNP Firmware ABI (56860), 8.17, for the
 * digest.  SEV API (55766), LAUNCH_UPDATE_DATA and LAUNCH_UPDATE_VMSA, for the
 * digest of SEV and SEV-ES guests.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "system/upm/host.h"
#include "sev-error.h"
#include "sev-launch.h"

/* A flash device lies below 4 GiB; no PC maps more of it than this. */
#define FLASH_BASE (4 * GiB - 16 * MiB)

/*
 * How often EAGAIN is answered by another try: the first times at once, then
 * a millisecond apart.
 */
#define TRIES           100
#define TRIES_AT_ONCE   10

static const SevLaunchRange *range_at(const SevLaunchPlan *plan, unsigned i)
{
    return &g_array_index(plan->ranges, SevLaunchRange, i);
}

static unsigned range_count(const SevLaunchPlan *plan)
{
    return plan->ranges ? plan->ranges->len : 0;
}

void sev_plan_add(SevLaunchPlan *plan, const SevLaunchRange *range)
{
    if (!plan->ranges) {
        plan->ranges = g_array_new(false, false, sizeof(*range));
    }
    g_array_append_vals(plan->ranges, range, 1);
    g_array_index(plan->ranges, SevLaunchRange,
                  plan->ranges->len - 1).contents = NULL;
    plan->measured = false;
}

/*
 * Measuring
 */

static bool measure_range(SevLaunchRange *range, Error **errp)
{
    uint64_t pages = range->size >> PSP_PAGE_BITS;

    if (range->type != PSP_PAGE_NORMAL || range->contents) {
        return true;
    }
    range->contents = g_malloc_n(pages, PSP_DIGEST_SIZE);
    for (uint64_t i = 0; i < pages; i++) {
        if (!psp_digest_contents(range->host + i * PSP_PAGE_SIZE,
                                 range->contents[i], errp)) {
            g_clear_pointer(&range->contents, g_free);
            return false;
        }
    }
    return true;
}

bool sev_plan_measure(SevLaunchPlan *plan, Error **errp)
{
    for (unsigned i = 0; i < range_count(plan); i++) {
        if (!measure_range(&g_array_index(plan->ranges, SevLaunchRange, i),
                           errp)) {
            return false;
        }
    }
    plan->measured = true;
    return true;
}

static bool vmsa_contents(const SevLaunchPlan *plan, unsigned index,
                          uint8_t contents[PSP_DIGEST_SIZE], Error **errp)
{
    SevVmsa vmsa;

    if (plan->vmsa_contents) {
        memcpy(contents, plan->vmsa_contents[index], PSP_DIGEST_SIZE);
        return true;
    }
    plan->vmsas->init(index, &vmsa);
    return psp_digest_contents(&vmsa, contents, errp);
}

/* What sev_plan_digest() carries from page to page */
typedef struct Chain {
    uint8_t *digest;
    SevLaunchPageFn *fn;
    void *opaque;
} Chain;

static bool chain_page(Chain *chain, SevLaunchPageInfo *page, Error **errp)
{
    static const uint8_t none[SEV_LAUNCH_VMPLS];

    if (!psp_digest_chain(chain->digest, page->type, page->gpa,
                          page->range ? page->range->vmpl_perms : none,
                          page->contents, errp)) {
        return false;
    }
    page->digest = chain->digest;
    if (chain->fn) {
        chain->fn(page, chain->opaque);
    }
    return true;
}

static bool chain_range(Chain *chain, const SevLaunchRange *range,
                        Error **errp)
{
    for (uint64_t at = 0; at < range->size; at += PSP_PAGE_SIZE) {
        SevLaunchPageInfo page = {
            .range = range,
            .type = range->type,
            .gpa = range->gpa + at,
            .contents = range->contents ? range->contents[at / PSP_PAGE_SIZE]
                                        : NULL,
        };

        if (!chain_page(chain, &page, errp)) {
            return false;
        }
    }
    return true;
}

static bool chain_vcpu(Chain *chain, const SevLaunchPlan *plan,
                       unsigned index, Error **errp)
{
    uint8_t contents[PSP_DIGEST_SIZE];
    SevLaunchPageInfo page = {
        .vcpu = index,
        .type = PSP_PAGE_VMSA,
        .gpa = PSP_VMSA_GPA,
        .contents = contents,
    };

    return vmsa_contents(plan, index, contents, errp) &&
           chain_page(chain, &page, errp);
}

bool sev_plan_digest(const SevLaunchPlan *plan,
                     uint8_t digest[PSP_DIGEST_SIZE], SevLaunchPageFn *fn,
                     void *opaque, Error **errp)
{
    Chain chain = { .digest = digest, .fn = fn, .opaque = opaque };

    assert(plan->measured);
    memset(digest, 0, PSP_DIGEST_SIZE);
    for (unsigned i = 0; i < range_count(plan); i++) {
        if (!chain_range(&chain, range_at(plan, i), errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < sev_plan_vcpus(plan); i++) {
        if (!chain_vcpu(&chain, plan, i, errp)) {
            return false;
        }
    }
    return true;
}

unsigned sev_plan_vcpus(const SevLaunchPlan *plan)
{
    return plan->launched || plan->encrypted ? plan->launched_vcpus
                                             : plan->vmsas->count();
}

uint64_t sev_plan_pages(const SevLaunchPlan *plan)
{
    uint64_t pages = sev_plan_vcpus(plan);

    for (unsigned i = 0; i < range_count(plan); i++) {
        pages += DIV_ROUND_UP(range_at(plan, i)->size, PSP_PAGE_SIZE);
    }
    return pages;
}

/*
 * Launching
 */

static char *describe_source(const SevLaunchPlan *plan,
                             const SevLaunchRange *range, hwaddr gpa)
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

/* The command, and all that is known of the page at @extent */
static char *describe_page(const SevLaunchPlan *plan,
                           const SevLaunchRange *range, const UpmExtent *extent)
{
    g_autofree char *source = describe_source(plan, range, extent->gpa);

    return g_strdup_printf("SEV-SNP launch: LAUNCH_UPDATE of the %s page at"
                           " 0x%" HWADDR_PRIx " (from %s; RAM block '%s',"
                           " offset 0x%" PRIx64 ")",
                           SevLaunchPageType_str(range->type -
                                                 PSP_PAGE_NORMAL),
                           extent->gpa, source, extent->block->name,
                           extent->offset);
}

static int make_private(const SevLaunchRange *range, Error **errp)
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
        error_append_hint(errp, "A flash device has no private memory: give"
                          " the firmware by -bios FILE, not by -drive"
                          " if=pflash or -machine pflash0=.\n");
    }
    return ret;
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

        *status = SEV_RET_NO_FW_CALL;
        ret = command(fd, KVM_SEV_SNP_LAUNCH_UPDATE, &update, status);
        if (ret == -EAGAIN && wait_for_try(++try)) {
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
    int ret = make_private(range, errp);

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
    for (unsigned i = 0; i < range_count(plan); i++) {
        int ret = populate_range(plan, range_at(plan, i), fd, command, errp);

        if (ret) {
            return ret;
        }
    }
    return 0;
}

bool sev_plan_close(SevLaunchPlan *plan, Error **errp)
{
    unsigned vcpus = plan->vmsas->count();
    g_autofree uint8_t (*contents)[PSP_DIGEST_SIZE] =
        g_malloc_n(vcpus, PSP_DIGEST_SIZE);

    assert(plan->measured && !plan->launched);
    for (unsigned i = 0; i < vcpus; i++) {
        if (!vmsa_contents(plan, i, contents[i], errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < range_count(plan); i++) {
        SevLaunchRange *range = &g_array_index(plan->ranges, SevLaunchRange,
                                               i);

        if (upm_discard_hidden(range->gpa, range->size, errp)) {
            return false;
        }
        range->host = NULL;
    }
    plan->vmsa_contents = g_steal_pointer(&contents);
    plan->launched_vcpus = vcpus;
    plan->launched = true;
    return true;
}

/*
 * SEV and SEV-ES
 */

/* Before it is encrypted, since nobody can read it afterwards. */
static void measure_encrypted(SevLaunchPlan *plan, const void *content,
                              size_t size)
{
    if (!plan->encrypted) {
        plan->encrypted = g_checksum_new(G_CHECKSUM_SHA256);
    }
    g_checksum_update(plan->encrypted, content, size);
}

int sev_plan_encrypt(SevLaunchPlan *plan, const SevLaunchRange *range, int fd,
                     SevCommandFn *command, Error **errp)
{
    struct kvm_sev_launch_update_data update = {
        .uaddr = (uintptr_t)range->host,
        .len = range->size,
    };
    int status = SEV_RET_NO_FW_CALL;
    g_autofree char *source = NULL;
    g_autofree char *what = NULL;
    int ret;

    measure_encrypted(plan, range->host, range->size);
    sev_plan_add(plan, range);
    ret = command(fd, KVM_SEV_LAUNCH_UPDATE_DATA, &update, &status);
    if (!ret) {
        return 0;
    }
    source = describe_source(plan, range, range->gpa);
    what = g_strdup_printf("SEV launch: LAUNCH_UPDATE_DATA of 0x%" HWADDR_PRIx
                           "-0x%" HWADDR_PRIx " (from %s)", range->gpa,
                           range->gpa + range->size - 1, source);
    sev_encrypt_error(errp, what, ret, status);
    return ret;
}

int sev_plan_encrypt_vcpus(SevLaunchPlan *plan, int fd, SevCommandFn *command,
                           Error **errp)
{
    int status = SEV_RET_NO_FW_CALL;
    g_autofree char *what = NULL;
    int ret;

    plan->launched_vcpus = plan->vmsas->count();
    for (unsigned i = 0; i < plan->launched_vcpus; i++) {
        SevVmsa vmsa;

        plan->vmsas->init(i, &vmsa);
        measure_encrypted(plan, &vmsa, sizeof(vmsa));
    }
    ret = command(fd, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, &status);
    if (ret) {
        what = g_strdup_printf("SEV-ES launch: LAUNCH_UPDATE_VMSA of %u vCPUs",
                               plan->launched_vcpus);
        sev_encrypt_error(errp, what, ret, status);
    }
    return ret;
}

char *sev_plan_encrypted_digest(const SevLaunchPlan *plan)
{
    g_autoptr(GChecksum) so_far = g_checksum_copy(plan->encrypted);

    return g_strdup(g_checksum_get_string(so_far));
}
