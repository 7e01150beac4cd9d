/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan: a list of page ranges, launched and measured in order
 *
 * Linux, Documentation/virt/kvm/x86/amd-memory-encryption.rst for
 * KVM_SEV_SNP_LAUNCH_UPDATE; SEV-SNP Firmware ABI (56860), 8.17, for the
 * digest.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "system/upm.h"
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
    return plan->launched ? plan->launched_vcpus : plan->vmsas->count();
}

uint64_t sev_plan_pages(const SevLaunchPlan *plan)
{
    uint64_t pages = sev_plan_vcpus(plan);

    for (unsigned i = 0; i < range_count(plan); i++) {
        pages += range_at(plan, i)->size >> PSP_PAGE_BITS;
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
        return g_strdup_printf("the kernel hashes, metadata section %u",
                               range->section);
    default:
        return g_strdup_printf("metadata section %u", range->section);
    }
}

static int G_GNUC_PRINTF(6, 7)
fail(Error **errp, const SevLaunchPlan *plan, const SevLaunchRange *range,
     const UpmPiece *piece, int ret, const char *fmt, ...)
{
    g_autofree char *source = describe_source(plan, range, piece->gpa);
    g_autofree char *why = NULL;
    va_list args;

    va_start(args, fmt);
    why = g_strdup_vprintf(fmt, args);
    va_end(args);
    error_setg(errp, "SNP_LAUNCH_UPDATE of the %s page at 0x%" HWADDR_PRIx
               " (from %s; RAM block '%s', offset 0x%" PRIx64 "): %s",
               SevLaunchPageType_str(range->type - PSP_PAGE_NORMAL),
               piece->gpa, source, piece->block->name, piece->offset, why);
    return ret;
}

static int make_private(const SevLaunchRange *range, Error **errp)
{
    ERRP_GUARD();
    int ret = upm_convert(range->gpa, range->size, true, UPM_CAUSE_LAUNCH,
                          errp);

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

static void explain_cpuid(const SevLaunchPlan *plan,
                          const PspCpuidPage *before, const void *after,
                          Error **errp)
{
    g_autofree char *text = NULL;

    if (plan->explain_cpuid) {
        text = plan->explain_cpuid(before, after);
        error_append_hint(errp, "%s", text);
    }
}

/* The firmware has done less, or something else, than was asked for. */
static bool is_astray(const struct kvm_sev_snp_launch_update *update,
                      uint64_t left, const UpmPiece *piece)
{
    uint64_t done = piece->size - update->len;

    return update->len >= left ||
           update->gfn_start != (piece->gpa + done) >> PSP_PAGE_BITS;
}

/*
 * One memory slot's part of a range.  KVM returns 0 where it has done some of
 * the pages, and the error that stopped it only when it is asked again.
 */
static int populate_piece(const SevLaunchPlan *plan,
                          const SevLaunchRange *range, UpmPiece piece, int fd,
                          SevCommandFn *command, Error **errp)
{
    ERRP_GUARD();
    struct kvm_sev_snp_launch_update update = {
        .uaddr = (uintptr_t)range->host + (piece.gpa - range->gpa),
        .gfn_start = piece.gpa >> PSP_PAGE_BITS,
        .len = piece.size,
        .type = range->type,
    };
    g_autofree PspCpuidPage *before = NULL;
    unsigned tries = 0;

    if (range->type == PSP_PAGE_CPUID) {
        before = g_memdup2(range->host, sizeof(*before));
    }
    while (update.len) {
        uint64_t left = update.len;
        int status = SEV_RET_NO_FW_CALL, ret;

        ret = command(fd, KVM_SEV_SNP_LAUNCH_UPDATE, &update, &status);
        if (ret == -EAGAIN && ++tries < TRIES) {
            if (tries >= TRIES_AT_ONCE) {
                g_usleep(1000);
            }
            continue;
        }
        if (!ret && !is_astray(&update, left, &piece)) {
            tries = 0;
            continue;
        }
        piece.offset += (hwaddr)(update.gfn_start << PSP_PAGE_BITS) -
                        piece.gpa;
        piece.gpa = (hwaddr)update.gfn_start << PSP_PAGE_BITS;
        if (!ret) {
            return fail(errp, plan, range, &piece, -EIO,
                        "reported as done, but 0x%" PRIx64 " bytes are left",
                        (uint64_t)update.len);
        }
        fail(errp, plan, range, &piece, ret, "%s, firmware status 0x%x",
             strerror(-ret), status);
        if (before && status == SEV_RET_INVALID_PARAM) {
            explain_cpuid(plan, before, range->host, errp);
        }
        return ret;
    }
    return 0;
}

static int populate_range(const SevLaunchPlan *plan,
                          const SevLaunchRange *range, int fd,
                          SevCommandFn *command, Error **errp)
{
    uint64_t done = 0;
    int ret = make_private(range, errp);

    while (!ret && done < range->size) {
        UpmPiece piece;

        RCU_READ_LOCK_GUARD();
        /* upm_convert() has found memory everywhere. */
        if (!upm_memory_resolve(range->gpa + done, range->size - done,
                                &piece)) {
            error_setg(errp, "SEV-SNP launch: the memory at 0x%" HWADDR_PRIx
                       " is gone", range->gpa + done);
            return -EINVAL;
        }
        ret = populate_piece(plan, range, piece, fd, command, errp);
        done += piece.size;
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
