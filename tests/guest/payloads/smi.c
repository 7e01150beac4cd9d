/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System management interrupts, by local APIC and by the chipset's port B2h,
 * to a machine without SMM: nothing happens, whatever the vCPU does; two vCPUs
 */
#include "snp.h"

#define ICR_LOW         0xfee00300
#define ICR_HIGH        0xfee00310
#define ICR_SMI         0x200
#define SMRAM           0x38000

static volatile u64 beats, halts, awake;

void ap_main(unsigned index)
{
    (void)index;
    ghcb_setup();
    while (!halts) {
        beats++;
    }
    halts = 2;
    asm volatile("hlt");
    awake = 1;
}

/* To the other vCPU, and to this one */
static void send(void)
{
    for (unsigned id = 0; id < 2; id++) {
        mmio_write(ICR_HIGH, 4, (1 - id) << 24);
        mmio_write(ICR_LOW, 4, ICR_SMI);
    }
    io_out(0xb2, 1, 0x5a);
}

void payload(void)
{
    const u8 *saved = (u8 *)shar(SMRAM) + 0x7e00;

    ap_signal(1);
    wait_for_more(&beats, 1);
    send();
    check(T("while-running"), wait_for_more(&beats, beats + 1000));
    halts = 1;
    wait_for(&halts, 2);
    delay_us(20000);
    send();
    delay_us(20000);
    check_eq(T("while-halted"), awake, 0);
    check_bytes(T("nothing-saved"), saved, 0x200, 0);
}
