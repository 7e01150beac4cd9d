/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See lives.h. */
#include "lives.h"

u8 cmos(u8 index)
{
    io_out(0x70, 1, index);
    return io_in(0x71, 1);
}

void set_cmos(u8 index, u8 value)
{
    io_out(0x70, 1, index);
    io_out(0x71, 1, value);
}

static void NOINLINE lose_interrupt_table(u64 hole)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) pointer = { 0xfff, hole };

    asm volatile("lidt %0; int $3" :: "m"(pointer));
}

void reset(u8 life, u64 hole)
{
    switch (life) {
    case 0:
        io_out(0xcf9, 1, 0x06);
        break;
    case 1:
        lose_interrupt_table(hole);
        break;
    default:
        io_out(0x64, 1, 0xfe);
        break;
    }
}
