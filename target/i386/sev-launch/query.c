/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan, as users see it: query-sev, "info sev",
 * query-sev-launch-pages and measure-only=
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/core/cpu.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-upm.h"
#include "qapi/qapi-visit-upm.h"
#include "qapi/qobject-output-visitor.h"
#include "qapi/util.h"
#include "qemu/error-report.h"
#include "qobject/qjson.h"
#include "qobject/qobject.h"
#include "system/upm/compat.h"
#include "sev.h"
#include "state.h"
#include "upm-guest.h"
#include "variants.h"

char *sev_launch_hex(const uint8_t *digest, size_t size)
{
    GString *hex = g_string_sized_new(2 * size + 1);

    for (size_t i = 0; i < size; i++) {
        g_string_append_printf(hex, "%02x", digest[i]);
    }
    return g_string_free(hex, false);
}

static void set_source(SevLaunchPage *page, const SevLaunchPageInfo *info)
{
    if (!info->range) {
        page->source = SEV_LAUNCH_SOURCE_VCPU;
        page->has_vcpu = true;
        page->vcpu = info->vcpu;
        return;
    }
    page->source = info->range->source;
    if (page->source == SEV_LAUNCH_SOURCE_FIRMWARE) {
        page->has_offset = true;
        page->offset = info->gpa - info->range->gpa;
    } else {
        page->has_section = true;
        page->section = info->range->section;
    }
}

static void add_page(const SevLaunchPageInfo *info, void *opaque)
{
    SevLaunchPageList ***tail = opaque;
    SevLaunchPage *page = g_new0(SevLaunchPage, 1);

    page->gpa = info->gpa;
    /* the firmware counts from 1 */
    page->type = info->type - PSP_PAGE_NORMAL;
    set_source(page, info);
    for (int i = 0; i < SEV_LAUNCH_VMPLS; i++) {
        QAPI_LIST_PREPEND(page->vmpl_permissions, info->range ?
                          info->range->vmpl_perms[SEV_LAUNCH_VMPLS - 1 - i] :
                          0);
    }
    if (info->contents) {
        page->contents = sev_launch_hex(info->contents, PSP_DIGEST_SIZE);
    }
    page->digest = sev_launch_hex(info->digest, PSP_DIGEST_SIZE);
    QAPI_LIST_APPEND(*tail, page);
}

static SevSnpPolicy *decode_policy(uint64_t policy)
{
    SevSnpPolicy *info = g_new0(SevSnpPolicy, 1);

    info->abi_major = policy >> PSP_POLICY_ABI_MAJOR_SHIFT;
    info->abi_minor = policy & PSP_POLICY_ABI_MINOR;
    info->smt = policy & PSP_POLICY_SMT;
    info->migration_agent = policy & PSP_POLICY_MIGRATE_MA;
    info->debug = policy & PSP_POLICY_DEBUG;
    info->single_socket = policy & PSP_POLICY_SINGLE_SOCKET;
    info->cxl = policy & PSP_POLICY_CXL_ALLOW;
    info->aes_256_xts = policy & PSP_POLICY_AES_256_XTS;
    info->rapl_disabled = policy & PSP_POLICY_RAPL_DIS;
    info->hide_ciphertext = policy & PSP_POLICY_HIDE_CIPHERTEXT;
    return info;
}

static uint64_t get_policy(void)
{
    return object_property_get_uint(OBJECT(current_machine->cgs), "policy",
                                    NULL);
}

/* All but the digest */
static void describe_base(SevLaunchBase *info, const SevLaunchPlan *plan)
{
    info->vcpus = sev_plan_vcpus(plan);
    info->cpu_signature = cpu_env(first_cpu)->cpuid_version;
    info->sev_features = plan->sev_features;
    info->page_count = sev_plan_pages(plan);
    info->firmware = g_strdup(plan->firmware);
    info->firmware_sha256 = g_strdup(plan->firmware_sha256);
}

static SevLaunch *describe(bool with_pages, Error **errp)
{
    g_autoptr(SevLaunch) info = g_new0(SevLaunch, 1);
    SevLaunchPageList **tail = &info->pages;
    const SevLaunchPlan *plan = sev_launch_measured_plan(errp);
    uint8_t digest[PSP_DIGEST_SIZE];

    if (!plan || !sev_plan_digest(plan, digest, with_pages ? add_page : NULL,
                                  &tail, errp)) {
        return NULL;
    }
    info->has_pages = with_pages;
    info->digest = sev_launch_hex(digest, PSP_DIGEST_SIZE);
    info->policy = decode_policy(get_policy());
    describe_base(qapi_SevLaunch_base(info), plan);
    return g_steal_pointer(&info);
}

SevLaunch *sev_launch_query(void)
{
    return describe(false, NULL);
}

/* What others need to compute digests, and those of some guests */
static bool describe_variants(SevLaunch *info, Error **errp)
{
    const SevLaunchPlan *plan = sev_launch_measured_plan(errp);
    uint8_t seed[PSP_DIGEST_SIZE];

    if (!plan || !sev_plan_seed(plan, seed, errp)) {
        return false;
    }
    info->seed = sev_launch_hex(seed, sizeof(seed));
    info->has_ap_eip = sev_launch_ap_eip(&info->ap_eip);
    info->has_variants = true;
    return sev_launch_variants(plan, seed, &info->variants, errp);
}

static SevGuestPolicy *decode_guest_policy(uint32_t policy)
{
    SevGuestPolicy *info = g_new0(SevGuestPolicy, 1);

    info->abi_major = extract32(policy, 16, 8);
    info->abi_minor = extract32(policy, 24, 8);
    info->debug = !(policy & SEV_POLICY_NODBG);
    info->key_sharing = !(policy & SEV_POLICY_NOKS);
    info->es = policy & SEV_POLICY_ES;
    info->send = !(policy & SEV_POLICY_NOSEND);
    info->same_domain = policy & SEV_POLICY_DOMAIN;
    info->sev_capable = policy & SEV_POLICY_SEV;
    return info;
}

static SevLaunchPage *encrypted_page(const SevEncryptedPage *info)
{
    SevLaunchPage *page = g_new0(SevLaunchPage, 1);

    page->source = info->source;
    if (info->source == SEV_LAUNCH_SOURCE_VCPU) {
        page->type = SEV_LAUNCH_PAGE_TYPE_VMSA;
        page->has_vcpu = true;
        page->vcpu = info->vcpu;
    } else {
        page->gpa = info->gpa;
        page->has_offset = info->source == SEV_LAUNCH_SOURCE_FIRMWARE;
        page->offset = info->offset;
    }
    page->contents = sev_launch_hex(info->contents, sizeof(info->contents));
    page->digest = sev_launch_hex(info->digest, sizeof(info->digest));
    return page;
}

static SevLaunchPageList *encrypted_pages(const SevLaunchPlan *plan)
{
    SevLaunchPageList *pages = NULL, **tail = &pages;

    for (unsigned i = 0; i < plan->encrypted_pages->len; i++) {
        SevLaunchPage *page = encrypted_page(
            &g_array_index(plan->encrypted_pages, SevEncryptedPage, i));

        QAPI_LIST_APPEND(tail, page);
    }
    return pages;
}

/* The plan of an SEV or SEV-ES guest whose digest can be told, or NULL */
static const SevLaunchPlan *encrypted_plan(char **digest)
{
    SevLaunchState *launch = sev_launch_current();

    *digest = launch ? sev_plan_encrypted_digest(&launch->plan) : NULL;
    return *digest ? &launch->plan : NULL;
}

static SevGuestLaunch *describe_encrypted(bool with_pages)
{
    char *digest;
    const SevLaunchPlan *plan = encrypted_plan(&digest);
    SevGuestLaunch *info;

    if (!plan) {
        return NULL;
    }
    info = g_new0(SevGuestLaunch, 1);
    info->digest = digest;
    info->policy = decode_guest_policy(get_policy());
    describe_base(qapi_SevGuestLaunch_base(info), plan);
    info->has_pages = with_pages;
    info->pages = with_pages ? encrypted_pages(plan) : NULL;
    return info;
}

SevGuestLaunch *sev_launch_query_encrypted(void)
{
    return describe_encrypted(false);
}

SevLaunchPageList *qmp_query_sev_launch_pages(Error **errp)
{
    g_autoptr(SevGuestLaunch) encrypted = describe_encrypted(true);
    g_autoptr(SevLaunch) info = NULL;

    if (encrypted) {
        return g_steal_pointer(&encrypted->pages);
    }
    info = describe(true, errp);
    return info ? g_steal_pointer(&info->pages) : NULL;
}

static void print_policy(Monitor *mon, const SevSnpPolicy *policy)
{
    const struct {
        const char *name;
        bool value;
    } bits[] = {
        { "SMT allowed", policy->smt },
        { "migration agent allowed", policy->migration_agent },
        { "debugging allowed", policy->debug },
        { "one socket only", policy->single_socket },
        { "CXL allowed", policy->cxl },
        { "AES-256-XTS required", policy->aes_256_xts },
        { "RAPL must be off", policy->rapl_disabled },
        { "ciphertext must be hidden", policy->hide_ciphertext },
    };
    const char *separator = "; ";

    monitor_printf(mon, "policy: ABI %u.%u", policy->abi_major,
                   policy->abi_minor);
    for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
        if (bits[i].value) {
            monitor_printf(mon, "%s%s", separator, bits[i].name);
            separator = ", ";
        }
    }
    monitor_printf(mon, "\n");
}

static void print_base(Monitor *mon, const SevLaunchBase *info)
{
    monitor_printf(mon, "launch digest: %s\n", info->digest);
    monitor_printf(mon, "launch pages: %" PRIu64 "\n", info->page_count);
    monitor_printf(mon, "vCPUs: %u, signature 0x%x, SEV features 0x%" PRIx64
                   "\n", info->vcpus, info->cpu_signature,
                   info->sev_features);
    monitor_printf(mon, "firmware: %s\n", info->firmware ?: "(no file)");
    monitor_printf(mon, "firmware SHA-256: %s\n",
                   info->firmware_sha256 ?: "-");
}

void sev_launch_print(Monitor *mon)
{
    g_autoptr(SevLaunch) snp = sev_launch_query();
    g_autoptr(SevGuestLaunch) sev = sev_launch_query_encrypted();

    if (snp) {
        print_policy(mon, snp->policy);
        print_base(mon, qapi_SevLaunch_base(snp));
    } else if (sev) {
        print_base(mon, qapi_SevGuestLaunch_base(sev));
    }
}

/*
 * measure-only=
 */

bool sev_launch_only_measures(void)
{
    return upm_guest_measure_only() != SEV_MEASURE_ONLY_OFF;
}

static char *json_of(Visitor *v, QObject **object)
{
    GString *json;

    visit_complete(v, object);
    visit_free(v);
    json = qobject_to_json_pretty(*object, true);
    qobject_unref(*object);
    return g_string_free(json, false);
}

static char *text_of_encrypted(SevGuestLaunch *info, bool json)
{
    QObject *object;
    Visitor *v;

    if (!json) {
        return g_strdup(info->digest);
    }
    v = qobject_output_visitor_new(&object);
    visit_type_SevGuestLaunch(v, NULL, &info, &error_abort);
    return json_of(v, &object);
}

static char *text_of(SevLaunch *info, bool json)
{
    QObject *object;
    Visitor *v;

    if (!json) {
        return g_strdup(info->digest);
    }
    v = qobject_output_visitor_new(&object);
    visit_type_SevLaunch(v, NULL, &info, &error_abort);
    return json_of(v, &object);
}

static char *measurement(bool json, Error **errp)
{
    g_autoptr(SevGuestLaunch) encrypted = describe_encrypted(json);
    g_autoptr(SevLaunch) info = NULL;

    if (encrypted) {
        return text_of_encrypted(encrypted, json);
    }
    info = describe(json, errp);
    if (!info || (json && !describe_variants(info, errp))) {
        return NULL;
    }
    return text_of(info, json);
}

void sev_launch_measure_only(void)
{
    g_autofree char *text = NULL;
    Error *err = NULL;

    if (!sev_launch_only_measures()) {
        return;
    }
    text = measurement(upm_guest_measure_only() == SEV_MEASURE_ONLY_JSON,
                       &err);
    if (!text) {
        error_reportf_err(err, "measure-only: ");
        exit(EXIT_FAILURE);
    }
    if (printf("%s\n", text) < 0 || fflush(stdout)) {
        error_report("measure-only: standard output: %s", strerror(errno));
        exit(EXIT_FAILURE);
    }
    exit(EXIT_SUCCESS);
}
