/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other way to start a vCPU: the first SIPI lets it run what the launch
 * gave it, later ones release it from an AP reset hold; two vCPUs
 *
 * Without a GHCB each of them starts it at the vector.
 */
#include "snp.h"

#define TABLE_GPA   AREA_GPA

static volatile u64 stage, go_on, msr_hold, nae_hold, nae_error;
static volatile u64 starts, table_seen, drained;

static void halt(void)
{
    for (;;) {
        asm volatile("hlt");
    }
}

/* Where an SEV-ES guest looks for where to go when its hold has ended */
static u64 jump_table_entry(void)
{
    ghcb_clear();
    if (ghcb_call(NAE_JUMP_TABLE, 1, 0)) {
        return 0;
    }
    return *(volatile u32 *)priv(ghcb_get(GHCB_INFO2));
}

void ap_main(unsigned index)
{
    starts++;
    stage = index;
    ghcb_setup();
    stage = 2;
    if (!has_ghcb()) {
        halt();
    }
    msr_hold = vmgexit(6);
    stage = 3;
    stay_while(&go_on, 0);
    vmgexit(6);
    drained = 1;
    stay_while(&go_on, 1);
    ghcb_clear();
    nae_error = ghcb_call(NAE_RESET_HOLD, 0, 0);
    nae_hold = ghcb_get(GHCB_INFO2);
    table_seen = jump_table_entry();
    stage = 4;
    halt();
}

/*
 * A signal too many would end the next hold.  What comes without an INIT ends
 * this one, and is not kept.
 */
static void drain(void)
{
    go_on = 1;
    for (unsigned i = 0; i < 1000 * WAIT_SECONDS && !drained; i++) {
        ap_sipi(1);
        delay_us(1000);
    }
    check(GHCB_T("drained"), drained == 1);
}

static void check_holds(void)
{
    *(volatile u32 *)priv(TABLE_GPA) = 0x12345678;
    ghcb_clear();
    ghcb_call(NAE_JUMP_TABLE, 0, TABLE_GPA);
    delay_us(3000);
    check_eq(GHCB_T("msr-hold-holds"), stage, 2);
    ap_signal_until(1, &stage, 2);
    check(GHCB_T("msr-hold-released"), wait_for(&stage, 3));
    check(GHCB_T("msr-hold-response"),
          (msr_hold & 0xfff) == 7 && msr_hold >> 12);
    drain();
    go_on = 2;
    delay_us(3000);
    check_eq(GHCB_T("nae-hold-holds"), stage, 3);
    ap_signal_until(1, &stage, 3);
    check(GHCB_T("nae-hold-released"), wait_for(&stage, 4));
    check_eq(GHCB_T("nae-hold-error"), nae_error, 0);
    check(GHCB_T("nae-hold-response"), nae_hold != 0);
    check_eq(GHCB_T("jump-table-of-the-other"), table_seen, 0x12345678);
}

void payload(void)
{
    validate(priv(TABLE_GPA), PAGE);
    check_eq(T("waits-for-sipi"), stage, 0);
    ap_signal(1);
    check(T("first-sipi-starts-at-the-reset-block"), wait_for(&stage, 2));
    if (has_ghcb()) {
        check_holds();
    } else {
        ap_signal(1);
        check(SEV_T("second-sipi-starts-again"), wait_for(&starts, 2));
    }
}
