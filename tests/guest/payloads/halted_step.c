/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU that halts with TF set: the trap comes after the instruction behind
 * HLT, since the hypervisor intercepts that one; two vCPUs
 *
 * Without DebugSwap #DB is #VC 41h.
 */
#include "snp.h"

#define VMSA_RIP    0x178
#define TRIES       60

extern u8 step_awake[];
/* Of the round that ended last */
static volatile u64 rip, traps;
static volatile u64 rounds, vectors;

/* TF is set for HLT, and for what follows. */
void step_over_hlt(void);
asm(".text\n"
    "step_over_hlt:\n"
    "pushfq\n"
    "orl $0x100, (%rsp)\n"
    "popfq\n"
    "hlt\n"
    "step_awake:\n"
    "nop\n"
    "nop\n"
    "ret\n");

static bool on_step(struct frame *frame)
{
    if (frame->vector != VC || frame->error != NAE_DB) {
        return false;
    }
    vectors++;
    rip = frame->rip;
    frame->rflags &= ~0x100ULL;
    return true;
}

void ap_main(unsigned index)
{
    (void)index;
    for (;;) {
        u64 before = vectors;

        step_over_hlt();
        traps = vectors - before;
        rounds++;
    }
}

/* It leaves its VMSA, which shows where it is. */
static bool is_evicted(const u8 *vmsa)
{
    for (unsigned i = 0; i < 20000; i++) {
        if (!rmpadjust(vmsa, 0, 0x10001).eax &&
            *(const volatile u64 *)(vmsa + VMSA_RIP) == (u64)step_awake) {
            return true;
        }
        delay_us(1000);
    }
    return false;
}

/* One that has not halted yet takes no notice. */
static bool wakes(void)
{
    u64 before = rounds;

    for (unsigned i = 0; i < TRIES && rounds == before; i++) {
        ap_sipi(1);
        for (unsigned ms = 0; ms < 1000 && rounds == before; ms++) {
            delay_us(1000);
        }
    }
    return rounds != before;
}

static void check_step(void)
{
    rip = traps = 0;
    check(S("wakes"), wakes());
    check_eq(S("one-trap"), traps, 1);
    check_eq(S("behind-the-next"), rip, (u64)step_awake + 1);
}

void payload(void)
{
    u8 *vmsa = priv(VMSA_GPA);

    trap_hook = on_step;
    ap_start(1);
    check(T("halts"), is_evicted(vmsa));
    check_eq(T("and-stays-so"), rounds, 0);
    set_prefix(A("evicted"));
    check_step();
    set_prefix(A("in-vmsa"));
    check_step();
    set_prefix(NULL);
    check(T("halts-again"), is_evicted(vmsa));
    set_prefix(A("evicted-again"));
    check_step();
    set_prefix(NULL);
    check_eq(T("rflags-of-the-page"),
             is_evicted(vmsa) ? *(u64 *)(vmsa + 0x170) & 0x100 : 0, 0x100);
}
