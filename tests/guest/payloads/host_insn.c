/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions of a host, which no guest of any kind has
 *
 * APM volume 3, RMPUPDATE, PSMASH and RMPREAD.
 */
#include "snp.h"

#define INSTRUCTION(name, bytes)                        \
    static void name(void)                              \
    {                                                   \
        asm volatile("mov %0, %%eax; mov %%eax, %%ecx;" \
                     ".byte " bytes                     \
                     :: "i"(AREA_GPA) : "rax", "rcx", "memory"); \
    }

INSTRUCTION(raw_rmpupdate, "0xf2, 0x0f, 0x01, 0xfe")
INSTRUCTION(raw_psmash, "0xf3, 0x0f, 0x01, 0xff")
INSTRUCTION(raw_rmpread, "0xf2, 0x0f, 0x01, 0xfd")

static u8 user_stack[PAGE] __attribute__((aligned(PAGE)));

static void in_kernel_mode(void *code)
{
    void (*fn)(void) = code;

    fn();
}

static void in_user_mode(void *code)
{
    run_user(code, user_stack + sizeof(user_stack));
}

static void in_32_bit(void *code)
{
    run_compat(code);
}

static void check_each(const char *name, void (*mode)(void *), void *code)
{
    check_trap(name, try_fn(mode, code), UD, 0);
}

void payload(void)
{
    check_each(T("rmpupdate"), in_kernel_mode, raw_rmpupdate);
    check_each(T("psmash"), in_kernel_mode, raw_psmash);
    check_each(T("rmpread"), in_kernel_mode, raw_rmpread);
    check_each(T("rmpupdate-user-mode"), in_user_mode, raw_rmpupdate);
    check_each(T("psmash-user-mode"), in_user_mode, raw_psmash);
    check_each(T("rmpread-user-mode"), in_user_mode, raw_rmpread);
    check_each(T("rmpupdate-32-bit"), in_32_bit, raw_rmpupdate);
}
