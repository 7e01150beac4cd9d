/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See kvm.h. */
#include "kvm.h"

u8 stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
u64 cbit;
extern u64 pd_private[512];
extern u8 ap_start16[], ap_start16_end[];
extern volatile u32 started;
static volatile u32 ready;

static void outb(u16 port, u8 value)
{
    asm volatile("outb %0, %1" :: "a"(value), "Nd"(port));
}

static u8 inb(u16 port)
{
    u8 value;

    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* ---- output: a debug console, whose port takes whole lines ---- */

static char line[256];
static unsigned length;

static void flush(void)
{
    const char *from = line;
    u64 n = length;

    asm volatile("rep outsb" : "+S"(from), "+c"(n) : "d"(0x402) : "memory");
    length = 0;
}

void print(const char *s)
{
    for (; *s; s++) {
        line[length++] = *s;
        if (*s == '\n' || length == sizeof(line)) {
            flush();
        }
    }
}

void leave(u8 code)
{
    for (;;) {
        outb(0xf4, code);
    }
}

u8 host_byte(void)
{
    while (!(inb(0x3fd) & 1)) {
        pause();
    }
    return inb(0x3f8);
}

/* ---- page states ---- */

int64_t map_gpa_range(u64 gpa, u64 pages, u64 attributes)
{
    int64_t ret;

    asm volatile("vmmcall" : "=a"(ret)
                 : "a"(12), "b"(gpa), "c"(pages), "d"(attributes) : "memory");
    return ret;
}

static void encryption_setup(void)
{
    u8 bit = host("cbit", NULL, 0, 0, 0);

    if (!bit) {
        return;
    }
    cbit = 1ULL << bit;
    for (unsigned i = 0; i < ARRAY_SIZE(pd_private); i++) {
        pd_private[i] |= cbit;
    }
    asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
}

/* ---- processors ---- */

__attribute__((weak)) void ap_main(unsigned index)
{
    (void)index;
}

static void apic_write(unsigned offset, u32 value)
{
    *(volatile u32 *)(0xfee00000ULL + offset) = value;
}

/* To all others: INIT, then the page to start at. */
void start_cpus(unsigned others)
{
    memcpy(shar(START_GPA), ap_start16, ap_start16_end - ap_start16);
    apic_write(0xf0, 0x1ff);
    apic_write(0x300, 0xc4500);
    for (unsigned i = 0; i < 1000; i++) {
        inb(0x80);
    }
    apic_write(0x300, 0xc4600 | START_GPA / PAGE);
    while (ready < others) {
        pause();
    }
}

void cpu_main(unsigned index);
void cpu_main(unsigned index)
{
    if (index) {
        __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
        ap_main(index);
        return;
    }
    encryption_setup();
    payload();
    finish();
}
