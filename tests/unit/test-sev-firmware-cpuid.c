/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: the CPUID page
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/memalign.h"
#include "upm/snp-vm.h"

static void spoil_count(PspCpuidPage *page)
{
    page->count = cpu_to_le32(PSP_CPUID_MAX + 1);
}

static void spoil_header(PspCpuidPage *page)
{
    page->reserved_08 = 1;
}

static void spoil_reserved(PspCpuidPage *page)
{
    page->entries[0].reserved = 1;
}

static void spoil_osxsave(PspCpuidPage *page)
{
    page->entries[0].ecx |= cpu_to_le32(OSXSAVE);
}

static void spoil_feature(PspCpuidPage *page)
{
    page->entries[1].edx |= cpu_to_le32(1 << 4);
}

static void spoil_xcr0_elsewhere(PspCpuidPage *page)
{
    page->entries[1].xcr0_in = cpu_to_le64(1);
}

static void spoil_xcr0_x87(PspCpuidPage *page)
{
    page->entries[2].xcr0_in = 0;
}

static void spoil_xss(PspCpuidPage *page)
{
    page->entries[2].xss_in = cpu_to_le64(0x800);
}

static void spoil_xsave_size(PspCpuidPage *page)
{
    page->entries[2].ebx = cpu_to_le32(0x340);
}

static void spoil_cbit(PspCpuidPage *page)
{
    page->entries[4].ebx ^= cpu_to_le32(1);
}

static void spoil_sev(PspCpuidPage *page)
{
    page->entries[4].eax |= cpu_to_le32(1);
}

/* A wrong table is not taken; the one that comes back is. */
static void test_cpuid_refused(const void *opaque)
{
    void (*spoil)(PspCpuidPage *page) = opaque;
    PspKvmGuest vm = new_guest();
    PspCpuidPage *page = good_cpuid_page(), *good = good_cpuid_page();
    uint8_t before[PSP_DIGEST_SIZE];
    struct kvm_sev_snp_launch_update update =
        update_of(0x80e000, page, PSP_PAGE_SIZE, KVM_SEV_SNP_PAGE_TYPE_CPUID);

    spoil(page);
    start_guest(&vm);
    memcpy(before, vm.guest.digest, sizeof(before));
    expect(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, -EIO,
           SEV_RET_INVALID_PARAM);
    g_assert_cmpmem(before, sizeof(before), vm.guest.digest,
                    sizeof(vm.guest.digest));
    g_assert_null(page_at(0x80e000));
    if (spoil != spoil_count) {
        g_assert_cmpmem(page, sizeof(*page), good, sizeof(*good));
    }

    launch(&vm, 0x80e000, page, PSP_PAGE_SIZE, KVM_SEV_SNP_PAGE_TYPE_CPUID);
    g_assert_cmpmem(page_at(0x80e000), PSP_PAGE_SIZE, page, PSP_PAGE_SIZE);
    qemu_vfree(page);
    qemu_vfree(good);
}

/* Sizes for more than x87: standard from offsets, compacted from sizes */
static void test_cpuid_xsave_size(void)
{
    PspKvmGuest vm = new_guest();
    PspCpuidPage *page = good_cpuid_page();

    start_guest(&vm);
    page->entries[2].xcr0_in = cpu_to_le64(7);
    page->entries[2].ebx = cpu_to_le32(0x340);
    page->entries[3].xcr0_in = cpu_to_le64(7);
    page->entries[3].xss_in = cpu_to_le64(0x1800);
    /* 0x340 + 0x10, aligned to 64 for sub-leaf 12, + 0x18 */
    page->entries[3].ebx = cpu_to_le32(0x398);
    launch(&vm, 0x80e000, page, PSP_PAGE_SIZE, KVM_SEV_SNP_PAGE_TYPE_CPUID);
    qemu_vfree(page);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*spoil)(PspCpuidPage *page);
    } spoilers[] = {
        { "count", spoil_count },
        { "header", spoil_header },
        { "reserved", spoil_reserved },
        { "osxsave", spoil_osxsave },
        { "feature", spoil_feature },
        { "xcr0-elsewhere", spoil_xcr0_elsewhere },
        { "xcr0-x87", spoil_xcr0_x87 },
        { "xss", spoil_xss },
        { "xsave-size", spoil_xsave_size },
        { "cbit", spoil_cbit },
        { "sev", spoil_sev },
    };

    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_fatal);
    for (size_t i = 0; i < ARRAY_SIZE(spoilers); i++) {
        g_autofree char *path = g_strdup_printf("/sev-firmware/cpuid/%s",
                                                spoilers[i].name);

        g_test_add_data_func(path, spoilers[i].spoil, test_cpuid_refused);
    }
    g_test_add_func("/sev-firmware/cpuid/xsave-sizes", test_cpuid_xsave_size);
    return g_test_run();
}
