/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hashes of what is in the launch plan, and the launch digest
 *
 * SEV-SNP Firmware ABI (56860), 8.17, for the digest.
 */
#include "qemu/osdep.h"
#include "crypto/hash.h"
#include "qapi/error.h"
#include "plan.h"

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

/* The firmware is the first of its ranges; who looks it up has its file. */
static void measure_firmware(SevLaunchPlan *plan, const SevLaunchRange *range)
{
    if (range->source == SEV_LAUNCH_SOURCE_FIRMWARE &&
        !plan->firmware_sha256) {
        qcrypto_hash_digest(QCRYPTO_HASH_ALGO_SHA256, (char *)range->host,
                            range->size, &plan->firmware_sha256, NULL);
    }
}

bool sev_plan_measure(SevLaunchPlan *plan, Error **errp)
{
    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        SevLaunchRange *range = sev_plan_range(plan, i);

        if (!measure_range(range, errp)) {
            return false;
        }
        measure_firmware(plan, range);
    }
    plan->measured = true;
    return true;
}

bool sev_plan_vmsa_contents(const SevLaunchPlan *plan, unsigned index,
                            uint8_t contents[PSP_DIGEST_SIZE], Error **errp)
{
    SevVmsa vmsa;

    if (plan->vmsa_contents) {
        memcpy(contents, plan->vmsa_contents[index], PSP_DIGEST_SIZE);
        return true;
    }
    sev_plan_vmsa(plan, index, &vmsa);
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

/* All that comes before vCPUs */
static bool chain_ranges(Chain *chain, const SevLaunchPlan *plan,
                         Error **errp)
{
    memset(chain->digest, 0, PSP_DIGEST_SIZE);
    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        if (!chain_range(chain, sev_plan_range(plan, i), errp)) {
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

    return sev_plan_vmsa_contents(plan, index, contents, errp) &&
           chain_page(chain, &page, errp);
}

/* A digest that is not the guest's is worse than none. */
static bool can_be_told(const SevLaunchPlan *plan, Error **errp)
{
    if (plan->foreign_vcpus) {
        error_setg(errp, "the launch digest is not known: the guest is"
                   " launched from an IGVM file, which says what vCPUs start"
                   " with; tools for such files compute it");
        return false;
    }
    if (!plan->measured) {
        error_setg(errp, "the launch digest is not known: the pages have not"
                   " been measured");
        return false;
    }
    return true;
}

bool sev_plan_digest(const SevLaunchPlan *plan,
                     uint8_t digest[PSP_DIGEST_SIZE], SevLaunchPageFn *fn,
                     void *opaque, Error **errp)
{
    Chain chain = { .digest = digest, .fn = fn, .opaque = opaque };

    if (!can_be_told(plan, errp)) {
        return false;
    }
    if (!chain_ranges(&chain, plan, errp)) {
        return false;
    }
    for (unsigned i = 0; i < sev_plan_vcpus(plan); i++) {
        if (!chain_vcpu(&chain, plan, i, errp)) {
            return false;
        }
    }
    return true;
}

/*
 * Digests of other guests from the same firmware
 */

bool sev_plan_seed(const SevLaunchPlan *plan, uint8_t seed[PSP_DIGEST_SIZE],
                   Error **errp)
{
    Chain chain = { .digest = seed };

    return can_be_told(plan, errp) && chain_ranges(&chain, plan, errp);
}

static bool other_vmsa(const SevLaunchPlan *plan, const PspVcpuReset *reset,
                       uint8_t contents[PSP_DIGEST_SIZE], Error **errp)
{
    SevVmsa vmsa;

    psp_vmsa_init(&vmsa, reset);
    if (plan->without_fpu) {
        psp_vmsa_without_fpu(&vmsa);
    }
    return psp_digest_contents(&vmsa, contents, errp);
}

bool sev_plan_chain_vcpus(const SevLaunchPlan *plan, unsigned count,
                          uint32_t signature, uint32_t ap_eip,
                          uint8_t digest[PSP_DIGEST_SIZE], Error **errp)
{
    Chain chain = { .digest = digest };
    uint8_t contents[PSP_DIGEST_SIZE];
    SevLaunchPageInfo page = {
        .type = PSP_PAGE_VMSA, .gpa = PSP_VMSA_GPA, .contents = contents,
    };
    PspVcpuReset reset;

    plan->vcpus->reset(0, &reset);
    reset.signature = signature;
    reset.sev_features = plan->sev_features;
    /* The first one, and others, of which each is as the second one. */
    for (page.vcpu = 0; page.vcpu < count; page.vcpu++) {
        if (page.vcpu == 1) {
            reset.cs_base = ap_eip & 0xffff0000;
            reset.rip = ap_eip & 0xffff;
        }
        if ((page.vcpu < 2 && !other_vmsa(plan, &reset, contents, errp)) ||
            !chain_page(&chain, &page, errp)) {
            return false;
        }
    }
    return true;
}
