/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bare-metal hosts share: traps, ports, MSRs
 *
 * A host runs with interrupts off, one processor, and RAM as it is mapped.
 */
#ifndef METAL_H
#define METAL_H

#include "checks.h"
#include "layout.h"

#define UD 6
#define GP 13
#define PF 14

/** payload: what the machine runs; its end is finish() */
void payload(void);

struct frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8;
    u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
    u64 vector, error, rip, cs, rflags, rsp, ss;
};

/**
 * try: call @fn
 *
 * Returns: the vector of the exception that ended it, or -1.  May be nested.
 */
int try(void (*fn)(void *), void *arg);
/** trapped: the frame of the last exception that ended a try(), and CR2 */
extern struct frame trapped;
extern u64 trapped_cr2;

/** trap_fatal: instead of the end of the run by an exception outside try() */
extern void (*trap_fatal)(void);

/** idt: what the host runs with; 80 vectors, of which guests may take some */
extern u64 idt[2 * 80];
/** set_gate: vector @vector of @table goes to @handler */
void set_gate(u64 *table, unsigned vector, void (*handler)(void));

extern const u8 gdt[];

static inline u64 rdmsr(u32 msr)
{
    u32 low, high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
    asm volatile("wrmsr" :: "c"(msr), "a"((u32)value), "d"(value >> 32)
                 : "memory");
}

static inline void cpuid(u32 leaf, u32 subleaf, u32 regs[4])
{
    asm volatile("cpuid" : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]),
                 "=d"(regs[3]) : "a"(leaf), "c"(subleaf));
}

static inline void invlpg(const volatile void *p)
{
    asm volatile("invlpg (%0)" :: "r"(p) : "memory");
}

static inline u64 read_cr0(void)
{
    u64 value;

    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static inline u64 read_cr4(void)
{
    u64 value;

    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

#endif
