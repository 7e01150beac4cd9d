/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the reset vector to C, traps, and VMRUN
 */
#include "layout.h"

        .section .text, "ax"

/* ---- 16 bit ---- */
        .code16
reset:
        cli
        cld
        lgdtl   %cs:(gdt_pointer - IMAGE_BASE)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $start32

/* ---- 32 bit ---- */
        .code32
start32:
        movl    $SEL_DATA, %eax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    %ax, %fs
        movw    %ax, %gs

        /* The first 4 GiB as they are, in pages of 1 GiB */
        movl    $PML4, %edi
        xorl    %eax, %eax
        movl    $0x800, %ecx
        rep stosl
        movl    $(PDPT + 0x67), PML4
        movl    $PDPT, %edi
        movl    $0xe7, %eax
1:      movl    %eax, (%edi)
        addl    $0x40000000, %eax
        addl    $8, %edi
        cmpl    $0xe7, %eax
        jne     1b

        movl    %cr4, %eax
        orl     $0x40620, %eax          /* PAE, OSFXSR, OSXMMEXCPT, OSXSAVE */
        movl    %eax, %cr4
        movl    $PML4, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       /* EFER: LME, NXE */
        rdmsr
        orl     $0x900, %eax
        wrmsr
        movl    %cr0, %eax
        andl    $0x9fffffff, %eax       /* caches on */
        orl     $0x80010000, %eax       /* PG, WP */
        movl    %eax, %cr0
        ljmp    $SEL_CODE64, $start64

/* ---- 64 bit ---- */
        .code64
start64:
        movl    $STACK_TOP, %esp
        xorl    %ebp, %ebp
        call    metal_main
1:      hlt
        jmp     1b

/* ---- traps ---- */

#include "traps.inc"

/* int try(void (*fn)(void *), void *arg): the vector that ended it, or -1 */
        .global try
try:
        save_callers
        pushq   try_stack
        movq    %rsp, try_stack
        movq    %rdi, %rax
        movq    %rsi, %rdi
        call    *%rax
        movl    $-1, %eax
try_out:
        popq    try_stack
        restore_callers
        ret

/* void try_leave(int vector): try() returns it */
        .global try_leave
try_leave:
        movl    %edi, %eax
        movq    try_stack, %rsp
        jmp     try_out

/*
 * void enter_guest(u64 vmcb, struct regs *): general registers but RAX and
 * RSP are the guest's while it runs.
 */
        .global enter_guest
enter_guest:
        save_callers
        pushq   %rsi
        movq    %rdi, %rax
        movq    0x00(%rsi), %rbx
        movq    0x08(%rsi), %rcx
        movq    0x10(%rsi), %rdx
        movq    0x20(%rsi), %rdi
        movq    0x28(%rsi), %rbp
        movq    0x30(%rsi), %r8
        movq    0x38(%rsi), %r9
        movq    0x40(%rsi), %r10
        movq    0x48(%rsi), %r11
        movq    0x50(%rsi), %r12
        movq    0x58(%rsi), %r13
        movq    0x60(%rsi), %r14
        movq    0x68(%rsi), %r15
        movq    0x18(%rsi), %rsi
        clgi
        sti                             /* for guests with V_INTR_MASKING */
        vmrun   %rax
        cli
        stgi
        xchgq   %rsi, (%rsp)
        movq    %rbx, 0x00(%rsi)
        movq    %rcx, 0x08(%rsi)
        movq    %rdx, 0x10(%rsi)
        movq    %rdi, 0x20(%rsi)
        movq    %rbp, 0x28(%rsi)
        movq    %r8, 0x30(%rsi)
        movq    %r9, 0x38(%rsi)
        movq    %r10, 0x40(%rsi)
        movq    %r11, 0x48(%rsi)
        movq    %r12, 0x50(%rsi)
        movq    %r13, 0x58(%rsi)
        movq    %r14, 0x60(%rsi)
        movq    %r15, 0x68(%rsi)
        popq    0x18(%rsi)
        restore_callers
        ret

/*
 * void enter_encrypted(u64 vmcb, u64 *area): of a guest that leaves nothing of
 * the host's registers but what lies in @area, offset 400h of VM_HSAVE_PA
 */
        .global enter_encrypted
enter_encrypted:
        save_callers
        movq    %rdi, %rax
        movq    %rsi, 0x330(%rsi)
        clgi
        sti
        vmrun   %rax
        cli
        stgi
        restore_callers
        ret

/* ---- tables ---- */
        .section .rodata, "a"
        .balign 16
        .global gdt
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff      /* 32-bit code */
        .quad   0x00af9b000000ffff      /* 64-bit code */
        .quad   0x00cf93000000ffff      /* data */
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt

        .section .reset, "ax"
        .code16
        jmp     reset
