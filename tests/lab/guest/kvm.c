/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See kvm.h. */
#include "kvm.h"

u8 stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
u64 cbit;
extern u64 pd_private[512], pdpt[512], pdpt_private[512];
extern u8 ap_start16[], ap_start16_end[];
extern volatile u32 started;
static volatile u32 ready;

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

/* Each look at the port keeps QEMU from what it was asked for. */
u8 host_byte(void)
{
    while (!(inb(0x3fd) & 1)) {
        for (unsigned i = 0; i < 5000; i++) {
            pause();
        }
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

void must_map(u64 gpa, u64 pages, u64 attributes)
{
    int64_t ret = map_gpa_range(gpa, pages, attributes);

    if (ret) {
        fatal("KVM_HC_MAP_GPA_RANGE", ret);
    }
}

/* The host answers with the policy's first letter: both, shared, private .. */
bool discards(char half)
{
    static char policy;

    if (!policy) {
        policy = host("policy", NULL, 0, 0, 0);
    }
    return policy == 'b' || policy == half;
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

void map_dimm(void)
{
    /* present, writable, accessed, dirty, 1 GiB */
    pdpt[DIMM_GPA >> 30] = DIMM_GPA | 0xe3;
    pdpt_private[DIMM_GPA >> 30] = DIMM_GPA | 0xe3 | cbit;
}

/* ---- devices ---- */

static void pci_address(unsigned device, unsigned offset)
{
    outl(0xcf8, 0x80000000 | device << 11 | (offset & ~3));
}

void pci_write8(unsigned device, unsigned offset, u8 value)
{
    pci_address(device, offset);
    outb(0xcfc + (offset & 3), value);
}

void pci_write32(unsigned device, unsigned offset, u32 value)
{
    pci_address(device, offset);
    outl(0xcfc, value);
}

/* ---- processors ---- */

#define WAKE_VECTOR 0x40

static void (*volatile jobs[MAX_CPUS])(void);
static u64 idt[WAKE_VECTOR + 1][2];
extern u8 wake[];

static void apic_write(unsigned offset, u32 value)
{
    *(volatile u32 *)(0xfee00000ULL + offset) = value;
}

static void take_wake_ups(void)
{
    struct { u16 limit; u64 base; } __attribute__((packed)) to = {
        sizeof(idt) - 1, (u64)idt,
    };
    u64 at = (u64)wake;

    idt[WAKE_VECTOR][0] = (at & 0xffff) | SEL_CODE64 << 16 | 0x8eULL << 40 |
                          (at >> 16 & 0xffff) << 48;
    idt[WAKE_VECTOR][1] = at >> 32;
    asm volatile("lidt %0" :: "m"(to));
    apic_write(0xf0, 0x1ff);
}

/* Processors that wait sleep: there may be fewer real ones. */
__attribute__((weak)) void ap_main(unsigned index)
{
    take_wake_ups();
    for (;;) {
        asm volatile("cli" ::: "memory");
        if (!jobs[index]) {
            asm volatile("sti; hlt" ::: "memory");
            continue;
        }
        jobs[index]();
        jobs[index] = NULL;
    }
}

void run_on(unsigned index, void (*fn)(void))
{
    if (!index) {
        fn();
        return;
    }
    jobs[index] = fn;
    /* to all others */
    apic_write(0x300, 0xc4000 | WAKE_VECTOR);
    while (jobs[index]) {
        pause();
    }
}

unsigned host_cpus(void)
{
    return host("cpus", NULL, 0, 0, 0);
}

/* To all others: INIT, then the page to start at. */
void start_cpus(unsigned others)
{
    if (!others) {
        return;
    }
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
