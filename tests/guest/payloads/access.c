/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses that fault half-way: across a page boundary, atomic, repeated, and
 * instructions that lie on one
 *
 * #VC is a fault: the instruction has had no effect, or a repeated one has
 * done what its registers say, and it can be restarted.
 */
#include "snp.h"

#define SECRET 0x5a

static void read_quad(void *va)
{
    *(volatile u64 *)va;
}

static void write_quad(void *va)
{
    *(volatile u64 *)va = 0x1122334455667788;
}

static void locked_add(void *va)
{
    asm volatile("lock incq (%0)" :: "r"(va) : "memory", "cc");
}

static void compare_exchange(void *va)
{
    asm volatile("lock cmpxchg16b (%0)" :: "r"(va), "a"(0), "b"(1), "c"(1),
                 "d"(0) : "memory", "cc");
}

static void run(void *va)
{
    asm volatile("call *%0" :: "r"(va) : "rax", "memory");
}

static u32 value_of(void *va)
{
    u32 eax;

    asm volatile("call *%1" : "=a"(eax) : "r"(va) : "memory");
    return eax;
}

/* Two pages, the second not validated */
static u64 half_valid(unsigned index)
{
    u64 gpa = AREA_GPA + index * 4 * PAGE;

    validate(priv(gpa), PAGE);
    fill(priv(gpa), PAGE, SECRET);
    return gpa;
}

static void check_across(void)
{
    u64 gpa = half_valid(0);
    void *across = priv(gpa + PAGE - 4);
    struct trap t;

    t = try_fn(read_quad, across);
    check_trap(T("read-across"), t, VC, NPF_NOT_VALIDATED);
    check_trap(T("write-across"), try_fn(write_quad, across), VC,
               NPF_NOT_VALIDATED);
    check_bytes(T("write-across-has-no-effect"), priv(gpa), PAGE, SECRET);
    check_trap(T("locked-across"), try_fn(locked_add, across), VC,
               NPF_NOT_VALIDATED);
    check_bytes(T("locked-across-has-no-effect"), priv(gpa), PAGE, SECRET);
    validate(priv(gpa + PAGE), PAGE);
    fill(priv(gpa + PAGE), PAGE, 0);
    write_quad(across);
    check_eq(T("write-across-restarted"), *(volatile u64 *)across,
             0x1122334455667788);

    check_trap(T("atomic"), try_fn(locked_add, priv(gpa + 2 * PAGE)), VC,
               NPF_NOT_VALIDATED);
    check_trap(T("atomic-16-bytes"),
               try_fn(compare_exchange, priv(gpa + 3 * PAGE)), VC,
               NPF_NOT_VALIDATED);
}

/* Across two page states, in a mapping with a clear C-bit: both are shared. */
static void check_implicit_across(void)
{
    u64 gpa = half_valid(1);

    validate(priv(gpa + PAGE), PAGE);
    write_quad(shar(gpa + PAGE - 4));
    check_eq(T("implicit-across"),
             *(volatile u64 *)shar(gpa + PAGE - 4), 0x1122334455667788);
    check_trap(T("implicit-across-first"), try_fn(read_quad, priv(gpa)), VC,
               NPF_NOT_VALIDATED);
    check_trap(T("implicit-across-second"),
               try_fn(read_quad, priv(gpa + PAGE)), VC, NPF_NOT_VALIDATED);
    /* One of the two: the first is validated, the second is shared. */
    gpa = half_valid(2);
    psc_msr(gpa + PAGE, PSC_SHARED);
    fill(shar(gpa + PAGE), PAGE, 0x11);
    check_trap(T("private-then-shared"),
               try_fn(write_quad, priv(gpa + PAGE - 4)), VC,
               NPF_NOT_VALIDATED);
    check_bytes(T("private-then-shared-has-no-effect"), priv(gpa), PAGE,
                SECRET);
}

/*
 * A locked access that the host's processor cannot make atomic: across two
 * pages, and where only the C-bit has to be found out first
 */
static void check_implicit_locked(void)
{
    u64 gpa = half_valid(8);
    void *across = shar(gpa + PAGE - 4);

    validate(priv(gpa + PAGE), PAGE);
    locked_add(across);
    check_eq(T("implicit-locked-across"), *(volatile u64 *)across, 1);
    check_trap(T("implicit-locked-across-first"),
               try_fn(read_quad, priv(gpa)), VC, NPF_NOT_VALIDATED);
    check_trap(T("implicit-locked-across-second"),
               try_fn(read_quad, priv(gpa + PAGE)), VC, NPF_NOT_VALIDATED);
    compare_exchange(shar(gpa + 2 * PAGE));
    check_eq(T("implicit-locked-16-bytes"),
             *(volatile u64 *)shar(gpa + 2 * PAGE), 1);
}

static void repeated_copy(void *va)
{
    static u8 source[64];
    void *from = source;
    u64 n = 64;

    asm volatile("rep movsb" : "+D"(va), "+S"(from), "+c"(n) :: "memory");
}

static void check_repeated(void)
{
    u64 gpa = half_valid(3);
    struct trap t = try_fn(repeated_copy, priv(gpa + PAGE - 24));

    check_trap(T("repeated"), t, VC, NPF_NOT_VALIDATED);
    check_eq(T("repeated-count"), t.frame.rcx, 40);
    check_eq(T("repeated-destination"), t.frame.rdi, gpa + PAGE);
    check_eq(T("repeated-part-is-done"),
             *(volatile u64 *)priv(gpa + PAGE - 8), 0);
}

/* mov $VALUE, %eax; ret, with its first byte at @gpa */
static void write_code(u64 gpa, u32 value)
{
    u8 code[6] = { 0xb8, value, value >> 8, value >> 16, value >> 24, 0xc3 };

    for (unsigned i = 0; i < 6; i++) {
        *(volatile u8 *)priv(gpa + i) = code[i];
    }
}

static void check_code_across(void)
{
    u64 gpa = half_valid(4);
    u64 code = gpa + PAGE - 3;
    struct trap t;

    *(volatile u8 *)priv(code) = 0xb8;
    t = try_fn(run, priv(code));
    check_trap(T("instruction-across"), t, VC, NPF_NOT_VALIDATED);
    check_eq(T("instruction-across-rip"), t.rip, code);
    validate(priv(gpa + PAGE), PAGE);
    write_code(code, 0x123456);
    for (unsigned i = 0; i < 50; i++) {
        value_of(priv(code));
    }
    check_eq(T("instruction-across-runs"), value_of(priv(code)), 0x123456);
    /* The translation of both pages is of no use when one is gone. */
    rescind(priv(gpa + PAGE), PAGE);
    t = try_fn(run, priv(code));
    check_trap(T("instruction-across-rescinded"), t, VC, NPF_NOT_VALIDATED);
    check_eq(T("instruction-across-rescinded-rip"), t.rip, code);
    psc_msr(gpa + PAGE, PSC_SHARED);
    to_private(gpa + PAGE, PAGE);
    *(volatile u8 *)priv(gpa + PAGE + 2) = 0xc3;
    *(volatile u16 *)priv(gpa + PAGE) = 0x00ff;
    check_eq(T("instruction-across-changed"), value_of(priv(code)),
             0x00ff3456);
}

/* A loop that runs through its own page while the page goes away */
static void check_own_page(void)
{
    u64 gpa = half_valid(6);
    struct trap t;
    /* pvalidate of its own page, then more code */
    static const u8 code[] = {
        0x48, 0x8d, 0x05, 0xf9, 0xff, 0xff, 0xff,   /* lea -7(%rip), %rax */
        0x31, 0xc9,                                 /* xor %ecx, %ecx */
        0x31, 0xd2,                                 /* xor %edx, %edx */
        0xf2, 0x0f, 0x01, 0xff,                     /* pvalidate */
        0x0f, 0x01, 0x38,                           /* invlpg (%rax) */
        0x90, 0x90, 0xc3,
    };

    memcpy(priv(gpa), code, sizeof(code));
    t = try_fn(run, priv(gpa));
    check_trap(T("rescinds-its-own-page"), t, VC, NPF_NOT_VALIDATED);
    /* Behind PVALIDATE, or behind the INVLPG that follows */
    check(T("rescinds-its-own-page-rip"),
          t.rip == gpa + 15 || t.rip == gpa + 18);
}

void payload(void)
{
    check_across();
    check_implicit_across();
    check_implicit_locked();
    check_repeated();
    check_code_across();
    check_own_page();
}
