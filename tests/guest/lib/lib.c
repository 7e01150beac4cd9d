/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See snp.h. */
#include "snp.h"

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

static void timer_setup(void);

unsigned guest_kind(void)
{
    static unsigned kind;

    if (!kind) {
        kind = rdmsr(MSR_SEV_STATUS);
    }
    return kind;
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

void trap_handler(struct frame *frame)
{
    struct cpu *cpu = this_cpu();
    struct trap *t = cpu->trap;
    u64 cr2;

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

/* ---- instructions ---- */

struct result pvalidate(const volatile void *va, u64 rcx, u64 rdx)
{
    struct result r = { 0, false, rcx, rdx };
    u64 rax = (u64)va;

    asm volatile(".byte 0xf2, 0x0f, 0x01, 0xff"
                 : "+a"(rax), "+c"(r.rcx), "+d"(r.rdx), "=@ccc"(r.cf)
                 :: "memory");
    r.eax = rax;
    return r;
}

struct result rmpadjust(const volatile void *va, u64 rcx, u64 rdx)
{
    struct result r = { 0, false, rcx, rdx };
    u64 rax = (u64)va;

    asm volatile(".byte 0xf3, 0x0f, 0x01, 0xfe"
                 : "+a"(rax), "+c"(r.rcx), "+d"(r.rdx) :: "memory", "cc");
    r.eax = rax;
    return r;
}

struct result rmpquery(const volatile void *va, u64 rdx)
{
    struct result r = { 0, false, 0, rdx };
    u64 rax = (u64)va;

    asm volatile(".byte 0xf3, 0x0f, 0x01, 0xfd"
                 : "+a"(rax), "+c"(r.rcx), "+d"(r.rdx) :: "memory", "cc");
    r.eax = rax;
    return r;
}

/* EAX of leaf 1 as the CPUID page has it, 0 without one */
static u32 cpu_signature(void)
{
    const u8 *page = priv(CPUID_GPA);

    for (u32 i = 0; i < *(const u32 *)page && i < 64; i++) {
        const u32 *entry = (const u32 *)(page + 0x10 + 48 * i);

        if (entry[0] == 1) {
            return entry[6];
        }
    }
    return 0;
}

bool has_tsc_aux(void)
{
    u32 signature = cpu_signature();
    u32 family = (signature >> 8 & 0xf) + (signature >> 20 & 0xff);
    u32 model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);

    return family > 0x19 || (family == 0x19 && model >= 0x10);
}

static void pvalidate_range(const volatile void *va, u64 size, bool valid)
{
    const volatile u8 *p = va;

    while (has_rmp() && size) {
        bool large = !((u64)p & (PAGE_2M - 1)) && size >= PAGE_2M;
        struct result r = pvalidate(p, large, valid);

        if (r.eax == 6 && large) {
            large = false;
            r = pvalidate(p, 0, valid);
        }
        if (r.eax) {
            fatal("PVALIDATE", r.eax);
        }
        if (!valid) {
            /* PVALIDATE leaves translations alone. */
            invlpg(p);
        }
        p += large ? PAGE_2M : PAGE;
        size -= large ? PAGE_2M : PAGE;
    }
}

void validate(const volatile void *va, u64 size)
{
    pvalidate_range(va, size, true);
}

void rescind(const volatile void *va, u64 size)
{
    pvalidate_range(va, size, false);
}

/* ---- GHCB ---- */

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

static u32 request(u64 code, u64 info1, u64 info2)
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
    u32 result = request(code, info1, info2);

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
    if (request(NAE_IOIO, (u32)port << 16 | size << 4 | in, 0)) {
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

/* ---- page state change ---- */

u16 psc_current;

u64 psc_msr(u64 gpa, unsigned op)
{
    return vmgexit(psc_entry(gpa, op) | 0x14);
}

u64 psc(u64 *entries, unsigned n)
{
    u64 info2;

    ghcb_clear();
    ghcb_poke(GHCB_BUFFER, (u64)(n - 1) << 16);
    for (unsigned i = 0; i < n; i++) {
        ghcb_poke(GHCB_BUFFER + 8 + 8 * i, entries[i]);
    }
    ghcb_set(GHCB_SCRATCH, this_cpu()->ghcb_gpa + GHCB_BUFFER);
    ghcb_call(NAE_PSC, 0, 0);
    info2 = ghcb_get(GHCB_INFO2);
    psc_current = ghcb_get(GHCB_BUFFER);
    for (unsigned i = 0; i < n; i++) {
        entries[i] = ghcb_get(GHCB_BUFFER + 8 + 8 * i);
    }
    return info2;
}

static void psc_range(u64 gpa, u64 size, unsigned op)
{
    while (size) {
        bool large = !(gpa & (PAGE_2M - 1)) && size >= PAGE_2M;
        u64 entry = psc_entry(gpa, op) | (large ? PSC_2M : 0);
        u64 info2 = psc(&entry, 1);

        if (info2) {
            fatal("page state change", info2);
        }
        gpa += large ? PAGE_2M : PAGE;
        size -= large ? PAGE_2M : PAGE;
    }
}

static u64 vmmcall(u64 nr, u64 a, u64 b, u64 c)
{
    asm volatile("vmmcall" : "+a"(nr) : "b"(a), "c"(b), "d"(c) : "memory");
    return nr;
}

u64 hypercall(u64 nr, u64 a, u64 b, u64 c)
{
    if (!has_ghcb()) {
        return vmmcall(nr, a, b, c);
    }
    ghcb_clear();
    ghcb_set(GHCB_RAX, nr);
    ghcb_set(GHCB_RBX, a);
    ghcb_set(GHCB_RCX, b);
    ghcb_set(GHCB_RDX, c);
    ghcb_set(GHCB_CPL, 0);
    if (request(NAE_VMMCALL, 0, 0)) {
        fatal("VMMCALL by NAE event", nr);
    }
    return ghcb_get(GHCB_RAX);
}

static void change_range(u64 gpa, u64 size, bool private)
{
    u64 error;

    if (has_rmp()) {
        psc_range(gpa, size, private ? PSC_PRIVATE : PSC_SHARED);
        return;
    }
    error = hypercall(HC_MAP_GPA, gpa, size / PAGE,
                      private ? MAP_PRIVATE : MAP_SHARED);
    if (error) {
        fatal("KVM_HC_MAP_GPA_RANGE", error);
    }
}

void to_shared(u64 gpa, u64 size)
{
    rescind(priv(gpa), size);
    change_range(gpa, size, false);
}

void to_private(u64 gpa, u64 size)
{
    change_range(gpa, size, true);
    validate(priv(gpa), size);
}

/* ---- application processors ---- */

static void put(u8 *page, unsigned offset, u64 value, unsigned size)
{
    memcpy(page + offset, &value, size);
}

static void put_segment(u8 *page, unsigned offset, u16 selector,
                        u16 attributes, u32 limit, u64 base)
{
    put(page, offset, selector, 2);
    put(page, offset + 2, attributes, 2);
    put(page, offset + 4, limit, 4);
    put(page, offset + 8, base, 8);
}

/* APM volume 2, table B-4 */
u8 *ap_vmsa(unsigned index)
{
    static bool second[MAX_CPUS];
    u8 *page = priv(VMSA_GPA + (2 * (index - 1) + second[index]) * PAGE);
    u64 cr0, cr3, cr4;

    second[index] = !second[index];
    asm volatile("mov %%cr0, %0; mov %%cr3, %1; mov %%cr4, %2"
                 : "=r"(cr0), "=r"(cr3), "=r"(cr4));
    memset(page, 0, PAGE);
    for (unsigned offset = 0; offset <= 0x50; offset += 0x10) {
        put_segment(page, offset, SEL_DATA, 0xc93, 0xffffffff, 0);
    }
    put_segment(page, 0x10, SEL_CODE64, 0xa9b, 0xffffffff, 0);
    put_segment(page, 0x60, 0, 0, SEL_TSS + 16 * MAX_CPUS - 1, (u64)gdt);
    put_segment(page, 0x70, 0, 0x82, 0xffff, 0);
    put_segment(page, 0x80, 0, 0, sizeof(idt) - 1, (u64)idt);
    put_segment(page, 0x90, 0, 0x8b, 0xffff, 0);
    put(page, 0xd0, rdmsr(0xc0000080) | 0x1000, 8);
    put(page, 0x148, cr4, 8);
    put(page, 0x150, cr3, 8);
    put(page, 0x158, cr0, 8);
    put(page, 0x160, 0x400, 8);
    put(page, 0x168, 0xffff0ff0, 8);
    put(page, 0x170, 2, 8);
    put(page, 0x178, (u64)start_c, 8);
    put(page, 0x1d8, (u64)(stacks[index] + STACK_SIZE), 8);
    put(page, 0x268, 0x0007040600070406, 8);
    put(page, 0x338, index, 8);
    put(page, 0x3b0, SEV_FEATURES, 8);
    put(page, 0x3e8, 1, 8);
    put(page, 0x408, 0x1f80, 4);
    put(page, 0x410, 0x37f, 2);
    return page;
}

u64 ap_request(unsigned op, u32 apic_id, u64 vmsa_gpa, u64 features)
{
    u64 info1;

    ghcb_clear();
    if (op != AP_DESTROY) {
        ghcb_set(GHCB_RAX, features);
    }
    info1 = ghcb_call(NAE_AP_CREATE, (u64)apic_id << 32 | op, vmsa_gpa);
    return info1 << 32 | ghcb_get(GHCB_INFO2);
}

/*
 * KVM leaves a vCPU alone that never had INIT and SIPI, whatever has been
 * created for it (vcpu_enter_guest() is what looks).  Firmware sends both to
 * all vCPUs, once; creations after that wait for nothing.
 */
void ap_signal_once(unsigned index)
{
    static bool signalled[MAX_CPUS];

    if (!signalled[index]) {
        signalled[index] = true;
        ap_signal(index);
    }
}

void ap_start(unsigned index)
{
    u8 *page = ap_vmsa(index);
    struct result r = rmpadjust(page, 0, 0x10001);
    u64 error;

    if (r.eax) {
        fatal("RMPADJUST of a VMSA", r.eax);
    }
    error = ap_request(AP_CREATE, index, (u64)page, SEV_FEATURES);
    if (error) {
        fatal("AP creation", error);
    }
    ap_signal_once(index);
}

/* The interrupt command register */
static void send_command(u32 apic_id, u32 command)
{
    mmio_write(0xfee00310, 4, apic_id << 24);
    mmio_write(0xfee00300, 4, command);
}

void ap_init(u32 apic_id)
{
    send_command(apic_id, 0x4500);
}

void ap_sipi(u32 apic_id)
{
    if (has_ghcb()) {
        /* Whatever the vector */
        send_command(apic_id, 0x46ff);
        return;
    }
    memcpy(priv(SIPI_GPA), sipi_code, sipi_code_end - sipi_code);
    send_command(apic_id, 0x4600 | SIPI_GPA / PAGE);
}

void ap_signal(u32 apic_id)
{
    ap_init(apic_id);
    delay_us(100);
    ap_sipi(apic_id);
}

/* The power management timer of q35 counts 3.579545 MHz, in 24 bits. */
static u32 timer(void)
{
    return io_in(0x608, 4) & 0xffffff;
}

static void timer_setup(void)
{
    /* PMBASE of the LPC bridge, and its enable bit */
    io_out(0xcf8, 4, 0x8000f840);
    io_out(0xcfc, 4, 0x601);
    io_out(0xcf8, 4, 0x8000f844);
    io_out(0xcfc, 1, 0x80);
}

void delay_us(u64 us)
{
    u32 start = timer();

    while (((timer() - start) & 0xffffff) < us * 358 / 100) {
        pause();
    }
}

/*
 * Until @p is in [@low, @high].  The timer comes round every 4.7 seconds; who
 * is kept from looking at it for longer than that only waits longer.
 */
static bool wait_within(const volatile u64 *p, u64 low, u64 high)
{
    u64 ticks = 0;
    u32 last, now;

    if (*p - low <= high - low) {
        return true;
    }
    last = timer();
    while (*p - low > high - low) {
        now = timer();
        ticks += (now - last) & 0xffffff;
        last = now;
        if (ticks > WAIT_SECONDS * 3579545ULL) {
            return false;
        }
        pause();
    }
    return true;
}

bool wait_for(const volatile u64 *p, u64 value)
{
    return wait_within(p, value, value);
}

bool wait_for_more(const volatile u64 *p, u64 than)
{
    return wait_within(p, than + 1, -1ULL);
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
