/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan: order, discarding, digest, and what is in it
 *
 * Page states are those of the real core, and the firmware is the emulated
 * one; a memory of two blocks, each with its two halves, is under both.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "upm/launch-world.h"

/* Private first, then filled; sources go last, and in the plan's order. */
static void test_order(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);

    launch(&plan);
    g_assert_cmpstr(events->str, ==,
        "private bios 0x0+0x4000\n"
        "update 1 0xffffc000+0x4000\n"
        "private ram 0x800000+0x4000\n"
        "update 3 0x800000+0x2000\n"
        "update 3 0x802000+0x2000\n"
        "private ram 0x80d000+0x1000\n"
        "update 5 0x80d000+0x1000\n"
        "private ram 0x80e000+0x1000\n"
        "update 6 0x80e000+0x1000\n"
        "private ram 0x80f000+0x1000\n"
        "update 1 0x80f000+0x1000\n"
        "drop shared bios 0x0+0x4000\n"
        "drop shared ram 0x800000+0x4000\n"
        "drop shared ram 0x80d000+0x1000\n"
        "drop shared ram 0x80e000+0x1000\n"
        "drop shared ram 0x80f000+0x1000\n");
    for (size_t i = 0; i < BIOS_SIZE; i++) {
        g_assert_cmpuint(blocks[BIOS].private[i], ==,
                         (uint8_t)(i * 5 + i / PAGE));
    }
    g_assert_true(buffer_is_zero(blocks[RAM].private + 0x800000, 4 * PAGE));
    g_assert_cmpuint(blocks[RAM].private[0x80f000], ==, 0x42);
    free_plan(&plan);
}

static void test_discard(const void *opaque)
{
    UpmDiscardPolicy policy = GPOINTER_TO_INT(opaque);
    SevLaunchPlan plan = new_plan(policy);
    uint64_t before = upm_counters().discarded_shared;
    bool given_back = policy == UPM_DISCARD_POLICY_BOTH ||
                      policy == UPM_DISCARD_POLICY_SHARED;

    launch(&plan);
    g_assert_cmpuint(blocks[BIOS].shared[1], ==, given_back ? 0 : 5);
    g_assert_cmphex(upm_counters().discarded_shared - before, ==,
                    given_back ? BIOS_SIZE + 7 * PAGE : 0);
    /* what was not launched is not touched */
    g_assert_cmpuint(blocks[RAM].shared[0], ==, 0x33);
    free_plan(&plan);
}

/* A digest that is known beforehand, and the one that the firmware has */
static void test_digest(const void *opaque)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t before[PSP_DIGEST_SIZE], after[PSP_DIGEST_SIZE];

    vcpus = GPOINTER_TO_UINT(opaque);
    sev_plan_digest(&plan, before, NULL, NULL, &error_abort);
    launch(&plan);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, before, PSP_DIGEST_SIZE);
    g_assert_cmpuint(sev_plan_pages(&plan), ==, 11 + vcpus);

    /* vCPUs have run since, and sources are gone */
    vcpus++;
    sev_plan_digest(&plan, after, NULL, NULL, &error_abort);
    g_assert_cmpmem(after, PSP_DIGEST_SIZE, before, PSP_DIGEST_SIZE);
    free_plan(&plan);
}

static void add_gpa(const SevLaunchPageInfo *page, void *opaque)
{
    bool measured = page->type == PSP_PAGE_NORMAL ||
                    page->type == PSP_PAGE_VMSA;

    g_assert_cmpint(!!page->contents, ==, measured);
    g_string_append_printf(opaque, "%d:%" HWADDR_PRIx " ", page->type,
                           page->gpa);
}

static void test_pages(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    g_autoptr(GString) list = g_string_new(NULL);
    uint8_t digest[PSP_DIGEST_SIZE];

    sev_plan_digest(&plan, digest, add_gpa, list, &error_abort);
    g_assert_cmpstr(list->str, ==,
        "1:ffffc000 1:ffffd000 1:ffffe000 1:fffff000 "
        "3:800000 3:801000 3:802000 3:803000 5:80d000 6:80e000 1:80f000 "
        "2:fffffffff000 2:fffffffff000 ");
    free_plan(&plan);
}

/* What is added twice is launched once, with what it had last. */
static void test_twice(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t before[PSP_DIGEST_SIZE], after[PSP_DIGEST_SIZE];
    Error *err = NULL;

    sev_plan_digest(&plan, before, NULL, NULL, &error_abort);
    add_layout(&plan);
    g_assert_cmpuint(sev_plan_ranges(&plan), ==, ARRAY_SIZE(layout));
    g_assert_false(sev_plan_digest(&plan, after, NULL, NULL, &err));
    error_free(err);
    launch(&plan);
    g_assert_cmpuint(calls, ==, 6);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, before, PSP_DIGEST_SIZE);
    free_plan(&plan);

    plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    memset(blocks[RAM].shared + 0x80f000, 0x43, PAGE);
    add_layout(&plan);
    launch(&plan);
    sev_plan_digest(&plan, after, NULL, NULL, &error_abort);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, after, PSP_DIGEST_SIZE);
    g_assert_cmpint(memcmp(after, before, PSP_DIGEST_SIZE), !=, 0);
    free_plan(&plan);
}

/* Features that KVM is asked for by INIT2 are in VMSAs, and so measured. */
static void test_features(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t without[PSP_DIGEST_SIZE], with[PSP_DIGEST_SIZE];

    g_assert_cmphex(plan.sev_features, ==, SEV_FEATURES_SNP_ACTIVE);
    sev_plan_digest(&plan, without, NULL, NULL, &error_abort);
    start_firmware(&plan, DEBUG_SWAP);
    g_assert_cmphex(plan.sev_features, ==,
                    SEV_FEATURES_SNP_ACTIVE | DEBUG_SWAP);
    sev_plan_digest(&plan, with, NULL, NULL, &error_abort);
    g_assert_cmpint(memcmp(with, without, PSP_DIGEST_SIZE), !=, 0);
    launch(&plan);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, with, PSP_DIGEST_SIZE);
    free_plan(&plan);
}

/* No digest is told where vCPUs start with what only a file says. */
static void test_foreign_vcpus(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t digest[PSP_DIGEST_SIZE];
    Error *err = NULL;

    plan.foreign_vcpus = true;
    for (int i = 0; i < 2; i++) {
        g_assert_false(sev_plan_digest(&plan, digest, NULL, NULL, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), "IGVM"));
        error_free(err);
        err = NULL;
        if (!i) {
            launch(&plan);
        }
    }
    free_plan(&plan);
}

int main(int argc, char **argv)
{
    launch_init(&argc, &argv);
    g_test_add_func("/sev-launch/order", test_order);
    for (int i = 0; i < UPM_DISCARD_POLICY__MAX; i++) {
        g_autofree char *path = g_strdup_printf("/sev-launch/discard/%s",
                                                UpmDiscardPolicy_str(i));

        g_test_add_data_func(path, GINT_TO_POINTER(i), test_discard);
    }
    g_test_add_data_func("/sev-launch/digest/1", GUINT_TO_POINTER(1),
                         test_digest);
    g_test_add_data_func("/sev-launch/digest/3", GUINT_TO_POINTER(3),
                         test_digest);
    g_test_add_func("/sev-launch/pages", test_pages);
    g_test_add_func("/sev-launch/twice", test_twice);
    g_test_add_func("/sev-launch/features", test_features);
    g_test_add_func("/sev-launch/foreign-vcpus", test_foreign_vcpus);
    return g_test_run();
}
