/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan: what is left of a launch, and launching again
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "upm/launch-world.h"

/*
 * A plan that is kept is launched again, whatever has become of the memory that
 * it was launched from; a launch that fails on the way changes nothing of that.
 */
static void test_again(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    g_autofree uint8_t *image = NULL;
    uint8_t digest[PSP_DIGEST_SIZE], key[PSP_VMPCK_SIZE];
    Error *err = NULL;

    plan.kept = true;
    launch(&plan);
    image = g_memdup2(blocks[BIOS].private, BIOS_SIZE);
    memcpy(digest, vm.guest.digest, sizeof(digest));
    for (unsigned life = 0; life < 3; life++) {
        memcpy(key, vm.guest.vmpck[0], sizeof(key));
        memset(blocks[BIOS].shared, 0xee, BIOS_SIZE);
        memset(blocks[RAM].shared, 0xee, RAM_SIZE);
        g_assert_cmpint(upm_reset_states(&error_abort), ==, 0);
        psp_kvm_forget(&vm);
        g_string_truncate(events, 0);
        run_start(&plan, 0);
        sev_plan_again(&plan);
        if (life == 1) {
            broken = 0x80e000;
            g_assert_cmpint(sev_plan_populate(&plan, FD, command, &err), ==,
                            -EIO);
            error_free(err);
            broken = -1;
            continue;
        }
        launch(&plan);
        g_assert_null(strstr(events->str, "drop shared"));
        g_assert_cmpmem(vm.guest.digest, sizeof(digest), digest,
                        sizeof(digest));
        g_assert_cmpmem(blocks[BIOS].private, BIOS_SIZE, image, BIOS_SIZE);
        g_assert_cmpint(memcmp(key, vm.guest.vmpck[0], sizeof(key)), !=, 0);
        g_assert_cmpuint(sev_plan_vcpus(&plan), ==, 2);
        for (unsigned i = 0; i < sev_plan_ranges(&plan); i++) {
            g_assert_null(sev_plan_range(&plan, i)->host);
        }
    }
    free_plan(&plan);
}

/* Others have no copies. */
static void test_not_kept(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);

    launch(&plan);
    for (unsigned i = 0; i < sev_plan_ranges(&plan); i++) {
        g_assert_null(sev_plan_range(&plan, i)->copy);
    }
    free_plan(&plan);
}

/* After FINISH nothing that the host does gets at a private page. */
static void test_after_finish(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_NONE);
    g_autofree uint8_t *image = NULL;
    Error *err = NULL;

    launch(&plan);
    image = g_memdup2(blocks[BIOS].private, BIOS_SIZE);
    for (unsigned i = 0; i < sev_plan_ranges(&plan); i++) {
        g_assert_null(sev_plan_range(&plan, i)->host);
    }
    memset(blocks[BIOS].shared, 0xee, BIOS_SIZE);
    g_assert_cmpmem(blocks[BIOS].private, BIOS_SIZE, image, BIOS_SIZE);

    /* neither by the plan, nor by a new one for the same firmware */
    calls = 0;
    g_assert_cmpint(sev_plan_populate(&plan, FD, command, &err), ==, -EEXIST);
    g_assert_cmpuint(calls, ==, 0);
    error_free(err);
    err = NULL;
    sev_plan_reset(&plan);
    add_layout(&plan);
    g_assert_cmpint(sev_plan_populate(&plan, FD, command, &err), ==, -EIO);
    error_free(err);
    g_assert_cmpmem(blocks[BIOS].private, BIOS_SIZE, image, BIOS_SIZE);

    /* and a page that becomes shared has left its content behind */
    upm_set_default_discard(UPM_DISCARD_POLICY_BOTH);
    upm_convert(BIOS_GPA, BIOS_SIZE, false, UPM_CAUSE_FAULT, 0, &error_abort);
    g_assert_true(buffer_is_zero(blocks[BIOS].private, BIOS_SIZE));
    g_assert_cmpuint(blocks[BIOS].shared[1], ==, 0xee);
    free_plan(&plan);
}

/* The memory of a guest that begins anew: shared, with its content again */
static void begin_anew(SevLaunchPlan *plan)
{
    for (size_t i = 0; i < ARRAY_SIZE(layout); i++) {
        upm_convert(layout[i].gpa, layout[i].size, false, UPM_CAUSE_RESET,
                    0, &error_abort);
    }
    for (int i = 0; i < BLOCKS; i++) {
        memset(blocks[i].assigned, 0, blocks[i].size / PAGE);
    }
    fill_shared();
    start_firmware(plan, 0);
    sev_plan_reset(plan);
    calls = 0;
    g_string_truncate(events, 0);
}

static void test_reset(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t digest[PSP_DIGEST_SIZE], again[PSP_DIGEST_SIZE];
    g_autofree char *first = NULL;
    Error *err = NULL;

    launch(&plan);
    first = g_strdup(events->str);
    memcpy(digest, vm.guest.digest, PSP_DIGEST_SIZE);

    begin_anew(&plan);
    g_assert_cmpuint(sev_plan_ranges(&plan), ==, 0);
    g_assert_false(sev_plan_digest(&plan, again, NULL, NULL, &err));
    error_free(err);
    add_layout(&plan);
    launch(&plan);
    g_assert_cmpstr(events->str, ==, first);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, digest, PSP_DIGEST_SIZE);
    g_assert_true(sev_plan_digest(&plan, again, NULL, NULL, &error_abort));
    g_assert_cmpmem(again, PSP_DIGEST_SIZE, digest, PSP_DIGEST_SIZE);

    /* nothing is left of what vCPUs started with, either */
    begin_anew(&plan);
    start_firmware(&plan, DEBUG_SWAP);
    add_layout(&plan);
    launch(&plan);
    g_assert_true(sev_plan_digest(&plan, again, NULL, NULL, &error_abort));
    g_assert_cmpmem(again, PSP_DIGEST_SIZE, vm.guest.digest, PSP_DIGEST_SIZE);
    g_assert_cmpint(memcmp(again, digest, PSP_DIGEST_SIZE), !=, 0);
    free_plan(&plan);
}

int main(int argc, char **argv)
{
    launch_init(&argc, &argv);
    g_test_add_func("/sev-launch/again", test_again);
    g_test_add_func("/sev-launch/not-kept", test_not_kept);
    g_test_add_func("/sev-launch/after-finish", test_after_finish);
    g_test_add_func("/sev-launch/reset", test_reset);
    return g_test_run();
}
