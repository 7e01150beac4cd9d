/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An injected interrupt is delivered once
 *
 * APM volume 2, 15.20.  Its handler has QEMU look up from the guest: it
 * changes the machine's memory map, which is work that the vCPU does between
 * two pieces of code.  So is a flush of all TLBs that another vCPU asks for.
 */
#include "svm.h"

#define INJECTED    0x44

static u32 deliveries;

/*
 * RDI: the counter.  Of the host bridge's PAM0, offset 90h, bits 5:4 are where
 * F0000h to FFFFFh lies: from now on in RAM.  The jump begins another piece.
 */
asm(".pushsection .text\n"
    "g_interrupted: nop\n"
    "ud2\n"
    "g_handler: incl (%rdi)\n"
    "movl $0x80000090, %eax\n"
    "movl $0xcf8, %edx\n"
    "outl %eax, %dx\n"
    "movl $0xcfc, %edx\n"
    "movb $0x30, %al\n"
    "outb %al, %dx\n"
    "jmp 1f\n"
    "1: vmmcall\n"
    "ud2\n"
    ".popsection");
extern const u8 g_interrupted[], g_handler[];

void payload(void)
{
    svm_on();
    set_guest(g_interrupted);
    set_gate(idt, INJECTED, (void (*)(void))g_handler);
    regs.rdi = (u64)&deliveries;
    *vmcb32(VMCB_EVENT) = INJECTED | EVENT_INTR | EVENT_VALID;
    run();
    check_eq(T("handled"), exit_code(), EXIT_VMMCALL);
    check_eq(T("delivered"), deliveries, 1);
    check_eq(T("interrupted"), *(u64 *)(guest_stack + PAGE - 40),
             (u64)g_interrupted);
    check_eq(T("not-reported"), *vmcb32(VMCB_EXIT_INT_INFO) & EVENT_VALID, 0);
}
