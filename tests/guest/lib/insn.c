/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PVALIDATE and its like; see snp.h. */
#include "snp.h"

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

static bool is_zen4_or_later(void)
{
    u32 signature = cpu_signature();
    u32 family = (signature >> 8 & 0xf) + (signature >> 20 & 0xff);
    u32 model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);

    return family > 0x19 || (family == 0x19 && model >= 0x10);
}

bool has_tsc_aux(void)
{
    return is_zen4_or_later();
}

bool has_vnmi(void)
{
    return is_zen4_or_later();
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
