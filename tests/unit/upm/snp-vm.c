/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM of KVM's that the emulated firmware launches, see snp-vm.h
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/memalign.h"
#include "snp-vm.h"

PspPlatform platform;
unsigned vcpus;
uint32_t signature;
uint32_t ap_reset;
SevVmsa loaded[4];
unsigned loads;
unsigned finished_pages;
unsigned broken_vcpu;
SevLaunchPlan *planned;

static GHashTable *memory;

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

unsigned fake_vcpus(void)
{
    return vcpus;
}

void fake_vcpu_reset(unsigned index, PspVcpuReset *reset)
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

const PspProcessor fake_processor = {
    .page = fake_page,
    .page_done = fake_page_done,
    .vcpus = fake_vcpus,
    .vcpu_reset = fake_vcpu_reset,
    .vcpu_load = fake_vcpu_load,
};

void *page_at(uint64_t gpa)
{
    return g_hash_table_lookup(memory, &gpa);
}

PspKvmGuest new_guest(void)
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

void *new_pages(size_t count)
{
    void *pages = qemu_memalign(PSP_PAGE_SIZE, count * PSP_PAGE_SIZE);

    memset(pages, 0, count * PSP_PAGE_SIZE);
    return pages;
}

void expect(PspKvmGuest *vm, int command, void *data, int ret,
            int fw_error)
{
    int status = 12345;

    g_assert_cmpint(psp_kvm_command(vm, command, data, &status), ==, ret);
    g_assert_cmpint(status, ==, fw_error);
}

void init_guest(PspKvmGuest *vm)
{
    struct kvm_sev_init init = { 0 };

    expect(vm, KVM_SEV_INIT2, &init, 0, 0);
}

void start_guest_with(PspKvmGuest *vm, uint64_t features)
{
    struct kvm_sev_init init = { .vmsa_features = features };
    struct kvm_sev_snp_launch_start start = { .policy = POLICY };

    for (size_t i = 0; i < sizeof(start.gosvw); i++) {
        start.gosvw[i] = 0x70 + i;
    }
    expect(vm, KVM_SEV_INIT2, &init, 0, 0);
    expect(vm, KVM_SEV_SNP_LAUNCH_START, &start, 0, 0);
}

void start_guest(PspKvmGuest *vm)
{
    start_guest_with(vm, 0);
}

struct kvm_sev_snp_launch_update update_of(uint64_t gpa, void *source,
                                           size_t size, int type)
{
    return (struct kvm_sev_snp_launch_update) {
        .gfn_start = gpa >> PSP_PAGE_BITS,
        .uaddr = (uintptr_t)source,
        .len = size,
        .type = type,
    };
}

void launch(PspKvmGuest *vm, uint64_t gpa, void *source, size_t size,
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

void finish_guest(PspKvmGuest *vm)
{
    struct kvm_sev_snp_launch_finish finish = { 0 };

    expect(vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, 0, 0);
}

char *to_hex(const uint8_t digest[PSP_DIGEST_SIZE])
{
    GString *hex = g_string_new(NULL);

    for (size_t i = 0; i < PSP_DIGEST_SIZE; i++) {
        g_string_append_printf(hex, "%02x", digest[i]);
    }
    return g_string_free(hex, FALSE);
}

char *digest_of(const PspKvmGuest *vm)
{
    return to_hex(vm->guest.digest);
}

PspCpuidPage *good_cpuid_page(void)
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
