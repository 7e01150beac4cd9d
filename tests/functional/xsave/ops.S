/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers in, one instruction, registers out
 *
 * C code may use vector registers anywhere, so a whole experiment is one call:
 *
 *     void experiment(op, area, mask, const struct regs *in, struct regs *out)
 *
 * struct regs is an FXSAVE image of 512 bytes and 16 YMM registers.  Each op
 * is the instruction under test and a RET; where it faults, the test's signal
 * handler goes on at op_return.
 */
    .text
    .globl experiment, op_return

experiment:
    push %rbx
    push %r12
    mov %rdi, %rbx
    mov %r8, %r12
    mov %rsi, %rdi
    mov %rdx, %rax
    shr $32, %rdx
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vmovups 512 + 32 * \n(%rcx), %ymm\n
    .endr
    fxrstor64 (%rcx)
    call *%rbx
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vmovups %ymm\n, 512 + 32 * \n(%r12)
    .endr
    fxsave64 (%r12)
    fninit
    ldmxcsr default_mxcsr(%rip)
    vzeroupper
    pop %r12
    pop %rbx
    ret

    .macro op name, insn:vararg
    .globl \name
\name:
    \insn
    ret
    .endm

    op op_xsave, xsave (%rdi)
    op op_xsavec, xsavec (%rdi)
    op op_xsavec64, xsavec64 (%rdi)
    op op_xsaves, xsaves (%rdi)
    op op_xrstor, xrstor (%rdi)
    op op_xrstor64, xrstor64 (%rdi)
    op op_xrstors, xrstors (%rdi)
    /* 0F C7 /4 with prefixes, and a register operand: no instruction */
    op op_xsavec_66, .byte 0x66, 0x0f, 0xc7, 0x27
    op op_xsavec_f2, .byte 0xf2, 0x0f, 0xc7, 0x27
    op op_xsavec_f3, .byte 0xf3, 0x0f, 0xc7, 0x27
    op op_xsavec_lock, .byte 0xf0, 0x0f, 0xc7, 0x27
    op op_xsavec_reg, .byte 0x0f, 0xc7, 0xe7
op_return:
    ret

    .section .rodata
default_mxcsr:
    .long 0x1f80

    .section .note.GNU-stack, "", @progbits
