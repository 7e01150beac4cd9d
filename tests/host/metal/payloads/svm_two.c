/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two processors: one runs guests, while the other writes to their VMCB and
 * sends interrupts
 */
#include "svm.h"

#define LAPIC           0xfee00000ULL
#define LAPIC_SPURIOUS  0x0f0
#define LAPIC_ICR       0x300
#define LAPIC_ICR_HIGH  0x310
#define ICR_INIT        0x4500
#define ICR_STARTUP     0x4600
#define ICR_FIXED       0x4000
#define VECTOR          0x4e
#define INJECTED        0x44

/* Where the second processor starts, and its stack */
#define START           0x8000ULL
#define STACK           0x9000

/* Of the TSC: some seconds, and what is lost stays lost for longer than this */
#define LONG            10000000000ULL
#define EVER            (20 * LONG)
#define LEAST           500

#define BAD_EVENT       (EVENT_VALID | 1 << 8)
#define GOOD_EVENT      (EVENT_VALID | INJECTED)

/*
 * START is all that the second one can reach in 16 bits.  Its gdt_pointer is
 * that of start.S: 4 GDT entries.
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
    "  movl $0x9000, %esp\n call second_main\n"
    "1: hlt\n jmp 1b\n"
    "g_count: lock incl (%rdi)\n rep; vmmcall\n hlt\n"
    "g_gp: movl $0xbad, %ebx\n rep; vmmcall\n hlt\n"
    "g_hlt: hlt\n"
    "g_exit: vmmcall\n"
    "handler: pushq %rax\n movl $0xfee000b0, %eax\n movl $0, (%rax)\n"
    "  lock incl taken\n popq %rax\n iretq\n"
    ".popsection");
extern const u8 second[], second_end[], g_count[], g_gp[], g_hlt[], g_exit[];
extern const u8 handler[];
void second_main(void);

static enum { WAIT, SPOIL, INTERRUPT, END } volatile job;
volatile u32 taken;
static volatile u32 lost, sent;
static volatile bool is_there;

static void lapic(unsigned offset, u32 value)
{
    *(volatile u32 *)(LAPIC + offset) = value;
}

/* An event that is right, and one that is none */
static void spoil(void)
{
    volatile u32 *event = vmcb32(VMCB_EVENT);

    for (unsigned i = 0; i < 1000; i++) {
        *event = GOOD_EVENT;
        *event = BAD_EVENT;
    }
}

/* One that is not taken for a long time was lost. */
static void interrupt(void)
{
    u32 before = taken;
    u64 start = rdtsc();

    lapic(LAPIC_ICR_HIGH, 0);
    lapic(LAPIC_ICR, ICR_FIXED | VECTOR);
    sent++;
    while (taken == before) {
        pause();
        if (rdtsc() - start > EVER) {
            lost += taken == before;
            return;
        }
    }
}

void second_main(void)
{
    is_there = true;
    while (job != END) {
        switch (job) {
        case SPOIL:
            spoil();
            break;
        case INTERRUPT:
            interrupt();
            break;
        default:
            pause();
        }
    }
    is_there = false;
}

static bool start_second(void)
{
    u64 start = rdtsc();

    memcpy((void *)START, second, second_end - second);
    lapic(LAPIC_SPURIOUS, 0x14f);
    lapic(LAPIC_ICR_HIGH, 1 << 24);
    lapic(LAPIC_ICR, ICR_INIT);
    lapic(LAPIC_ICR, ICR_STARTUP | START >> 12);
    while (!is_there && rdtsc() - start < EVER) {
        pause();
    }
    return is_there;
}

/*
 * VMRUN fails, or it delivers the event: what it has checked is what it
 * injects.  A guest with SEV-ES would meet #GP else.
 */
static void check_event(void)
{
    unsigned refused = 0, injected = 0, other = 0;
    u64 start = rdtsc();

    set_gate(idt, INJECTED, (void (*)(void))g_count);
    set_gate(idt, GP, (void (*)(void))g_gp);
    job = SPOIL;
    while (refused + injected < 2000 || !refused || !injected) {
        u64 code;

        if (rdtsc() - start > EVER) {
            break;
        }
        set_encrypted(g_hlt);
        *vmcb32(VMCB_EVENT) = GOOD_EVENT;
        code = run_encrypted();
        if (code == EXIT_INVALID) {
            refused++;
        } else if (code == EXIT_VMGEXIT && *vmsa64(VMSA_RBX) != 0xbad) {
            injected++;
        } else {
            other++;
        }
    }
    job = WAIT;
    check(T("both-seen"), refused && injected);
    check_eq(T("event-read-once"), other, 0);
}

/* A virtual interrupt is pending each time that VMRUN loads a guest. */
static void check_interrupts(void)
{
    u64 start = rdtsc();

    set_gate(idt, VECTOR, (void (*)(void))handler);
    job = INTERRUPT;
    while (!lost && (sent < LEAST || (sent < 20000 &&
                                        rdtsc() - start < 2 * LONG))) {
        set_guest(g_exit);
        *vmcb64(VMCB_INT_CTL) = 1 << 8 | 1 << 20 | 1 << 24 | 0x46ULL << 32;
        run();
        asm volatile("sti\n nop\n nop\n cli" ::: "memory");
    }
    job = END;
    while (is_there) {
        asm volatile("sti\n nop\n nop\n cli" ::: "memory");
    }
    check_eq(T("no-interrupt-is-lost"), lost, 0);
    check(T("interrupts-were-sent"), sent >= LEAST);
}

void payload(void)
{
    svm_on();
    check(T("second-processor"), start_second());
    check_event();
    check_interrupts();
}
