/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's page table that lies in a device, next to an intercept, and its
 * stack there, where VMRUN injects an interrupt
 *
 * The host wants the bytes of the instruction, and those of the page behind
 * it are looked up in registers of the HPET.
 */
#include "svm.h"

#define PRESENT     7ULL
#define LARGE       0x80ULL
#define HPET        0xfed00000ULL
#define BOUNDARY    (9ULL << 21)
#define BP          3
#define INJECTED    0x44
#define CPUID_INTERCEPT (1U << 18)

static u64 level4[512] __attribute__((aligned(PAGE)));
static u64 level3[512] __attribute__((aligned(PAGE)));
static u64 level2[512] __attribute__((aligned(PAGE)));

asm(".pushsection .text\n"
    "g_handler: vmmcall\n"
    "ud2\n"
    "g_read: nop\n"
    "movl (%rsi), %eax\n"
    "nop\n"
    "vmmcall\n"
    ".popsection");
extern const u8 g_handler[], g_read[];

static void check_injection(const u8 *at)
{
    set_guest(at);
    set_gate(idt, INJECTED, (void (*)(void))g_handler);
    *save64(SAVE_RSP) = HPET + 0x300;
    *vmcb32(VMCB_EVENT) = INJECTED | EVENT_INTR | EVENT_VALID;
    check(T("injected-with-a-stack-in-a-device"), run() == EXIT_VMMCALL);
}

/* In the midst of a translation block, and of a walk of the guest's tables */
static void check_nested(void)
{
    set_guest(g_read);
    *vmcb64(VMCB_NESTED_CTL) = 1;
    *vmcb64(VMCB_NESTED_CR3) = (u64)level4;
    regs.rsi = BOUNDARY;
    check(T("nested-table-in-a-device"), run() == EXIT_NPF);
}

void payload(void)
{
    /* CPUID, and a loop that nobody comes to */
    static const u8 code[] = { 0x0f, 0xa2, 0x90, 0xeb, 0xfe };
    u8 *at = (u8 *)(BOUNDARY - sizeof(code));
    unsigned int i;

    svm_on();
    memcpy(at, code, sizeof(code));
    at[-1] = 0xcc;
    level4[0] = (u64)level3 | PRESENT;
    for (i = 1; i < 4; i++) {
        level3[i] = (u64)i << 30 | LARGE | PRESENT;
    }
    level3[0] = (u64)level2 | PRESENT;
    for (i = 0; i < ARRAY_SIZE(level2); i++) {
        level2[i] = (u64)i << 21 | LARGE | PRESENT;
    }
    level2[BOUNDARY >> 21] = HPET | PRESENT;
    set_guest(at);
    *save64(SAVE_CR3) = (u64)level4;
    *vmcb32(VMCB_INTERCEPTS) |= CPUID_INTERCEPT;
    check(T("exit-before-a-table-in-a-device"), run() == EXIT_CPUID);
    /* INT3: whether it is one or INT 3 is in its bytes. */
    set_guest(at - 1);
    *save64(SAVE_CR3) = (u64)level4;
    *vmcb32(VMCB_EXCEPTIONS) |= 1U << BP;
    check(T("int3-before-a-table-in-a-device"), run() == EXIT_EXCEPTION + BP);
    check_injection(at);
    check_nested();
}
