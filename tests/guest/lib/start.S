/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the reset vector to C, page tables, descriptor tables and what the
 * launch reads: SEV metadata and the GUIDed table below 4 GiB
 *
 * All memory is private until paging is on; page tables are private always,
 * whatever their entries say, so CR3 needs no C-bit in 32-bit code.
 */
#include "layout.h"

#define PTE_FLAGS       0x067   /* present, writable, user, accessed, dirty */
#define PDE_FLAGS       0x0e7   /* the same, 2 MiB */
#define CBIT            (1 << CBIT_POS)

        .section .text, "ax"

/* ---- 16 bit ---- */
        .code16
        .global ap_reset
ap_reset:
        movl    $1, %edi
        jmp     enter32
bsp_reset:
        xorl    %edi, %edi
enter32:
        cli
        cld
        lgdtl   %cs:(gdt_pointer - IMAGE_BASE)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $enter64

/* The same for a vCPU with SEV alone, to be copied to a page below 1 MiB */
        .global sipi_code, sipi_code_end
sipi_code:
        movl    $1, %edi
        cli
        cld
        lgdtl   %cs:(sipi_gdt_pointer - sipi_code)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $enter64
sipi_gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
sipi_code_end:

/* ---- 32 bit ---- */
        .code32
enter64:
        movl    $SEL_DATA, %eax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    %ax, %fs
        movw    %ax, %gs
        /* Without an RMP the launch leaves .bss to who uses it. */
        movl    $0xc0010131, %ecx
        rdmsr
        testl   $4, %eax
        jnz     1f
        testl   %edi, %edi
        jnz     1f
        movl    $BSS_GPA, %edi
        movl    $(BSS_SIZE / 4), %ecx
        xorl    %eax, %eax
        rep stosl
        xorl    %edi, %edi
1:
        movl    %cr4, %eax
        orl     $0x620, %eax            /* PAE, OSFXSR, OSXMMEXCPT */
        orl     $paging_cr4, %eax
        movl    %eax, %cr4
        movl    $paging_root, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       /* EFER: LME, NXE */
        rdmsr
        orl     $0x900, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $0x80010000, %eax       /* PG, WP */
        movl    %eax, %cr0
        ljmp    $SEL_CODE64, $start64

/* ---- 64 bit ---- */
        .code64
start64:
        movabsq $(paging_root + CBIT), %rax
        movq    %rax, %cr3
        testl   %edi, %edi
        jz      1f
        movl    $1, %edi
        lock xaddl %edi, sipi_count(%rip)
        incl    %edi
1:
        movl    %edi, %eax
        incl    %eax
        imull   $STACK_SIZE, %eax
        leaq    stacks(%rip), %rsp
        addq    %rax, %rsp

        /* rdi = number of the vCPU, rsp = its stack */
        .global start_c
start_c:
        lidt    idt_pointer(%rip)
        xorl    %ebp, %ebp
        call    cpu_main
1:      hlt
        jmp     1b

/* ---- catching exceptions ---- */

#include "traps.inc"

/* bool catch(struct trap *t, void (*fn)(void *), void *arg) */
        .global catch
catch:
        save_callers
        pushfq
        movq    %rsp, (%rdi)
        pushq   %rdi
        movq    %gs:8, %rax             /* an outer catch */
        pushq   %rax
        movq    %rdi, %gs:8
        movq    %rdx, %rdi
        call    *%rsi
        popq    %rax
        movq    %rax, %gs:8
        popq    %rdi
        xorl    %eax, %eax
catch_out:
        popfq
        restore_callers
        ret

/* void trap_leave(struct trap *t): catch() returns true */
        .global trap_leave
trap_leave:
        movq    (%rdi), %rsp
        movq    -16(%rsp), %rax
        movq    %rax, %gs:8
        movl    $1, %eax
        jmp     catch_out

/* void run_user(void *code, void *stack): at CPL 3, ends by an exception */
        .global run_user
run_user:
        pushq   $(SEL_UDATA | 3)
        pushq   %rsi
        pushq   $2
        pushq   $(SEL_UCODE64 | 3)
        pushq   %rdi
        iretq

/* void run_compat(void *code): 32-bit at CPL 0, ends by an exception */
        .global run_compat
run_compat:
        pushq   $SEL_CODE32
        pushq   %rdi
        lretq

/* ---- tables ---- */
        .section .data, "aw"
        .balign 4096
        .global pml4, pml5
pml5:
        .quad   pml4 + CBIT + PTE_FLAGS
        .fill   511, 8, 0
pml4:
        .quad   pdpt + CBIT + PTE_FLAGS
        .fill   511, 8, 0
pdpt:
        .quad   pd_private + CBIT + PTE_FLAGS
        .quad   pd_shared + CBIT + PTE_FLAGS
        .quad   BSS_GPA + CBIT + PTE_FLAGS      /* window: first page of .bss */
        .quad   pd_high + CBIT + PTE_FLAGS
        .fill   508, 8, 0
pd_private:
        .set    gpa, 0
        .rept   512
        .quad   gpa + CBIT + PDE_FLAGS
        .set    gpa, gpa + 0x200000
        .endr
pd_shared:
        .set    gpa, 0
        .rept   512
        .quad   gpa + PDE_FLAGS
        .set    gpa, gpa + 0x200000
        .endr
pd_high:
        .set    gpa, 0xc0000000
        .rept   510
        .quad   gpa + PDE_FLAGS
        .set    gpa, gpa + 0x200000
        .endr
        .quad   BSS_GPA + CBIT + PDE_FLAGS
        .quad   0xffe00000 + CBIT + PDE_FLAGS

        .balign 16
        .global gdt
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff      /* 32-bit code */
        .quad   0x00af9b000000ffff      /* 64-bit code */
        .quad   0x00cf93000000ffff      /* data */
        .quad   0x00cff3000000ffff      /* user data */
        .quad   0x00affb000000ffff      /* user 64-bit code */
        .fill   2 * MAX_CPUS, 8, 0      /* TSS */
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
        .long   0
        .balign 4
sipi_count:
        .long   0
idt_pointer:
        .word   TRAP_VECTORS * 16 - 1
        .quad   idt

/* ---- what the launch reads ---- */
        .macro guid a, b, c, d, e:vararg
        .long   0x\a
        .short  0x\b, 0x\c
        .byte   0x\d >> 8, 0x\d & 0xff
        .byte   \e
        .endm

        .section .launch, "a"
        .balign 16
        .global metadata
metadata:
        .ascii  "ASEV"
        .long   metadata_end - metadata
        .long   1
        .long   (metadata_end - metadata_sections) / 12
metadata_sections:
        .long   BSS_GPA, BSS_SIZE, 1
        .long   CPUID_GPA, 0x1000, 3
        .long   SECRETS_GPA, 0x1000, 2
        .long   VMSA_GPA, VMSA_SIZE, 1
metadata_end:

        .section .guids, "a"
guids:
        .long   metadata_offset
        .short  4 + 2 + 16
        guid    dc886566, 984a, 4798, a75e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc
        .long   ap_reset
        .short  4 + 2 + 16
        guid    00f771de, 1a7e, 4fcb, 890e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e
        .short  guids_end - guids
        guid    96b582de, 1fb2, 45f7, baea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d
guids_end:

        .section .reset, "ax"
        .code16
        jmp     bsp_reset
        .balign 16, 0xf4

        .section .note.GNU-stack, "", @progbits
