/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bare-metal payloads for software protected VMs share
 *
 * Page states change by KVM_HC_MAP_GPA_RANGE (Linux, hypercalls.rst) or, on
 * the lab's kernel with an encryption bit, by touching the other side.
 */
#ifndef KVM_H
#define KVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "layout.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE            0x1000ULL
#define PAGE_2M         0x200000ULL
#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))

void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

/** payload: what the first processor runs; its end is finish() */
void payload(void);
/** ap_main: what the others run; @index from 1 on */
void ap_main(unsigned index);
/** start_cpus: start the others; returns when @others of them run */
void start_cpus(unsigned others);

/** cbit: the encryption bit as a mask, 0 on a kernel without one */
extern u64 cbit;

/* An address below 1 GiB through either view */
static inline void *shar(u64 gpa) { return (void *)gpa; }
static inline void *priv(u64 gpa) { return (void *)(gpa + PRIVATE_VA); }

/** map_gpa_range: the hypercall; 0 or a negative errno of KVM's */
int64_t map_gpa_range(u64 gpa, u64 pages, u64 attributes);
#define TO_PRIVATE 0x10
#define TO_SHARED  0

static inline u64 rdtsc(void)
{
    u32 low, high;

    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

/*
 * S() marks the name of a check, which appears once for each prefix; A()
 * marks a prefix, T() a name without one.
 */
#define T(name) name
#define S(name) name
#define A(name) name

void set_prefix(const char *prefix);
bool check(const char *name, bool ok);
bool check_eq(const char *name, u64 found, u64 expected);
bool check_bytes(const char *name, const volatile void *p, u64 size,
                 u8 value);
void skip(const char *name, const char *why);
void fill(volatile void *p, u64 size, u8 value);
/** result: a figure for the host, `# NAME VALUE` */
void result(const char *name, u64 value);
void finish(void) __attribute__((noreturn));
void fatal(const char *why, u64 value) __attribute__((noreturn));

/* What the host is asked to do and check, in the shared half. */
void host_fill(u64 gpa, u64 size, u8 value);
void host_expect(const char *name, u64 gpa, u64 size, u8 value);
/** host_kept: @value if to-private keeps the shared half, else 0 */
void host_kept(const char *name, u64 gpa, u64 size, u8 value);
/** host_policy: first letter of the policy of discarding */
char host_policy(void);
/** host_discard_fails: from now on, or no more */
void host_discard_fails(bool fails);
/** host_resident: memory of both halves as it is now, `# resident BYTES` */
void host_resident(void);
/** host_mark, host_counted: bytes converted since the last look */
void host_mark(void);
/** host_counted: @cause 0 hypercall, 1 access */
void host_counted(const char *name, unsigned cause, u64 private, u64 shared);

#endif
