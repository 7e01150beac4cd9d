/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See snp.h. */
#include "lib.h"

struct cpu cpus[MAX_CPUS];
u8 stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
static u8 trap_stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
static struct { u32 reserved; u64 rsp0; u8 rest[0x5c]; }
    __attribute__((packed)) tss[MAX_CPUS];
u64 idt[2 * TRAP_VECTORS];
static u64 window_pd[512]
    __attribute__((section(".bss.window,\"aw\",@nobits#"), aligned(4096)));
static u64 window_pt[2][512]
    __attribute__((section(".bss.paged,\"aw\",@nobits#"), aligned(4096)));

/* ---- start ---- */

void trap_leave(struct trap *t) __attribute__((noreturn));

unsigned guest_kind(void)
{
    static unsigned kind;

    if (!kind) {
        kind = rdmsr(MSR_SEV_STATUS) & KIND_SNP;
    }
    return kind;
}

/* SNPActive is a feature, and says which kind of guest this is. */
u64 own_features(void)
{
    return rdmsr(MSR_SEV_STATUS) >> 2;
}

static void tss_setup(unsigned i)
{
    u64 base = (u64)&tss[i];
    u64 *entry = (u64 *)(gdt + SEL_TSS) + 2 * i;

    tss[i].rsp0 = (u64)(trap_stacks[i] + STACK_SIZE);
    entry[0] = (sizeof(tss[i]) - 1) | (base & 0xffffff) << 16 |
               0x89ULL << 40 | (base >> 24 & 0xff) << 56;
    entry[1] = base >> 32;
    asm volatile("ltr %w0" :: "r"(SEL_TSS + 16 * i) : "memory");
}

__attribute__((weak)) void ap_main(unsigned index)
{
    (void)index;
    for (;;) {
        asm volatile("hlt");
    }
}

void cpu_main(unsigned index);
void cpu_main(unsigned index)
{
    struct cpu *cpu = &cpus[index];

    cpu->self = cpu;
    cpu->index = index;
    cpu->trap = NULL;
    wrmsr(0xc0000101, (u64)cpu);
    if (index == 0) {
        set_trap_gates(idt);
        window_pd[0] = gpa_of(window_pt[0]) | CBIT | PTE;
        window_pd[1] = gpa_of(window_pt[1]) | CBIT | PTE;
    }
    tss_setup(index);
    if (index) {
        ap_main(index);
        return;
    }
    ghcb_setup();
    timer_setup();
    payload();
    finish();
}

u64 gpa_of(const volatile void *p)
{
    u64 va = (u64)p;

    if (va >= BSS_VA && va < BSS_VA + BSS_SIZE) {
        return va - BSS_VA + BSS_GPA;
    }
    return va;
}

void *map_entry(unsigned slot, u64 entry)
{
    void *va = (void *)(WINDOW_VA + slot * PAGE);

    ((volatile u64 *)window_pt)[slot] = entry;
    invlpg(va);
    return va;
}

void *map_page(unsigned slot, u64 gpa, bool private)
{
    return map_entry(slot, gpa | (private ? CBIT : 0) | PTE);
}

volatile u64 *window_directory(unsigned index)
{
    return &window_pd[index];
}

/* ---- traps ---- */

bool (*trap_hook)(struct frame *frame);

void trap_handler(struct frame *frame)
{
    struct cpu *cpu = this_cpu();
    struct trap *t = cpu->trap;
    u64 cr2;

    if (trap_hook && trap_hook(frame)) {
        return;
    }
    if (frame->vector >= 32) {
        cpu->interrupts++;
        return;
    }
    asm volatile("mov %%cr2, %0" : "=r"(cr2));
    if (t) {
        t->vector = frame->vector;
        t->error = frame->error;
        t->rip = frame->rip;
        t->cr2 = cr2;
        t->frame = *frame;
        trap_leave(t);
    }
    if (cpu->index == 0) {
        print("# rip ");
        print_hex(frame->rip);
        print(" error ");
        print_hex(frame->error);
        print(" cr2 ");
        print_hex(cr2);
        print("\n");
        fatal("unexpected exception", frame->vector);
    }
    for (;;) {
        asm volatile("hlt");
    }
}

struct trap try_fn(void (*fn)(void *), void *arg)
{
    struct trap t;

    t.vector = -1;
    t.error = t.cr2 = t.rip = 0;
    catch(&t, fn, arg);
    return t;
}

/* ---- output ---- */

static void print_char(char c)
{
    while (!(io_in(0x3fd, 1) & 0x20)) {
        continue;
    }
    io_out(0x3f8, 1, c);
}

void print(const char *s)
{
    while (*s) {
        print_char(*s++);
    }
}

bool check_trap(const char *name, struct trap t, int vector, u64 error)
{
    bool ok = t.vector == vector && (error == -1ULL || t.error == error);

    if (!print_state(name, ok)) {
        print_values("vector ", vector, t.vector);
        print_values("error ", error, t.error);
        print(" at rip ");
        print_hex(t.rip);
    }
    print("\n");
    return ok;
}

u8 host_byte(void)
{
    while (!(io_in(0x3fd, 1) & 1)) {
        pause();
    }
    return io_in(0x3f8, 1);
}

void leave(u8 status)
{
    io_out(0xf4, 1, status);
    for (;;) {
        asm volatile("hlt");
    }
}

/* George Marsaglia's xorshift: the same numbers in each run */
u64 chance_state = 0x9e3779b97f4a7c15;

u64 chance(void)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return chance_state;
}

u64 below(u64 n)
{
    return (chance() >> 11) % n;
}
