/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: what KVM and the firmware refuse of a launch
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/memalign.h"
#include "upm/snp-vm.h"

static void test_policy(void)
{
    static const struct {
        uint64_t policy;
        int ret, fw_error;
        uint64_t lacking;                       /* PSP_PLATFORM_* */
    } cases[] = {
        { 0x30000, 0, 0 },
        { 0x20000, 0, 0, PSP_PLATFORM_SMT },
        { 0x30000, 0, 0, PSP_PLATFORM_SMT },
        { 0x20000, -EIO, SEV_RET_POLICY_FAILURE },
        { 0x230000, 0, 0 },                     /* CXL, of which is none */
        { 0x830000, 0, 0 },                     /* no RAPL */
        { 0x830000, -EIO, SEV_RET_POLICY_FAILURE, PSP_PLATFORM_RAPL_DIS },
        { 0xb0000, 0, 0 },                      /* debugging */
        { 0x130000, 0, 0 },                     /* single socket */
        { 0x30000 | PSP_API_MAJOR << 8 | PSP_API_MINOR, 0, 0 },
        { 0x30000 | PSP_API_MINOR | 0x80, 0, 0 },   /* 0.x */
        { 0x10000, -EINVAL, -1 },               /* bit 17 clear */
        { 0x70000, -EINVAL, -1 },               /* migration agent */
        { 0x2030000, -EINVAL, -1 },             /* bit 25 */
        { 1ULL << 63 | 0x30000, -EINVAL, -1 },
        { 0x30000 | PSP_API_MAJOR << 8 | (PSP_API_MINOR + 1),
          -EIO, SEV_RET_POLICY_FAILURE },
        { 0x30000 | (PSP_API_MAJOR + 1) << 8, -EIO, SEV_RET_POLICY_FAILURE },
        { 0x430000, -EIO, SEV_RET_POLICY_FAILURE },     /* AES-256-XTS */
        { 0x1030000, -EIO, SEV_RET_POLICY_FAILURE },    /* ciphertext */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        PspKvmGuest vm = new_guest();
        struct kvm_sev_snp_launch_start start = { .policy = cases[i].policy };

        platform.platform_info &= ~cases[i].lacking;
        init_guest(&vm);
        expect(&vm, KVM_SEV_SNP_LAUNCH_START, &start, cases[i].ret,
               cases[i].fw_error);
        g_assert_cmpint(vm.guest.state, ==, cases[i].ret ? PSP_STATE_INIT
                                                      : PSP_STATE_LAUNCH);
    }
}

static void test_order(void)
{
    PspKvmGuest vm = new_guest();
    void *page = new_pages(1);
    struct kvm_sev_init init = { 0 };
    struct kvm_sev_init wrong_init = { .flags = 1 };
    struct kvm_sev_init active = { .vmsa_features = 1 };
    struct kvm_sev_init secure_tsc = { .vmsa_features = 0x20 | 1 << 9 };
    struct kvm_sev_init unknown = { .vmsa_features = 1ULL << 63 };
    struct kvm_sev_init old_ghcb = { .ghcb_version = 1 };
    struct kvm_sev_snp_launch_start start = { .policy = POLICY };
    struct kvm_sev_snp_launch_update update =
        update_of(0x1000, page, PSP_PAGE_SIZE, KVM_SEV_SNP_PAGE_TYPE_NORMAL);
    struct kvm_sev_snp_launch_finish finish = { 0 };

    expect(&vm, KVM_SEV_SNP_LAUNCH_START, &start, -ENOTTY, -1);
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EINVAL, -1);
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -ENOTTY, -1);
    expect(&vm, KVM_SEV_INIT2, &wrong_init, -EINVAL, -1);
    expect(&vm, KVM_SEV_INIT2, &active, -EINVAL, -1);
    expect(&vm, KVM_SEV_INIT2, &secure_tsc, -EINVAL, -1);
    expect(&vm, KVM_SEV_INIT2, &unknown, -EINVAL, -1);
    expect(&vm, KVM_SEV_INIT2, &old_ghcb, -EINVAL, -1);
    expect(&vm, KVM_SEV_ES_INIT, NULL, -EINVAL, -1);
    expect(&vm, KVM_SEV_INIT2, &init, 0, 0);

    expect(&vm, KVM_SEV_INIT2, &init, -EPERM, -1);
    expect(&vm, KVM_SEV_LAUNCH_START, NULL, -EPERM, -1);
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EINVAL, -1);
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -EINVAL, -1);
    expect(&vm, KVM_SEV_SNP_LAUNCH_START, &start, 0, 0);

    expect(&vm, KVM_SEV_SNP_LAUNCH_START, &start, -EINVAL, -1);
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, 0, 0);
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, 0, 0);

    update = update_of(0x2000, page, PSP_PAGE_SIZE,
                       KVM_SEV_SNP_PAGE_TYPE_NORMAL);
    expect(&vm, KVM_SEV_SNP_LAUNCH_START, &start, -EINVAL, -1);
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EIO,
           SEV_RET_INVALID_GUEST_STATE);
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -EIO,
           SEV_RET_INVALID_GUEST_STATE);
    g_assert_null(page_at(0x2000));
    qemu_vfree(page);
}

static void test_update_refused(void)
{
    PspKvmGuest vm = new_guest();
    uint8_t *pages = new_pages(2);
    struct kvm_sev_snp_launch_update update, good =
        update_of(0x1000, pages, PSP_PAGE_SIZE, KVM_SEV_SNP_PAGE_TYPE_NORMAL);

    start_guest(&vm);
    for (int type = 0; type < 256; type++) {
        if (type == 2 || !type || type > 6) {
            update = good;
            update.type = type;
            expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EINVAL, -1);
        }
    }
    update = good;
    update.flags = 1;
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EINVAL, -1);
    update = good;
    update.len = 0;
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EINVAL, -1);
    update = good;
    update.len = PSP_PAGE_SIZE + 1;
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EINVAL, -1);
    update = good;
    update.uaddr = 0;
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EINVAL, -1);
    update = good;
    update.uaddr += 8;
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EINVAL, -1);
    update = good;
    update.gfn_start = UINT64_MAX >> PSP_PAGE_BITS;
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EINVAL, -1);
    update = good;
    update.gfn_start = HOLE >> PSP_PAGE_BITS;
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EIO, -1);
    g_assert_true(buffer_is_zero(vm.guest.digest, sizeof(vm.guest.digest)));

    /* never twice, whatever the type */
    update = good;
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, 0, 0);
    update = good;
    update.type = KVM_SEV_SNP_PAGE_TYPE_ZERO;
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EIO, -1);
    qemu_vfree(pages);
}

/* As KVM: what was done counts, the error comes with the next call. */
static void test_update_partial(void)
{
    PspKvmGuest vm = new_guest();
    uint8_t *pages = new_pages(3);
    struct kvm_sev_snp_launch_update update =
        update_of(HOLE - 2 * PSP_PAGE_SIZE, pages, 3 * PSP_PAGE_SIZE,
                  KVM_SEV_SNP_PAGE_TYPE_NORMAL);

    start_guest(&vm);
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, 0, 0);
    g_assert_cmphex(update.gfn_start, ==, HOLE >> PSP_PAGE_BITS);
    g_assert_cmphex(update.uaddr, ==,
                    (uintptr_t)pages + 2 * PSP_PAGE_SIZE);
    g_assert_cmphex(update.len, ==, PSP_PAGE_SIZE);
    g_assert_cmpuint(finished_pages, ==, 2);
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EIO, -1);
    g_assert_cmpuint(finished_pages, ==, 2);
    g_assert_cmphex(update.len, ==, PSP_PAGE_SIZE);

    /* the source of zero pages is left alone */
    update = update_of(0x10000, pages, 2 * PSP_PAGE_SIZE,
                       KVM_SEV_SNP_PAGE_TYPE_ZERO);
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, 0, 0);
    g_assert_cmphex(update.uaddr, ==, (uintptr_t)pages);
    qemu_vfree(pages);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_fatal);
    g_test_add_func("/sev-firmware/policy", test_policy);
    g_test_add_func("/sev-firmware/order", test_order);
    g_test_add_func("/sev-firmware/update/refused", test_update_refused);
    g_test_add_func("/sev-firmware/update/partial", test_update_partial);
    return g_test_run();
}
