/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PVALIDATE, RMPADJUST and RMPQUERY, APM volume 3. */
#include "snp.h"

#define FAIL_INPUT          1
#define FAIL_PERMISSION     2

static u8 user_stack[256] __attribute__((aligned(16)));

static void do_pvalidate(void *va)
{
    pvalidate(va, 0, 1);
}

static void do_rmpadjust(void *va)
{
    rmpadjust(va, 0, 1);
}

static void read_byte(void *va)
{
    *(volatile u8 *)va;
}

#define INSTRUCTION(name, bytes)                        \
    static void name(void)                              \
    {                                                   \
        asm volatile("mov %0, %%eax; xor %%ecx, %%ecx;" \
                     "mov $1, %%edx; .byte " bytes      \
                     :: "i"(AREA_GPA) : "rax", "rcx", "rdx"); \
    }

INSTRUCTION(raw_pvalidate, "0xf2, 0x0f, 0x01, 0xff")
INSTRUCTION(raw_rmpadjust, "0xf3, 0x0f, 0x01, 0xfe")
INSTRUCTION(raw_rmpquery, "0xf3, 0x0f, 0x01, 0xfd")

static void in_user_mode(void *code)
{
    run_user(code, user_stack + sizeof(user_stack));
}

static void in_32_bit(void *code)
{
    run_compat(code);
}

static bool same(struct result r, u32 eax, bool cf)
{
    return r.eax == eax && r.cf == cf;
}

static void check_pvalidate(void)
{
    u64 area = AREA_GPA;
    u64 large = area + PAGE_2M;
    u8 *page = priv(area);
    struct trap t;
    u32 refused;

    check(T("validate"), same(pvalidate(page, 0, 1), 0, false));
    fill(page, PAGE, 0x77);
    check(T("validate-again-sets-cf"), same(pvalidate(page, 0, 1), 0, true));
    check_bytes(T("validate-again-keeps-content"), page, PAGE, 0x77);
    check(T("rescind"), same(pvalidate(page, 0, 0), 0, false));
    invlpg(page);
    check_trap(T("rescinded"), try_fn(read_byte, page), VC,
               NPF_NOT_VALIDATED);
    check(T("rescind-again-sets-cf"), same(pvalidate(page, 0, 0), 0, true));
    check(T("rescind-untouched"),
          same(pvalidate(page + PAGE, 0, 0), 0, true));
    /* Firmware names pages by any byte of them. */
    check(T("low-bits-are-ignored"),
          same(pvalidate(page + PAGE + 8, 0, 1), 0, false) &&
          same(pvalidate(page + PAGE, 0, 0), 0, false));
    check_eq(T("misaligned-2m"), pvalidate(page + PAGE, 1, 1).eax,
             FAIL_INPUT);

    refused = host_large_pages() ? 0 : FAIL_SIZEMISMATCH;
    check(T("validate-2m"), same(pvalidate(priv(large), 1, 1), refused,
                                 false));
    check(T("validate-2m-again"), same(pvalidate(priv(large), 1, 1), refused,
                                       !refused));
    validate(priv(large), PAGE_2M);
    fill(priv(large), PAGE_2M, 0x11);
    check_bytes(T("validate-2m-usable"), priv(large), PAGE_2M, 0x11);
    /* A 4 KiB request inside splits the RMP entry: the host's work. */
    check(T("rescind-4k-of-2m"),
          same(pvalidate(priv(large + PAGE), 0, 0), 0, false));
    invlpg(priv(large + PAGE));
    check_trap(T("rescind-4k-of-2m-is-one-page"),
               try_fn(read_byte, priv(large + PAGE)), VC, NPF_NOT_VALIDATED);
    check_bytes(T("rescind-4k-of-2m-page-before"), priv(large), PAGE, 0x11);
    check_bytes(T("rescind-4k-of-2m-page-behind"), priv(large + 2 * PAGE),
                PAGE, 0x11);
    check_eq(T("size-mismatch"), pvalidate(priv(large), 1, 1).eax,
             FAIL_SIZEMISMATCH);
    check_trap(T("size-mismatch-does-nothing"),
               try_fn(read_byte, priv(large + PAGE)), VC, NPF_NOT_VALIDATED);

    t = try_fn(do_pvalidate, shar(area + PAGE));
    check_trap(T("c-bit-clear"), t, PF, -1);
    check_eq(T("c-bit-clear-cr2"), t.cr2, (u64)shar(area + PAGE));
    t = try_fn(do_pvalidate, (void *)(WINDOW_VA + 0x5000UL));
    check_trap(T("not-mapped"), t, PF, 0);
    check_eq(T("not-mapped-cr2"), t.cr2, WINDOW_VA + 0x5000UL);
    check_trap(T("not-canonical"), try_fn(do_pvalidate, (void *)(1ULL << 63)),
               GP, 0);
    check_trap(T("user-mode"), try_fn(in_user_mode, raw_pvalidate), GP, 0);
    check_trap(T("32-bit"), try_fn(in_32_bit, raw_pvalidate), UD, 0);
}

#define STATUS_FLAGS    0x8d5
enum { CF = 0x001, FLAG_PF = 0x004, ZF = 0x040 };

/* What PVALIDATE of 4 KiB or 2 MiB makes of flags that are all set or clear */
static u64 flags_of(void *va, u64 size, bool set)
{
    u64 rax = (u64)va, flags = set ? STATUS_FLAGS : 0;

    asm volatile("pushfq; andq %3, (%%rsp); orq %0, (%%rsp); popfq\n"
                 ".byte 0xf2, 0x0f, 0x01, 0xff\n"
                 "pushfq; popq %0"
                 : "+r"(flags), "+a"(rax) : "c"(size),
                   "r"(~(u64)STATUS_FLAGS), "d"(1) : "memory", "cc");
    return flags & STATUS_FLAGS;
}

/* APM volume 3, PVALIDATE: all but CF by the return code */
static void check_flags(u8 *page)
{
    for (unsigned set = 0; set < 2; set++) {
        validate(page, PAGE);
        rescind(page, PAGE);
        check_eq(set ? T("flags-set-before") : T("flags"),
                 flags_of(page, 0, set), FLAG_PF | ZF);
        check_eq(set ? T("flags-again-set-before") : T("flags-again"),
                 flags_of(page, 0, set), CF | FLAG_PF | ZF);
        check_eq(set ? T("flags-refused-set-before") : T("flags-refused"),
                 flags_of(page, 1, set), 0);
    }
}

static bool has_rmpquery(void)
{
    u8 *page = priv(CPUID_GPA);

    for (u32 i = 0; i < *(u32 *)page && i < 64; i++) {
        u32 *entry = (u32 *)(page + 0x10 + 48 * i);

        if (entry[0] == 0x8000001f) {
            return entry[6] & 1 << 6;
        }
    }
    return false;
}

static void do_rmpquery(void *va)
{
    rmpquery(va, 1);
}

static void check_rmpquery(u8 *page)
{
    static const char none[] = "no RMPQUERY in this processor";
    struct trap t = try_fn(do_rmpquery, page);

    /* QEMU shows the bit to no guest; the instruction is the processor's. */
    check(T("rmpquery-as-cpuid-says"), !has_rmpquery() || t.vector == -1);
    if (t.vector == UD) {
        skip("rmpquery", none);
        skip("rmpquery-permissions", none);
        skip("rmpquery-vmsa", none);
        skip("rmpquery-user-mode", none);
        skip("rmpquery-32-bit", none);
        return;
    }
    rmpadjust(page, 0, 0x0301);
    check_eq(T("rmpquery"), rmpquery(page, 1).eax, 0);
    check_eq(T("rmpquery-permissions"), rmpquery(page, 1).rdx >> 8 & 0xff, 3);
    rmpadjust(page, 0, 0x10001);
    check_eq(T("rmpquery-vmsa"), rmpquery(page, 1).rdx >> 16 & 1, 1);
    rmpadjust(page, 0, 0x00001);
    check_trap(T("rmpquery-user-mode"), try_fn(in_user_mode, raw_rmpquery),
               GP, 0);
    check_trap(T("rmpquery-32-bit"), try_fn(in_32_bit, raw_rmpquery), UD, 0);
}

static void check_rmpadjust(void)
{
    u64 area = AREA_GPA + 2 * PAGE_2M;
    u8 *page = priv(area);
    struct trap t;
    struct result r;

    validate(page, PAGE);
    fill(page, PAGE, 0x77);
    check_eq(T("rmpadjust-vmpl1"), rmpadjust(page, 0, 0x0001).eax, 0);
    check_eq(T("rmpadjust-vmpl1-all"), rmpadjust(page, 0, 0x0f01).eax, 0);
    check_eq(T("rmpadjust-vmpl3"), rmpadjust(page, 0, 0x0103).eax, 0);
    check_eq(T("rmpadjust-vmpl0"), rmpadjust(page, 0, 0x0f00).eax,
             FAIL_PERMISSION);
    check(T("rmpadjust-vmpl4"), rmpadjust(page, 0, 0x0f04).eax != 0);
    check_eq(T("rmpadjust-vmsa"), rmpadjust(page, 0, 0x10001).eax, 0);
    check_eq(T("rmpadjust-vmsa-off"), rmpadjust(page, 0, 0x00001).eax, 0);
    check_bytes(T("rmpadjust-keeps-content"), page, PAGE, 0x77);
    check_eq(T("rmpadjust-low-bits-are-ignored"),
             rmpadjust(page + 8, 0, 1).eax, 0);
    check_eq(T("rmpadjust-misaligned-2m"), rmpadjust(page + PAGE, 1, 1).eax,
             FAIL_INPUT);
    /* Not validated: an error or #VC, depending on the processor. */
    t = try_fn(do_rmpadjust, page + PAGE);
    r.eax = t.vector == -1 ? rmpadjust(page + PAGE, 0, 1).eax : 0;
    check(T("rmpadjust-not-validated"), r.eax != 0 ||
          (t.vector == VC && t.error == NPF_NOT_VALIDATED));
    check_eq(T("rmpadjust-size-mismatch"), rmpadjust(page, 1, 1).eax,
             FAIL_SIZEMISMATCH);
    t = try_fn(do_rmpadjust, (void *)(WINDOW_VA + 0x5000UL));
    check_trap(T("rmpadjust-not-mapped"), t, PF, 0);
    check_eq(T("rmpadjust-not-mapped-cr2"), t.cr2, WINDOW_VA + 0x5000UL);
    check_trap(T("rmpadjust-c-bit-clear"), try_fn(do_rmpadjust, shar(area)),
               PF, -1);
    check_trap(T("rmpadjust-user-mode"), try_fn(in_user_mode, raw_rmpadjust),
               GP, 0);
    check_trap(T("rmpadjust-32-bit"), try_fn(in_32_bit, raw_rmpadjust), UD,
               0);
    check_rmpquery(page);
}

/* See end_pvalidate, too. */
static void check_no_memory(void)
{
    struct trap t;

    if (!host_goes_on()) {
        return;
    }
    t = try_fn(do_pvalidate, map_page(6, 0xfed00000, true));
    check(SPEC_T("mmio"), t.vector == PF || t.vector == VC);
    t = try_fn(do_pvalidate, map_page(6, 0x80000000, true));
    check(SPEC_T("hole"), t.vector == PF || t.vector == VC);
    map_entry(6, 0);
}

void payload(void)
{
    check_pvalidate();
    check_flags(priv(AREA_GPA + 4 * PAGE_2M + PAGE));
    check_rmpadjust();
    check_no_memory();
}
