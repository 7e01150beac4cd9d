/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMRUN of guests that are right but for a few bytes, without end
 */
#include "chance.h"

asm(".pushsection .text\n"
    "g_some: cpuid\n movl $0x10, %ecx\n rdmsr\n inb $0x80, %al\n"
    "  mov %cr0, %rax\n mov %rax, %cr0\n mov %cr3, %rax\n mov %rax, %cr3\n"
    "  mov %cr8, %rax\n mov %rax, %cr8\n"
    "  int $0x41\n invlpg (%rsp)\n pause\n movl (%rsi), %eax\n"
    "  movl %eax, (%rsi)\n sti\n rep; vmmcall\n vmmcall\n hlt\n ud2\n"
    ".popsection");
extern const u8 g_some[];

/* What ends the guest stays, nearly always. */
static void keep_an_end(void)
{
    if (chance(500)) {
        *vmcb32(VMCB_INTERCEPTS) |= 1U << 31 | 3;       /* INTR, NMI */
        *vmcb32(VMCB_INTERCEPTS_2) |= 1;
        *vmcb32(VMCB_INT_CTL) |= 1 << 24;
    }
}

static void one(void *unused)
{
    bool encrypted = chance(2);

    (void)unused;
    if (encrypted) {
        set_encrypted(g_some);
    } else {
        set_guest(g_some);
        *vmcb64(VMCB_NESTED_CTL) = chance(2);
        *vmcb64(VMCB_NESTED_CR3) = nested_pages();
        *vmcb32(VMCB_INT_CTL) = 1 << 24;
    }
    set_guest_idt(encrypted ? vmsa : vmcb + VMCB_SAVE);
    *vmcb32(VMCB_INTERCEPTS) = chance(1ULL << 32);
    *vmcb32(VMCB_INTERCEPTS_2) |= chance(1ULL << 32);
    *vmcb32(VMCB_CR_INTERCEPTS) = chance(1ULL << 32);
    *vmcb32(VMCB_DR_INTERCEPTS) = chance(1ULL << 32);
    *vmcb32(VMCB_EXCEPTIONS) = chance(2) ? chance(1ULL << 32) : 0;
    spoil(vmcb, 0x200);
    spoil(vmcb + VMCB_SAVE, 0x298);
    if (encrypted) {
        spoil(vmsa, 0x670);
    }
    if (!chance(16)) {
        spoil((u8 *)nested_pages(), 64);
    }
    keep_an_end();
    if (!chance(2000)) {
        wrmsr(0xc0010117, some_value(0) & ~0xfffULL);
    }
    run_by_chance(encrypted);
}

void payload(void)
{
    svm_on();
    chance_rounds(one);
}
