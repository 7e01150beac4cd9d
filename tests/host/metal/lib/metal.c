/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See metal.h and checks.h. */
#include "metal.h"

#define SERIAL  0x3f8
#define EXIT    0xf4

void try_leave(int vector) __attribute__((noreturn));
void metal_main(void);

u64 try_stack;
struct frame trapped;
u64 trapped_cr2;
u64 idt[2 * TRAP_VECTORS];
void (*trap_fatal)(void);

static inline void outb(u16 port, u8 value)
{
    asm volatile("outb %0, %1" :: "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
    u8 value;

    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void print(const char *s)
{
    while (*s) {
        outb(SERIAL, *s++);
    }
}

u8 host_byte(void)
{
    while (!(inb(SERIAL + 5) & 1)) {
        pause();
    }
    return inb(SERIAL);
}

void leave(u8 status)
{
    for (;;) {
        asm volatile("outl %0, %1" :: "a"((u32)status), "Nd"((u16)EXIT));
    }
}

void trap_handler(struct frame *frame)
{
    trapped = *frame;
    asm volatile("mov %%cr2, %0" : "=r"(trapped_cr2));
    if (try_stack) {
        try_leave(frame->vector);
    }
    if (trap_fatal) {
        trap_fatal();
    }
    print("# error ");
    print_hex(frame->error);
    print(" at ");
    print_hex(frame->rip);
    print(" cr2 ");
    print_hex(trapped_cr2);
    fatal("exception", frame->vector);
}

void metal_main(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) pointer = { sizeof(idt) - 1, (u64)idt };

    memset((void *)BSS, 0, BSS_SIZE);
    set_trap_gates(idt);
    asm volatile("lidt %0" :: "m"(pointer));
    /* No interrupts of the old controllers */
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    payload();
    finish();
}
