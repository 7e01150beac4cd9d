/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM_HC_MAP_GPA_RANGE, and where a guest finds that there is such a thing
 *
 * Linux, Documentation/virt/kvm/x86/hypercalls.rst, cpuid.rst and msr.rst.
 */
#include "snp.h"

#define MSR_MIGRATION   0x4b564d08
#define RAM_END         0x04000000
#define SECRET          0x66
#define PUBLIC          0x99
#define HOST            0x33

#define NR_POLL_IRQ     1
#define NR_KICK_CPU     5

static void leaf(u32 number, u32 *regs)
{
    if (!has_ghcb()) {
        asm volatile("cpuid" : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]),
                     "=d"(regs[3]) : "a"(number), "c"(0));
        return;
    }
    ghcb_clear();
    ghcb_set(GHCB_RAX, number);
    ghcb_set(GHCB_RCX, 0);
    ghcb_call(NAE_CPUID, 0, 0);
    regs[0] = answer(GHCB_RAX);
    regs[1] = answer(GHCB_RBX);
    regs[2] = answer(GHCB_RCX);
    regs[3] = answer(GHCB_RDX);
}

static void check_leaves(void)
{
    u32 regs[4];

    leaf(0x40000000, regs);
    check_eq(T("signature-last-leaf"), regs[0], 0x40000001);
    check(T("signature"), regs[1] == 0x4b4d564b && regs[2] == 0x564b4d56 &&
          regs[3] == 0x4d);
    leaf(0x40000001, regs);
    /* MAP_GPA_RANGE and MIGRATION_CONTROL, and nothing else */
    check_eq(T("features"), regs[0], 1 << 16 | 1 << 17);
    check_eq(T("hints"), regs[3], 0);
    leaf(1, regs);
    check(T("hypervisor-bit"), regs[2] >> 31);
    leaf(0x8000001f, regs);
    /* SEV, SEV-ES, SEV-SNP and RMPQUERY */
    check_eq(T("encryption-bits"), regs[0] & 0x5a, has_ghcb() ? 0xa : 0x2);
}

/* The MSR, by event or by instruction */

static u64 written;

static void write_msr(void *arg)
{
    wrmsr(MSR_MIGRATION, *(u64 *)arg);
}

static bool write_migration(u64 value)
{
    written = value;
    if (!has_ghcb()) {
        return try_fn(write_msr, &written).vector < 0;
    }
    ghcb_clear();
    ghcb_set(GHCB_RCX, MSR_MIGRATION);
    ghcb_set(GHCB_RAX, (u32)value);
    ghcb_set(GHCB_RDX, value >> 32);
    return !ghcb_call(NAE_MSR, 1, 0);
}

static u64 read_migration(void)
{
    if (!has_ghcb()) {
        return rdmsr(MSR_MIGRATION);
    }
    ghcb_clear();
    ghcb_set(GHCB_RCX, MSR_MIGRATION);
    ghcb_call(NAE_MSR, 0, 0);
    return answer(GHCB_RDX) << 32 | (u32)answer(GHCB_RAX);
}

static void check_msr(void)
{
    check_eq(T("migration-after-reset"), read_migration(), 0);
    check(T("migration-ready"), write_migration(1));
    check_eq(T("migration-reads-back"), read_migration(), 1);
    check(T("migration-reserved-bit"), !write_migration(2));
    check(T("migration-high-bit"), !write_migration(1ULL << 32));
    check_eq(T("migration-as-before"), read_migration(), 1);
    check(T("migration-not-ready"), write_migration(0));
}

/* What each request is answered */

static const struct {
    const char *name;
    u64 nr, gpa, pages, attributes, answer;
} requests[] = {
    { T("shared"), HC_MAP_GPA, AREA_GPA, 1, MAP_SHARED, 0 },
    { T("shared-again"), HC_MAP_GPA, AREA_GPA, 1, MAP_SHARED, 0 },
    { T("private"), HC_MAP_GPA, AREA_GPA, 1, MAP_PRIVATE, 0 },
    { T("private-again"), HC_MAP_GPA, AREA_GPA, 1, MAP_PRIVATE, 0 },
    { T("two-pages-as-2m"), HC_MAP_GPA, AREA_GPA, 2, MAP_PRIVATE | 1, 0 },
    { T("as-1g"), HC_MAP_GPA, AREA_GPA, 2, MAP_PRIVATE | 2, 0 },
    { T("misaligned"), HC_MAP_GPA, AREA_GPA + 8, 1, MAP_SHARED, HC_EINVAL },
    { T("no-pages"), HC_MAP_GPA, AREA_GPA, 0, MAP_SHARED, HC_EINVAL },
    { T("wraps"), HC_MAP_GPA, -PAGE, 2, MAP_SHARED, HC_EINVAL },
    { T("wraps-by-count"), HC_MAP_GPA, PAGE, -1ULL, MAP_SHARED, HC_EINVAL },
    { T("wraps-by-bytes"), HC_MAP_GPA, AREA_GPA, 1ULL << 52 | 1, MAP_SHARED,
      HC_EINVAL },
    { T("page-size-3"), HC_MAP_GPA, AREA_GPA, 1, 3, HC_EINVAL },
    { T("page-size-15"), HC_MAP_GPA, AREA_GPA, 1, 15, HC_EINVAL },
    { T("attribute-5"), HC_MAP_GPA, AREA_GPA, 1, 1 << 5, HC_EINVAL },
    { T("attribute-63"), HC_MAP_GPA, AREA_GPA, 1, 1ULL << 63, HC_EINVAL },
    { T("device"), HC_MAP_GPA, 0xfed00000, 1, MAP_SHARED, HC_EINVAL },
    { T("hole"), HC_MAP_GPA, 0x80000000, 1, MAP_PRIVATE, HC_EINVAL },
    { T("behind-ram"), HC_MAP_GPA, RAM_END, 1, MAP_SHARED, HC_EINVAL },
    { T("across-the-end"), HC_MAP_GPA, RAM_END - PAGE, 2, MAP_SHARED,
      HC_EINVAL },
    { T("everything"), HC_MAP_GPA, 0, 1ULL << 51, MAP_PRIVATE, HC_EINVAL },
    { T("c-bit"), HC_MAP_GPA, AREA_GPA | CBIT, 1, MAP_SHARED, HC_EINVAL },
    { T("poll-irq"), NR_POLL_IRQ, 0, 0, 0, 0 },
    { T("kick-cpu"), NR_KICK_CPU, 0, 0, 0, HC_ENOSYS },
    { T("unknown"), 0x999, 0, 0, 0, HC_ENOSYS },
    { T("number-is-64-bits"), 1ULL << 32 | HC_MAP_GPA, AREA_GPA, 1, MAP_SHARED,
      HC_ENOSYS },
};

static void check_answers(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
        check_eq(requests[i].name,
                 hypercall(requests[i].nr, requests[i].gpa, requests[i].pages,
                           requests[i].attributes), requests[i].answer);
    }
}

/* Who is not the kernel may not ask. */

static void at_cpl_3(void *code)
{
    run_user(code, (u8 *)code + PAGE);
}

static void in_compat(void *code)
{
    run_compat(code);
}

static u64 run_code(const u8 *bytes, u64 size, void (*how)(void *))
{
    u8 *code = priv(AREA_GPA);
    struct trap t;

    memcpy(code, bytes, size);
    t = try_fn(how, code);
    return t.vector == UD ? t.frame.rax : 0xdead;
}

static void check_modes(void)
{
    /* mov $12, %eax; vmmcall; ud2 */
    static const u8 user[] = { 0xb8, 12, 0, 0, 0, 0x0f, 0x01, 0xd9, 0x0f,
                               0x0b };
    /* mov $12, %eax; xor %ebx, %ebx; mov $1, %ecx; mov $3, %edx; vmmcall */
    static const u8 compat[] = { 0xb8, 12, 0, 0, 0, 0x31, 0xdb, 0xb9, 1, 0, 0,
                                 0, 0xba, 3, 0, 0, 0, 0x0f, 0x01, 0xd9, 0x0f,
                                 0x0b };

    if (has_ghcb()) {
        ghcb_clear();
        ghcb_set(GHCB_RAX, HC_MAP_GPA);
        ghcb_set(GHCB_RBX, AREA_GPA);
        ghcb_set(GHCB_RCX, 1);
        ghcb_set(GHCB_RDX, MAP_SHARED);
        ghcb_set(GHCB_CPL, 3);
        ghcb_call(NAE_VMMCALL, 0, 0);
        check_eq(ES_T("event-of-user"), answer(GHCB_RAX), HC_EPERM);
        return;
    }
    check_eq(SEV_T("user"), run_code(user, sizeof(user), at_cpl_3), HC_EPERM);
    check_eq(SEV_T("compat-is-32-bits"),
             run_code(compat, sizeof(compat), in_compat), (u32)HC_EINVAL);
}

/* The states, in what is read and in what is counted */

static void check_states(void)
{
    u64 area = AREA_GPA + PAGE_2M, size = 3 * PAGE;

    host_mark();
    fill(priv(area), size, SECRET);
    to_shared(area, size);
    host_counted(T("to-shared-counted"), 0, 0, size);
    host_fill(area, size, HOST);
    check_bytes(T("guest-reads-host's"), shar(area), size, HOST);
    fill(shar(area), size, PUBLIC);
    host_expect(T("host-reads-guest's"), area, size, PUBLIC);
    to_private(area, size);
    no_bytes(T("public-not-private"), priv(area), size, PUBLIC);
    fill(priv(area), size, SECRET);
    host_absent(T("secret-not-shared"), SECRET);
    check_bytes(T("guest-reads-its-own"), priv(area), size, SECRET);
}

/*
 * Linux tells that all of its memory is private, GHCB and all, before it tells
 * what is not: the answer is found nevertheless.
 */
static void check_everything(void)
{
    u64 size = RAM_END - 0x100000;

    check_eq(T("all-of-ram"), hypercall(HC_MAP_GPA, 0x100000, size / PAGE,
                                        MAP_PRIVATE), 0);
    check(T("goes-on-after"), true);
}

/* Arguments by chance, which never reach what this payload itself uses */

#define CALLS 20000

static u64 some(u64 good)
{
    switch (below(6)) {
    case 0:
        return chance();
    case 1:
        return good ^ 1ULL << below(64);
    case 2:
        return below(4);
    default:
        return good;
    }
}

static bool may_be_converted(u64 gpa, u64 pages)
{
    return gpa >= AREA_GPA || (pages < 0x10 && gpa < SIPI_GPA);
}

static void check_chance(void)
{
    u64 good = 0, odd = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        u64 gpa = some(AREA_GPA + below(0x2000) * PAGE);
        u64 pages = some(1 + below(0x1000)), answer;

        if (!may_be_converted(gpa, pages)) {
            continue;
        }
        answer = hypercall(some(HC_MAP_GPA), gpa, pages,
                           some(below(3) | below(2) << 4));
        good += !answer;
        odd += answer && answer != HC_EINVAL && answer != HC_ENOSYS;
    }
    check(T("chance-some-are-good"), good > CALLS / 100);
    check_eq(T("chance-no-other-answer"), odd, 0);
}

void payload(void)
{
    check_leaves();
    check_msr();
    check_states();
    check_answers();
    check_modes();
    check_chance();
    check_everything();
}
