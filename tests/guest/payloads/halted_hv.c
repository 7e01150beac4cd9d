/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A halted vCPU with restricted injection has left its VMSA, as any has, and
 * is in it again when #HV comes; two vCPUs
 */
#include "hv.h"
#include "sleeper.h"

#define FAIL_INUSE      3
#define DOORBELL        AREA_GPA

static volatile u64 signals, nmis, vector;

/* Only the other vCPU has a doorbell. */
static bool on_hv(struct frame *frame)
{
    volatile u8 *page = shar(DOORBELL);

    if (frame->vector != HV) {
        return false;
    }
    signals++;
    nmis += __atomic_exchange_n(&page[BELL_FLAGS], 0, __ATOMIC_SEQ_CST) &
            BELL_NMI;
    vector = __atomic_exchange_n(&page[BELL_VECTOR], 0, __ATOMIC_SEQ_CST);
    return true;
}

void ap_main(unsigned index)
{
    (void)index;
    ghcb_setup();
    mmio_write(0xfee000f0, 4, 0x1ff);
    hv_ring_at(DOORBELL);
    sleeper_run();
}

static void check_wake(u8 *vmsa, u64 command)
{
    u64 round = sleeper_wakes + 1, value = SLEEPER_MARK + round;
    u64 before = signals;

    check(S("halts"), sleeper_halts(vmsa));
    sleeper_change(vmsa, value);
    hv_send(command);
    check(S("wakes"), wait_for(&sleeper_wakes, round));
    check_eq(S("one-hv"), signals, before + 1);
    check_eq(S("r15-of-the-page"), sleeper_r15, value);
    check_eq(S("in-use"), rmpadjust(vmsa, 0, 0x10001).eax, FAIL_INUSE);
    sleeper_rounds = round;
}

void payload(void)
{
    u8 *vmsa = priv(VMSA_GPA);

    trap_hook = on_hv;
    to_shared(DOORBELL, PAGE);
    memset(shar(DOORBELL), 0, PAGE);
    ap_start(1);
    set_prefix(A("vector"));
    check_wake(vmsa, FIXED_TO(1, 0x61));
    set_prefix(A("nmi"));
    check_wake(vmsa, NMI_TO(1));
    set_prefix(NULL);
    check_eq(T("nmis"), nmis, 1);
    check_eq(T("interrupts"), cpus[1].interrupts, 0);
}
