/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch digest: the same for the same pages, whoever launches the guest,
 * by KVM's commands or by the firmware's own, and whatever the pages' size
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/memalign.h"
#include "target/i386/psp/kvm-rules.h"
#include "upm/fake-psp.h"

static void *world_page(uint64_t gpa)
{
    static uint8_t page[PSP_PAGE_SIZE];

    return page;
}

static void world_page_done(uint64_t gpa)
{
}

static void world_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    memset(regs, 0, 4 * sizeof(regs[0]));
}

static unsigned world_vcpus(void)
{
    return 2;
}

static void world_vcpu_reset(unsigned index, PspVcpuReset *reset)
{
    *reset = (PspVcpuReset) {
        .cs_selector = 0xf000, .cs_base = 0xffff0000,
        .rip = index ? 0xb004 : 0xfff0, .signature = MILAN,
    };
}

static const char *world_vcpu_load(unsigned index, const SevVmsa *vmsa)
{
    return NULL;
}

static const int launch_types[] = {
    PSP_PAGE_NORMAL, PSP_PAGE_ZERO, PSP_PAGE_NORMAL, PSP_PAGE_UNMEASURED,
    PSP_PAGE_SECRETS, PSP_PAGE_CPUID,
};

static void fill_source(uint8_t *page, size_t index)
{
    for (size_t i = 0; i < PAGE; i++) {
        page[i] = launch_types[index] == PSP_PAGE_CPUID ? 0 : i * 7 + index;
    }
}

static void digest_of_guest_world(uint8_t digest[PSP_DIGEST_SIZE])
{
    static const PspProcessor processor = {
        .page = world_page,
        .page_done = world_page_done,
        .vcpus = world_vcpus,
        .vcpu_reset = world_vcpu_reset,
        .vcpu_load = world_vcpu_load,
    };
    static const PspPlatformOps ops = { .cpuid = world_cpuid };
    PspPlatform platform = { .ops = &ops };
    PspKvmGuest vm = {
        .processor = &processor, .guest.platform = &platform,
    };
    struct kvm_sev_init init = { 0 };
    struct kvm_sev_snp_launch_start start = { .policy = POLICY };
    struct kvm_sev_snp_launch_finish finish = { 0 };
    g_autofree uint8_t *source = qemu_memalign(PAGE, PAGE);
    int status;

    g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_INIT2, &init, &status), ==,
                    0);
    g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_SNP_LAUNCH_START, &start,
                                    &status), ==, 0);
    for (size_t i = 0; i < ARRAY_SIZE(launch_types); i++) {
        struct kvm_sev_snp_launch_update update = {
            .gfn_start = (GPA >> 12) + i, .uaddr = (uintptr_t)source,
            .len = PAGE, .type = launch_types[i],
        };

        fill_source(source, i);
        g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_SNP_LAUNCH_UPDATE,
                                        &update, &status), ==, 0);
    }
    g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish,
                                    &status), ==, 0);
    memcpy(digest, vm.guest.digest, PSP_DIGEST_SIZE);
}

static PspCommandBuffer without_perms(PspCommandBuffer buffer)
{
    memset(buffer.launch_update.vmpl_perms, 0, 3);
    return buffer;
}

static void test_digest(void)
{
    uint8_t digest[PSP_DIGEST_SIZE];

    digest_of_guest_world(digest);
    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    for (size_t i = 0; i < ARRAY_SIZE(launch_types); i++) {
        uint64_t spa = TARGET + i * 2 * PAGE;

        fill_source(machine_ram + spa, i);
        put_page(spa, GPA + i * PAGE);
        expect(PSP_SNP_LAUNCH_UPDATE, without_perms(
            update_buffer(CONTEXT, launch_types[i], spa)), OK);
    }
    for (unsigned i = 0; i < world_vcpus(); i++) {
        uint64_t spa = SOURCE + i * PAGE;
        SevVmsa *vmsa = (void *)(machine_ram + spa);
        PspVcpuReset reset;

        world_vcpu_reset(i, &reset);
        reset.sev_features = SEV_FEATURES_SNP_ACTIVE;
        psp_vmsa_init(vmsa, &reset);
        /* not measured, and kept */
        vmsa->tsc_scale = cpu_to_le64(0x1234);
        vmsa->tsc_offset = cpu_to_le64(0x5678);
        put_page(spa, PSP_VMSA_GPA);
        expect(PSP_SNP_LAUNCH_UPDATE, without_perms(
            update_buffer(CONTEXT, PSP_PAGE_VMSA, spa)), OK);
        g_assert_cmphex(le64_to_cpu(vmsa->tsc_scale), ==, 0x1234);
        g_assert_cmphex(le64_to_cpu(vmsa->tsc_offset), ==, 0x5678);
    }
    expect(PSP_SNP_LAUNCH_FINISH, finish_buffer(CONTEXT), OK);
    g_assert_cmpmem(machine_guest(CONTEXT)->digest, PSP_DIGEST_SIZE, digest,
                    PSP_DIGEST_SIZE);
}

/* PAGE_INFO has the permissions of VMPL3 first, the command those of VMPL1. */
static void test_digest_perms(void)
{
    static const uint8_t perms[3] = { 0x13, 0x12, 0x11 };
    uint8_t digest[PSP_DIGEST_SIZE] = { 0 };

    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    put_page(TARGET, GPA);
    expect(PSP_SNP_LAUNCH_UPDATE,
           update_buffer(CONTEXT, PSP_PAGE_ZERO, TARGET), OK);
    g_assert_true(psp_digest_chain(digest, PSP_PAGE_ZERO, GPA, perms, NULL,
                                   &error_abort));
    g_assert_cmpmem(machine_guest(CONTEXT)->digest, PSP_DIGEST_SIZE, digest,
                    PSP_DIGEST_SIZE);
}

/* 2 MiB are measured as 512 small pages, permissions included. */
static void test_digest_large(void)
{
    uint8_t digest[PSP_DIGEST_SIZE];
    PspCommandBuffer buffer = update_buffer(CONTEXT, PSP_PAGE_NORMAL, BIG);

    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    for (uint64_t at = 0; at < LARGE; at += PAGE) {
        stq_le_p(machine_ram + BIG + at, at);
        put_page(BIG + at, GPA + at);
        buffer.launch_update.page_paddr = cpu_to_le64(BIG + at);
        expect(PSP_SNP_LAUNCH_UPDATE, buffer, OK);
    }
    memcpy(digest, machine_guest(CONTEXT)->digest, sizeof(digest));

    machine_reset();
    start_guest(CONTEXT, POLICY, ASID);
    for (uint64_t at = 0; at < LARGE; at += PAGE) {
        stq_le_p(machine_ram + BIG + at, at);
    }
    put_large_page(BIG, PSP_PAGE_STATE_PRE_GUEST, GPA);
    buffer = update_buffer(CONTEXT, PSP_PAGE_NORMAL, BIG);
    buffer.launch_update.flags |= cpu_to_le32(PSP_LAUNCH_UPDATE_2M);
    expect(PSP_SNP_LAUNCH_UPDATE, buffer, OK);
    machine_check_launched(BIG, PSP_PAGE_NORMAL);
    g_assert_cmphex(sev_rmp_gpa(machine_entry(BIG + PAGE)), ==, GPA + PAGE);
    g_assert_cmpint(machine_state(BIG + PAGE), ==, PSP_PAGE_STATE_GUEST_VALID);
    g_assert_cmpmem(machine_guest(CONTEXT)->digest, PSP_DIGEST_SIZE, digest,
                    PSP_DIGEST_SIZE);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    g_test_add_func("/psp-digest/worlds", test_digest);
    g_test_add_func("/psp-digest/perms", test_digest_perms);
    g_test_add_func("/psp-digest/large", test_digest_large);
    ret = g_test_run();
    machine_free();
    return ret;
}
