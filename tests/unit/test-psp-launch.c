/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LAUNCH_UPDATE and LAUNCH_FINISH: what is refused, and what becomes of pages
 */
#include "qemu/osdep.h"
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "upm/fake-psp.h"

static void test_update_refused(void)
{
    PspCommandBuffer good = update_buffer(CONTEXT, PSP_PAGE_NORMAL, TARGET);
    PspCommandBuffer buffer;
    uint64_t before;

    machine_reset();
    create_guest(CONTEXT);
    put_page(TARGET, GPA);
    expect(PSP_SNP_LAUNCH_UPDATE, good, GUEST_STATE);
    expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, POLICY), OK);
    expect(PSP_SNP_LAUNCH_UPDATE, good, SEV_RET_INACTIVE);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, ASID), OK);
    before = machine_fingerprint();
    machine_put(TARGET, PSP_PAGE_STATE_PRE_GUEST, ASID + 1, GPA);
    expect(PSP_SNP_LAUNCH_UPDATE, good, PSP_STATUS_INVALID_PAGE_OWNER);
    put_page(TARGET, GPA);

    buffer = good;
    buffer.launch_update.reserved_0c = 1;
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, PARAM);
    buffer = good;
    buffer.launch_update.reserved_18 = 1;
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, PARAM);
    buffer = good;
    buffer.launch_update.reserved_1c = cpu_to_le32(1);
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, PARAM);
    buffer = good;
    buffer.launch_update.flags |= cpu_to_le32(0x20);
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, PARAM);
    buffer = good;
    buffer.launch_update.flags |= cpu_to_le32(PSP_LAUNCH_UPDATE_IMI);
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, SEV_RET_UNSUPPORTED);
    expect(PSP_SNP_LAUNCH_UPDATE, update_buffer(CONTEXT, 0, TARGET), PARAM);
    expect(PSP_SNP_LAUNCH_UPDATE, update_buffer(CONTEXT, 7, TARGET), PARAM);
    /* The size is looked at before the type. */
    buffer = update_buffer(CONTEXT, 7, TARGET);
    buffer.launch_update.flags |= cpu_to_le32(PSP_LAUNCH_UPDATE_2M);
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, PAGE_SIZE_);
    machine_map_fails = true;
    expect(PSP_SNP_LAUNCH_UPDATE, good, ADDRESS);
    machine_map_fails = false;
    g_assert_cmphex(machine_fingerprint(), ==, before);

    expect(PSP_SNP_LAUNCH_FINISH, finish_buffer(CONTEXT), OK);
    expect(PSP_SNP_LAUNCH_UPDATE, good, GUEST_STATE);
}

static void test_update_large_refused(void)
{
    static const struct {
        int type, status;
    } cases[] = {
        { PSP_PAGE_VMSA, PAGE_SIZE_ }, { PSP_PAGE_SECRETS, PAGE_SIZE_ },
        { PSP_PAGE_CPUID, PAGE_SIZE_ }, { 0, PARAM }, { 7, PARAM },
        { PSP_PAGE_NORMAL, OK },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        PspCommandBuffer buffer = update_buffer(CONTEXT, cases[i].type, BIG);

        machine_reset();
        start_guest(CONTEXT, POLICY, ASID);
        put_large_page(BIG, PSP_PAGE_STATE_PRE_GUEST, GPA);
        if (cases[i].status != PARAM) {
            expect(PSP_SNP_LAUNCH_UPDATE, buffer, PAGE_SIZE_);
        }
        buffer.launch_update.flags |= cpu_to_le32(PSP_LAUNCH_UPDATE_2M);
        expect(PSP_SNP_LAUNCH_UPDATE, buffer, cases[i].status);
    }
    /* A large entry that is not aligned, which no RMPUPDATE makes */
    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    put_page(BIG + PAGE, GPA);
    machine_entry(BIG + PAGE)->lo |= SEV_RMP_PAGE_2M;
    {
        PspCommandBuffer buffer = update_buffer(CONTEXT, PSP_PAGE_NORMAL,
                                                BIG + PAGE);

        buffer.launch_update.flags |= cpu_to_le32(PSP_LAUNCH_UPDATE_2M);
        expect(PSP_SNP_LAUNCH_UPDATE, buffer, ADDRESS);
    }
}

static void test_update_content(void)
{
    for (int type = PSP_PAGE_NORMAL; type <= PSP_PAGE_CPUID; type++) {
        PspSecretsPage *secrets;

        machine_reset();
        start_guest(CONTEXT, POLICY, ASID);
        put_page(TARGET, GPA);
        if (type == PSP_PAGE_CPUID) {
            memset(machine_ram + TARGET, 0, PAGE);
        }
        expect(PSP_SNP_LAUNCH_UPDATE, update_buffer(CONTEXT, type, TARGET),
               OK);
        machine_check_launched(TARGET, type);
        secrets = (void *)(machine_ram + TARGET);
        if (type == PSP_PAGE_ZERO || type == PSP_PAGE_CPUID) {
            g_assert_true(buffer_is_zero(machine_ram + TARGET, PAGE));
        } else if (type == PSP_PAGE_SECRETS) {
            g_assert_cmpuint(le32_to_cpu(secrets->version), ==, 3);
            g_assert_cmphex(le32_to_cpu(secrets->fms), ==, MILAN);
            g_assert_cmpuint(secrets->gosvw[2], ==, 3);
            g_assert_cmpmem(secrets->vmpck, sizeof(secrets->vmpck),
                            machine_guest(CONTEXT)->vmpck,
                            sizeof(secrets->vmpck));
        } else {
            g_assert_cmphex(machine_ram[TARGET], ==, 0xa5);
        }
        g_assert_cmphex(machine_ram[TARGET + PAGE], ==, 0xa5);
        g_assert_cmphex(machine_ram[TARGET - 1], ==, 0xa5);
        expect(PSP_SNP_LAUNCH_UPDATE, update_buffer(CONTEXT, type, TARGET),
               PAGE_STATE);
    }
}

/* KVM takes a refused CPUID page back, and shows it to who asked. */
static void test_update_cpuid(void)
{
    PspCpuidPage *page;
    uint64_t before;
    uint8_t digest[PSP_DIGEST_SIZE];

    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    put_page(TARGET, GPA);
    page = (void *)(machine_ram + TARGET);
    memset(page, 0, sizeof(*page));
    page->count = cpu_to_le32(1);
    page->entries[0].leaf = cpu_to_le32(7);
    page->entries[0].ebx = cpu_to_le32(0x219c97a9 | 1U << 16);
    before = machine_entry(TARGET)->lo;
    memcpy(digest, machine_guest(CONTEXT)->digest, sizeof(digest));
    expect(PSP_SNP_LAUNCH_UPDATE,
           update_buffer(CONTEXT, PSP_PAGE_CPUID, TARGET), PARAM);
    g_assert_cmphex(le32_to_cpu(page->entries[0].ebx), ==, 0x219c97a9);
    g_assert_cmphex(machine_entry(TARGET)->lo, ==, before);
    g_assert_cmpmem(digest, sizeof(digest), machine_guest(CONTEXT)->digest,
                    sizeof(digest));
    expect(PSP_SNP_PAGE_RECLAIM, page_buffer(TARGET), OK);
    g_assert_cmpint(machine_state(TARGET), ==, PSP_PAGE_STATE_GUEST_INVALID);
    put_page(TARGET, GPA);
    expect(PSP_SNP_LAUNCH_UPDATE,
           update_buffer(CONTEXT, PSP_PAGE_CPUID, TARGET), OK);
}

static void test_finish(void)
{
    PspCommandBuffer buffer = finish_buffer(CONTEXT);

    machine_reset();
    create_guest(CONTEXT);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, GUEST_STATE);
    expect(PSP_SNP_LAUNCH_START, start_buffer(CONTEXT, POLICY), OK);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, SEV_RET_INACTIVE);
    expect(PSP_SNP_ACTIVATE, activate_buffer(CONTEXT, ASID), OK);
    buffer.launch_finish.flags = cpu_to_le64(8);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, PARAM);
    buffer.launch_finish.flags = cpu_to_le64(1ULL << 63);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, PARAM);

    /* ID blocks: what is in them is test-sev-firmware-identity's matter. */
    buffer.launch_finish.flags = cpu_to_le64(PSP_LAUNCH_FINISH_ID_BLOCK);
    buffer.launch_finish.id_block_paddr = cpu_to_le64(NO_RAM);
    buffer.launch_finish.id_auth_paddr = cpu_to_le64(SOURCE);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, ADDRESS);
    buffer.launch_finish.id_block_paddr = cpu_to_le64(SOURCE);
    buffer.launch_finish.id_auth_paddr = cpu_to_le64(IN_RMP);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, PARAM);
    buffer.launch_finish.id_auth_paddr = cpu_to_le64(SOURCE + 0x1000);
    stl_le_p(machine_ram + SOURCE + 80, 1);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, SEV_RET_BAD_MEASUREMENT);
    memcpy(machine_ram + SOURCE, machine_guest(CONTEXT)->digest,
           PSP_DIGEST_SIZE);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, SEV_RET_POLICY_FAILURE);
    stq_le_p(machine_ram + SOURCE + 88, POLICY);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, PARAM);
    stl_le_p(machine_ram + SOURCE + 0x1000, 1);
    stl_le_p(machine_ram + SOURCE + 0x1000 + 0x240, 2);
    expect(PSP_SNP_LAUNCH_FINISH, buffer, SEV_RET_BAD_SIGNATURE);
    g_assert_cmpint(machine_guest(CONTEXT)->state, ==, PSP_STATE_LAUNCH);

    expect(PSP_SNP_LAUNCH_FINISH, finish_buffer(CONTEXT), OK);
    g_assert_cmpuint(machine_guest(CONTEXT)->host_data[0], ==, 9);
    expect(PSP_SNP_LAUNCH_FINISH, finish_buffer(CONTEXT), GUEST_STATE);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-launch/update/refused", test_update_refused);
    g_test_add_func("/psp-launch/update/large", test_update_large_refused);
    g_test_add_func("/psp-launch/update/content", test_update_content);
    g_test_add_func("/psp-launch/update/cpuid", test_update_cpuid);
    g_test_add_func("/psp-launch/finish", test_finish);
    ret = g_test_run();
    machine_free();
    return ret;
}
