/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two blocks of memory, the page states of the real core, and the emulated
 * firmware behind KVM's way of launching, see launch-world.h
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/memalign.h"
#include "system/upm/provider.h"
#include "launch-world.h"

Block blocks[BLOCKS] = { { .size = RAM_SIZE }, { .size = BIOS_SIZE } };
GString *events;
unsigned vcpus;
PspKvmGuest vm;

unsigned pages_a_call;
unsigned refusals;
int refusal, refusal_status;
unsigned idle;
unsigned calls;
hwaddr broken;

const LayoutRange layout[LAYOUT_RANGES] = {
    { BIOS_GPA, BIOS_SIZE, PSP_PAGE_NORMAL, SEV_LAUNCH_SOURCE_FIRMWARE },
    { 0x800000, 4 * PAGE, PSP_PAGE_ZERO, SEV_LAUNCH_SOURCE_METADATA },
    { 0x80d000, PAGE, PSP_PAGE_SECRETS, SEV_LAUNCH_SOURCE_METADATA },
    { 0x80e000, PAGE, PSP_PAGE_CPUID, SEV_LAUNCH_SOURCE_METADATA },
    { 0x80f000, PAGE, PSP_PAGE_NORMAL, SEV_LAUNCH_SOURCE_KERNEL_HASHES },
};

static void G_GNUC_PRINTF(1, 2) note(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    g_string_append_vprintf(events, fmt, args);
    g_string_append_c(events, '\n');
    va_end(args);
}

/*
 * What the core asks for
 */

bool upm_memory_resolve(hwaddr gpa, uint64_t size, UpmExtent *extent)
{
    bool bios = gpa >= BIOS_GPA && gpa < BIOS_GPA + BIOS_SIZE;
    uint64_t end = gpa < RAM_SPLIT ? RAM_SPLIT : RAM_SIZE;

    if (!bios && gpa >= RAM_SIZE) {
        return false;
    }
    end = bios ? BIOS_GPA + BIOS_SIZE : end;
    *extent = (UpmExtent) {
        .block = blocks[bios ? BIOS : RAM].upm,
        .gpa = gpa,
        .offset = bios ? gpa - BIOS_GPA : gpa,
        .size = MIN(size, end - gpa),
    };
    return true;
}

const void *upm_memory_map(void)
{
    return blocks;
}

char *upm_memory_describe(hwaddr gpa)
{
    return g_strdup("nothing");
}

static Block *block_of(const UpmExtent *extent)
{
    return extent->block == blocks[BIOS].upm ? &blocks[BIOS] : &blocks[RAM];
}

void upm_memory_prepare(UpmBlock *block)
{
}

void upm_memory_reclaim(UpmBlock *block)
{
}

int upm_memory_private_fd(const UpmBlock *block)
{
    return -1;
}

int upm_memory_drop_shared(const UpmExtent *extent)
{
    note("drop shared %s 0x%" PRIx64 "+0x%" PRIx64, extent->block->name,
         extent->offset, extent->size);
    memset(block_of(extent)->shared + extent->offset, 0, extent->size);
    return 0;
}

void upm_memory_stop_guest(const char *reason)
{
    g_assert_not_reached();
}

static int create_private(uint64_t size, Error **errp)
{
    return 1000;
}

static int mark(const UpmExtent *extent, bool to_private)
{
    note("%s %s 0x%" PRIx64 "+0x%" PRIx64, to_private ? "private" : "shared",
         extent->block->name, extent->offset, extent->size);
    return 0;
}

static int drop_private(const UpmExtent *extent)
{
    memset(block_of(extent)->private + extent->offset, 0, extent->size);
    return 0;
}

static int forget(UpmBlock *block)
{
    Block *b = block == blocks[BIOS].upm ? &blocks[BIOS] : &blocks[RAM];

    memset(b->private, 0, b->size);
    memset(b->assigned, 0, b->size / PAGE * sizeof(bool));
    return 0;
}

static const UpmProviderOps provider = {
    .name = "test",
    .create_private = create_private,
    .mark = mark,
    .drop_private = drop_private,
    .forget = forget,
};

/*
 * The processor under the emulated firmware
 */

static void *launch_page(uint64_t gpa)
{
    UpmExtent extent;
    Block *block;

    if (!upm_memory_resolve(gpa, PAGE, &extent) ||
        !upm_block_is_private(extent.block, extent.offset)) {
        return NULL;
    }
    block = block_of(&extent);
    if (block->assigned[extent.offset / PAGE]) {
        return NULL;
    }
    block->assigned[extent.offset / PAGE] = true;
    return block->private + extent.offset;
}

static void launch_page_done(uint64_t gpa)
{
}

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    memset(regs, 0, 4 * sizeof(regs[0]));
    if (leaf == 1) {
        regs[0] = SIGNATURE;
        regs[2] = 0x00000001;
        regs[3] = 0x078bfbff;
    }
}

static unsigned vcpu_count(void)
{
    return vcpus;
}

void vcpu_reset(unsigned index, PspVcpuReset *reset)
{
    *reset = (PspVcpuReset) {
        .cs_selector = 0xf000,
        .cs_base = index ? 0x800000 : 0xffff0000,
        .rip = index ? 0xb004 : 0xfff0,
        .signature = SIGNATURE,
    };
}

static const char *vcpu_load(unsigned index, const SevVmsa *vmsa)
{
    return NULL;
}

static const PspProcessor processor = {
    .page = launch_page,
    .page_done = launch_page_done,
    .vcpus = vcpu_count,
    .vcpu_reset = vcpu_reset,
    .vcpu_load = vcpu_load,
};

static const PspPlatformOps platform_ops = { .cpuid = cpuid };
static PspPlatform platform = { .ops = &platform_ops };

/*
 * sev_ioctl(), with the ways of KVM
 */

static int update(struct kvm_sev_snp_launch_update *all, int *fw_error)
{
    struct kvm_sev_snp_launch_update some = *all;
    uint64_t most = pages_a_call ? pages_a_call * PAGE : all->len;
    uint64_t begin = all->gfn_start << PSP_PAGE_BITS, done;
    int ret;

    note("update %d 0x%" PRIx64 "+0x%" PRIx64, (int)all->type, begin,
         (uint64_t)all->len);
    /* a call is about one memory slot */
    g_assert_false(begin < RAM_SPLIT && begin + all->len > RAM_SPLIT);
    if (broken == begin) {
        *fw_error = SEV_RET_INVALID_ADDRESS;
        return -EIO;
    }
    if (broken > begin && broken < begin + most) {
        most = broken - begin;
    }
    some.len = MIN(most, all->len);
    done = some.len;
    ret = psp_kvm_command(&vm, KVM_SEV_SNP_LAUNCH_UPDATE, &some, fw_error);
    if (ret) {
        return ret;
    }
    all->gfn_start += done >> PSP_PAGE_BITS;
    all->len -= done;
    all->uaddr += all->type == PSP_PAGE_ZERO ? 0 : done;
    return 0;
}

int command(int fd, int cmd, void *data, int *fw_error)
{
    g_assert_cmpint(fd, ==, FD);
    g_assert_cmpint(cmd, ==, KVM_SEV_SNP_LAUNCH_UPDATE);
    calls++;
    if (refusals) {
        refusals--;
        *fw_error = refusal_status;
        return refusal;
    }
    if (idle) {
        idle--;
        return 0;
    }
    return update(data, fw_error);
}

/*
 * The plan
 */

const SevLaunchVcpus plan_vcpus = {
    .count = vcpu_count,
    .reset = vcpu_reset,
};

const char *bit_name(uint32_t leaf, uint32_t subleaf, unsigned reg,
                     unsigned bit)
{
    if (leaf == 1 && reg == 2 && bit == 24) {
        return "tsc-deadline";
    }
    return leaf == 1 && reg == 3 && bit == 28 ? "ht" : NULL;
}

PspCpuidPage *cpuid_page(void)
{
    return (PspCpuidPage *)(blocks[RAM].shared + 0x80e000);
}

void fill_shared(void)
{
    PspCpuidPage *page = cpuid_page();
    uint32_t regs[4];

    for (size_t i = 0; i < BIOS_SIZE; i++) {
        blocks[BIOS].shared[i] = i * 5 + i / PAGE;
    }
    memset(blocks[RAM].shared + 0x80f000, 0x42, PAGE);
    memset(page, 0, sizeof(*page));
    cpuid(1, 0, regs);
    page->count = cpu_to_le32(1);
    page->entries[0].leaf = cpu_to_le32(1);
    page->entries[0].eax = cpu_to_le32(regs[0]);
    page->entries[0].ecx = cpu_to_le32(regs[2]);
    page->entries[0].edx = cpu_to_le32(regs[3]);
}

void run_start(SevLaunchPlan *plan, uint64_t features)
{
    struct kvm_sev_init init = { .vmsa_features = features };
    struct kvm_sev_snp_launch_start start = { .policy = POLICY };
    int status;

    sev_plan_command(plan, KVM_SEV_INIT2, &init);
    g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_INIT2, &init, &status), ==, 0);
    sev_plan_command(plan, KVM_SEV_SNP_LAUNCH_START, &start);
    g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_SNP_LAUNCH_START, &start,
                                &status), ==, 0);
}

void start_firmware(SevLaunchPlan *plan, uint64_t features)
{
    vm = (PspKvmGuest) {
        .processor = &processor, .guest.platform = &platform,
    };
    run_start(plan, features);
}

void add_layout(SevLaunchPlan *plan)
{
    for (size_t i = 0; i < ARRAY_SIZE(layout); i++) {
        bool bios = layout[i].gpa == BIOS_GPA;
        SevLaunchRange range = {
            .gpa = layout[i].gpa, .size = layout[i].size,
            .type = layout[i].type, .source = layout[i].source,
            .section = i - 1,
            .host = bios ? blocks[BIOS].shared
                         : blocks[RAM].shared + layout[i].gpa,
        };

        sev_plan_add(plan, &range);
    }
}

SevLaunchPlan new_plan(UpmDiscardPolicy discard)
{
    static const char *const names[] = { "ram", "bios" };
    SevLaunchPlan plan = {
        .vcpus = &plan_vcpus, .cpuid_name = bit_name,
        .firmware = (char *)"OVMF",
    };

    upm_set_provider(&provider);
    upm_set_default_discard(discard);
    upm_set_initial_state(false);
    for (int i = 0; i < BLOCKS; i++) {
        Block *b = &blocks[i];

        b->shared = qemu_memalign(PAGE, b->size);
        b->private = qemu_memalign(PAGE, b->size);
        memset(b->shared, 0x33, b->size);
        memset(b->private, 0x77, b->size);
        b->assigned = g_new0(bool, b->size / PAGE);
        upm_block_register((RAMBlock *)b, names[i], b->size, PAGE,
                           &error_abort);
        b->upm = upm_block_find((RAMBlock *)b);
    }
    fill_shared();
    start_firmware(&plan, 0);
    vcpus = 2;
    pages_a_call = refusals = idle = calls = 0;
    broken = -1;
    g_string_truncate(events, 0);
    add_layout(&plan);
    g_assert_true(sev_plan_measure(&plan, &error_abort));
    return plan;
}

void free_plan(SevLaunchPlan *plan)
{
    sev_plan_reset(plan);
    for (int i = 0; i < BLOCKS; i++) {
        upm_block_unregister((RAMBlock *)&blocks[i]);
        qemu_vfree(blocks[i].shared);
        qemu_vfree(blocks[i].private);
        g_free(blocks[i].assigned);
    }
}

static void finish_firmware(int ret)
{
    struct kvm_sev_snp_launch_finish finish = { 0 };
    int status;

    g_assert_cmpint(psp_kvm_command(&vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish,
                                &status), ==, ret);
}

void launch(SevLaunchPlan *plan)
{
    g_assert_cmpint(sev_plan_populate(plan, FD, command, &error_abort), ==, 0);
    g_assert_true(sev_plan_close(plan, &error_abort));
    finish_firmware(0);
}

void launch_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    qcrypto_init(&error_fatal);
    events = g_string_new(NULL);
}
