/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DR0 to DR7, and code to have a breakpoint on
 */
#ifndef DEBUG_REGISTERS_H
#define DEBUG_REGISTERS_H

#include "snp.h"

#define READ_DR(n) ({ u64 value_; \
    asm volatile("mov %%dr" #n ", %0" : "=r"(value_)); value_; })
#define WRITE_DR(n, value) \
    asm volatile("mov %0, %%dr" #n :: "r"((u64)(value)) : "memory")

static void NOINLINE landmark(void *arg)
{
    asm volatile("nop" :: "r"(arg));
}

#endif
