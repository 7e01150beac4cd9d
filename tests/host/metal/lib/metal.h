/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bare-metal hosts share: traps, ports, MSRs
 *
 * A host runs with interrupts off, one processor, and RAM as it is mapped.
 */
#ifndef METAL_H
#define METAL_H

#include "layout.h"
#include "cpu.h"

/** payload: what the machine runs; its end is finish() */
void payload(void);

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

/** idt: what the host runs with; guests may take some of its vectors */
extern u64 idt[2 * TRAP_VECTORS];

extern const u8 gdt[];

static inline void cpuid(u32 leaf, u32 subleaf, u32 regs[4])
{
    asm volatile("cpuid" : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]),
                 "=d"(regs[3]) : "a"(leaf), "c"(subleaf));
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
