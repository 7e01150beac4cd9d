/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all bare-metal payloads in 64-bit mode know of their processor: traps,
 * and instructions that C has no words for
 */
#ifndef CPU_H
#define CPU_H

#include "checks.h"
#include "traps.h"

#pragma GCC visibility push(hidden)

#define DB 1
#define UD 6
#define DF 8
#define GP 13
#define PF 14
#define VC 29

/* Error code of #PF */
#define PF_PRESENT      0x1
#define PF_WRITE        0x2
#define PF_RSVD         0x8

/* What traps.inc saves, and restores where trap_handler() returns */
struct frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8;
    u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
    u64 vector, error, rip, cs, rflags, rsp, ss;
};

/** trap_handler: what a payload does with an exception or an interrupt */
void trap_handler(struct frame *frame);

/** set_gate: vector @vector of @table goes to @handler, interrupts off */
static inline void set_gate(u64 *table, unsigned vector,
                            void (*handler)(void))
{
    u64 address = (u64)handler;

    table[2 * vector] = (address & 0xffff) | SEL_CODE64 << 16 |
                        0x8eULL << 40 | (address >> 16 & 0xffff) << 48;
    table[2 * vector + 1] = address >> 32;
}

/** set_trap_gates: all of a @table of TRAP_VECTORS go to trap_handler() */
static inline void set_trap_gates(u64 *table)
{
    extern u8 trap_stubs[];

    for (unsigned i = 0; i < TRAP_VECTORS; i++) {
        set_gate(table, i, (void (*)(void))(trap_stubs + i * TRAP_STUB_SIZE));
    }
}

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

static inline void invlpg(const volatile void *p)
{
    asm volatile("invlpg (%0)" :: "r"(p) : "memory");
}

#pragma GCC visibility pop

#endif
