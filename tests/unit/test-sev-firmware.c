/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: launch, digest, and what it refuses
 *
 * Expected digests come from elsewhere: tests/functional/launch_digest.py
 * for the synthetic plan, virtee/sev-snp-measure for real firmware
 * (tests/data/launch-digests.tsv).  The latter needs the firmware of Debian
 * that the file names, from the cache of scripts/fetch or from the folder
 * that UPM_FIRMWARE names.
 */
#include "qemu/osdep.h"
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "crypto/hash.h"
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/memalign.h"
#include "qemu/units.h"
#include "qemu/uuid.h"
#include "target/i386/psp/kvm-rules.h"
#include "target/i386/sev-launch/plan.h"

#define POLICY          0x30000
#define SIGNATURE       0x800f12
#define OSXSAVE         (1U << 27)
#define SYNTHETIC_DIGEST \
    "b1dec2e7a5bbf2a1394afe35a6cb182e12288da742e459d6a18ec45b4141a713" \
    "927d7a69f86df89c97175b63cd989a5f"

enum { EAX, EBX, ECX, EDX };

/*
 * A processor that has private memory everywhere but at page HOLE
 */
#define HOLE 0xdead0000ULL

static GHashTable *memory;
static unsigned vcpus;
static uint32_t signature;
static uint32_t ap_reset;
static SevVmsa loaded[4];
static unsigned loads;
static unsigned finished_pages;
static unsigned broken_vcpu;

static void *fake_page(uint64_t gpa)
{
    uint64_t *key;
    void *page;

    g_assert_cmphex(gpa & (PSP_PAGE_SIZE - 1), ==, 0);
    if (gpa == HOLE || g_hash_table_contains(memory, &gpa)) {
        return NULL;
    }
    key = g_new(uint64_t, 1);
    *key = gpa;
    page = g_malloc(PSP_PAGE_SIZE);
    /* not what anybody asked for */
    memset(page, 0xa5, PSP_PAGE_SIZE);
    g_hash_table_insert(memory, key, page);
    return page;
}

static void fake_page_done(uint64_t gpa)
{
    g_assert_true(g_hash_table_contains(memory, &gpa));
    finished_pages++;
}

static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    static const struct {
        uint32_t leaf, subleaf, regs[4];
    } have[] = {
        { 0x1, 0, { 0, 0x800, 0xfeda3203, 0x178bfbff } },
        { 0x7, 0, { 0, 0x209c01a9, 0, 0 } },
        { 0xd, 0, { 7, 0x240, 0x340, 0 } },
        { 0xd, 1, { 0xf, 0x340, 0x1800, 0 } },
        { 0xd, 2, { 0x100, 0x240, 0, 0 } },
        { 0xd, 11, { 0x10, 0, 1, 0 } },
        { 0xd, 12, { 0x18, 0, 3, 0 } },
        { 0x8000001f, 0, { 0x1a, 0x80000073, 0, 0 } },
    };

    memset(regs, 0, 4 * sizeof(regs[0]));
    for (size_t i = 0; i < ARRAY_SIZE(have); i++) {
        if (have[i].leaf == leaf && have[i].subleaf == subleaf) {
            memcpy(regs, have[i].regs, sizeof(have[i].regs));
        }
    }
    if (leaf == 1) {
        regs[EAX] = signature;
    }
}

static unsigned fake_vcpus(void)
{
    return vcpus;
}

static void fake_vcpu_reset(unsigned index, PspVcpuReset *reset)
{
    *reset = (PspVcpuReset) {
        .cs_selector = 0xf000,
        .cs_base = index ? ap_reset & 0xffff0000 : 0xffff0000,
        .rip = index ? ap_reset & 0xffff : 0xfff0,
        .signature = signature,
    };
}

static const char *fake_vcpu_load(unsigned index, const SevVmsa *vmsa)
{
    if (index == broken_vcpu) {
        return "it is broken";
    }
    g_assert_cmpuint(index, ==, loads++);
    loaded[index] = *vmsa;
    return NULL;
}

static const PspPlatformOps fake_ops = { .cpuid = fake_cpuid };
static PspPlatform platform;

static const PspProcessor fake_processor = {
    .page = fake_page,
    .page_done = fake_page_done,
    .vcpus = fake_vcpus,
    .vcpu_reset = fake_vcpu_reset,
    .vcpu_load = fake_vcpu_load,
};

static void *page_at(uint64_t gpa)
{
    return g_hash_table_lookup(memory, &gpa);
}

static PspKvmGuest new_guest(void)
{
    if (memory) {
        g_hash_table_unref(memory);
    }
    memory = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                   g_free);
    vcpus = 1;
    signature = SIGNATURE;
    ap_reset = 0x80b004;
    loads = 0;
    finished_pages = 0;
    broken_vcpu = -1;
    platform = (PspPlatform) {
        .ops = &fake_ops,
        .platform_info = PSP_PLATFORM_SMT | PSP_PLATFORM_RAPL_DIS,
    };
    return (PspKvmGuest) {
        .processor = &fake_processor,
        .guest.platform = &platform,
    };
}

/* Room for pages as the commands want them, page-aligned */
static void *new_pages(size_t count)
{
    void *pages = qemu_memalign(PSP_PAGE_SIZE, count * PSP_PAGE_SIZE);

    memset(pages, 0, count * PSP_PAGE_SIZE);
    return pages;
}

static void expect(PspKvmGuest *vm, int command, void *data, int ret,
                   int fw_error)
{
    int status = 12345;

    g_assert_cmpint(psp_kvm_command(vm, command, data, &status), ==, ret);
    g_assert_cmpint(status, ==, fw_error);
}

static void init_guest(PspKvmGuest *vm)
{
    struct kvm_sev_init init = { 0 };

    expect(vm, KVM_SEV_INIT2, &init, 0, 0);
}

static void start_guest_with(PspKvmGuest *vm, uint64_t features)
{
    struct kvm_sev_init init = { .vmsa_features = features };
    struct kvm_sev_snp_launch_start start = { .policy = POLICY };

    for (size_t i = 0; i < sizeof(start.gosvw); i++) {
        start.gosvw[i] = 0x70 + i;
    }
    expect(vm, KVM_SEV_INIT2, &init, 0, 0);
    expect(vm, KVM_SEV_SNP_LAUNCH_START, &start, 0, 0);
}

static void start_guest(PspKvmGuest *vm)
{
    start_guest_with(vm, 0);
}

static struct kvm_sev_snp_launch_update update_of(uint64_t gpa, void *source,
                                                  size_t size, int type)
{
    return (struct kvm_sev_snp_launch_update) {
        .gfn_start = gpa >> PSP_PAGE_BITS,
        .uaddr = (uintptr_t)source,
        .len = size,
        .type = type,
    };
}

/* A plan that all that is launched goes into, too; NULL: none */
static SevLaunchPlan *planned;

static void launch(PspKvmGuest *vm, uint64_t gpa, void *source, size_t size,
                   int type)
{
    struct kvm_sev_snp_launch_update update =
        update_of(gpa, source, size, type);

    if (planned) {
        SevLaunchRange range = {
            .gpa = gpa, .size = size, .type = type, .host = source,
        };

        sev_plan_add(planned, &range);
        g_assert_true(sev_plan_measure(planned, &error_abort));
    }
    expect(vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, 0, 0);
    g_assert_cmpuint(update.len, ==, 0);
    g_assert_cmphex(update.gfn_start, ==, (gpa + size) >> PSP_PAGE_BITS);
}

static void finish_guest(PspKvmGuest *vm)
{
    struct kvm_sev_snp_launch_finish finish = { 0 };

    expect(vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, 0, 0);
}

static char *to_hex(const uint8_t digest[PSP_DIGEST_SIZE])
{
    GString *hex = g_string_new(NULL);

    for (size_t i = 0; i < PSP_DIGEST_SIZE; i++) {
        g_string_append_printf(hex, "%02x", digest[i]);
    }
    return g_string_free(hex, FALSE);
}

static char *digest_of(const PspKvmGuest *vm)
{
    return to_hex(vm->guest.digest);
}

/* The digest that is foretold, with what KVM is asked for by INIT2 */
static char *planned_digest(SevLaunchPlan *plan, uint64_t features)
{
    struct kvm_sev_init init = {
        .vmsa_features = features & ~SEV_FEATURES_SNP_ACTIVE,
    };
    uint8_t digest[PSP_DIGEST_SIZE];

    sev_plan_command(plan, KVM_SEV_INIT2, &init);
    sev_plan_command(plan, KVM_SEV_SNP_LAUNCH_START, NULL);
    g_assert_true(sev_plan_digest(plan, digest, NULL, NULL, &error_abort));
    return to_hex(digest);
}

/* A CPUID page that the fake processor can be */
static PspCpuidPage *good_cpuid_page(void)
{
    static const uint32_t leaves[][2] = {
        { 1, 0 }, { 7, 0 }, { 0xd, 0 }, { 0xd, 1 }, { 0x8000001f, 0 },
    };
    PspCpuidPage *page = new_pages(1);
    uint32_t regs[4];

    page->count = cpu_to_le32(ARRAY_SIZE(leaves));
    for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
        fake_cpuid(leaves[i][0], leaves[i][1], regs);
        if (leaves[i][0] == 1) {
            regs[ECX] &= ~OSXSAVE;
        }
        page->entries[i] = (PspCpuidEntry) {
            .leaf = cpu_to_le32(leaves[i][0]),
            .subleaf = cpu_to_le32(leaves[i][1]),
            .xcr0_in = cpu_to_le64(leaves[i][0] == 0xd),
            .eax = cpu_to_le32(regs[EAX]),
            .ebx = cpu_to_le32(leaves[i][0] == 0xd ? 0x240 : regs[EBX]),
            .ecx = cpu_to_le32(regs[ECX]),
            .edx = cpu_to_le32(regs[EDX]),
        };
    }
    return page;
}

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

/*
 * Identity: an ID block with two keys, signed by gnutls
 */
typedef struct Identity {
    PspIdBlock block;
    PspIdAuth auth;
} Identity;

static void put_number(uint8_t *to, const gnutls_datum_t *number)
{
    /* big-endian, with a zero in front where the first bit is set */
    for (size_t i = 0; i < MIN(number->size, 48); i++) {
        to[i] = number->data[number->size - 1 - i];
    }
    gnutls_free(number->data);
}

static gnutls_privkey_t new_key(PspEcKey *out)
{
    gnutls_privkey_t key;
    gnutls_datum_t x, y;

    g_assert_cmpint(gnutls_privkey_init(&key), ==, 0);
    g_assert_cmpint(gnutls_privkey_generate(key, GNUTLS_PK_ECDSA,
        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1), 0), ==, 0);
    g_assert_cmpint(gnutls_privkey_export_ecc_raw(key, NULL, &x, &y, NULL),
                    ==, 0);
    out->curve = cpu_to_le32(2);
    put_number(out->x, &x);
    put_number(out->y, &y);
    return key;
}

static void sign_with(gnutls_privkey_t key, const void *data, size_t size,
                      PspEcSignature *out)
{
    gnutls_datum_t signed_data = { (void *)data, size }, der, r, s;

    g_assert_cmpint(gnutls_privkey_sign_data2(key, GNUTLS_SIGN_ECDSA_SHA384,
                                              0, &signed_data, &der), ==, 0);
    g_assert_cmpint(gnutls_decode_rs_value(&der, &r, &s), ==, 0);
    memset(out, 0, sizeof(*out));
    put_number(out->r, &r);
    put_number(out->s, &s);
    gnutls_free(der.data);
}

static Identity good_identity(const uint8_t *digest)
{
    Identity id = {
        .block = {
            .family_id = "family of images",
            .image_id = "an image of them",
            .version = cpu_to_le32(1),
            .guest_svn = cpu_to_le32(0x01020304),
            .policy = cpu_to_le64(POLICY),
        },
        .auth = {
            .id_key_algorithm = cpu_to_le32(1),
            .author_key_algorithm = cpu_to_le32(1),
        },
    };
    gnutls_privkey_t id_key = new_key(&id.auth.id_key);
    gnutls_privkey_t author_key = new_key(&id.auth.author_key);

    memcpy(id.block.launch_digest, digest, sizeof(id.block.launch_digest));
    sign_with(id_key, &id.block, sizeof(id.block),
              &id.auth.id_block_signature);
    sign_with(author_key, &id.auth.id_key, sizeof(id.auth.id_key),
              &id.auth.id_key_signature);
    gnutls_privkey_deinit(id_key);
    gnutls_privkey_deinit(author_key);
    return id;
}

typedef enum Author { WITHOUT_AUTHOR, WITH_AUTHOR, EITHER } Author;

/* One byte that makes a good identity a bad one */
static const struct {
    const char *name;
    size_t at;
    uint8_t flip;
    Author author;
    int fw_error;
} wrong_identities[] = {
    { "digest", offsetof(Identity, block.launch_digest), 1, EITHER,
      SEV_RET_BAD_MEASUREMENT },
    { "digest-end", offsetof(Identity, block.launch_digest) + 47, 0x80, EITHER,
      SEV_RET_BAD_MEASUREMENT },
    { "version", offsetof(Identity, block.version), 3, EITHER,
      SEV_RET_INVALID_PARAM },
    { "policy", offsetof(Identity, block.policy) + 2, 8, EITHER,
      SEV_RET_POLICY_FAILURE },
    { "policy-end", offsetof(Identity, block.policy) + 7, 0x80, EITHER,
      SEV_RET_POLICY_FAILURE },
    { "family", offsetof(Identity, block.family_id), 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "image", offsetof(Identity, block.image_id) + 15, 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "svn", offsetof(Identity, block.guest_svn), 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "id-algorithm", offsetof(Identity, auth.id_key_algorithm), 1, EITHER,
      SEV_RET_INVALID_PARAM },
    { "id-curve", offsetof(Identity, auth.id_key.curve), 1, EITHER,
      SEV_RET_INVALID_PARAM },
    { "id-key", offsetof(Identity, auth.id_key.x), 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "id-key-size", offsetof(Identity, auth.id_key.y) + 48, 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "id-r", offsetof(Identity, auth.id_block_signature.r), 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "id-r-size", offsetof(Identity, auth.id_block_signature.r) + 71, 1,
      EITHER, SEV_RET_BAD_SIGNATURE },
    { "id-s", offsetof(Identity, auth.id_block_signature.s) + 47, 1, EITHER,
      SEV_RET_BAD_SIGNATURE },
    { "id-key-reserved", offsetof(Identity, auth.id_key.reserved), 1,
      WITH_AUTHOR, SEV_RET_BAD_SIGNATURE },
    { "author-algorithm", offsetof(Identity, auth.author_key_algorithm), 1,
      WITH_AUTHOR, SEV_RET_INVALID_PARAM },
    { "author-curve", offsetof(Identity, auth.author_key.curve), 1,
      WITH_AUTHOR, SEV_RET_INVALID_PARAM },
    { "author-key", offsetof(Identity, auth.author_key.y), 1, WITH_AUTHOR,
      SEV_RET_BAD_SIGNATURE },
    { "author-r", offsetof(Identity, auth.id_key_signature.r), 1, WITH_AUTHOR,
      SEV_RET_BAD_SIGNATURE },
    { "author-s", offsetof(Identity, auth.id_key_signature.s), 1, WITH_AUTHOR,
      SEV_RET_BAD_SIGNATURE },
    /* nobody looks at the author's part unless told to */
    { "no-author", offsetof(Identity, auth.id_key_signature.s), 1,
      WITHOUT_AUTHOR, SEV_RET_SUCCESS },
};

static struct kvm_sev_snp_launch_finish finish_of(Identity *id, bool author)
{
    return (struct kvm_sev_snp_launch_finish) {
        .id_block_uaddr = (uintptr_t)&id->block,
        .id_auth_uaddr = (uintptr_t)&id->auth,
        .id_block_en = 1,
        .auth_key_en = author,
    };
}

static void sha384_of(const void *data, size_t size, uint8_t out[48])
{
    g_assert_cmpint(gnutls_hash_fast(GNUTLS_DIG_SHA384, data, size, out),
                    ==, 0);
}

static void check_identity(const PspKvmGuest *vm, const Identity *id,
                           bool author)
{
    const PspIdentity *got = &vm->guest.identity;
    uint8_t digest[48];

    g_assert_cmpmem(got->family_id, 16, id->block.family_id, 16);
    g_assert_cmpmem(got->image_id, 16, id->block.image_id, 16);
    g_assert_cmphex(got->guest_svn, ==, 0x01020304);
    sha384_of(&id->auth.id_key, 0x404, digest);
    g_assert_cmpmem(got->id_key_digest, 48, digest, 48);
    g_assert_cmpint(got->author_key_en, ==, author);
    sha384_of(&id->auth.author_key, 0x404, digest);
    if (!author) {
        memset(digest, 0, sizeof(digest));
    }
    g_assert_cmpmem(got->author_key_digest, 48, digest, 48);
}

static void try_wrong_identity(size_t i, bool author)
{
    PspKvmGuest vm = new_guest();
    uint8_t digest[PSP_DIGEST_SIZE];
    struct kvm_sev_snp_launch_finish finish;
    Identity id;

    start_guest(&vm);
    {
        PspKvmGuest done = vm;

        finish_guest(&done);
        memcpy(digest, done.guest.digest, sizeof(digest));
        loads = 0;
    }
    id = good_identity(digest);
    ((uint8_t *)&id)[wrong_identities[i].at] ^= wrong_identities[i].flip;
    finish = finish_of(&id, author);
    if (wrong_identities[i].fw_error) {
        expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -EIO,
               wrong_identities[i].fw_error);
        g_assert_cmpint(vm.guest.state, ==, PSP_STATE_LAUNCH);
        g_assert_cmpuint(loads, ==, 0);
        g_assert_true(buffer_is_zero(&vm.guest.identity,
                                     sizeof(vm.guest.identity)));
        ((uint8_t *)&id)[wrong_identities[i].at] ^= wrong_identities[i].flip;
    }
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, 0, 0);
    g_assert_cmpint(vm.guest.state, ==, PSP_STATE_RUNNING);
    check_identity(&vm, &id, author);
}

static void test_wrong_identity(const void *opaque)
{
    size_t i = GPOINTER_TO_SIZE(opaque);

    if (wrong_identities[i].author != WITH_AUTHOR) {
        try_wrong_identity(i, false);
    }
    if (wrong_identities[i].author != WITHOUT_AUTHOR) {
        try_wrong_identity(i, true);
    }
}

static void test_identity_absent(void)
{
    PspKvmGuest vm = new_guest();
    Identity id = good_identity(vm.guest.digest);
    struct kvm_sev_snp_launch_finish finish = finish_of(&id, true);

    start_guest(&vm);
    finish.id_auth_uaddr = 0;
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -EINVAL, -1);
    finish = finish_of(&id, true);
    finish.id_block_uaddr = 0;
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, -EINVAL, -1);
    /* no block, nothing to hold against it */
    finish.id_block_en = 0;
    expect(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, 0, 0);
    g_assert_true(buffer_is_zero(&vm.guest.identity,
                                 sizeof(vm.guest.identity)));
}

static void test_identity_layout(void)
{
    g_assert_cmphex(offsetof(PspIdBlock, family_id), ==, 0x30);
    g_assert_cmphex(offsetof(PspIdBlock, image_id), ==, 0x40);
    g_assert_cmphex(offsetof(PspIdBlock, version), ==, 0x50);
    g_assert_cmphex(offsetof(PspIdBlock, guest_svn), ==, 0x54);
    g_assert_cmphex(offsetof(PspIdBlock, policy), ==, 0x58);
    g_assert_cmphex(offsetof(PspIdAuth, author_key_algorithm), ==, 4);
    g_assert_cmphex(offsetof(PspIdAuth, id_block_signature), ==, 0x40);
    g_assert_cmphex(offsetof(PspIdAuth, id_key), ==, 0x240);
    g_assert_cmphex(offsetof(PspIdAuth, id_key_signature), ==, 0x680);
    g_assert_cmphex(offsetof(PspIdAuth, author_key), ==, 0x880);
    g_assert_cmphex(offsetof(PspEcKey, y), ==, 0x4c);
    g_assert_cmphex(offsetof(PspEcSignature, s), ==, 0x48);
}

/*
 * Reference digests: launch real firmware in the order of target/i386/sev.c
 */

typedef struct Firmware {
    uint8_t *image;
    size_t size;
} Firmware;

static void guid_bytes(const char *text, QemuUUID *guid)
{
    g_assert_cmpint(qemu_uuid_parse(text, guid), ==, 0);
    *guid = qemu_uuid_bswap(*guid);     /* as UEFI stores them */
}

/* Data of an entry of the table that ends 32 bytes before the firmware */
static uint8_t *firmware_entry(const Firmware *firmware, const char *text)
{
    uint8_t *end = firmware->image + firmware->size - 0x20, *begin, *at;
    QemuUUID guid;

    guid_bytes("96b582de-1fb2-45f7-baea-a366c55a082d", &guid);
    g_assert_cmpmem(end - 16, 16, &guid, 16);
    begin = end - lduw_le_p(end - 18);
    guid_bytes(text, &guid);
    for (at = end - 18; at > begin; at -= lduw_le_p(at - 18)) {
        if (!memcmp(at - 16, &guid, 16)) {
            return at - lduw_le_p(at - 18);
        }
    }
    return NULL;
}

static bool sha256_is(const void *data, size_t size, const char *hex)
{
    g_autofree char *digest = NULL;

    g_assert_cmpint(qcrypto_hash_digest(QCRYPTO_HASH_ALGO_SHA256, data, size,
                                        &digest, &error_abort), ==, 0);
    return g_str_equal(digest, hex);
}

/* NULL where the firmware that the digests were made for is not at hand */
static Firmware *read_firmware(const char *name, const char *sha256)
{
    const char *folder = g_getenv("UPM_FIRMWARE");
    g_autofree char *in_cache = g_build_filename(
        g_get_user_cache_dir(), "qemu-upm", "packages",
        g_str_equal(name, "OVMF.fd") ? "trixie/ovmf" : "sid/ovmf-amdsev",
        "usr/share/ovmf", NULL);
    g_autofree char *path = g_build_filename(folder ?: in_cache, name, NULL);
    g_autofree char *data = NULL;
    Firmware *firmware;
    gsize size;

    if (!g_file_get_contents(path, &data, &size, NULL)) {
        g_test_message("%s is not there", path);
        return NULL;
    }
    if (!sha256_is(data, size, sha256)) {
        g_test_message("%s is of another version", path);
        return NULL;
    }
    firmware = g_new0(Firmware, 1);
    firmware->size = size;
    firmware->image = new_pages(size / PSP_PAGE_SIZE);
    memcpy(firmware->image, data, size);
    return firmware;
}

static void hash_entry(uint8_t *at, const char *text, const void *data,
                       size_t size)
{
    uint8_t *out = at + 18;
    size_t out_size = 32;

    guid_bytes(text, (QemuUUID *)at);
    stw_le_p(at + 16, 50);
    g_assert_cmpint(qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA256, data, size,
                                       &out, &out_size, &error_abort), ==, 0);
}

/* The table that OVMF checks kernel, initrd and command line against */
static void *hashes_page(const Firmware *firmware)
{
    static const char kernel[] = "a kernel of one line\n";
    static const char initrd[] = "an initrd of one line\n";
    static const char cmdline[] = "console=ttyS0 panic=-1";
    uint8_t *page = new_pages(1), *table;
    uint8_t *area = firmware_entry(firmware,
                                   "7255371f-3a3b-4b04-927b-1da6efa8d454");

    g_assert_nonnull(area);
    table = page + ldl_le_p(area) % PSP_PAGE_SIZE;
    guid_bytes("9438d606-4f22-4cc9-b479-a793d411fd21", (QemuUUID *)table);
    stw_le_p(table + 16, 168);
    /* the command line with its end, the others without */
    hash_entry(table + 18, "97d02dd8-bd20-4c94-aa78-e7714d36ab2a", cmdline,
               sizeof(cmdline));
    hash_entry(table + 68, "44baf731-3a2f-4bd7-9af1-41e29169781d", initrd,
               sizeof(initrd) - 1);
    hash_entry(table + 118, "4de79437-abd2-427f-b835-d5b172d2045b", kernel,
               sizeof(kernel) - 1);
    return page;
}

static void launch_sections(PspKvmGuest *vm, const Firmware *firmware,
                            bool kernel_hashes)
{
    uint8_t *offset = firmware_entry(firmware,
                                     "dc886566-984a-4798-a75e-5585a7bf67cc");
    uint8_t *metadata = firmware->image + firmware->size - ldl_le_p(offset);
    PspCpuidPage *cpuid = good_cpuid_page();

    g_assert_cmpmem(metadata, 4, "ASEV", 4);
    for (uint32_t i = 0; i < ldl_le_p(metadata + 12); i++) {
        uint8_t *section = metadata + 16 + 12 * i;
        uint32_t base = ldl_le_p(section), size = ldl_le_p(section + 4);
        void *hashes;

        switch (ldl_le_p(section + 8)) {
        case 2:
            launch(vm, base, cpuid, size, KVM_SEV_SNP_PAGE_TYPE_SECRETS);
            break;
        case 3:
            launch(vm, base, cpuid, size, KVM_SEV_SNP_PAGE_TYPE_CPUID);
            break;
        case 0x10:
            if (kernel_hashes) {
                hashes = hashes_page(firmware);
                launch(vm, base, hashes, size,
                       KVM_SEV_SNP_PAGE_TYPE_NORMAL);
                qemu_vfree(hashes);
                break;
            }
            /* fall through */
        default:
            launch(vm, base, NULL, size, KVM_SEV_SNP_PAGE_TYPE_ZERO);
            break;
        }
    }
    qemu_vfree(cpuid);
}

/* @row: firmware, vcpu-type, vcpus, guest-features, kernel-hashes, digest */
static void check_reference(const Firmware *firmware, char **row)
{
    static const SevLaunchVcpus plan_vcpus = {
        .count = fake_vcpus,
        .reset = fake_vcpu_reset,
    };
    SevLaunchPlan plan = { .vcpus = &plan_vcpus };
    PspKvmGuest vm = new_guest();
    g_autofree char *digest = NULL;
    g_autofree char *foretold = NULL;

    signature = g_str_equal(row[1], "EPYC-v4") ? 0x800f12 : 0xa00f11;
    vcpus = atoi(row[2]);
    ap_reset = ldl_le_p(firmware_entry(firmware,
                            "00f771de-1a7e-4fcb-890e-68c77e2fb44e"));
    start_guest_with(&vm, g_ascii_strtoull(row[3], NULL, 0) &
                          ~SEV_FEATURES_SNP_ACTIVE);
    planned = &plan;
    launch(&vm, 4 * GiB - firmware->size, firmware->image, firmware->size,
           KVM_SEV_SNP_PAGE_TYPE_NORMAL);
    launch_sections(&vm, firmware, g_str_equal(row[4], "on"));
    planned = NULL;
    foretold = planned_digest(&plan, vm.sev_features);
    finish_guest(&vm);

    digest = digest_of(&vm);
    if (!g_str_equal(digest, row[5])) {
        g_test_message("%s %s %s %s %s", row[0], row[1], row[2], row[3],
                       row[4]);
    }
    g_assert_cmpstr(digest, ==, row[5]);
    g_assert_cmpstr(foretold, ==, row[5]);
    sev_plan_reset(&plan);
}

/* The source file may be reached through a link. */
static char *digests_path(void)
{
    g_autofree char *here = g_test_build_filename(G_TEST_DIST,
                                                  "test-sev-firmware.c", NULL);
    char *real = realpath(here, NULL);
    g_autofree char *folder = real ? g_path_get_dirname(real) : g_strdup(".");

    free(real);
    return g_build_filename(folder, "..", "data", "launch-digests.tsv", NULL);
}

static void test_reference_digests(const void *opaque)
{
    const char *name = opaque;
    g_autofree char *path = digests_path();
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    Firmware *firmware = NULL;
    unsigned checked = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", 0);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) row = g_strsplit(*line, "\t", 0);

        if (g_strv_length(row) == 3 && g_str_equal(row[1], name)) {
            firmware = read_firmware(name, row[2]);
            if (!firmware) {
                g_test_skip("needs the firmware that the digests are of");
                return;
            }
        }
        if (g_strv_length(row) == 6 && g_str_equal(row[0], name)) {
            check_reference(firmware, row);
            checked++;
        }
    }
    g_assert_cmpuint(checked, >, 0);
    g_test_message("%u digests of %s are equal", checked, name);
    qemu_vfree(firmware->image);
    g_free(firmware);
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
    g_test_add_func("/sev-firmware/page-info", test_page_info);
    g_test_add_func("/sev-firmware/digest", test_digest_synthetic);
    g_test_add_func("/sev-firmware/vmsa", test_vmsa);
    g_test_add_func("/sev-firmware/secrets", test_secrets);
    for (size_t i = 0; i < ARRAY_SIZE(spoilers); i++) {
        g_autofree char *path = g_strdup_printf("/sev-firmware/cpuid/%s",
                                                spoilers[i].name);

        g_test_add_data_func(path, spoilers[i].spoil, test_cpuid_refused);
    }
    g_test_add_func("/sev-firmware/cpuid/xsave-sizes", test_cpuid_xsave_size);
    g_test_add_func("/sev-firmware/policy", test_policy);
    g_test_add_func("/sev-firmware/order", test_order);
    g_test_add_func("/sev-firmware/update/refused", test_update_refused);
    g_test_add_func("/sev-firmware/update/partial", test_update_partial);
    g_test_add_func("/sev-firmware/finish", test_finish);
    g_test_add_func("/sev-firmware/forget", test_forget);
    g_test_add_func("/sev-firmware/identity/layout", test_identity_layout);
    g_test_add_func("/sev-firmware/identity/absent", test_identity_absent);
    for (size_t i = 0; i < ARRAY_SIZE(wrong_identities); i++) {
        g_autofree char *path = g_strdup_printf("/sev-firmware/identity/%s",
                                                wrong_identities[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_wrong_identity);
    }
    g_test_add_data_func("/sev-firmware/reference/ovmf", "OVMF.fd",
                         test_reference_digests);
    g_test_add_data_func("/sev-firmware/reference/ovmf-amdsev",
                         "OVMF.amdsev.fd", test_reference_digests);
    if (g_test_perf()) {
        g_test_add_func("/sev-firmware/perf", test_perf);
    }
    return g_test_run();
}
