/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See checks.h. */
#include "checks.h"

/* ---- the C library that the compiler expects ---- */

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

/* ---- checks ---- */

void print_hex(u64 value)
{
    char text[17];
    unsigned at = sizeof(text) - 1;

    text[at] = 0;
    do {
        text[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    print("0x");
    print(text + at);
}

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

bool print_state(const char *name, bool ok)
{
    print(ok ? "ok " : "not ok ");
    print_name(name);
    failures += !ok;
    return ok;
}

void print_values(const char *what, u64 expected, u64 found)
{
    print(": expected ");
    print(what);
    print_hex(expected);
    print(" found ");
    print_hex(found);
}

bool check(const char *name, bool ok)
{
    print_state(name, ok);
    print("\n");
    return ok;
}

bool check_eq(const char *name, u64 found, u64 expected)
{
    if (!print_state(name, found == expected)) {
        print_values("", expected, found);
    }
    print("\n");
    return found == expected;
}

/* Eight bytes at a time: all ranges are whole pages. */
static bool compare(const char *name, const volatile u64 *p, u64 size,
                    u8 value, bool equal)
{
    u64 pattern = value * 0x0101010101010101;
    u64 i, n = size / 8;

    for (i = 0; i < n && (p[i] == pattern) == equal; i++) {
        continue;
    }
    if (!print_state(name, i == n)) {
        print_values(equal ? "" : "anything but ", pattern, p[i]);
        print(" at ");
        print_hex((u64)(p + i));
    }
    print("\n");
    return i == n;
}

bool check_bytes(const char *name, const volatile void *p, u64 size, u8 value)
{
    return compare(name, p, size, value, true);
}

bool no_bytes(const char *name, const volatile void *p, u64 size, u8 value)
{
    return compare(name, p, size, value, false);
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
    u64 n = size / 8;

    asm volatile("rep stosq" : "+D"(p), "+c"(n)
                 : "a"(value * 0x0101010101010101) : "memory");
}

void result(const char *name, u64 value)
{
    print("# ");
    print(name);
    print(" ");
    print_hex(value);
    print("\n");
}

void finish(void)
{
    print("# finished\n");
    leave(failures ? 0x11 : 0x10);
    __builtin_unreachable();
}

void fatal(const char *why, u64 value)
{
    print("\n# fatal: ");
    print(why);
    print(" ");
    print_hex(value);
    print("\n");
    leave(0x12);
    __builtin_unreachable();
}

/* ---- the host ---- */

u8 host(const char *verb, const char *name, u64 a, u64 b, u64 c)
{
    print("@");
    print(verb);
    print(" ");
    if (name) {
        print_name(name);
    } else {
        print("-");
    }
    print(" ");
    print_hex(a);
    print(" ");
    print_hex(b);
    print(" ");
    print_hex(c);
    print("\n");
    return host_byte();
}

void host_fill(u64 gpa, u64 size, u8 value)
{
    host("fill", NULL, gpa, size, value);
}

void host_expect(const char *name, u64 gpa, u64 size, u8 value)
{
    host("expect", name, gpa, size, value);
}

void host_kept(const char *name, u64 gpa, u64 size, u8 value)
{
    host("kept", name, gpa, size, value);
}

void host_huge(const char *name, u64 pages, u64 discarded, u64 held_back)
{
    host("huge", name, pages, discarded, held_back);
}

void host_absent(const char *name, u8 value)
{
    host("absent", name, 0, 0, value);
}

void host_backing(const char *name, u64 gpa, u64 size, bool private)
{
    host("backing", name, gpa, size, private);
}

void host_resident_most(const char *name, u64 bytes)
{
    host("resident", name, bytes, 0, 0);
}

bool host_large_pages(void)
{
    return host("large", NULL, 0, 0, 0) == 'L';
}

bool host_goes_on(void)
{
    return host("goes-on", NULL, 0, 0, 0) == 'S';
}

void host_mark(void)
{
    host("mark", NULL, 0, 0, 0);
}

void host_counted(const char *name, unsigned cause, u64 private, u64 shared)
{
    host("counted", name, cause, private, shared);
}

void host_refused(const char *name)
{
    host("refused", name, 0, 0, 0);
}

void host_watch(u64 gpa, u64 size, u8 value)
{
    host("watch", NULL, gpa, size, value);
}

void host_watched(const char *name)
{
    host("watched", name, 0, 0, 0);
}
