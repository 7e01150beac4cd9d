/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INIT does not stop the boot processor of a guest whose registers are its
 * own, and wakes it, in its VMSA; two vCPUs
 *
 * kvm_apic_accept_events() of Linux 6.12.  The boot processor has run with the
 * launch's VMSA, and runs with a page here, so that it can leave it; the other
 * one does the rest.
 */
#include "nmi.h"
#include "sleeper.h"

/* vCPUs of the library */
enum { DRIVER = 1, BOOT = 2 };

#define TRIES       500

/*
 * INIT comes before an NMI, and takes one away that was sent too early: who
 * takes an NMI that was sent behind an INIT has dealt with both.
 */
static bool takes_nmi(void)
{
    volatile u64 *count = &cpus[BOOT].interrupts;

    for (unsigned i = 0; i < TRIES && !*count; i++) {
        mmio_write(0xfee00310, 4, 0);
        mmio_write(0xfee00300, 4, NMI_COMMAND);
        for (unsigned ms = 0; ms < 50 && !*count; ms++) {
            delay_us(1000);
        }
    }
    return *count;
}

static void check_init(void)
{
    u8 *vmsa = ap_vmsa(BOOT);
    u64 value = ~SLEEPER_MARK, seen;

    rmpadjust(vmsa, 0, 0x10001);
    check_eq(T("creation"), ap_request(AP_CREATE, 0, (u64)vmsa,
                                       own_features()), 0);
    check(T("halts"), sleeper_halts(vmsa));
    sleeper_change(vmsa, value);
    ap_init(0);
    check(T("wakes"), wait_for(&sleeper_wakes, 1));
    check_eq(T("r15-of-the-page"), sleeper_r15, value);
    seen = sleeper_spins;
    check(T("runs"), wait_for_more(&sleeper_spins, seen));
    /* One that is awake goes on, too. */
    ap_init(0);
    check(T("init-is-served"), takes_nmi());
    seen = sleeper_spins;
    check(T("goes-on"), wait_for_more(&sleeper_spins, seen));
    check_eq(T("woke-once"), sleeper_wakes, 1);
}

void ap_main(unsigned index)
{
    if (index == BOOT) {
        sleeper_run();
    }
    ghcb_setup();
    check_init();
    finish();
}

void payload(void)
{
    set_gate(idt, NMI, count_nmi);
    ap_start(DRIVER);
    for (;;) {
        pause();
    }
}
