/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the reset vector, or a start-up signal, to C
 *
 * Code stays in shared memory: KVM decodes instructions from there, also
 * where the guest's own copy is private.
 */
#include "layout.h"

#define PTE_FLAGS       0x063   /* present, writable, accessed, dirty */
#define PDE_FLAGS       0x0e3   /* the same, 2 MiB */

        .section .text, "ax"
        .code16
        .global start16
start16:
        xorl    %edi, %edi
        cli
        cld
        lgdtl   %cs:(gdt_pointer - IMAGE_BASE)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $start32

        /* copied to START_GPA */
        .global ap_start16, ap_start16_end
ap_start16:
        movl    $1, %edi
        cli
        lgdtl   %cs:(ap_gdt_pointer - ap_start16)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $start32
        .balign 4
ap_gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
ap_start16_end:

        .code32
start32:
        movl    $SEL_DATA, %eax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $0x620, %eax            /* PAE, OSFXSR, OSXMMEXCPT */
        movl    %eax, %cr4
        movl    $pml4, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       /* EFER: LME */
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    %cr0, %eax
        andl    $0x9fffffff, %eax       /* caches on */
        orl     $0x80010000, %eax       /* PG, WP */
        movl    %eax, %cr0
        ljmp    $SEL_CODE64, $start64

        .code64
start64:
        testl   %edi, %edi
        jz      1f
        movl    $1, %edi
        lock xaddl %edi, started(%rip)
        incl    %edi
1:
        movl    %edi, %eax
        incl    %eax
        imull   $STACK_SIZE, %eax
        movl    $stacks, %esp
        addq    %rax, %rsp
        xorl    %ebp, %ebp
        call    cpu_main
1:      hlt
        jmp     1b

        .global wake
wake:
        pushq   %rax
        movl    $0xfee000b0, %eax       /* end of interrupt */
        movl    $0, (%rax)
        popq    %rax
        iretq

        .section .data, "aw"
        .balign 4096
        .global pml4, pd_private, pdpt, pdpt_private
pml4:
        .quad   pdpt + PTE_FLAGS
        .quad   pdpt_private + PTE_FLAGS
        .fill   510, 8, 0
pdpt:
        .quad   pd + PTE_FLAGS
        .quad   pd + 0x1000 + PTE_FLAGS
        .quad   pd + 0x2000 + PTE_FLAGS
        .quad   pd + 0x3000 + PTE_FLAGS
        .fill   508, 8, 0
pdpt_private:
        .quad   pd_private + PTE_FLAGS
        .fill   511, 8, 0
pd:
        .set    gpa, 0
        .rept   2048
        .quad   gpa + PDE_FLAGS
        .set    gpa, gpa + 0x200000
        .endr
pd_private:
        .set    gpa, 0
        .rept   512
        .quad   gpa + PDE_FLAGS
        .set    gpa, gpa + 0x200000
        .endr

        .balign 16
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff      /* 32-bit code */
        .quad   0x00af9b000000ffff      /* 64-bit code */
        .quad   0x00cf93000000ffff      /* data */
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
        .balign 4
        .global started
started:
        .long   0

        .section .reset, "ax"
        .code16
        jmp     start16
        .balign 16, 0xf4

        .section .note.GNU-stack, "", @progbits
