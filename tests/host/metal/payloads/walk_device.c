/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's page table that lies in a device, next to an intercept
 *
 * The host wants the bytes of the instruction, and those of the page behind
 * it are looked up in registers of the HPET.
 */
#include "svm.h"

#define PRESENT     7ULL
#define LARGE       0x80ULL
#define HPET        0xfed00000ULL
#define BOUNDARY    (9ULL << 21)
#define BP          3
#define CPUID_INTERCEPT (1U << 18)

static u64 level4[512] __attribute__((aligned(PAGE)));
static u64 level3[512] __attribute__((aligned(PAGE)));
static u64 level2[512] __attribute__((aligned(PAGE)));

void payload(void)
{
    /* CPUID, and a loop that nobody comes to */
    static const u8 code[] = { 0x0f, 0xa2, 0x90, 0xeb, 0xfe };
    u8 *at = (u8 *)(BOUNDARY - sizeof(code));
    unsigned int i;

    svm_on();
    memcpy(at, code, sizeof(code));
    at[-1] = 0xcc;
    level4[0] = (u64)level3 | PRESENT;
    level3[0] = (u64)level2 | PRESENT;
    for (i = 0; i < ARRAY_SIZE(level2); i++) {
        level2[i] = (u64)i << 21 | LARGE | PRESENT;
    }
    level2[BOUNDARY >> 21] = HPET | PRESENT;
    set_guest(at);
    *save64(SAVE_CR3) = (u64)level4;
    *vmcb32(VMCB_INTERCEPTS) |= CPUID_INTERCEPT;
    check(T("exit-before-a-table-in-a-device"), run() == EXIT_CPUID);
    /* INT3: whether it is one or INT 3 is in its bytes. */
    set_guest(at - 1);
    *save64(SAVE_CR3) = (u64)level4;
    *vmcb32(VMCB_EXCEPTIONS) |= 1U << BP;
    check(T("int3-before-a-table-in-a-device"), run() == EXIT_EXCEPTION + BP);
}
