/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See chance.h. */
#include "chance.h"

#define LAPIC           0xfee00000ULL
#define LAPIC_SPURIOUS  0x0f0
#define LAPIC_TIMER     0x320
#define LAPIC_COUNT     0x380
#define LAPIC_DIVIDE    0x3e0
#define TIMER_VECTOR    0x4e
#define TIMER_TICKS     200000
#define ROUNDS          100
#define VECTORS         256

asm(".pushsection .text\n"
    "guest_end: vmmcall\n hlt\n"
    "timer: pushq %rax\n movl $0xfee000b0, %eax\n movl $0, (%rax)\n"
    "  popq %rax\n iretq\n"
    ".popsection");
extern const u8 guest_end[], timer[];

static u64 guest_idt[2 * VECTORS];
static u64 seed;

u64 chance(u64 below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

u64 some_value(u64 old)
{
    static const u64 values[] = {
        0, 1, ~0ULL, 1ULL << 63, 1ULL << 51, 0xfee00000, 0xfec00000,
        0xffff0000, 0x7ffffffff000, 0xfffffffffffff000, BSS,
    };

    switch (chance(4)) {
    case 0:
        return values[chance(ARRAY_SIZE(values))];
    case 1:
        return old ^ 1ULL << chance(64);
    case 2:
        return seed;
    default:
        return seed & 0xfffffffff000;
    }
}

void spoil(void *at, unsigned size)
{
    unsigned n = chance(4);

    for (unsigned i = 0; i < n; i++) {
        u64 *p = (u64 *)at + chance(size / 8);

        *p = some_value(*p);
    }
}

void set_guest_idt(void *save)
{
    set_segment(save, SAVE_IDTR, 0, 0, sizeof(guest_idt) - 1, (u64)guest_idt);
}

static void lapic(unsigned offset, u32 value)
{
    /* volatile: a device's register */
    *(volatile u32 *)(LAPIC + offset) = value;
}

void run_by_chance(bool encrypted)
{
    lapic(LAPIC_COUNT, TIMER_TICKS);
    if (encrypted) {
        run_encrypted();
    } else {
        run();
    }
    /* Take the timer's interrupt if it was what ended the guest. */
    asm volatile("sti\n nop\n nop\n cli" ::: "memory");
}

/* Start anew: nothing of this host may be right any more. */
static void triple_fault(void)
{
    static const u64 none[2];

    asm volatile("lidt %0\n ud2" :: "m"(none));
}

static void prepare(void)
{
    trap_fatal = triple_fault;
    seed = rdtsc() | 1;
    result("seed", seed);
    for (unsigned i = 0; i < VECTORS; i++) {
        set_gate(guest_idt, i, (void (*)(void))guest_end);
    }
    set_gate(guest_idt, VC, (void (*)(void))vc_handler);
    set_gate(idt, TIMER_VECTOR, (void (*)(void))timer);
    set_gate(idt, 0xf, (void (*)(void))timer);
    lapic(LAPIC_SPURIOUS, 0x14f);
    lapic(LAPIC_DIVIDE, 0xb);
    lapic(LAPIC_TIMER, TIMER_VECTOR);
}

void chance_rounds(void (*one)(void *))
{
    u64 rounds = 0;
    unsigned failed;

    prepare();
    for (;;) {
        failed = 0;
        for (unsigned i = 0; i < ROUNDS; i++) {
            /* What a guest has left of the host may not go far. */
            if (try(one, NULL) >= 0) {
                asm volatile("stgi; cli");
                failed++;
            }
        }
        if (failed > ROUNDS / 2) {
            triple_fault();
        }
        rounds += ROUNDS;
        result("rounds", rounds);
    }
}
