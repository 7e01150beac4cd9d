/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU that is halted has left its VMSA, and goes on with what is there by
 * then; two vCPUs
 *
 * APM volume 2, 15.36.12: VMRUN loads what is in the page.  INIT and SIPI
 * change no register of such a vCPU.
 */
#include "nmi.h"
#include "sleeper.h"

#define VMSA_R15    0x378
/* Behind what the processor reads or writes: table B-4 */
#define SPARE       0xff8

void ap_main(unsigned index)
{
    (void)index;
    sleeper_run();
}

static void send_nmi(u32 apic_id)
{
    mmio_write(0xfee00310, 4, apic_id << 24);
    mmio_write(0xfee00300, 4, NMI_COMMAND);
}

void payload(void)
{
    u8 *vmsa = priv(VMSA_GPA);
    u64 seen;

    set_gate(idt, NMI, count_nmi);
    ap_start(1);
    check(T("halts"), sleeper_halts(vmsa));
    check_eq(T("its-r15"), *(volatile u64 *)(vmsa + VMSA_R15), SLEEPER_MARK);
    sleeper_change(vmsa, ~SLEEPER_MARK);
    *(volatile u64 *)(vmsa + SPARE) = SLEEPER_MARK;
    send_nmi(1);
    check(T("wakes"), wait_for(&sleeper_wakes, 1));
    check_eq(T("r15-of-the-page"), sleeper_r15, ~SLEEPER_MARK);
    check_eq(T("one-nmi"), cpus[1].interrupts, 1);
    check(T("runs"), wait_for_more(&sleeper_spins, 0));
    /* Where it is by now, and not where it was halted */
    ap_init(1);
    delay_us(100000);
    seen = sleeper_spins;
    ap_sipi(1);
    check(T("goes-on"), wait_for_more(&sleeper_spins, seen));
    check_eq(T("where-it-was"), sleeper_wakes, 1);
    check_eq(T("destroy"), ap_request(AP_DESTROY, 1, 0, 0), 0);
    while (rmpadjust(vmsa, 0, 1).eax) {
        delay_us(1000);
    }
    check_eq(T("r15-stays"), *(volatile u64 *)(vmsa + VMSA_R15), ~SLEEPER_MARK);
    check_eq(T("spare-stays"), *(volatile u64 *)(vmsa + SPARE), SLEEPER_MARK);
}
