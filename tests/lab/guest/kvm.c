/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See kvm.h. */
#include "kvm.h"

u8 stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
u64 cbit;
extern u64 pd_private[512];
extern u8 ap_start16[], ap_start16_end[];
extern volatile u32 started;
static volatile u32 ready;

void *memset(void *p, int c, size_t n)
{
    void *start = p;

    asm volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
    return start;
}

void *memcpy(void *to, const void *from, size_t n)
{
    void *start = to;

    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) :: "memory");
    return start;
}

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

static void print(const char *s)
{
    for (; *s; s++) {
        line[length++] = *s;
        if (*s == '\n' || length == sizeof(line)) {
            flush();
        }
    }
}

static void print_hex(u64 value)
{
    char text[17];
    unsigned at = 16;

    text[16] = 0;
    do {
        text[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    print("0x");
    print(text + at);
}

/* ---- checks ---- */

static unsigned failures;
static const char *prefix;

void set_prefix(const char *to)
{
    prefix = to;
}

static void print_name(const char *name)
{
    if (prefix) {
        print(prefix);
        print("/");
    }
    print(name);
}

static bool report(const char *name, bool ok)
{
    print(ok ? "ok " : "not ok ");
    print_name(name);
    failures += !ok;
    return ok;
}

bool check(const char *name, bool ok)
{
    report(name, ok);
    print("\n");
    return ok;
}

static bool compare(const char *name, u64 found, u64 expected, u64 at)
{
    if (!report(name, found == expected)) {
        print(": expected ");
        print_hex(expected);
        print(" found ");
        print_hex(found);
        print(" at ");
        print_hex(at);
    }
    print("\n");
    return found == expected;
}

bool check_eq(const char *name, u64 found, u64 expected)
{
    return compare(name, found, expected, 0);
}

/* All ranges are whole pages. */
bool check_bytes(const char *name, const volatile void *p, u64 size, u8 value)
{
    const volatile u64 *word = p;
    u64 expected = value * 0x0101010101010101ULL;

    for (u64 i = 0; i < size / 8; i++) {
        if (word[i] != expected) {
            return compare(name, word[i], expected, (u64)&word[i]);
        }
    }
    return check(name, true);
}

void skip(const char *name, const char *why)
{
    print("skip ");
    print_name(name);
    print(": ");
    print(why);
    print("\n");
}

void fill(volatile void *p, u64 size, u8 value)
{
    memset((void *)p, value, size);
}

void result(const char *name, u64 value)
{
    print("# ");
    print(name);
    print(" ");
    print_hex(value);
    print("\n");
}

static void leave(u8 code)
{
    for (;;) {
        outb(0xf4, code);
    }
}

void finish(void)
{
    print("# finished\n");
    leave(failures ? 17 : 16);
    __builtin_unreachable();
}

void fatal(const char *why, u64 value)
{
    print("# fatal: ");
    print(why);
    print(" ");
    print_hex(value);
    print("\n");
    leave(18);
    __builtin_unreachable();
}

/* ---- the host ---- */

static u8 ask(const char *verb, const char *name, u64 a, u64 b, u64 c)
{
    print("@");
    print(verb);
    print(" ");
    name ? print_name(name) : print("-");
    print(" ");
    print_hex(a);
    print(" ");
    print_hex(b);
    print(" ");
    print_hex(c);
    print("\n");
    while (!(inb(0x3fd) & 1)) {
        asm volatile("pause");
    }
    return inb(0x3f8);
}

void host_fill(u64 gpa, u64 size, u8 value)
{
    ask("fill", NULL, gpa, size, value);
}

void host_expect(const char *name, u64 gpa, u64 size, u8 value)
{
    ask("expect", name, gpa, size, value);
}

void host_kept(const char *name, u64 gpa, u64 size, u8 value)
{
    ask("kept", name, gpa, size, value);
}

char host_policy(void)
{
    return ask("policy", NULL, 0, 0, 0);
}

void host_discard_fails(bool fails)
{
    ask("fails", NULL, fails, 0, 0);
}

void host_resident(void)
{
    ask("resident", NULL, 0, 0, 0);
}

void host_mark(void)
{
    ask("mark", NULL, 0, 0, 0);
}

void host_counted(const char *name, unsigned cause, u64 private, u64 shared)
{
    ask("counted", name, cause, private, shared);
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
    u8 bit = ask("cbit", NULL, 0, 0, 0);

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
        asm volatile("pause");
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
