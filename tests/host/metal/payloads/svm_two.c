/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two processors: one runs guests, while the other writes to their VMCB and
 * sends interrupts
 */
#include "second.h"
#include "svm.h"

#define ICR_FIXED       0x4000
#define VECTOR          0x4e
#define INJECTED        0x44

/* Of the TSC: some seconds, and what is lost stays lost for longer than this */
#define LONG            SECOND_LONG
#define EVER            SECOND_EVER
#define LEAST           500

#define BAD_EVENT       (EVENT_VALID | 1 << 8)
#define GOOD_EVENT      (EVENT_VALID | INJECTED)

asm(".pushsection .text\n"
    "g_count: lock incl (%rdi)\n rep; vmmcall\n hlt\n"
    "g_gp: movl $0xbad, %ebx\n rep; vmmcall\n hlt\n"
    "g_hlt: hlt\n"
    "g_exit: vmmcall\n"
    "handler: pushq %rax\n movl $0xfee000b0, %eax\n movl $0, (%rax)\n"
    "  lock incl taken\n popq %rax\n iretq\n"
    ".popsection");
extern const u8 g_count[], g_gp[], g_hlt[], g_exit[], handler[];

static enum { WAIT, SPOIL, INTERRUPT, END } volatile job;
volatile u32 taken;
static volatile u32 lost, sent;

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

static void second_main(void)
{
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
    while (second_runs()) {
        asm volatile("sti\n nop\n nop\n cli" ::: "memory");
    }
    check_eq(T("no-interrupt-is-lost"), lost, 0);
    check(T("interrupts-were-sent"), sent >= LEAST);
}

void payload(void)
{
    svm_on();
    check(T("second-processor"), start_second(second_main));
    check_event();
    check_interrupts();
}
