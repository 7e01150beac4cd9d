/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The GHCB, and what is reached through it; see snp.h. */
#include "lib.h"

u64 vmgexit(u64 value)
{
    wrmsr(MSR_GHCB, value);
    asm volatile("rep; vmmcall" ::: "memory");
    return rdmsr(MSR_GHCB);
}

static void msr_terminate(unsigned code)
{
    vmgexit(0x100 | 7 << 12 | code << 16);
    for (;;) {
        asm volatile("hlt");
    }
}

u64 first_ghcb_msr;

volatile u8 *ghcb(void)
{
    return shar(this_cpu()->ghcb_gpa);
}

void ghcb_setup(void)
{
    struct cpu *cpu = this_cpu();
    u64 gpa = GHCB_GPA + cpu->index * PAGE;

    if (!has_ghcb()) {
        return;
    }
    if (!cpu->index) {
        first_ghcb_msr = rdmsr(MSR_GHCB);
    }
    if (has_rmp() && psc_msr(gpa, PSC_SHARED) != 0x15) {
        msr_terminate(1);
    }
    if (has_rmp() && vmgexit(gpa | 0x12) != (gpa | 0x13)) {
        msr_terminate(2);
    }
    cpu->ghcb_gpa = gpa;
    ghcb_clear();
}

void ghcb_clear(void)
{
    memset((void *)ghcb(), 0, PAGE);
    *(volatile u16 *)(ghcb() + GHCB_VERSION) = 2;
}

u64 ghcb_get(unsigned offset)
{
    return *(volatile u64 *)(ghcb() + offset);
}

void ghcb_poke(unsigned offset, u64 value)
{
    *(volatile u64 *)(ghcb() + offset) = value;
}

static void ghcb_mark(unsigned offset)
{
    ghcb()[GHCB_VALID + offset / 64] |= 1 << (offset / 8 % 8);
}

void ghcb_set(unsigned offset, u64 value)
{
    if (offset == GHCB_CPL) {
        ghcb()[GHCB_CPL] = value;
    } else {
        ghcb_poke(offset, value);
    }
    ghcb_mark(offset);
}

bool ghcb_is_valid(unsigned offset)
{
    return ghcb()[GHCB_VALID + offset / 64] & 1 << (offset / 8 % 8);
}

u32 ghcb_request(u64 code, u64 info1, u64 info2)
{
    ghcb_set(GHCB_CODE, code);
    ghcb_set(GHCB_INFO1, info1);
    ghcb_set(GHCB_INFO2, info2);
    vmgexit(this_cpu()->ghcb_gpa);
    return ghcb_get(GHCB_INFO1);
}

static u8 answers[PAGE] __attribute__((aligned(16)));

u32 ghcb_call(u64 code, u64 info1, u64 info2)
{
    u32 result = ghcb_request(code, info1, info2);

    if (this_cpu()->index == 0) {
        memcpy(answers, (const void *)ghcb(), PAGE);
    }
    return result;
}

u64 answer(unsigned offset)
{
    return *(u64 *)(answers + offset);
}

static void out(u16 port, unsigned size, u32 value)
{
    switch (size) {
    case 1:
        asm volatile("outb %b0, %1" :: "a"(value), "Nd"(port));
        break;
    case 2:
        asm volatile("outw %w0, %1" :: "a"(value), "Nd"(port));
        break;
    default:
        asm volatile("outl %0, %1" :: "a"(value), "Nd"(port));
    }
}

static u32 in(u16 port, unsigned size)
{
    u32 value = 0;

    switch (size) {
    case 1:
        asm volatile("inb %1, %b0" : "+a"(value) : "Nd"(port));
        break;
    case 2:
        asm volatile("inw %1, %w0" : "+a"(value) : "Nd"(port));
        break;
    default:
        asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    }
    return value;
}

/* No output without I/O: where it fails there is only the MSR left. */
static void io(u16 port, unsigned size, bool in)
{
    if (ghcb_request(NAE_IOIO, (u32)port << 16 | size << 4 | in, 0)) {
        msr_terminate(3);
    }
}

void io_out(u16 port, unsigned size, u32 value)
{
    if (!has_ghcb()) {
        out(port, size, value);
        return;
    }
    ghcb_clear();
    ghcb_set(GHCB_RAX, value);
    io(port, size, false);
}

u32 io_in(u16 port, unsigned size)
{
    if (!has_ghcb()) {
        return in(port, size);
    }
    ghcb_clear();
    ghcb_set(GHCB_RAX, 0);
    io(port, size, true);
    return ghcb_get(GHCB_RAX);
}

static u32 mmio(u64 code, u64 gpa, unsigned size)
{
    ghcb_set(GHCB_SCRATCH, this_cpu()->ghcb_gpa + GHCB_BUFFER);
    return ghcb_call(code, gpa, size);
}

/* Devices are mapped where they are. */
static u64 load(u64 gpa, unsigned size)
{
    return size == 8 ? *(volatile u64 *)gpa : size == 4 ? *(volatile u32 *)gpa :
           size == 2 ? *(volatile u16 *)gpa : *(volatile u8 *)gpa;
}

static void store(u64 gpa, unsigned size, u64 value)
{
    switch (size) {
    case 8:
        *(volatile u64 *)gpa = value;
        break;
    case 4:
        *(volatile u32 *)gpa = value;
        break;
    case 2:
        *(volatile u16 *)gpa = value;
        break;
    default:
        *(volatile u8 *)gpa = value;
    }
}

u64 mmio_read(u64 gpa, unsigned size)
{
    if (!has_ghcb()) {
        return load(gpa, size);
    }
    ghcb_clear();
    if (mmio(NAE_MMIO_READ, gpa, size)) {
        fatal("MMIO read", gpa);
    }
    return ghcb_get(GHCB_BUFFER);
}

void mmio_write(u64 gpa, unsigned size, u64 value)
{
    if (!has_ghcb()) {
        store(gpa, size, value);
        return;
    }
    ghcb_clear();
    ghcb_poke(GHCB_BUFFER, value);
    if (mmio(NAE_MMIO_WRITE, gpa, size)) {
        fatal("MMIO write", gpa);
    }
}
