/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest with DebugSwap, whose breakpoints are its own: they hit, as #DB, and
 * are kept in VMSAs; two vCPUs
 *
 * And with the features that say that something is not there.  APM volume 2,
 * table B-4; sev_es_init_vmcb() of Linux 6.12 for the intercepts.
 */
#include "debug-registers.h"

/* As the test asks for them: DebugSwap, PreventHostIbs, BTB isolation, SMT */
#define FEATURES        0x80e1
#define STATUS          (FEATURES << 2 | 3)

#define DR7_NONE        0x400ULL
/* Breakpoint @n, globally enabled; types and sizes as DR7 has them */
#define DR7_ARM(n, type, size) \
    (2ULL << 2 * (n) | ((u64)(size) << 2 | (type)) << (16 + 4 * (n)))
enum { EXECUTE = 0, WRITE = 1, ACCESS = 3, SIZE_8 = 2, SIZE_1 = 0 };

/* What another vCPU finds in its debug registers, and leaves there */
#define MARK(n)         (0x1122334455667700 + (n))
#define OTHER(n)        (0x7766554433221100 + (n))

static volatile u64 word, neighbour, loaded[4], loaded_dr7, hit, started;

static void write_word(void *arg)
{
    word = (u64)arg;
    asm volatile("nop");
}

static void read_word(void *arg)
{
    (void)arg;
    asm volatile("mov %0, %%rax" :: "m"(word) : "rax");
    asm volatile("nop");
}

static void touch_neighbour(void *arg)
{
    neighbour = (u64)arg;
}

static void step(void *arg)
{
    (void)arg;
    asm volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop"
                 ::: "memory", "cc");
}

static void disarm(void)
{
    WRITE_DR(7, DR7_NONE);
    WRITE_DR(6, 0xffff0ff0);
}

static struct trap armed(u64 dr7, void (*fn)(void *), u64 arg, u64 *dr6)
{
    struct trap t;

    WRITE_DR(6, 0xffff0ff0);
    WRITE_DR(7, dr7);
    t = try_fn(fn, (void *)arg);
    *dr6 = READ_DR(6);
    disarm();
    return t;
}

/* Registers of this vCPU: none of it is #VC. */
static void check_registers(void)
{
    check_eq(T("status"), rdmsr(MSR_SEV_STATUS), STATUS);
    check_eq(T("dr7-at-first"), READ_DR(7), DR7_NONE);
    WRITE_DR(7, 0x55 | DR7_NONE);
    check_eq(T("dr7-keeps"), READ_DR(7), 0x55 | DR7_NONE);
    disarm();
    WRITE_DR(0, MARK(0));
    WRITE_DR(3, MARK(3));
    check_eq(T("dr0-keeps"), READ_DR(0), MARK(0));
    check_eq(T("dr3-keeps"), READ_DR(3), MARK(3));
}

static void check_breakpoints(void)
{
    struct trap t;
    u64 dr6;

    WRITE_DR(0, (u64)landmark);
    t = armed(DR7_NONE | DR7_ARM(0, EXECUTE, SIZE_1), landmark, 0, &dr6);
    check_trap(T("execute"), t, DB, -1);
    check_eq(T("execute-rip"), t.rip, (u64)landmark);
    check_eq(T("execute-dr6"), dr6 & 0xf, 1);
    check_trap(T("not-armed"), try_fn(landmark, NULL), -1, -1);

    WRITE_DR(1, (u64)&word);
    t = armed(DR7_NONE | DR7_ARM(1, WRITE, SIZE_8), write_word, 5, &dr6);
    check_trap(T("write"), t, DB, -1);
    check_eq(T("write-is-done"), word, 5);
    check_eq(T("write-dr6"), dr6 & 0xf, 2);
    t = armed(DR7_NONE | DR7_ARM(1, WRITE, SIZE_8), read_word, 0, &dr6);
    check_trap(T("write-not-read"), t, -1, -1);
    t = armed(DR7_NONE | DR7_ARM(1, WRITE, SIZE_8), touch_neighbour, 0, &dr6);
    check_trap(T("write-not-neighbour"), t, -1, -1);

    WRITE_DR(2, (u64)&word + 7);
    t = armed(DR7_NONE | DR7_ARM(2, ACCESS, SIZE_1), read_word, 0, &dr6);
    check_trap(T("access"), t, DB, -1);
    check_eq(T("access-dr6"), dr6 & 0xf, 4);
    check_trap(T("single-step"), try_fn(step, NULL), DB, -1);
    disarm();
}

/* ---- another vCPU ---- */

void ap_main(unsigned index)
{
    struct trap t;

    (void)index;
    loaded[0] = READ_DR(0);
    loaded[1] = READ_DR(1);
    loaded[2] = READ_DR(2);
    loaded[3] = READ_DR(3);
    loaded_dr7 = READ_DR(7);
    t = try_fn(landmark, NULL);
    hit = t.vector == DB ? t.rip : 0;
    WRITE_DR(7, DR7_NONE);
    WRITE_DR(0, OTHER(0));
    WRITE_DR(1, OTHER(1));
    WRITE_DR(2, OTHER(2));
    WRITE_DR(3, OTHER(3));
    started = 1;
    for (;;) {
        asm volatile("hlt");
    }
}

static bool is_free(volatile u8 *page)
{
    for (unsigned i = 0; i < 10000; i++) {
        if (!rmpadjust(page, 0, 1).eax) {
            return true;
        }
        delay_us(1000);
    }
    return false;
}

static void check_vmsa(void)
{
    u64 dr7 = DR7_NONE | DR7_ARM(3, EXECUTE, SIZE_1);
    volatile u64 *vmsa = (u64 *)ap_vmsa(1);

    vmsa[0x180 / 8] = MARK(0);
    vmsa[0x188 / 8] = MARK(1);
    vmsa[0x190 / 8] = MARK(2);
    vmsa[0x198 / 8] = (u64)landmark;
    vmsa[0x160 / 8] = dr7;
    check_eq(T("vmsa-features"), vmsa[0x3b0 / 8], FEATURES);
    rmpadjust(vmsa, 0, 0x10001);
    check_eq(T("creation"), ap_request(AP_CREATE, 1, (u64)vmsa, FEATURES), 0);
    ap_signal_once(1);
    check(T("other-runs"), wait_for(&started, 1));
    check_eq(T("loads-dr0"), loaded[0], MARK(0));
    check_eq(T("loads-dr1"), loaded[1], MARK(1));
    check_eq(T("loads-dr2"), loaded[2], MARK(2));
    check_eq(T("loads-dr3"), loaded[3], (u64)landmark);
    check_eq(T("loads-dr7"), loaded_dr7, dr7);
    check_eq(T("armed-by-vmsa"), hit, (u64)landmark);

    ap_request(AP_DESTROY, 1, 0, 0);
    check(T("vmsa-is-free"), is_free((u8 *)vmsa));
    check_eq(T("stores-dr0"), vmsa[0x180 / 8], OTHER(0));
    check_eq(T("stores-dr1"), vmsa[0x188 / 8], OTHER(1));
    check_eq(T("stores-dr2"), vmsa[0x190 / 8], OTHER(2));
    check_eq(T("stores-dr3"), vmsa[0x198 / 8], OTHER(3));
    check_eq(T("stores-dr7"), vmsa[0x160 / 8], DR7_NONE);
}

/* What a VMSA asks for decides, and no more than the guest was launched for. */
static void check_less(void)
{
    volatile u64 *vmsa = (u64 *)ap_vmsa(1);

    started = 0;
    vmsa[0x180 / 8] = MARK(0);
    vmsa[0x3b0 / 8] = 1;
    rmpadjust(vmsa, 0, 0x10001);
    check_eq(T("creation-without"),
             ap_request(AP_CREATE, 1, (u64)vmsa, 1), 0);
    check(T("other-runs-without"), wait_for(&started, 1));
    check(T("without-keeps-none"), loaded[0] != MARK(0));
    check_eq(T("restricted-injection"),
             ap_request(AP_CREATE, 1, (u64)vmsa, 9),
             2ULL << 32 | GHCB_ERR_INPUT);
}

void payload(void)
{
    check_registers();
    check_breakpoints();
    check_vmsa();
    check_less();
}
