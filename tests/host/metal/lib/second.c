/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See second.h. */
#include "second.h"

#define LAPIC_SPURIOUS  0x0f0
#define ICR_INIT        0x4500
#define ICR_STARTUP     0x4600

/* Where it starts, below 64 KiB; its stack is the page behind */
#define START           0x8000ULL

/*
 * START is all that it can reach in 16 bits.  Its gdt_pointer is that of
 * start.S: 4 GDT entries.
 */
asm(".pushsection .text\n"
    "second: .code16\n"
    "  cli\n"
    "  lgdtl %cs:(second_gdt - second)\n"
    "  movl $0x20, %eax\n movl %eax, %cr4\n"            /* PAE */
    "  movl $0x1000, %eax\n movl %eax, %cr3\n"          /* PML4 */
    "  movl $0xc0000080, %ecx\n rdmsr\n"
    "  orl $0x900, %eax\n wrmsr\n"                      /* LME, NXE */
    "  movl %cr0, %eax\n andl $0x9fffffff, %eax\n"
    "  orl $0x80000001, %eax\n movl %eax, %cr0\n"
    "  ljmpl $0x10, $second64\n"
    "second_gdt: .word 31\n .long gdt\n"
    "second_end: .code64\n"
    "second64: movl $0x18, %eax\n movl %eax, %ds\n movl %eax, %ss\n"
    "  movl $0x9000, %esp\n lidt second_idt\n call second_main\n"
    "1: hlt\n jmp 1b\n"
    ".popsection");
extern const u8 second[], second_end[];
void second_main(void);

struct {
    u16 limit;
    u64 base;
} __attribute__((packed)) second_idt;

static void (*volatile job)(void);
static volatile bool is_there;

void second_main(void)
{
    is_there = true;
    job();
    is_there = false;
}

bool second_runs(void)
{
    return is_there;
}

bool start_second(void (*fn)(void))
{
    u64 start = rdtsc();

    job = fn;
    asm volatile("sidt %0" : "=m"(second_idt));
    memcpy((void *)START, second, second_end - second);
    lapic(LAPIC_SPURIOUS, 0x14f);
    lapic(LAPIC_ICR_HIGH, 1 << 24);
    lapic(LAPIC_ICR, ICR_INIT);
    lapic(LAPIC_ICR, ICR_STARTUP | START >> 12);
    while (!is_there && rdtsc() - start < SECOND_EVER) {
        pause();
    }
    return is_there;
}
