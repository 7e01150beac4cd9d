/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all bare-metal payloads share: checks, and what the host is asked
 *
 * payload.py has the lines that these print.
 */
#ifndef CHECKS_H
#define CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Addresses by RIP where images are linked to where they run. */
#pragma GCC visibility push(hidden)

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE            0x1000ULL
#define PAGE_2M         0x200000ULL
#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))

void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

static inline u64 rdtsc(void)
{
    u32 low, high;

    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

static inline void pause(void)
{
    asm volatile("pause" ::: "memory");
}

/* ---- what a kind of guest has to bring ---- */

/** print: to where the host reads lines */
void print(const char *s);
/** host_byte: wait for one byte from the host */
u8 host_byte(void);
/** leave: end QEMU by isa-debug-exit */
void leave(u8 status) __attribute__((noreturn));

/* ---- checks ---- */

/*
 * T() marks the name of a check; the tests collect them from the sources, and
 * each has to appear once in the output.  S() marks one that appears once for
 * each prefix, and A() marks such a prefix.
 */
#define T(name) name
#define S(name) name
#define A(name) name
/*
 * Checks that only some kinds of guests make: those with an RMP, those with a
 * GHCB, SEV-ES, plain SEV, and both of these, which have no RMP
 */
#define SNP_T(name) name
#define GHCB_T(name) name
#define ES_T(name) name
#define SEV_T(name) name
#define OLD_T(name) name
/* ... and those that follow what KVM ends a guest for, see host_goes_on() */
#define SPEC_T(name) name
#define SNP_S(name) name
#define GHCB_S(name) name
#define ES_S(name) name
#define SEV_S(name) name
#define OLD_S(name) name

void print_hex(u64 value);
/** set_prefix: what S() names in the output begin with, NULL for nothing */
void set_prefix(const char *prefix);
/**
 * print_state: print `ok NAME` or `not ok NAME`, without the end of the line;
 * returns @ok
 */
bool print_state(const char *name, bool ok);
/** print_values: `: expected WHAT.. found WHAT..`, to follow print_state() */
void print_values(const char *what, u64 expected, u64 found);
/** check, check_eq: print `ok NAME`, or `not ok NAME: expected .. found ..` */
bool check(const char *name, bool ok);
bool check_eq(const char *name, u64 found, u64 expected);
/** check_bytes: all of the range, of whole pages, holds @value */
bool check_bytes(const char *name, const volatile void *p, u64 size,
                 u8 value);
/** no_bytes: no eight bytes of the range are all @value */
bool no_bytes(const char *name, const volatile void *p, u64 size, u8 value);
/** skip: print `skip NAME: WHY` */
void skip(const char *name, const char *why);
/** result: a figure for the host, `# NAME VALUE` */
void result(const char *name, u64 value);
void fill(volatile void *p, u64 size, u8 value);
/** finish: say that the payload came to its end, and leave */
void finish(void) __attribute__((noreturn));
/** fatal: say why and leave with another status */
void fatal(const char *why, u64 value) __attribute__((noreturn));

/* ---- the host ---- */

/** host: ask the host for something; the byte that it answers */
u8 host(const char *verb, const char *name, u64 a, u64 b, u64 c);

/*
 * What the host is asked to do, in lines that begin with '@'; each waits for
 * the host's answer.  The host sees the shared half of RAM only.
 */
void host_fill(u64 gpa, u64 size, u8 value);
/** host_expect: all of the range holds @value, in the shared half */
void host_expect(const char *name, u64 gpa, u64 size, u8 value);
/** host_kept: @value if to-private keeps the shared half, else 0 */
void host_kept(const char *name, u64 gpa, u64 size, u8 value);
/**
 * host_huge: since host_mark(), so many more huge pages of the shared half
 * are allocated, and so many bytes of it were given back and held back
 */
void host_huge(const char *name, u64 pages, u64 discarded, u64 held_back);
/** host_absent: eight bytes @value nowhere in the shared half */
void host_absent(const char *name, u8 value);
/**
 * host_backing: both halves of an area, that is @private or not and was
 * written to on both sides, have the backing that the policy gives them
 */
void host_backing(const char *name, u64 gpa, u64 size, bool private);
/** host_resident_most: RAM has backing for at most so many bytes, 2 % more */
void host_resident_most(const char *name, u64 bytes);
/** host_large_pages: the host has private memory in pages of 2 MiB */
bool host_large_pages(void);
/**
 * host_goes_on: where KVM ends a guest, this host gives it the error of the
 * GHCB specification
 */
bool host_goes_on(void);
/** host_mark: counters are compared with what they are now */
void host_mark(void);
/**
 * host_counted: since the last look this many bytes have become private and
 * shared, for one cause: 0 the guest's request, 1 access
 */
void host_counted(const char *name, unsigned cause, u64 private, u64 shared);
/** host_refused: one request was counted as failed */
void host_refused(const char *name);
/** host_watch: until host_watched(), no byte @value in the range */
void host_watch(u64 gpa, u64 size, u8 value);
void host_watched(const char *name);

#endif
