/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What wakes a vCPU that is halted, and what does not start one that never
 * was; two vCPUs
 *
 * Whatever wakes it, a vCPU goes on with what its VMSA holds by then.  A SIPI
 * that no INIT came before starts nobody, and wakes all the same:
 * kvm_apic_accept_events() and vcpu_block() of Linux 6.12.
 */
#include "sleeper.h"

#define NMI         2
#define NMI_COMMAND 0x4400
#define BURST       20000
#define ANY_VECTOR  0x4050

extern u64 idt[];
static volatile u64 starts;

/* Ends by IRET; nobody needs another one. */
void take_nmi(void);
asm(".text\n"
    "take_nmi:\n"
    "iretq\n");

void ap_main(unsigned index)
{
    (void)index;
    starts++;
    sleeper_run();
}

static void send_nmi(u32 apic_id)
{
    mmio_write(0xfee00310, 4, apic_id << 24);
    mmio_write(0xfee00300, 4, NMI_COMMAND);
}

/* Each has the other vCPU look at its local APIC. */
static void check_burst(void)
{
    mmio_write(0xfee00310, 4, 1 << 24);
    for (unsigned i = 0; i < BURST && !starts; i++) {
        mmio_write(0xfee00300, 4, ANY_VECTOR);
    }
    delay_us(100000);
    check_eq(T("burst-starts-none"), starts, 0);
}

static void check_wake(u8 *vmsa, void (*send)(u32 apic_id))
{
    u64 round = sleeper_wakes + 1, value = SLEEPER_MARK + round;

    check(S("halts"), sleeper_halts(vmsa));
    sleeper_change(vmsa, value);
    send(1);
    check(S("wakes"), wait_for(&sleeper_wakes, round));
    check_eq(S("r15-of-the-page"), sleeper_r15, value);
    sleeper_rounds = round;
}

void payload(void)
{
    u8 *vmsa = priv(VMSA_GPA);

    set_gate(idt, NMI, take_nmi);
    check_burst();
    ap_start(1);
    set_prefix(A("sipi"));
    check_wake(vmsa, ap_sipi);
    set_prefix(A("init-sipi"));
    check_wake(vmsa, ap_signal);
    set_prefix(A("nmi"));
    check_wake(vmsa, send_nmi);
    set_prefix(A("sipi-again"));
    check_wake(vmsa, ap_sipi);
    set_prefix(NULL);
    check_eq(T("started-once"), starts, 1);
}
