/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A second processor of a bare-metal host: the machine needs -smp 2
 */
#ifndef SECOND_H
#define SECOND_H

#include "metal.h"

#define LAPIC_ICR       0x300
#define LAPIC_ICR_HIGH  0x310

/* Of the TSC: some seconds, and longer than anything takes */
#define SECOND_LONG     10000000000ULL
#define SECOND_EVER     (20 * SECOND_LONG)

/**
 * start_second: have the second processor run @fn
 *
 * It has the first one's page tables and IDT, and no interrupts.  When @fn
 * returns, it halts.  Returns: false if it has not begun for long.
 */
bool start_second(void (*fn)(void));

/** second_runs: @fn has begun, and not returned */
bool second_runs(void);

/** lapic: write a register of this processor's */
static inline void lapic(unsigned offset, u32 value)
{
    *(volatile u32 *)(0xfee00000ULL + offset) = value;
}

#endif
