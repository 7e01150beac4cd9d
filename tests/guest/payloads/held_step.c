/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU that waits with TF set, in an AP reset hold or after an INIT, and has
 * no stack meanwhile: the trap comes after the instruction that follows, which
 * is the first one that could take it; two vCPUs
 *
 * Without DebugSwap #DB is #VC 41h.
 */
#include "snp.h"

#define TRIES   400

extern u8 held_trap[], halted_trap[];
static volatile u64 stage, traps, rip, response;
static volatile u64 done = -1;

/*
 * Wait with TF set and RSP @rsp.  IRETQ sets both at once, and what follows it
 * is not trapped before it has waited.
 */
void step_over_hold(u64 rsp);
void step_over_hlt(u64 rsp);
asm(".macro step_over name, trap, insn:vararg\n"
    "\\name:\n"
    "push %r12\n"
    "mov %rsp, %r12\n"
    "mov %ss, %eax\n"
    "push %rax\n"
    "push %rdi\n"
    "pushfq\n"
    "orl $0x100, (%rsp)\n"
    "mov %cs, %eax\n"
    "push %rax\n"
    "lea 1f(%rip), %rax\n"
    "push %rax\n"
    "iretq\n"
    "1: \\insn\n"
    "mov %r12, %rsp\n"
    "\\trap:\n"
    "pop %r12\n"
    "ret\n"
    ".endm\n"
    ".text\n"
    "step_over step_over_hold, held_trap, .byte 0xf3, 0x0f, 0x01, 0xd9\n"
    "step_over step_over_hlt, halted_trap, hlt\n");

static bool on_step(struct frame *frame)
{
    if (frame->vector != VC || frame->error != NAE_DB) {
        return false;
    }
    traps++;
    rip = frame->rip;
    frame->rflags &= ~0x100ULL;
    return true;
}

static u64 own_stack(void)
{
    return (u64)__builtin_frame_address(0) - PAGE;
}

/* Nothing is mapped there. */
static u64 no_stack(void)
{
    return WINDOW_VA + 8 * PAGE;
}

static void hold(u64 rsp)
{
    wrmsr(MSR_GHCB, 6);
    step_over_hold(rsp);
    response = rdmsr(MSR_GHCB);
}

/* Runs until the next one is asked for; a late signal may end that hold. */
static void next(u64 number)
{
    done = number;
    while (stage == number) {
        pause();
    }
}

void ap_main(unsigned index)
{
    (void)index;
    ghcb_setup();
    next(0);
    hold(own_stack());
    next(1);
    hold(no_stack());
    next(2);
    step_over_hlt(own_stack());
    next(3);
    step_over_hlt(no_stack());
    next(4);
    hold(no_stack());
    next(5);
    hold(no_stack());
    next(6);
}

/* KVM does nothing with a signal that comes before it waits. */
static bool goes_on(u64 number, void (*send)(u32 apic_id))
{
    for (unsigned i = 0; i < TRIES && done != number; i++) {
        send(1);
        for (unsigned ms = 0; ms < 50 && done != number; ms++) {
            delay_us(1000);
        }
    }
    return done == number;
}

static void check_step(const char *name, void (*send)(u32 apic_id), u8 *trap)
{
    u64 number = stage + 1;

    set_prefix(name);
    traps = rip = response = 0;
    stage = number;
    check(S("goes-on"), goes_on(number, send));
    check_eq(S("one-trap"), traps, 1);
    check_eq(S("behind-the-next"), rip, (u64)trap);
    set_prefix(NULL);
}

static bool is_released(void)
{
    return (response & 0xfff) == 7 && response >> 12;
}

void payload(void)
{
    trap_hook = on_step;
    if (has_rmp()) {
        ap_start(1);
    } else {
        /* With the launch's VMSA */
        ap_signal(1);
    }
    check(T("starts"), wait_for(&done, 0));
    check_step(A("hold"), ap_signal, held_trap);
    check(T("answered"), is_released());
    check_step(A("hold-no-stack"), ap_signal, held_trap);
    check(T("answered-no-stack"), is_released());
    check_step(A("halt"), ap_signal, halted_trap);
    check_step(A("halt-no-stack"), ap_signal, halted_trap);
    /* What was sent too often ends one hold, and is not there any more then. */
    check_step(A("hold-late"), ap_sipi, held_trap);
    check_step(A("hold-sipi"), ap_sipi, held_trap);
    check(T("not-answered"), !is_released());
}
