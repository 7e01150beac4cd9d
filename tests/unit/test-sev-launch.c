/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan: order, digest, and what becomes of a firmware that stops
 *
 * Page states are those of the real core, and the firmware is the emulated
 * one; a memory of two blocks, each with its two halves, is under both.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/memalign.h"
#include "qemu/units.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"
#include "target/i386/psp/kvm-rules.h"
#include "target/i386/sev-launch/plan.h"

#define PAGE        PSP_PAGE_SIZE
#define POLICY      0x30000
#define SIGNATURE   0x800f12
#define FD          77
#define DEBUG_SWAP  (1 << 5)

/* RAM has two sections, as two memory slots would be; then the firmware. */
#define RAM_SIZE    (16 * MiB)
#define RAM_SPLIT   0x802000ULL
#define BIOS_SIZE   (4 * PAGE)
#define BIOS_GPA    (4 * GiB - BIOS_SIZE)

enum { RAM, BIOS, BLOCKS };

static struct Block {
    uint64_t size;
    uint8_t *shared, *private;
    bool *assigned;
    UpmBlock *upm;
} blocks[BLOCKS] = { { .size = RAM_SIZE }, { .size = BIOS_SIZE } };

static GString *events;

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

static struct Block *block_of(const UpmExtent *extent)
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
    struct Block *b = block == blocks[BIOS].upm ? &blocks[BIOS] : &blocks[RAM];

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

static unsigned vcpus;

static void *launch_page(uint64_t gpa)
{
    UpmExtent extent;
    struct Block *block;

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

static void vcpu_reset(unsigned index, PspVcpuReset *reset)
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
static PspKvmGuest vm;

/*
 * sev_ioctl(), with the ways of KVM
 */

static unsigned pages_a_call;       /* 0: all of them */
static unsigned refusals;           /* answer that often as follows */
static int refusal, refusal_status;
static unsigned idle;               /* do nothing, and say it is done */
static unsigned calls;
static hwaddr broken;               /* EIO for this page */

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

static int command(int fd, int cmd, void *data, int *fw_error)
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

static const SevLaunchVcpus plan_vcpus = {
    .count = vcpu_count,
    .reset = vcpu_reset,
};

static const char *bit_name(uint32_t leaf, uint32_t subleaf, unsigned reg,
                            unsigned bit)
{
    if (leaf == 1 && reg == 2 && bit == 24) {
        return "tsc-deadline";
    }
    return leaf == 1 && reg == 3 && bit == 28 ? "ht" : NULL;
}

static const struct {
    hwaddr gpa;
    uint64_t size;
    PspPageType type;
    SevLaunchSource source;
} layout[] = {
    { BIOS_GPA, BIOS_SIZE, PSP_PAGE_NORMAL, SEV_LAUNCH_SOURCE_FIRMWARE },
    { 0x800000, 4 * PAGE, PSP_PAGE_ZERO, SEV_LAUNCH_SOURCE_METADATA },
    { 0x80d000, PAGE, PSP_PAGE_SECRETS, SEV_LAUNCH_SOURCE_METADATA },
    { 0x80e000, PAGE, PSP_PAGE_CPUID, SEV_LAUNCH_SOURCE_METADATA },
    { 0x80f000, PAGE, PSP_PAGE_NORMAL, SEV_LAUNCH_SOURCE_KERNEL_HASHES },
};

static PspCpuidPage *cpuid_page(void)
{
    return (PspCpuidPage *)(blocks[RAM].shared + 0x80e000);
}

static void fill_shared(void)
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

/* @features: of VMSAs */
static void run_start(SevLaunchPlan *plan, uint64_t features)
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

static void start_firmware(SevLaunchPlan *plan, uint64_t features)
{
    vm = (PspKvmGuest) {
        .processor = &processor, .guest.platform = &platform,
    };
    run_start(plan, features);
}

static void add_layout(SevLaunchPlan *plan)
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

static SevLaunchPlan new_plan(UpmDiscardPolicy discard)
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
        struct Block *b = &blocks[i];

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

static void free_plan(SevLaunchPlan *plan)
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

static void launch(SevLaunchPlan *plan)
{
    g_assert_cmpint(sev_plan_populate(plan, FD, command, &error_abort), ==, 0);
    g_assert_true(sev_plan_close(plan, &error_abort));
    finish_firmware(0);
}

/* Private first, then filled; sources go last, and in the plan's order. */
static void test_order(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);

    launch(&plan);
    g_assert_cmpstr(events->str, ==,
        "private bios 0x0+0x4000\n"
        "update 1 0xffffc000+0x4000\n"
        "private ram 0x800000+0x4000\n"
        "update 3 0x800000+0x2000\n"
        "update 3 0x802000+0x2000\n"
        "private ram 0x80d000+0x1000\n"
        "update 5 0x80d000+0x1000\n"
        "private ram 0x80e000+0x1000\n"
        "update 6 0x80e000+0x1000\n"
        "private ram 0x80f000+0x1000\n"
        "update 1 0x80f000+0x1000\n"
        "drop shared bios 0x0+0x4000\n"
        "drop shared ram 0x800000+0x4000\n"
        "drop shared ram 0x80d000+0x1000\n"
        "drop shared ram 0x80e000+0x1000\n"
        "drop shared ram 0x80f000+0x1000\n");
    for (size_t i = 0; i < BIOS_SIZE; i++) {
        g_assert_cmpuint(blocks[BIOS].private[i], ==,
                         (uint8_t)(i * 5 + i / PAGE));
    }
    g_assert_true(buffer_is_zero(blocks[RAM].private + 0x800000, 4 * PAGE));
    g_assert_cmpuint(blocks[RAM].private[0x80f000], ==, 0x42);
    free_plan(&plan);
}

static void test_discard(const void *opaque)
{
    UpmDiscardPolicy policy = GPOINTER_TO_INT(opaque);
    SevLaunchPlan plan = new_plan(policy);
    uint64_t before = upm_counters().discarded_shared;
    bool given_back = policy == UPM_DISCARD_POLICY_BOTH ||
                      policy == UPM_DISCARD_POLICY_SHARED;

    launch(&plan);
    g_assert_cmpuint(blocks[BIOS].shared[1], ==, given_back ? 0 : 5);
    g_assert_cmphex(upm_counters().discarded_shared - before, ==,
                    given_back ? BIOS_SIZE + 7 * PAGE : 0);
    /* what was not launched is not touched */
    g_assert_cmpuint(blocks[RAM].shared[0], ==, 0x33);
    free_plan(&plan);
}

/* A digest that is known beforehand, and the one that the firmware has */
static void test_digest(const void *opaque)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t before[PSP_DIGEST_SIZE], after[PSP_DIGEST_SIZE];

    vcpus = GPOINTER_TO_UINT(opaque);
    sev_plan_digest(&plan, before, NULL, NULL, &error_abort);
    launch(&plan);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, before, PSP_DIGEST_SIZE);
    g_assert_cmpuint(sev_plan_pages(&plan), ==, 11 + vcpus);

    /* vCPUs have run since, and sources are gone */
    vcpus++;
    sev_plan_digest(&plan, after, NULL, NULL, &error_abort);
    g_assert_cmpmem(after, PSP_DIGEST_SIZE, before, PSP_DIGEST_SIZE);
    free_plan(&plan);
}

static void add_gpa(const SevLaunchPageInfo *page, void *opaque)
{
    bool measured = page->type == PSP_PAGE_NORMAL ||
                    page->type == PSP_PAGE_VMSA;

    g_assert_cmpint(!!page->contents, ==, measured);
    g_string_append_printf(opaque, "%d:%" HWADDR_PRIx " ", page->type,
                           page->gpa);
}

static void test_pages(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    g_autoptr(GString) list = g_string_new(NULL);
    uint8_t digest[PSP_DIGEST_SIZE];

    sev_plan_digest(&plan, digest, add_gpa, list, &error_abort);
    g_assert_cmpstr(list->str, ==,
        "1:ffffc000 1:ffffd000 1:ffffe000 1:fffff000 "
        "3:800000 3:801000 3:802000 3:803000 5:80d000 6:80e000 1:80f000 "
        "2:fffffffff000 2:fffffffff000 ");
    free_plan(&plan);
}

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

/* What is added twice is launched once, with what it had last. */
static void test_twice(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t before[PSP_DIGEST_SIZE], after[PSP_DIGEST_SIZE];
    Error *err = NULL;

    sev_plan_digest(&plan, before, NULL, NULL, &error_abort);
    add_layout(&plan);
    g_assert_cmpuint(sev_plan_ranges(&plan), ==, ARRAY_SIZE(layout));
    g_assert_false(sev_plan_digest(&plan, after, NULL, NULL, &err));
    error_free(err);
    launch(&plan);
    g_assert_cmpuint(calls, ==, 6);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, before, PSP_DIGEST_SIZE);
    free_plan(&plan);

    plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    memset(blocks[RAM].shared + 0x80f000, 0x43, PAGE);
    add_layout(&plan);
    launch(&plan);
    sev_plan_digest(&plan, after, NULL, NULL, &error_abort);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, after, PSP_DIGEST_SIZE);
    g_assert_cmpint(memcmp(after, before, PSP_DIGEST_SIZE), !=, 0);
    free_plan(&plan);
}

/* Features that KVM is asked for by INIT2 are in VMSAs, and so measured. */
static void test_features(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t without[PSP_DIGEST_SIZE], with[PSP_DIGEST_SIZE];

    g_assert_cmphex(plan.sev_features, ==, SEV_FEATURES_SNP_ACTIVE);
    sev_plan_digest(&plan, without, NULL, NULL, &error_abort);
    start_firmware(&plan, DEBUG_SWAP);
    g_assert_cmphex(plan.sev_features, ==,
                    SEV_FEATURES_SNP_ACTIVE | DEBUG_SWAP);
    sev_plan_digest(&plan, with, NULL, NULL, &error_abort);
    g_assert_cmpint(memcmp(with, without, PSP_DIGEST_SIZE), !=, 0);
    launch(&plan);
    g_assert_cmpmem(vm.guest.digest, PSP_DIGEST_SIZE, with, PSP_DIGEST_SIZE);
    free_plan(&plan);
}

/* No digest is told where vCPUs start with what only a file says. */
static void test_foreign_vcpus(void)
{
    SevLaunchPlan plan = new_plan(UPM_DISCARD_POLICY_BOTH);
    uint8_t digest[PSP_DIGEST_SIZE];
    Error *err = NULL;

    plan.foreign_vcpus = true;
    for (int i = 0; i < 2; i++) {
        g_assert_false(sev_plan_digest(&plan, digest, NULL, NULL, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), "IGVM"));
        error_free(err);
        err = NULL;
        if (!i) {
            launch(&plan);
        }
    }
    free_plan(&plan);
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

/*
 * SEV and SEV-ES: encrypted in place
 */

#define HASHES_SIZE 176

static GByteArray *given;           /* what the firmware got, in order */
static int encrypt_ret;
static uint64_t es_features;

/* sev_ioctl() of a guest whose memory turns into ciphertext */
static int encrypt_command(int fd, int cmd, void *data, int *fw_error)
{
    struct kvm_sev_launch_update_data *update = data;

    g_assert_cmpint(fd, ==, FD);
    calls++;
    if (cmd == KVM_SEV_LAUNCH_UPDATE_VMSA) {
        g_assert_null(data);
        for (unsigned i = 0; i < vcpus; i++) {
            PspVcpuReset reset;
            SevVmsa vmsa;

            vcpu_reset(i, &reset);
            reset.sev_features = es_features;
            psp_vmsa_init(&vmsa, &reset);
            g_byte_array_append(given, (uint8_t *)&vmsa, sizeof(vmsa));
        }
    } else {
        uint8_t *memory = (uint8_t *)(uintptr_t)update->uaddr;

        g_assert_cmpint(cmd, ==, KVM_SEV_LAUNCH_UPDATE_DATA);
        g_byte_array_append(given, memory, update->len);
        memset(memory, 0xcc, update->len);
    }
    if (encrypt_ret) {
        *fw_error = SEV_RET_INVALID_ADDRESS;
    }
    return encrypt_ret;
}

static uint8_t *new_content(size_t size)
{
    uint8_t *content = g_malloc(size);

    for (size_t i = 0; i < size; i++) {
        content[i] = i * 7 + i / PAGE;
    }
    return content;
}

static int encrypt(SevLaunchPlan *plan, hwaddr gpa, uint8_t *content,
                   uint64_t size, Error **errp)
{
    SevLaunchRange range = {
        .gpa = gpa, .size = size, .host = content, .type = PSP_PAGE_NORMAL,
        .source = gpa == BIOS_GPA ? SEV_LAUNCH_SOURCE_FIRMWARE
                                  : SEV_LAUNCH_SOURCE_KERNEL_HASHES,
    };

    int status, ret = sev_plan_encrypt(plan, &range, FD, encrypt_command,
                                       &status, errp);

    g_assert_cmpint(status, ==, ret ? SEV_RET_INVALID_ADDRESS
                                    : SEV_RET_NO_FW_CALL);
    return ret;
}

static int encrypt_vcpus(SevLaunchPlan *plan, Error **errp)
{
    int status;

    return sev_plan_encrypt_vcpus(plan, FD, encrypt_command, &status, errp);
}

static SevLaunchPlan new_encrypted_plan(int ret)
{
    calls = 0;
    vcpus = 2;
    encrypt_ret = ret;
    es_features = 0;
    given = g_byte_array_new();
    return (SevLaunchPlan) {
        .vcpus = &plan_vcpus, .firmware = (char *)"OVMF",
    };
}

static void free_encrypted_plan(SevLaunchPlan *plan)
{
    sev_plan_reset(plan);
    g_byte_array_free(given, true);
}

static void check_encrypted_digest(const SevLaunchPlan *plan)
{
    g_autofree char *digest = sev_plan_encrypted_digest(plan);
    g_autofree char *expected =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, given->data,
                                    given->len);

    g_assert_cmpstr(digest, ==, expected);
}

/* The digest is of what was there before it was encrypted, at any time. */
static void test_encrypt(void)
{
    SevLaunchPlan plan = new_encrypted_plan(0);
    g_autofree uint8_t *bios = new_content(BIOS_SIZE);
    g_autofree uint8_t *hashes = new_content(HASHES_SIZE);

    g_assert_cmpint(encrypt(&plan, BIOS_GPA, bios, BIOS_SIZE, &error_abort),
                    ==, 0);
    check_encrypted_digest(&plan);
    g_assert_cmpint(encrypt(&plan, 0x80f000, hashes, HASHES_SIZE,
                            &error_abort), ==, 0);
    check_encrypted_digest(&plan);
    g_assert_cmpuint(sev_plan_vcpus(&plan), ==, 0);
    g_assert_cmpuint(sev_plan_pages(&plan), ==, BIOS_SIZE / PAGE + 1);

    g_assert_cmpint(encrypt_vcpus(&plan, &error_abort), ==, 0);
    check_encrypted_digest(&plan);
    g_assert_cmpuint(given->len, ==, BIOS_SIZE + HASHES_SIZE + 2 * PAGE);
    g_assert_cmpuint(sev_plan_vcpus(&plan), ==, 2);
    g_assert_cmpuint(sev_plan_pages(&plan), ==, BIOS_SIZE / PAGE + 3);
    g_assert_cmpuint(calls, ==, 3);
    free_encrypted_plan(&plan);
}

/* A half that is encrypted twice is lost: no command is repeated. */
static void test_encrypt_failure(const void *opaque)
{
    int ret = GPOINTER_TO_INT(opaque);
    SevLaunchPlan plan = new_encrypted_plan(ret);
    g_autofree uint8_t *bios = new_content(BIOS_SIZE);
    g_autofree uint8_t *hashes = new_content(HASHES_SIZE);
    Error *errs[3] = { NULL };
    static const char *const texts[] = {
        "SEV launch: LAUNCH_UPDATE_DATA of 0xffffc000-0xffffffff"
        " (from OVMF, offset 0x0): E",
        "SEV launch: LAUNCH_UPDATE_DATA of 0x80f000-0x80f0af"
        " (from the kernel hashes): E",
        "SEV-ES launch: LAUNCH_UPDATE_VMSA of 2 vCPUs: E",
    };

    g_assert_cmpint(encrypt(&plan, BIOS_GPA, bios, BIOS_SIZE, &errs[0]), ==,
                    ret);
    g_assert_cmpint(encrypt(&plan, 0x80f000, hashes, HASHES_SIZE, &errs[1]),
                    ==, ret);
    g_assert_cmpint(encrypt_vcpus(&plan, &errs[2]), ==, ret);
    g_assert_cmpuint(calls, ==, 3);
    for (size_t i = 0; i < ARRAY_SIZE(errs); i++) {
        const char *text = error_get_pretty(errs[i]);

        g_test_message("%s", text);
        g_assert_true(g_str_has_prefix(text, texts[i]));
        g_assert_nonnull(strstr(text, "firmware status INVALID_ADDRESS (9)"));
        error_free(errs[i]);
    }
    free_encrypted_plan(&plan);
}

/* The same again after a reset, and with a feature that KVM was asked for */
static void test_encrypt_anew(const void *opaque)
{
    struct kvm_sev_init init = { .vmsa_features = GPOINTER_TO_UINT(opaque) };
    SevLaunchPlan plan = new_encrypted_plan(0);

    es_features = init.vmsa_features;
    sev_plan_command(&plan, KVM_SEV_INIT2, &init);
    for (int i = 0; i < 2; i++) {
        g_autofree uint8_t *bios = new_content(BIOS_SIZE);

        g_assert_null(sev_plan_encrypted_digest(&plan));
        g_assert_cmpint(encrypt(&plan, BIOS_GPA, bios, BIOS_SIZE,
                                &error_abort), ==, 0);
        g_assert_cmpint(encrypt_vcpus(&plan, &error_abort), ==, 0);
        check_encrypted_digest(&plan);
        g_assert_cmpuint(sev_plan_pages(&plan), ==, BIOS_SIZE / PAGE + 2);
        g_assert_nonnull(plan.firmware_sha256);

        plan.foreign_vcpus = true;
        g_assert_null(sev_plan_encrypted_digest(&plan));
        plan.foreign_vcpus = false;
        g_byte_array_set_size(given, 0);
        sev_plan_reset(&plan);
    }
    free_encrypted_plan(&plan);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_fatal);
    events = g_string_new(NULL);
    g_test_add_func("/sev-launch/order", test_order);
    for (int i = 0; i < UPM_DISCARD_POLICY__MAX; i++) {
        g_autofree char *path = g_strdup_printf("/sev-launch/discard/%s",
                                                UpmDiscardPolicy_str(i));

        g_test_add_data_func(path, GINT_TO_POINTER(i), test_discard);
    }
    g_test_add_data_func("/sev-launch/digest/1", GUINT_TO_POINTER(1),
                         test_digest);
    g_test_add_data_func("/sev-launch/digest/3", GUINT_TO_POINTER(3),
                         test_digest);
    g_test_add_func("/sev-launch/pages", test_pages);
    g_test_add_func("/sev-launch/again", test_again);
    g_test_add_func("/sev-launch/not-kept", test_not_kept);
    g_test_add_func("/sev-launch/after-finish", test_after_finish);
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
    g_test_add_func("/sev-launch/reset", test_reset);
    g_test_add_func("/sev-launch/twice", test_twice);
    g_test_add_func("/sev-launch/features", test_features);
    g_test_add_func("/sev-launch/foreign-vcpus", test_foreign_vcpus);
    g_test_add_data_func("/sev-launch/failure/first", NULL, test_failure);
    g_test_add_data_func("/sev-launch/failure/middle", (void *)1,
                         test_failure);
    g_test_add_func("/sev-launch/idle", test_idle);
    g_test_add_func("/sev-launch/not-memory", test_not_memory);
    g_test_add_func("/sev-launch/cpuid", test_cpuid);
    g_test_add_func("/sev-launch/encrypt", test_encrypt);
    g_test_add_data_func("/sev-launch/encrypt/anew", GUINT_TO_POINTER(0),
                         test_encrypt_anew);
    g_test_add_data_func("/sev-launch/encrypt/debug-swap",
                         GUINT_TO_POINTER(DEBUG_SWAP), test_encrypt_anew);
    g_test_add_data_func("/sev-launch/encrypt/again",
                         GINT_TO_POINTER(-EAGAIN), test_encrypt_failure);
    g_test_add_data_func("/sev-launch/encrypt/no-memory",
                         GINT_TO_POINTER(-ENOMEM), test_encrypt_failure);
    return g_test_run();
}
