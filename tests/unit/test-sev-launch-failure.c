/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan, where the firmware does a part of it, nothing, or refuses
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "upm/launch-world.h"

static void test_partial(const void *opaque)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t digest[PSP_DIGEST_SIZE];

    pages_a_call = GPOINTER_TO_UINT(opaque);
    sev_plan_digest(&plan, digest, NULL, NULL, &error_abort);
    launch(&plan);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, digest, PSP_DIGEST_SIZE);
    g_assert_cmpuint(calls, ==, pages_a_call == 1 ? 11 : 7);
    free_plan(&plan);
}

/* KVM's answers while a signal is pending; it has done nothing then. */
static const struct Interrupted {
    int ret, status;
} interrupted[] = {
    { -EIO, SEV_RET_NO_FW_CALL }, { -EIO, SEV_RET_SUCCESS },
    { -EAGAIN, SEV_RET_NO_FW_CALL }, { -EAGAIN, SEV_RET_SUCCESS },
    { -EINTR, SEV_RET_NO_FW_CALL }, { -EINTR, SEV_RET_SUCCESS },
};

static void test_signal(const void *opaque)
{
    const struct Interrupted *answer = opaque;
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t digest[PSP_DIGEST_SIZE];

    sev_plan_digest(&plan, digest, NULL, NULL, &error_abort);
    refusals = 20;
    refusal = answer->ret;
    refusal_status = answer->status;
    launch(&plan);
    g_assert_cmpuint(calls, ==, 20 + 6);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, digest, PSP_DIGEST_SIZE);
    free_plan(&plan);
}

static void test_signal_for_ever(const void *opaque)
{
    const struct Interrupted *answer = opaque;
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    g_autofree char *text = NULL;
    Error *err = NULL;

    refusals = -1;
    refusal = answer->ret;
    refusal_status = answer->status;
    g_assert_cmpint(sev_plan_populate(&plan, FD, command, &err), ==,
                    answer->ret);
    g_assert_cmpuint(calls, ==, 100);
    text = g_strdup(error_get_pretty(err));
    g_assert_nonnull(strstr(text, "LAUNCH_UPDATE of the normal page at"
                            " 0xffffc000"));
    error_free(err);
    free_plan(&plan);
}

static void add_interrupted(const char *path, size_t i,
                            void (*test)(const void *opaque))
{
    g_autofree char *name =
        g_strdup_printf("%s/%d-status%d", path, -interrupted[i].ret,
                        interrupted[i].status);

    g_test_add_data_func(name, &interrupted[i], test);
}

/* What no signal answers is not asked again. */
static void test_refusal(void)
{
    static const struct {
        int ret, status;
    } refused[] = {
        { -EIO, SEV_RET_INVALID_PARAM }, { -EIO, SEV_RET_INVALID_ADDRESS },
        { -EINVAL, SEV_RET_SUCCESS }, { -EINVAL, SEV_RET_NO_FW_CALL },
        { -EFAULT, SEV_RET_SUCCESS }, { -ENOTTY, SEV_RET_SUCCESS },
    };

    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
        Error *err = NULL;

        refusals = 1;
        refusal = refused[i].ret;
        refusal_status = refused[i].status;
        g_assert_cmpint(sev_plan_populate(&plan, FD, command, &err), ==,
                        refused[i].ret);
        g_assert_cmpuint(calls, ==, 1);
        error_free(err);
        free_plan(&plan);
    }
}

static void test_failure(const void *opaque)
{
    bool in_the_middle = opaque;
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    Error *err = NULL;
    const char *text;

    broken = in_the_middle ? BIOS_GPA + 2 * PAGE : BIOS_GPA;
    g_assert_cmpint(sev_plan_populate(&plan, FD, command, &err), ==, -EIO);
    g_assert_cmpuint(calls, ==, in_the_middle ? 2 : 1);
    text = error_get_pretty(err);
    g_test_message("%s", text);
    g_assert_nonnull(strstr(text, "LAUNCH_UPDATE of the normal page"));
    g_assert_nonnull(strstr(text, in_the_middle
                            ? "0xffffe000 (from OVMF, offset 0x2000; RAM block"
                              " 'bios', offset 0x2000)"
                            : "0xffffc000 (from OVMF, offset 0x0; RAM block"
                              " 'bios', offset 0x0)"));
    g_assert_nonnull(strstr(text, "EIO (Input/output error), firmware status"
                            " INVALID_ADDRESS (9)"));
    error_free(err);
    free_plan(&plan);
}

static void test_idle(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    Error *err = NULL;

    idle = 1;
    g_assert_cmpint(sev_plan_populate(&plan, FD, command, &err), ==, -EIO);
    g_assert_cmpuint(calls, ==, 1);
    g_assert_nonnull(strstr(error_get_pretty(err), "EIO"));
    error_free(err);
    free_plan(&plan);
}

static void test_not_memory(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    SevLaunchRange range = {
        .gpa = 4 * GiB - 2 * MiB, .size = PAGE, .type = PSP_PAGE_ZERO,
    };
    Error *err = NULL;

    sev_plan_add(&plan, &range);
    g_assert_cmpint(sev_plan_populate(&plan, FD, command, &err), ==, -EINVAL);
    g_assert_nonnull(strstr(error_get_pretty(err),
                            "0xffe00000-0xffe00fff can not be made private"));
    error_free(err);
    free_plan(&plan);
}

/* Which bit of which leaf was too much, and what to do about it */
static void test_cpuid(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    PspCpuidPage before, *page = cpuid_page();
    g_autofree char *text = NULL;
    Error *err = NULL;

    page->entries[0].ecx |= cpu_to_le32(1 << 24 | 1 << 30);
    page->entries[0].edx |= cpu_to_le32(1 << 28);
    before = *page;
    g_assert_cmpint(sev_plan_populate(&plan, FD, command, &err), ==, -EIO);
    g_assert_nonnull(strstr(error_get_pretty(err),
        "LAUNCH_UPDATE of the cpuid page at 0x80e000 (from metadata"
        " section 2; RAM block 'ram', offset 0x80e000)"));
    error_free(err);

    text = sev_cpuid_explain(&before, page, bit_name);
    g_test_message("%s", text);
    g_assert_cmpstr(text, ==,
        "The CPUID page was not accepted:\n"
        "  leaf 0x1, subleaf 0x0, ECX: given 0x41000001, accepted 0x00000001,\n"
        "    bit 24 (tsc-deadline), bit 30\n"
        "  leaf 0x1, subleaf 0x0, EDX: given 0x178bfbff, accepted 0x078bfbff,\n"
        "    bit 28 (ht)\n"
        "Add to -cpu: tsc-deadline=off,ht=off\n"
        "What no option of -cpu is named for follows from the CPU model;"
        " choose the one of this host's processor or an older one.\n");
    free_plan(&plan);
}

int main(int argc, char **argv)
{
    launch_init(&argc, &argv);
    g_test_add_data_func("/sev-launch/partial/1", GUINT_TO_POINTER(1),
                         test_partial);
    g_test_add_data_func("/sev-launch/partial/2", GUINT_TO_POINTER(2),
                         test_partial);
    for (size_t i = 0; i < ARRAY_SIZE(interrupted); i++) {
        add_interrupted("/sev-launch/signal", i, test_signal);
        add_interrupted("/sev-launch/signal/for-ever", i,
                        test_signal_for_ever);
    }
    g_test_add_func("/sev-launch/refusal", test_refusal);
    g_test_add_data_func("/sev-launch/failure/first", NULL, test_failure);
    g_test_add_data_func("/sev-launch/failure/middle", (void *)1,
                         test_failure);
    g_test_add_func("/sev-launch/idle", test_idle);
    g_test_add_func("/sev-launch/not-memory", test_not_memory);
    g_test_add_func("/sev-launch/cpuid", test_cpuid);
    return g_test_run();
}
