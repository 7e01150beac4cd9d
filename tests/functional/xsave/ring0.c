/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XSAVES, XRSTORS and IA32_XSS from ring 0, in 32-bit mode on bare metal
 *
 * Prints on the debug console (port 0xe9) as xsave-test.c does, and leaves
 * through isa-debug-exit at port 0xf4.  On a processor without the
 * instructions it checks that they are not there.
 */
#include <cpuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ring0.h"

#define X87     1u
#define SSE     2u
#define AVX     4u
#define VECTORS (X87 | SSE | AVX)
#define COMPACT (1ULL << 63)

#define CR0_TS      (1u << 3)
#define CR4_OSFXSR  (1u << 9)
#define CR4_OSXSAVE (1u << 18)

enum { UD = 6, NM = 7, GP = 13, NONE = 255 };

struct area {
    uint8_t legacy[512];
    uint64_t xstate_bv, xcomp_bv, reserved[6];
    uint8_t extended[1024];
} __attribute__((aligned(64)));

static uint64_t idt[32];
static struct area area;
static struct regs in, out;
static unsigned passed, failed;

void *memset(void *where, int value, size_t size)
{
    uint8_t *byte = where;

    while (size--) {
        *byte++ = value;
    }
    return where;
}

static bool same(const void *a, const void *b, size_t size)
{
    const uint8_t *left = a, *right = b;

    while (size--) {
        if (*left++ != *right++) {
            return false;
        }
    }
    return true;
}

static bool all_bytes(const void *where, size_t size, uint8_t value)
{
    const uint8_t *byte = where;

    while (size--) {
        if (*byte++ != value) {
            return false;
        }
    }
    return true;
}

static void print(const char *text)
{
    while (*text) {
        asm volatile("outb %b0, $0xe9" : : "a"(*text++));
    }
}

static void print_number(uint32_t number)
{
    char text[11], *digit = text + 10;

    *digit = 0;
    do {
        *--digit = '0' + number % 10;
        number /= 10;
    } while (number);
    print(digit);
}

static void check(bool good, const char *name)
{
    *(good ? &passed : &failed) += 1;
    print(good ? "ok " : "not ok ");
    print(name);
    if (!good) {
        print(": vector ");
        print_number(fault_vector);
        print(", xstate_bv ");
        print_number(area.xstate_bv);
    }
    print("\n");
}

static uint32_t cr0(void)
{
    uint32_t value;

    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static uint32_t cr4(void)
{
    uint32_t value;

    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static void set_cr0(uint32_t value)
{
    asm volatile("mov %0, %%cr0" : : "r"(value));
}

static void set_cr4(uint32_t value)
{
    asm volatile("mov %0, %%cr4" : : "r"(value));
}

static void set_xcr0(uint32_t value)
{
    asm volatile("xsetbv" : : "a"(value), "d"(0), "c"(0));
}

static void set_up(void)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = { sizeof(idt) - 1, (uint32_t)idt };

    for (int i = 0; i < 32; i++) {
        uint32_t to = (uint32_t)vectors[i];

        idt[i] = (uint64_t)(to & 0xffff0000) << 32 | 0x8e00ULL << 32 |
                 8 << 16 | (to & 0xffff);
    }
    asm volatile("lidt %0" : : "m"(pointer));
    set_cr0((cr0() & ~(CR0_TS | 4)) | 2);
    set_cr4(cr4() | CR4_OSFXSR | CR4_OSXSAVE);
    set_xcr0(VECTORS);
}

/* Unlike the initial state in each XMM, upper half and x87 register. */
static void pattern(struct regs *regs, uint32_t seed)
{
    memset(regs, 0, sizeof(*regs));
    for (int i = 0; i < 8 * 32; i++) {
        seed = seed * 1664525 + 1013904223;
        regs->ymm[i / 32][i % 32] = seed >> 24;
        if (i % 32 < 16) {
            regs->fx[160 + i / 32 * 16 + i % 32] = seed >> 24;
        }
        if (i % 32 < 10) {
            regs->fx[32 + i / 32 * 16 + i % 32] = ~seed >> 24;
        }
    }
    regs->fx[0] = 0x7f;
    regs->fx[1] = 0x0b;
    regs->fx[4] = 0xc3;
    regs->fx[24] = 0xa0;
    regs->fx[25] = 0x3f;
}

static void initial(struct regs *regs)
{
    memset(regs, 0, sizeof(*regs));
    regs->fx[0] = 0x7f;
    regs->fx[1] = 0x03;
    regs->fx[24] = 0x80;
    regs->fx[25] = 0x1f;
}

/* x87, MXCSR and XMM0-7 of two legacy regions; 6 bytes a register are void. */
static bool same_legacy(const uint8_t *a, const uint8_t *b)
{
    for (int i = 32; i < 160; i += 16) {
        if (!same(a + i, b + i, 10)) {
            return false;
        }
    }
    return same(a, b, 28) && same(a + 160, b + 160, 128);
}

static bool same_regs(const struct regs *a, const struct regs *b)
{
    return same_legacy(a->fx, b->fx) && same(a->ymm, b->ymm, sizeof(a->ymm));
}

static uint32_t run(op *op, void *where, uint64_t mask)
{
    fault_vector = NONE;
    attempt(op, where, mask, &in, &out);
    return fault_vector;
}

static uint32_t run_bare(op *op, void *where, uint64_t mask)
{
    fault_vector = NONE;
    bare(op, where, mask);
    return fault_vector;
}

static void save_pattern(op *op, uint32_t seed)
{
    memset(&area, 0xaa, sizeof(area));
    memset(area.reserved, 0, sizeof(area.reserved));
    pattern(&in, seed);
    run(op, &area, VECTORS);
}

static void test_save(op *op, const char *name, const char *name_8_up)
{
    bool high = true;

    save_pattern(op, 1);
    for (int i = 0; i < 8; i++) {
        high &= same(area.extended + 16 * i, in.ymm[i] + 16, 16);
    }
    check(fault_vector == NONE && area.xstate_bv == VECTORS && high &&
          area.xcomp_bv == (COMPACT | VECTORS) && same_regs(&in, &out) &&
          same_legacy(area.legacy, in.fx), name);
    check(all_bytes(area.legacy + 288, 128, 0xaa) &&
          all_bytes(area.extended + 128, 128, 0xaa), name_8_up);
}

static void test_initial(void)
{
    initial(&in);
    memset(&area, 0xaa, sizeof(area));
    run(op_xsaves, &area, VECTORS);
    check(area.xstate_bv == 0 && area.xcomp_bv == (COMPACT | VECTORS) &&
          all_bytes(area.legacy, 512, 0xaa) &&
          all_bytes(area.reserved, 48 + 1024, 0xaa), "xsaves-initial");
}

static void test_restore(op *op, const char *name, const char *name_part)
{
    struct regs want, start;

    save_pattern(op_xsaves, 2);
    pattern(&want, 2);
    initial(&start);
    in = start;
    run(op, &area, VECTORS);
    check(fault_vector == NONE && same_regs(&out, &want), name);
    area.xstate_bv = SSE;
    pattern(&in, 3);
    run(op, &area, AVX | SSE);
    check(fault_vector == NONE && same(out.fx + 160, want.fx + 160, 128) &&
          same(out.fx + 24, want.fx + 24, 4) &&
          all_bytes(out.ymm[5] + 16, 16, 0) && same(out.fx, in.fx, 24) &&
          same(out.fx + 32, in.fx + 32, 128), name_part);
}

static void refuse(const char *name)
{
    pattern(&in, 5);
    check(run(op_xrstors, &area, VECTORS) == GP && fault_code == 0 &&
          same_regs(&in, &out), name);
}

static void test_bad_headers(void)
{
    save_pattern(op_xsaves, 4);
    area.xcomp_bv = 0;
    refuse("xrstors-standard-format");
    save_pattern(op_xsaves, 4);
    area.xcomp_bv |= 1 << 11;
    refuse("xrstors-xcomp-not-enabled");
    save_pattern(op_xsaves, 4);
    area.xcomp_bv &= ~(uint64_t)SSE;
    refuse("xrstors-xstate-not-in-xcomp");
    save_pattern(op_xsaves, 4);
    area.reserved[5] = 1;
    refuse("xrstors-reserved");
    save_pattern(op_xsaves, 4);
    area.legacy[26] = 1;
    refuse("xrstors-mxcsr");
}

static void test_checks(op *op, const char *name_gp, const char *name_nm,
                        const char *name_ud)
{
    save_pattern(op_xsaves, 6);
    check(run_bare(op, area.legacy + 16, VECTORS) == GP && fault_code == 0,
          name_gp);
    set_cr0(cr0() | CR0_TS);
    run_bare(op, &area, VECTORS);
    set_cr0(cr0() & ~CR0_TS);
    check(fault_vector == NM, name_nm);
    set_cr4(cr4() & ~CR4_OSXSAVE);
    run_bare(op, area.legacy + 16, VECTORS);
    set_cr4(cr4() | CR4_OSXSAVE);
    check(fault_vector == UD, name_ud);
}

static void test_xcr0(void)
{
    uint32_t a, with, without, c, d;

    save_pattern(op_xsaves, 7);
    __cpuid_count(0xd, 1, a, with, c, d);
    set_xcr0(X87 | SSE);
    __cpuid_count(0xd, 1, a, without, c, d);
    check(with == 832 && without == 576, "cpuid-follows-xcr0");
    check(run_bare(op_xrstors, &area, VECTORS) == GP, "xrstors-avx-disabled");
    run_bare(op_xsaves, &area, ~0ULL);
    set_xcr0(VECTORS);
    check(area.xcomp_bv == (COMPACT | X87 | SSE), "xsaves-avx-disabled");
}

static void test_xss(void)
{
    uint64_t value = ~0ULL;

    check(run_bare(op_rdxss, &value, 0) == NONE && value == 0, "xss-read");
    check(run_bare(op_wrxss, &value, 0) == NONE, "xss-write-0");
    for (int bit = 0; bit < 64; bit++) {
        if (run_bare(op_wrxss, &value, 1ULL << bit) != GP) {
            break;
        }
    }
    check(fault_vector == GP && fault_code == 0, "xss-write-any-bit");
    run_bare(op_rdxss, &value, 0);
    check(value == 0, "xss-still-0");
}

static void test_present(void)
{
    test_save(op_xsavec, "xsavec", "xsavec-no-xmm8");
    test_save(op_xsaves, "xsaves", "xsaves-no-xmm8");
    test_initial();
    test_restore(op_xrstors, "xrstors", "xrstors-part");
    test_restore(op_xrstor, "xrstor", "xrstor-part");
    test_bad_headers();
    test_checks(op_xsavec, "xsavec-gp", "xsavec-nm", "xsavec-ud");
    test_checks(op_xsaves, "xsaves-gp", "xsaves-nm", "xsaves-ud");
    test_checks(op_xrstors, "xrstors-gp", "xrstors-nm", "xrstors-ud");
    test_xcr0();
    test_xss();
}

static void test_absent(void)
{
    uint64_t value;

    memset(&area, 0, sizeof(area));
    check(run_bare(op_xsavec, &area, VECTORS) == UD, "absent-xsavec");
    check(run_bare(op_xsaves, &area, VECTORS) == UD, "absent-xsaves");
    check(run_bare(op_xrstors, &area, VECTORS) == UD, "absent-xrstors");
    check(run_bare(op_xrstor, &area, VECTORS) == NONE, "standard-xrstor");
    area.xcomp_bv = COMPACT;
    check(run_bare(op_xrstor, &area, VECTORS) == GP, "absent-compact-xrstor");
    check(run_bare(op_rdxss, &value, 0) == GP, "absent-xss-read");
    check(run_bare(op_wrxss, &value, 0) == GP, "absent-xss-write");
}

/* Returns what isa-debug-exit doubles and adds 1 to. */
int main(void)
{
    uint32_t a, b, c, d;

    set_up();
    __cpuid_count(0xd, 1, a, b, c, d);
    if ((a & 0xa) == 0xa) {
        test_present();
    } else if (!(a & 0xa)) {
        test_absent();
    }
    print("xsave: ");
    print_number(passed);
    print(" passed, ");
    print_number(failed);
    print(" failed\n");
    return failed || !passed;
}
