/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bare-metal frame of ring0.c: multiboot header, entry, exceptions
 */
    .set MAGIC, 0x1badb002
    .set ERROR_CODES, 0x00027d00    /* vectors 8, 10-14 and 17 push one */

    .section .text.first, "ax"
    .align 4
    .long MAGIC, 0, -MAGIC

    .globl _start
_start:
    mov $stack_top, %esp
    lgdt gdt_pointer
    ljmp $8, $1f
1:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    call main
    mov $0xf4, %edx
    out %eax, %dx
2:  hlt
    jmp 2b

/* Entry points of 16 bytes each, one a vector. */
    .align 16
    .globl vectors
vectors:
    .set n, 0
    .rept 32
    .align 16
    .if !(ERROR_CODES >> n & 1)
    push $-1
    .endif
    push $n
    jmp exception
    .set n, n + 1
    .endr

exception:
    pop fault_vector
    pop fault_code
    movl $attempt_return, (%esp)
    iret

/*
 * void attempt(op, area, mask, in, out): 32-bit cousin of experiment() in
 * ops.S.  Vectors go with VMOVUPS into 8 x 32 bytes behind the FXSAVE image.
 */
    .globl attempt
attempt:
    push %ebx
    push %esi
    push %edi
    mov 16(%esp), %ebx
    mov 20(%esp), %edi
    mov 24(%esp), %eax
    mov 28(%esp), %edx
    mov 32(%esp), %esi
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    vmovups 512 + 32 * \n(%esi), %ymm\n
    .endr
    fxrstor (%esi)
    mov 36(%esp), %esi
    call *%ebx
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    vmovups %ymm\n, 512 + 32 * \n(%esi)
    .endr
    fxsave (%esi)
    pop %edi
    pop %esi
    pop %ebx
    ret

/* Just the instruction, for machine states in which AVX code would fault. */
    .globl bare
bare:
    push %ebx
    push %esi
    push %edi
    mov 16(%esp), %ebx
    mov 20(%esp), %edi
    mov 24(%esp), %eax
    mov 28(%esp), %edx
    call *%ebx
    pop %edi
    pop %esi
    pop %ebx
    ret

    .macro op name, insn:vararg
    .globl \name
\name:
    \insn
    ret
    .endm

    op op_xsavec, xsavec (%edi)
    op op_xsaves, xsaves (%edi)
    op op_xrstor, xrstor (%edi)
    op op_xrstors, xrstors (%edi)

    .globl op_wrxss, op_rdxss
op_wrxss:
    mov $0xda0, %ecx
    wrmsr
    ret
op_rdxss:
    mov $0xda0, %ecx
    rdmsr
    mov %eax, (%edi)
    mov %edx, 4(%edi)
attempt_return:
    ret

    .data
    .align 8
gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word 23
    .long gdt

    .bss
    .globl fault_vector, fault_code
    .lcomm fault_vector, 4
    .lcomm fault_code, 4
    .align 16
    .lcomm stack, 16384
    .set stack_top, stack + 16384

    .section .note.GNU-stack, "", @progbits
