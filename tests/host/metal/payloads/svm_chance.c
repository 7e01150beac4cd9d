/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMRUN of guests that are right but for a few bytes, without end
 *
 * What a guest does then is its own affair, and it may take the host with it:
 * a triple fault starts the machine anew, and with it this payload.  A timer
 * ends what goes round in circles.
 */
#include "svm.h"

#define LAPIC           0xfee00000ULL
#define LAPIC_EOI       0x0b0
#define LAPIC_SPURIOUS  0x0f0
#define LAPIC_TIMER     0x320
#define LAPIC_COUNT     0x380
#define LAPIC_DIVIDE    0x3e0
#define TIMER_VECTOR    0x4e
#define TIMER_TICKS     200000
#define ROUNDS          100

asm(".pushsection .text\n"
    "g_some: cpuid\n movl $0x10, %ecx\n rdmsr\n inb $0x80, %al\n"
    "  mov %cr0, %rax\n mov %rax, %cr0\n mov %cr3, %rax\n mov %rax, %cr3\n"
    "  mov %cr8, %rax\n mov %rax, %cr8\n"
    "  int $0x41\n invlpg (%rsp)\n pause\n movl (%rsi), %eax\n"
    "  movl %eax, (%rsi)\n sti\n rep; vmmcall\n vmmcall\n hlt\n ud2\n"
    "g_back: iretq\n"
    "timer: pushq %rax\n movl $0xfee000b0, %eax\n movl $0, (%rax)\n"
    "  popq %rax\n iretq\n"
    ".popsection");
extern const u8 g_some[], g_back[], timer[];

static u64 seed;

/* Start anew: nothing of this host may be right any more. */
static void triple_fault(void)
{
    static const u64 none[2];

    asm volatile("lidt %0\n ud2" :: "m"(none));
}

static u64 chance(u64 below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static void lapic(unsigned offset, u32 value)
{
    *(volatile u32 *)(LAPIC + offset) = value;
}

/* A value that is more interesting than most */
static u64 some_value(u64 old)
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

static void spoil(u8 *page, unsigned size)
{
    unsigned n = chance(4);

    for (unsigned i = 0; i < n; i++) {
        u64 *p = (u64 *)(page + chance(size / 8) * 8);

        *p = some_value(*p);
    }
}

/* What ends the guest stays, nearly always. */
static void keep_an_end(void)
{
    if (chance(500)) {
        *vmcb32(VMCB_INTERCEPTS) |= 1U << 31 | 3;       /* INTR, NMI */
        *vmcb32(VMCB_INTERCEPTS_2) |= 1;
        *vmcb32(VMCB_INT_CTL) |= 1 << 24;
    }
}

static void one(void *unused)
{
    bool encrypted = chance(2);

    (void)unused;
    if (encrypted) {
        set_encrypted(g_some);
        set_gate(idt, 29, (void (*)(void))g_back);
    } else {
        set_guest(g_some);
        *vmcb64(VMCB_NESTED_CTL) = chance(2);
        *vmcb64(VMCB_NESTED_CR3) = nested_pages();
        *vmcb32(VMCB_INT_CTL) = 1 << 24;
    }
    *vmcb32(VMCB_INTERCEPTS) = seed >> 8;
    *vmcb32(VMCB_INTERCEPTS_2) |= seed >> 24;
    *vmcb32(VMCB_CR_INTERCEPTS) = seed >> 3;
    *vmcb32(VMCB_DR_INTERCEPTS) = seed >> 5;
    *vmcb32(VMCB_EXCEPTIONS) = chance(2) ? seed >> 16 : 0;
    spoil(vmcb, 0x200);
    spoil(vmcb + VMCB_SAVE, 0x298);
    if (encrypted) {
        spoil(vmsa, 0x670);
    }
    if (!chance(16)) {
        spoil((u8 *)nested_pages(), 64);
    }
    keep_an_end();
    if (!chance(2000)) {
        wrmsr(0xc0010117, some_value(0) & ~0xfffULL);
    }
    lapic(LAPIC_COUNT, TIMER_TICKS);
    if (encrypted) {
        run_encrypted();
    } else {
        run();
    }
    /* Take the timer's interrupt if it was what ended the guest. */
    asm volatile("sti\n nop\n nop\n cli" ::: "memory");
}

void payload(void)
{
    u64 rounds = 0;

    trap_fatal = triple_fault;
    seed = rdtsc() | 1;
    result("seed", seed);
    svm_on();
    set_gate(idt, TIMER_VECTOR, (void (*)(void))timer);
    set_gate(idt, 0xf, (void (*)(void))timer);
    lapic(LAPIC_SPURIOUS, 0x14f);
    lapic(LAPIC_DIVIDE, 0xb);
    lapic(LAPIC_TIMER, TIMER_VECTOR);
    for (;;) {
        for (unsigned i = 0; i < ROUNDS; i++) {
            /* What the guest has left of the host may not go far. */
            if (try(one, NULL) >= 0) {
                asm volatile("stgi; cli");
            }
        }
        rounds += ROUNDS;
        result("rounds", rounds);
    }
}
