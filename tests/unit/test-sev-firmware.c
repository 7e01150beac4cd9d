/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: launch, digest, and what guests start with
 *
 * The expected digest is that of tests/functional/launch_digest.py.
 */
#include "qemu/osdep.h"
#include "crypto/hash.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/memalign.h"
#include "qemu/units.h"
#include "upm/snp-vm.h"

#define SYNTHETIC_DIGEST \
    "b1dec2e7a5bbf2a1394afe35a6cb182e12288da742e459d6a18ec45b4141a713" \
    "927d7a69f86df89c97175b63cd989a5f"

static void test_page_info(void)
{
    g_assert_cmphex(offsetof(PspPageInfo, contents), ==, 0x30);
    g_assert_cmphex(offsetof(PspPageInfo, length), ==, 0x60);
    g_assert_cmphex(offsetof(PspPageInfo, page_type), ==, 0x62);
    g_assert_cmphex(offsetof(PspPageInfo, imi_page), ==, 0x63);
    g_assert_cmphex(offsetof(PspPageInfo, vmpl_perms), ==, 0x65);
    g_assert_cmphex(offsetof(PspPageInfo, gpa), ==, 0x68);
    g_assert_cmphex(sizeof(PspPageInfo), ==, 0x70);
}

static void test_digest_synthetic(void)
{
    PspKvmGuest vm = new_guest();
    uint8_t *image = new_pages(3), *other = new_pages(1);
    PspCpuidPage *cpuid = good_cpuid_page();
    g_autofree char *digest = NULL;

    for (size_t i = 0; i < 3 * PSP_PAGE_SIZE; i++) {
        image[i] = i * 7 + i / PSP_PAGE_SIZE;
    }
    memset(other, 0x5a, PSP_PAGE_SIZE);
    vcpus = 2;

    start_guest(&vm);
    launch(&vm, 0xffffd000, image, 3 * PSP_PAGE_SIZE,
           KVM_SEV_SNP_PAGE_TYPE_NORMAL);
    launch(&vm, 0x800000, NULL, 2 * PSP_PAGE_SIZE,
           KVM_SEV_SNP_PAGE_TYPE_ZERO);
    launch(&vm, 0x802000, other, PSP_PAGE_SIZE,
           KVM_SEV_SNP_PAGE_TYPE_UNMEASURED);
    launch(&vm, 0x80d000, other, PSP_PAGE_SIZE,
           KVM_SEV_SNP_PAGE_TYPE_SECRETS);
    launch(&vm, 0x80e000, cpuid, PSP_PAGE_SIZE,
           KVM_SEV_SNP_PAGE_TYPE_CPUID);
    finish_guest(&vm);

    digest = digest_of(&vm);
    g_assert_cmpstr(digest, ==, SYNTHETIC_DIGEST);

    /* and the pages are where they belong */
    g_assert_cmpmem(page_at(0xffffe000), PSP_PAGE_SIZE,
                    image + PSP_PAGE_SIZE, PSP_PAGE_SIZE);
    g_assert_true(buffer_is_zero(page_at(0x801000), PSP_PAGE_SIZE));
    g_assert_cmpmem(page_at(0x802000), PSP_PAGE_SIZE, other, PSP_PAGE_SIZE);
    g_assert_cmpmem(page_at(0x80e000), PSP_PAGE_SIZE, cpuid, PSP_PAGE_SIZE);
    g_assert_cmpuint(vm.guest.pages[PSP_PAGE_NORMAL], ==, 3);
    g_assert_cmpuint(vm.guest.pages[PSP_PAGE_ZERO], ==, 2);
    g_assert_cmpuint(vm.guest.pages[PSP_PAGE_VMSA], ==, 2);

    qemu_vfree(image);
    qemu_vfree(other);
    qemu_vfree(cpuid);
}

static uint64_t vmsa_u64(const SevVmsa *vmsa, size_t at)
{
    return ldq_le_p((const uint8_t *)vmsa + at);
}

static void test_vmsa(void)
{
    static const struct {
        size_t at;
        uint64_t bsp, ap;
    } fields[] = {
        { 0x000, 0x0000ffff00930000, 0x0000ffff00930000 },  /* ES */
        { 0x010, 0x0000ffff009bf000, 0x0000ffff009bf000 },  /* CS */
        { 0x018, 0xffff0000, 0x800000 },
        { 0x060, 0x0000ffff00000000, 0x0000ffff00000000 },  /* GDTR */
        { 0x070, 0x0000ffff00820000, 0x0000ffff00820000 },  /* LDTR */
        { 0x090, 0x0000ffff008b0000, 0x0000ffff008b0000 },  /* TR */
        { 0x0d0, 0x1000, 0x1000 },                          /* EFER */
        { 0x148, 0x40, 0x40 },                              /* CR4 */
        { 0x158, 0x10, 0x10 },                              /* CR0 */
        { 0x160, 0x400, 0x400 },                            /* DR7 */
        { 0x168, 0xffff0ff0, 0xffff0ff0 },                  /* DR6 */
        { 0x170, 2, 2 },                                    /* RFLAGS */
        { 0x178, 0xfff0, 0xb004 },                          /* RIP */
        { 0x268, 0x0007040600070406, 0x0007040600070406 },  /* G_PAT */
        { 0x310, SIGNATURE, SIGNATURE },                    /* RDX */
        { 0x3b0, 1, 1 },                                    /* SEV_FEATURES */
        { 0x3e8, 1, 1 },                                    /* XCR0 */
        { 0x408, 0x1f80, 0x1f80 },                          /* MXCSR */
        { 0x410, 0x37f, 0x37f },                            /* FCW */
    };
    PspKvmGuest vm = new_guest();

    vcpus = 2;
    start_guest(&vm);
    finish_guest(&vm);
    g_assert_cmpuint(loads, ==, 2);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        g_assert_cmphex(vmsa_u64(&loaded[0], fields[i].at), ==, fields[i].bsp);
        g_assert_cmphex(vmsa_u64(&loaded[1], fields[i].at), ==, fields[i].ap);
    }
    g_assert_true(buffer_is_zero((uint8_t *)loaded + 0x412,
                                 sizeof(SevVmsa) - 0x412));
}

static void test_secrets(void)
{
    PspKvmGuest vm = new_guest();
    uint8_t *source = new_pages(1), *page;

    start_guest(&vm);
    launch(&vm, 0x80d000, source, PSP_PAGE_SIZE,
           KVM_SEV_SNP_PAGE_TYPE_SECRETS);
    page = page_at(0x80d000);

    g_assert_cmphex(ldl_le_p(page + 0x00), ==, 3);
    g_assert_cmphex(ldl_le_p(page + 0x04), ==, 0);
    g_assert_cmphex(ldl_le_p(page + 0x08), ==, SIGNATURE);
    for (int i = 0; i < 16; i++) {
        g_assert_cmphex(page[0x10 + i], ==, 0x70 + i);
    }
    for (int i = 0; i < 4; i++) {
        g_assert_cmpmem(page + 0x20 + i * 32, 32, vm.guest.vmpck[i], 32);
        g_assert_false(buffer_is_zero(page + 0x20 + i * 32, 32));
        if (i) {
            g_assert_cmpint(memcmp(page + 0x20, page + 0x20 + i * 32, 32),
                            !=, 0);
        }
    }
    g_assert_true(buffer_is_zero(page + 0xa0, PSP_PAGE_SIZE - 0xa0));
    /* the host has no copy in what it launched from */
    g_assert_true(buffer_is_zero(source, PSP_PAGE_SIZE));
    qemu_vfree(source);
}

static void test_finish(void)
{
    PspKvmGuest vm = new_guest(), done;
    struct kvm_sev_snp_launch_finish finish = { .vcek_disabled = 1 };

    memset(finish.host_data, 0x42, sizeof(finish.host_data));
    start_guest(&vm);

    /* what the digest will be */
    done = vm;
    finish_guest(&done);
    loads = 0;

    finish.flags = 1;
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -EINVAL, -1);
    finish.flags = 0;

    broken_vcpu = 0;
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -EIO, -1);
    g_assert_cmpint(vm.guest.state, ==, PSP_STATE_LAUNCH);
    broken_vcpu = -1;

    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, 0, 0);
    g_assert_cmpint(vm.guest.state, ==, PSP_STATE_RUNNING);
    g_assert_cmpmem(vm.guest.host_data, sizeof(vm.guest.host_data),
                    finish.host_data, sizeof(finish.host_data));
    g_assert_true(vm.guest.vcek_disabled);
    g_assert_true(buffer_is_zero(&vm.guest.identity,
                                 sizeof(vm.guest.identity)));
    g_assert_cmpmem(vm.guest.digest, sizeof(vm.guest.digest), done.guest.digest,
                    sizeof(done.guest.digest));
}

/* Launch of 64 MiB against copying and hashing the same pages */
#define PERF_PAGES (64 * MiB / PSP_PAGE_SIZE)

static uint8_t *perf_private;

static void *perf_page(uint64_t gpa)
{
    return perf_private + gpa;
}

static void perf_page_done(uint64_t gpa)
{
}

static double time_launch(uint8_t *source)
{
    PspProcessor processor = fake_processor;
    PspKvmGuest vm = new_guest();

    processor.page = perf_page;
    processor.page_done = perf_page_done;
    vm.processor = &processor;
    start_guest(&vm);
    g_test_timer_start();
    launch(&vm, 0, source, PERF_PAGES * PSP_PAGE_SIZE,
           KVM_SEV_SNP_PAGE_TYPE_NORMAL);
    return g_test_timer_elapsed();
}

static double time_copy_and_hash(uint8_t *source)
{
    uint8_t digest[PSP_DIGEST_SIZE], *out = digest;
    size_t size = sizeof(digest);

    g_test_timer_start();
    for (size_t i = 0; i < PERF_PAGES; i++) {
        uint8_t *page = perf_private + i * PSP_PAGE_SIZE;

        memcpy(page, source + i * PSP_PAGE_SIZE, PSP_PAGE_SIZE);
        qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA384, (char *)page,
                           PSP_PAGE_SIZE, &out, &size, &error_abort);
    }
    return g_test_timer_elapsed();
}

static void test_perf(void)
{
    uint8_t *source = new_pages(PERF_PAGES);
    double launched = G_MAXDOUBLE, hashed = G_MAXDOUBLE;

    perf_private = new_pages(PERF_PAGES);
    for (int i = 0; i < 9; i++) {
        double one = time_launch(source);

        launched = MIN(launched, one);
        one = time_copy_and_hash(source);
        hashed = MIN(hashed, one);
    }
    g_test_minimized_result(launched / hashed,
                            "launch-vs-memcpy-sha384 %.3f (%.0f MiB/s)",
                            launched / hashed, 64 / launched);
    qemu_vfree(source);
    qemu_vfree(perf_private);
}

/* The guest is gone: neither keys nor measurement are left of it. */
static void test_forget(void)
{
    struct kvm_sev_snp_launch_start start = { .policy = POLICY };
    static const PspGuest nothing;
    PspKvmGuest vm = new_guest();
    PspGuest left;

    start_guest(&vm);
    finish_guest(&vm);
    psp_kvm_forget(&vm);
    g_assert_true(vm.guest.platform == &platform);
    memcpy(&left, &vm.guest, sizeof(left));
    left.platform = NULL;
    g_assert_cmpmem(&left, sizeof(left), &nothing, sizeof(nothing));

    expect(&vm, KVM_SEV_SNP_LAUNCH_START, &start, -ENOTTY, -1);
    loads = 0;
    start_guest(&vm);
    finish_guest(&vm);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_fatal);
    g_test_add_func("/sev-firmware/page-info", test_page_info);
    g_test_add_func("/sev-firmware/digest", test_digest_synthetic);
    g_test_add_func("/sev-firmware/vmsa", test_vmsa);
    g_test_add_func("/sev-firmware/secrets", test_secrets);
    g_test_add_func("/sev-firmware/finish", test_finish);
    g_test_add_func("/sev-firmware/forget", test_forget);
    if (g_test_perf()) {
        g_test_add_func("/sev-firmware/perf", test_perf);
    }
    return g_test_run();
}
