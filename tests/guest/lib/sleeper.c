/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See sleeper.h. */
#include "sleeper.h"

/* APM volume 2, table B-4 */
#define VMSA_RIP    0x178
#define VMSA_R15    0x378

#define TRIES       20000

volatile u64 sleeper_wakes, sleeper_r15, sleeper_rounds, sleeper_spins;

void sleeper_begin(void);
extern u8 sleeper_awake[];

asm(".text\n"
    "sleeper_begin:\n"
    "mov %rdi, %r15\n"
    "1: hlt\n"
    "sleeper_awake:\n"
    "mov %r15, sleeper_r15(%rip)\n"
    "incq sleeper_wakes(%rip)\n"
    "2: pause\n"
    "incq sleeper_spins(%rip)\n"
    "mov sleeper_wakes(%rip), %rax\n"
    "cmp %rax, sleeper_rounds(%rip)\n"
    "jb 2b\n"
    "jmp 1b\n");

void sleeper_run(void)
{
    asm volatile("jmp sleeper_begin" :: "D"(SLEEPER_MARK) : "memory");
    __builtin_unreachable();
}

/* What it wrote last is there: it has left, and is not awake. */
bool sleeper_halts(const u8 *vmsa)
{
    for (unsigned i = 0; i < TRIES; i++) {
        if (!rmpadjust(vmsa, 0, 0x10001).eax &&
            *(const volatile u64 *)(vmsa + VMSA_RIP) == (u64)sleeper_awake) {
            return true;
        }
        delay_us(1000);
    }
    return false;
}

void sleeper_change(u8 *vmsa, u64 value)
{
    *(volatile u64 *)(vmsa + VMSA_R15) = value;
}
