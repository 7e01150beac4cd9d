/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Task switches, which KVM intercepts, are #VC 7Dh, and nothing has changed
 * then; two vCPUs
 *
 * APM volume 2, 15.14.1 and 15.35.5.  Long mode has none, so the second vCPU
 * starts in protected mode, without paging: all that it touches is private.
 */
#include "snp.h"

#define CODE    0x08
#define DATA    0x10
#define OLD     0x18
#define NEW     0x20
#define TASK_SWITCH 0x7d
#define GATES   32
#define VMSA_RDI 0x338

/* What the vCPU writes, by RDI */
static volatile struct {
    u32 error;
    u32 eip;
    u32 tr;
    u32 caught;
    u32 went_on;
} seen;

static u64 table[8], gates[GATES];
static u32 old_tss[26], new_tss[26];
static u8 stack[256] __attribute__((aligned(16)));

extern u8 far_call[], task_entry[], handler[];

asm(".code32\n"
    "task_entry:\n"
    "far_call: lcall $0x20, $0\n"
    "movl $1, 16(%edi)\n"
    "1: hlt\n"
    "jmp 1b\n"
    "handler:\n"
    "popl (%edi)\n"
    "popl 4(%edi)\n"
    "str %eax\n"
    "movl %eax, 8(%edi)\n"
    "movl $1, 12(%edi)\n"
    "2: hlt\n"
    "jmp 2b\n"
    ".code64\n");

static u64 tss_descriptor(const void *tss, u64 type)
{
    u64 base = gpa_of(tss);

    return (sizeof(old_tss) - 1) | (base & 0xffffff) << 16 | type << 40 |
           (base >> 24) << 56;
}

static u64 gate(const void *code)
{
    u64 offset = gpa_of(code);

    return (offset & 0xffff) | CODE << 16 | 0x8e00ULL << 32 |
           (offset >> 16) << 48;
}

static void put(u8 *page, unsigned offset, u64 value)
{
    memcpy(page + offset, &value, 8);
}

/* Selector, attributes and limit, then the base: table B-4 */
static void put_segment(u8 *page, unsigned offset, u64 selector,
                        u64 attributes, u64 limit, u64 base)
{
    put(page, offset, selector | attributes << 16 | limit << 32);
    put(page, offset + 8, base);
}

static u8 *protected_mode_vmsa(void)
{
    u8 *page = ap_vmsa(1);

    for (unsigned offset = 0; offset <= 0x50; offset += 0x10) {
        put_segment(page, offset, DATA, 0xc93, 0xffffffff, 0);
    }
    put_segment(page, 0x10, CODE, 0xc9b, 0xffffffff, 0);
    put_segment(page, 0x60, 0, 0, sizeof(table) - 1, gpa_of(table));
    put_segment(page, 0x80, 0, 0, sizeof(gates) - 1, gpa_of(gates));
    put_segment(page, 0x90, OLD, 0x8b, sizeof(old_tss) - 1, gpa_of(old_tss));
    put(page, 0xd0, 0x1000);
    put(page, 0x148, 0x40);
    put(page, 0x150, 0);
    put(page, 0x158, 0x11);
    put(page, 0x178, gpa_of(task_entry));
    put(page, 0x1d8, gpa_of(stack + sizeof(stack)));
    put(page, VMSA_RDI, gpa_of(&seen));
    return page;
}

static bool wait_for_any(void)
{
    for (unsigned i = 0; i < 20000 && !seen.caught && !seen.went_on; i++) {
        delay_us(1000);
    }
    return seen.caught || seen.went_on;
}

void payload(void)
{
    u8 *page = protected_mode_vmsa();

    table[CODE / 8] = 0x00cf9b000000ffff;
    table[DATA / 8] = 0x00cf93000000ffff;
    table[OLD / 8] = tss_descriptor(old_tss, 0x8b);
    table[NEW / 8] = tss_descriptor(new_tss, 0x89);
    gates[VC] = gate(handler);
    rmpadjust(page, 0, 0x10001);
    check_eq(T("create"), ap_request(AP_CREATE, 1, (u64)page, SEV_FEATURES),
             0);
    ap_signal_once(1);
    check(T("ends"), wait_for_any());
    check_eq(T("vc"), seen.caught, 1);
    check_eq(T("error-code"), seen.error, TASK_SWITCH);
    check_eq(T("at-the-call"), seen.eip, (u32)gpa_of(far_call));
    check_eq(T("same-task"), seen.tr & 0xffff, OLD);
    check_eq(T("new-one-not-busy"), table[NEW / 8] >> 40 & 0xff, 0x89);
}
