/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XSAVEC and XRSTOR of the compacted format, seen from user space
 *
 * The init process of a guest: one line "ok NAME" or "not ok NAME: why" for
 * each check, a line with the sums, then power off.  The kernel below it
 * switches tasks with XSAVES and XRSTORS, so the checks of task switches,
 * signals and ptrace are checks of those.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <elf.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include "ops.h"

#define X87     (1ULL << 0)
#define SSE     (1ULL << 1)
#define AVX     (1ULL << 2)
#define BNDREGS (1ULL << 3)
#define BNDCSR  (1ULL << 4)
#define PKRU    (1ULL << 9)
#define COMPACT (1ULL << 63)
#define VECTORS (X87 | SSE | AVX)

#define PAGE    4096
#define LEGACY  512
#define EXTENDED 576
#define MSR_XSS 0xda0
#define INIT_MXCSR 0x1f80

struct header {
    uint64_t xstate_bv, xcomp_bv, reserved[6];
};

static int passed, failed;
static uint64_t xcr0;
/* A page, with a page out of reach behind it. */
static uint8_t *area;
static struct regs in, out;
/* volatile: a signal handler writes it */
static volatile int fault_signal;
/* volatile: a signal handler writes it */
static void *volatile fault_address;

static void check(bool good, const char *name, const char *format, ...)
{
    va_list args;

    if (good) {
        passed++;
        printf("ok %s\n", name);
        return;
    }
    failed++;
    printf("not ok %s: ", name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    if (fault_signal) {
        _exit(99);
    }
    fault_signal = signal;
    fault_address = info->si_addr;
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)op_return;
}

static struct header *header_of(void *where)
{
    return (struct header *)((uint8_t *)where + LEGACY);
}

static struct fx *legacy_of(void *where)
{
    return where;
}

static void fill(void *where, size_t size, uint32_t seed)
{
    uint8_t *byte = where;

    while (size--) {
        seed = seed * 1664525 + 1013904223;
        *byte++ = seed >> 24;
    }
}

/* Registers that differ from their initial value everywhere. */
static void pattern(struct regs *regs, uint32_t seed)
{
    memset(regs, 0, sizeof(*regs));
    regs->fx.fcw = 0x0f7f;
    regs->fx.fsw = 3 << 11 | 0x4700;
    regs->fx.ftw = 0x5a;
    regs->fx.mxcsr = 0x7fa0;
    for (int i = 0; i < 8; i++) {
        fill(regs->fx.st[i], 10, seed + i);
    }
    fill(regs->ymm, sizeof(regs->ymm), seed + 99);
    for (int i = 0; i < 16; i++) {
        memcpy(regs->fx.xmm[i], regs->ymm[i], 16);
    }
}

static void initial(struct regs *regs)
{
    memset(regs, 0, sizeof(*regs));
    regs->fx.fcw = 0x37f;
    regs->fx.mxcsr = INIT_MXCSR;
}

static bool same_x87(const struct fx *a, const struct fx *b)
{
    for (int i = 0; i < 8; i++) {
        if (memcmp(a->st[i], b->st[i], 10)) {
            return false;
        }
    }
    return a->fcw == b->fcw && a->fsw == b->fsw && a->ftw == b->ftw;
}

static bool same_sse(const struct fx *a, const struct fx *b)
{
    return a->mxcsr == b->mxcsr && !memcmp(a->xmm, b->xmm, sizeof(a->xmm));
}

static bool same_high(const struct regs *a, const struct regs *b)
{
    for (int i = 0; i < 16; i++) {
        if (memcmp(a->ymm[i] + 16, b->ymm[i] + 16, 16)) {
            return false;
        }
    }
    return true;
}

/* @high: the AVX component of an area, 16 upper halves. */
static bool high_is(const uint8_t *high, const struct regs *regs)
{
    for (int i = 0; i < 16; i++) {
        if (memcmp(high + 16 * i, regs->ymm[i] + 16, 16)) {
            return false;
        }
    }
    return true;
}

static bool all_bytes(const void *where, size_t size, uint8_t value)
{
    const uint8_t *byte = where;

    while (size--) {
        if (*byte++ != value) {
            return false;
        }
    }
    return true;
}

/* An empty area in the compacted format. */
static void empty_area(uint64_t xcomp_bv)
{
    memset(area, 0, PAGE);
    header_of(area)->xcomp_bv = COMPACT | xcomp_bv;
    legacy_of(area)->fcw = 0x37f;
    legacy_of(area)->mxcsr = INIT_MXCSR;
}

static int run(op *op, void *where, uint64_t mask)
{
    fault_signal = 0;
    fault_address = NULL;
    experiment(op, where, mask, &in, &out);
    return fault_signal;
}

/* Where a component goes, from CPUID alone. */
static uint32_t place(uint64_t layout, int bit, uint32_t *end)
{
    uint32_t offset = EXTENDED, size, b, c, d;

    for (int i = 2; i <= bit; i++) {
        if (!(layout & (1ULL << i))) {
            continue;
        }
        __cpuid_count(0xd, i, size, b, c, d);
        if (c & 2) {
            offset = (offset + 63) & ~63u;
        }
        if (i == bit) {
            *end = offset + size;
            break;
        }
        offset += size;
    }
    return offset;
}

static void test_cpuid(void)
{
    uint32_t a, b, c, d, end = EXTENDED, last = 0;

    __cpuid_count(0xd, 0, a, b, c, d);
    check((a & xcr0) == xcr0, "cpuid-xcr0", "0xd/0 eax 0x%x xcr0 0x%lx", a,
          xcr0);
    __cpuid_count(0xd, 1, a, b, c, d);
    check(a & 2, "cpuid-xsavec", "0xd/1 eax 0x%x", a);
    check(a & 8, "cpuid-xsaves", "0xd/1 eax 0x%x", a);
    check(!c && !d, "cpuid-no-supervisor", "0xd/1 ecx 0x%x edx 0x%x", c, d);
    for (int i = 2; i < 63; i++) {
        if (xcr0 & (1ULL << i)) {
            last = i;
        }
    }
    if (last) {
        place(xcr0, last, &end);
    }
    check(b == end, "cpuid-compact-size", "0xd/1 ebx %u, sum %u", b, end);
}

static void test_xsavec(op *op, const char *name)
{
    uint32_t end, avx = place(VECTORS, 2, &end);
    struct header *header = header_of(area);

    memset(area, 0xaa, PAGE);
    pattern(&in, 1);
    run(op, area, VECTORS);
    check(!fault_signal && header->xstate_bv == VECTORS &&
          header->xcomp_bv == (COMPACT | VECTORS) &&
          same_x87(legacy_of(area), &in.fx) &&
          same_sse(legacy_of(area), &in.fx) && high_is(area + avx, &in),
          name, "signal %d bv 0x%lx/0x%lx", fault_signal, header->xstate_bv,
          header->xcomp_bv);
    check(all_bytes(header->reserved, sizeof(header->reserved), 0xaa) &&
          all_bytes(area + end, PAGE - end, 0xaa) &&
          all_bytes(area + offsetof(struct fx, rest), 96, 0xaa),
          "xsavec-writes-no-more", "header or bytes behind %u changed", end);
    check(same_x87(&out.fx, &in.fx) && same_sse(&out.fx, &in.fx) &&
          same_high(&out, &in), "xsavec-keeps-registers", "they changed");
}

static void test_xsavec_mask(void)
{
    struct header *header = header_of(area);

    memset(area, 0xaa, PAGE);
    pattern(&in, 2);
    run(op_xsavec, area, AVX);
    check(header->xstate_bv == AVX && header->xcomp_bv == (COMPACT | AVX) &&
          all_bytes(area, LEGACY, 0xaa) && high_is(area + EXTENDED, &in),
          "xsavec-avx-alone", "bv 0x%lx/0x%lx", header->xstate_bv,
          header->xcomp_bv);
    memset(area, 0xaa, PAGE);
    run(op_xsavec, area, ~0ULL);
    check(header->xcomp_bv == (COMPACT | xcr0), "xsavec-mask-is-xcr0",
          "xcomp_bv 0x%lx", header->xcomp_bv);
}

static void test_init_optimisation(void)
{
    struct header *header = header_of(area);

    initial(&in);
    memset(area, 0xaa, PAGE);
    run(op_xsavec, area, VECTORS);
    check(header->xstate_bv == 0 && header->xcomp_bv == (COMPACT | VECTORS) &&
          all_bytes(area, LEGACY, 0xaa) &&
          all_bytes(area + EXTENDED, 256, 0xaa),
          "init-writes-nothing", "xstate_bv 0x%lx", header->xstate_bv);
    in.ymm[7][31] = 1;
    run(op_xsavec, area, VECTORS);
    check(header->xstate_bv == AVX && all_bytes(area, LEGACY, 0xaa),
          "init-avx-in-use", "xstate_bv 0x%lx", header->xstate_bv);
    initial(&in);
    in.ymm[15][0] = in.fx.xmm[15][0] = 1;
    run(op_xsavec, area, VECTORS);
    check(header->xstate_bv == SSE && area[0] == 0xaa, "init-sse-in-use",
          "xstate_bv 0x%lx", header->xstate_bv);
    initial(&in);
    in.fx.mxcsr = 0x1fa0;
    run(op_xsavec, area, VECTORS);
    check(header->xstate_bv == SSE && legacy_of(area)->mxcsr == 0x1fa0,
          "init-mxcsr-in-use", "xstate_bv 0x%lx", header->xstate_bv);
    initial(&in);
    in.fx.ftw = 1;
    run(op_xsavec, area, VECTORS);
    check(header->xstate_bv == X87 && legacy_of(area)->ftw == 1,
          "init-x87-in-use", "xstate_bv 0x%lx", header->xstate_bv);
}

static void test_xrstor(op *op, const char *name)
{
    struct regs want;

    pattern(&want, 3);
    in = want;
    empty_area(VECTORS);
    run(op_xsavec, area, VECTORS);
    initial(&in);
    run(op, area, VECTORS);
    check(!fault_signal && same_x87(&out.fx, &want.fx) &&
          same_sse(&out.fx, &want.fx) && same_high(&out, &want), name,
          "signal %d, x87 %d sse %d avx %d", fault_signal,
          same_x87(&out.fx, &want.fx), same_sse(&out.fx, &want.fx),
          same_high(&out, &want));
}

/* Each component loaded, put into its initial state, or left alone. */
static void test_xrstor_parts(void)
{
    struct regs want, start;

    pattern(&want, 4);
    in = want;
    empty_area(VECTORS);
    run(op_xsavec, area, VECTORS);
    initial(&start);
    pattern(&in, 5);

    run(op_xrstor, area, AVX);
    check(same_high(&out, &want) && same_sse(&out.fx, &in.fx) &&
          same_x87(&out.fx, &in.fx), "xrstor-avx-alone", "wrong registers");
    run(op_xrstor, area, SSE);
    check(same_high(&out, &in) && same_sse(&out.fx, &want.fx) &&
          same_x87(&out.fx, &in.fx), "xrstor-sse-alone", "wrong registers");
    run(op_xrstor, area, X87);
    check(same_high(&out, &in) && same_sse(&out.fx, &in.fx) &&
          same_x87(&out.fx, &want.fx), "xrstor-x87-alone", "wrong registers");
    header_of(area)->xstate_bv = AVX;
    run(op_xrstor, area, VECTORS);
    check(same_high(&out, &want) && same_sse(&out.fx, &start.fx) &&
          same_x87(&out.fx, &start.fx), "xrstor-initialises",
          "mxcsr 0x%x fcw 0x%x", out.fx.mxcsr, out.fx.fcw);
    empty_area(0);
    run(op_xrstor, area, VECTORS);
    check(!fault_signal && same_high(&out, &start) &&
          same_sse(&out.fx, &start.fx) && same_x87(&out.fx, &start.fx),
          "xrstor-empty-area", "signal %d", fault_signal);
}

/* XRSTOR takes the layout from XCOMP_BV, not from its mask. */
static void test_layout(void)
{
    uint32_t end;
    struct regs want;

    pattern(&want, 6);
    empty_area(AVX);
    header_of(area)->xstate_bv = AVX;
    for (int i = 0; i < 16; i++) {
        memcpy(area + place(AVX, 2, &end) + 16 * i, want.ymm[i] + 16, 16);
    }
    pattern(&in, 7);
    run(op_xrstor, area, AVX | PKRU);
    check(!fault_signal && same_high(&out, &want), "layout-avx", "signal %d",
          fault_signal);
}

static uint32_t read_pkru(void)
{
    uint32_t a, d;

    asm volatile("rdpkru" : "=a"(a), "=d"(d) : "c"(0));
    return a;
}

static void write_pkru(uint32_t value)
{
    asm volatile("wrpkru" : : "a"(value), "c"(0), "d"(0));
}

static void test_pkru(void)
{
    uint32_t end, old, got, offset;

    if (!(xcr0 & PKRU)) {
        return;
    }
    old = read_pkru();
    pattern(&in, 8);
    write_pkru(0x12345670);
    memset(area, 0xaa, PAGE);
    run(op_xsavec, area, PKRU);
    memcpy(&got, area + EXTENDED, 4);
    check(header_of(area)->xstate_bv == PKRU && got == 0x12345670,
          "pkru-alone-at-576", "pkru 0x%x", got);
    run(op_xsavec, area, xcr0);
    offset = place(xcr0, 9, &end);
    memcpy(&got, area + offset, 4);
    check(got == 0x12345670, "pkru-last", "pkru 0x%x at %u", got, offset);
    memset(header_of(area)->reserved, 0, 48);
    write_pkru(0);
    run(op_xsavec, area, PKRU);
    check(header_of(area)->xstate_bv == 0, "pkru-init", "xstate_bv 0x%lx",
          header_of(area)->xstate_bv);
    empty_area(AVX | PKRU);
    header_of(area)->xstate_bv = PKRU;
    got = 0x2468ac0;
    memcpy(area + place(AVX | PKRU, 9, &end), &got, 4);
    run(op_xrstor, area, PKRU);
    got = read_pkru();
    check(got == 0x2468ac0, "pkru-xrstor", "pkru 0x%x", got);
    header_of(area)->xstate_bv = 0;
    run(op_xrstor, area, PKRU);
    got = read_pkru();
    check(got == 0, "pkru-xrstor-init", "pkru 0x%x", got);
    write_pkru(old);
}

static void test_mpx(void)
{
    uint64_t mask = AVX | BNDREGS | BNDCSR, bounds[8];
    uint32_t end, at = place(mask, 3, &end);

    if (!(xcr0 & BNDREGS)) {
        return;
    }
    pattern(&in, 9);
    empty_area(mask);
    header_of(area)->xstate_bv = BNDREGS;
    fill(bounds, sizeof(bounds), 10);
    memcpy(area + at, bounds, sizeof(bounds));
    run(op_xrstor, area, BNDREGS | BNDCSR);
    memset(area, 0, PAGE);
    run(op_xsavec, area, mask);
    check(header_of(area)->xstate_bv == (AVX | BNDREGS) &&
          !memcmp(area + at, bounds, sizeof(bounds)), "mpx-bounds",
          "xstate_bv 0x%lx", header_of(area)->xstate_bv);
    empty_area(mask);
    run(op_xrstor, area, BNDREGS | BNDCSR);
    run(op_xsavec, area, mask);
    check(header_of(area)->xstate_bv == AVX, "mpx-init", "xstate_bv 0x%lx",
          header_of(area)->xstate_bv);
}

/* The fault comes as a signal, and no register changes. */
static void refuse(op *op, void *where, int signal, const char *name)
{
    pattern(&in, 11);
    run(op, where, VECTORS);
    check(fault_signal == signal && same_x87(&out.fx, &in.fx) &&
          same_sse(&out.fx, &in.fx) && same_high(&out, &in), name,
          "signal %d, x87 %d sse %d avx %d", fault_signal,
          same_x87(&out.fx, &in.fx), same_sse(&out.fx, &in.fx),
          same_high(&out, &in));
}

/* An area that XRSTOR takes, to be spoilt by the caller. */
static void good_area(void)
{
    pattern(&in, 12);
    empty_area(VECTORS);
    run(op_xsavec, area, VECTORS);
}

static void test_bad_headers(void)
{
    static const char *const reserved[] = {
        "bad-reserved-16", "bad-reserved-24", "bad-reserved-32",
        "bad-reserved-40", "bad-reserved-48", "bad-reserved-56",
    };

    for (int i = 0; i < 6; i++) {
        good_area();
        header_of(area)->reserved[i] = 1ULL << (i * 9);
        refuse(op_xrstor, area, SIGSEGV, reserved[i]);
    }
    good_area();
    header_of(area)->xcomp_bv |= 1ULL << 62;
    refuse(op_xrstor, area, SIGSEGV, "bad-xcomp-bit-62");
    good_area();
    header_of(area)->xcomp_bv |= 1ULL << 5;
    refuse(op_xrstor, area, SIGSEGV, "bad-xcomp-not-in-xcr0");
    good_area();
    header_of(area)->xcomp_bv &= ~AVX;
    refuse(op_xrstor, area, SIGSEGV, "bad-xstate-not-in-xcomp");
    good_area();
    header_of(area)->xstate_bv |= COMPACT;
    refuse(op_xrstor, area, SIGSEGV, "bad-xstate-bit-63");
    good_area();
    header_of(area)->xcomp_bv &= ~COMPACT;
    refuse(op_xrstor, area, SIGSEGV, "bad-xcomp-without-bit-63");
    good_area();
    legacy_of(area)->mxcsr |= 1 << 16;
    refuse(op_xrstor, area, SIGSEGV, "bad-mxcsr");
    good_area();
    legacy_of(area)->mxcsr |= 1 << 16;
    header_of(area)->xstate_bv &= ~SSE;
    pattern(&in, 11);
    run(op_xrstor, area, VECTORS);
    check(!fault_signal && out.fx.mxcsr == INIT_MXCSR, "mxcsr-not-read",
          "signal %d mxcsr 0x%x", fault_signal, out.fx.mxcsr);
}

static void test_faults(void)
{
    good_area();
    refuse(op_xrstor, area + 8, SIGSEGV, "misaligned-xrstor");
    refuse(op_xsavec, area + 32, SIGSEGV, "misaligned-xsavec");
    refuse(op_xsaves, area, SIGSEGV, "user-xsaves");
    refuse(op_xrstors, area, SIGSEGV, "user-xrstors");
    refuse(op_xsavec_66, area, SIGILL, "prefix-66");
    refuse(op_xsavec_f2, area, SIGILL, "prefix-f2");
    refuse(op_xsavec_f3, area, SIGILL, "prefix-f3");
    refuse(op_xsavec_lock, area, SIGILL, "prefix-lock");
    refuse(op_xsavec_reg, area, SIGILL, "register-operand");
}

/* 832 bytes that end with the page are enough, and 64 further are not. */
static void test_page_fault(void)
{
    uint8_t *last = area + PAGE - 832, *beyond = last + 64;

    pattern(&in, 13);
    memset(area, 0, PAGE);
    run(op_xsavec, last, VECTORS);
    check(!fault_signal && high_is(last + EXTENDED, &in),
          "xsavec-up-to-page-end", "signal %d", fault_signal);
    run(op_xrstor, last, VECTORS);
    check(!fault_signal, "xrstor-up-to-page-end", "signal %d", fault_signal);
    refuse(op_xsavec, beyond, SIGSEGV, "xsavec-page-fault");
    check(fault_address == area + PAGE, "xsavec-page-fault-address", "%p",
          fault_address);
    memset(area, 0, PAGE);
    header_of(beyond)->xcomp_bv = COMPACT | VECTORS;
    header_of(beyond)->xstate_bv = VECTORS;
    refuse(op_xrstor, beyond, SIGSEGV, "xrstor-page-fault");
    check(fault_address == area + PAGE, "xrstor-page-fault-address", "%p",
          fault_address);
    header_of(beyond)->xstate_bv = X87 | SSE;
    pattern(&in, 13);
    run(op_xrstor, beyond, VECTORS);
    check(!fault_signal, "xrstor-reads-what-it-loads", "signal %d",
          fault_signal);
}

/* XSAVE and XRSTOR of the standard format stay as they were. */
static void test_standard(void)
{
    struct regs want;

    pattern(&want, 14);
    in = want;
    memset(area, 0, PAGE);
    run(op_xsave, area, VECTORS);
    check(header_of(area)->xcomp_bv == 0 && high_is(area + EXTENDED, &want),
          "standard-xsave", "xcomp_bv 0x%lx", header_of(area)->xcomp_bv);
    initial(&in);
    run(op_xrstor, area, VECTORS);
    check(!fault_signal && same_x87(&out.fx, &want.fx) &&
          same_sse(&out.fx, &want.fx) && same_high(&out, &want),
          "standard-xrstor", "signal %d", fault_signal);
}

/* Waits inside an experiment, with the pattern in the registers. */
static int hold_kind;
/* volatile: a signal handler writes it */
static volatile int handled;

static void hold(void)
{
    if (hold_kind == 0) {
        for (int i = 0; i < 200; i++) {
            syscall(SYS_sched_yield);
            /* Work between the yields lets the timer switch tasks, too. */
            for (int j = 0; j < 20000; j++) {
                asm volatile("" : : : "memory");
            }
        }
    } else if (hold_kind == 1) {
        syscall(SYS_kill, syscall(SYS_getpid), SIGUSR1);
    } else {
        syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
    }
}

static void on_user_signal(int signal)
{
    (void)signal;
    asm volatile("vpcmpeqb %%ymm0, %%ymm0, %%ymm0\n vmovups %%ymm0, %%ymm15\n"
                 "fninit\n fldpi" : : : "memory");
    handled++;
}

static bool held(uint32_t seed)
{
    pattern(&in, seed);
    run(hold, area, 0);
    return same_x87(&out.fx, &in.fx) && same_sse(&out.fx, &in.fx) &&
           same_high(&out, &in);
}

static void test_task_switch(void)
{
    int status, wrong = 0;

    hold_kind = 0;
    fflush(stdout);
    for (int child = 0; child < 3; child++) {
        if (!fork()) {
            for (int round = 0; round < 5; round++) {
                if (!held(100 * child + round)) {
                    _exit(1);
                }
            }
            _exit(0);
        }
    }
    while (wait(&status) > 0) {
        wrong += status != 0;
    }
    check(!wrong, "task-switch", "%d of 3 processes lost registers", wrong);
}

static void test_signal(void)
{
    struct sigaction action = { .sa_handler = on_user_signal };

    sigaction(SIGUSR1, &action, NULL);
    hold_kind = 1;
    handled = 0;
    check(held(15) && handled == 1, "signal", "handled %d", handled);
}

/*
 * The kernel turns its compacted area into the standard format and back here:
 * the child stops with one pattern in its registers and goes on with another.
 */
static void test_ptrace(void)
{
    static uint8_t image[PAGE] __attribute__((aligned(64)));
    struct iovec vector = { image, sizeof(image) };
    struct regs want;
    pid_t child;
    int status;

    hold_kind = 2;
    fflush(stdout);
    child = fork();
    if (!child) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        held(16);
        pattern(&want, 17);
        _exit(!same_x87(&out.fx, &want.fx) || !same_sse(&out.fx, &want.fx) ||
              !same_high(&out, &want));
    }
    waitpid(child, &status, 0);
    pattern(&want, 16);
    check(!ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &vector) &&
          same_x87(legacy_of(image), &want.fx) &&
          same_sse(legacy_of(image), &want.fx) &&
          high_is(image + EXTENDED, &want), "ptrace-get", "%s",
          strerror(errno));
    pattern(&want, 17);
    memcpy(image, &want.fx, offsetof(struct fx, rest));
    for (int i = 0; i < 16; i++) {
        memcpy(image + EXTENDED + 16 * i, want.ymm[i] + 16, 16);
    }
    check(!ptrace(PTRACE_SETREGSET, child, NT_X86_XSTATE, &vector),
          "ptrace-set", "%s", strerror(errno));
    ptrace(PTRACE_CONT, child, NULL, NULL);
    waitpid(child, &status, 0);
    check(status == 0, "ptrace-resumed", "status 0x%x", status);
}

static bool xss_write(int msr, uint64_t value)
{
    return pwrite(msr, &value, 8, MSR_XSS) == 8;
}

static void test_xss(void)
{
    int module = open("/msr.ko.xz", O_RDONLY | O_CLOEXEC), msr;
    uint64_t value = ~0ULL;
    bool read, zero;

    if (syscall(SYS_finit_module, module, "", 4 /* compressed */)) {
        check(false, "xss-module", "%s", strerror(errno));
        return;
    }
    msr = open("/dev/cpu/0/msr", O_RDWR);
    read = pread(msr, &value, 8, MSR_XSS) == 8;
    check(read && value == 0, "xss-read", "%d 0x%lx", read, value);
    zero = xss_write(msr, 0);
    check(zero, "xss-write-0", "%s", strerror(errno));
    check(!xss_write(msr, 1 << 8), "xss-write-pt", "taken");
    check(!xss_write(msr, 1 << 11), "xss-write-cet", "taken");
    check(!xss_write(msr, AVX), "xss-write-user-state", "taken");
    check(!xss_write(msr, 1ULL << 63), "xss-write-bit-63", "taken");
    close(msr);
}

static void test_kernel_log(void)
{
    static char log[1 << 18];
    int size = klogctl(3, log, sizeof(log) - 1);

    log[size < 0 ? 0 : size] = 0;
    check(strstr(log, "using 'compacted' format"), "kernel-compacted",
          "no such line in its log");
    check(!strstr(log, "XSAVE consistency") && !strstr(log, "------------["),
          "kernel-no-warning", "there is one in its log");
}

static void set_up(void)
{
    struct sigaction action = {
        .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO,
    };
    uint32_t low, high;

    mkdir("/dev", 0755);
    mount("none", "/dev", "devtmpfs", 0, NULL);
    mkdir("/proc", 0755);
    mount("none", "/proc", "proc", 0, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    area = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    mprotect(area + PAGE, PAGE, PROT_NONE);
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    xcr0 = (uint64_t)high << 32 | low;
}

static void tests(void)
{
    test_cpuid();
    test_standard();
    test_xsavec(op_xsavec, "xsavec");
    test_xsavec(op_xsavec64, "xsavec64");
    test_xsavec_mask();
    test_init_optimisation();
    test_xrstor(op_xrstor, "xrstor");
    test_xrstor(op_xrstor64, "xrstor64");
    test_xrstor_parts();
    test_layout();
    test_pkru();
    test_mpx();
    test_bad_headers();
    test_faults();
    test_page_fault();
    test_task_switch();
    test_signal();
    test_ptrace();
    test_xss();
    test_kernel_log();
}

int main(void)
{
    uint32_t a, b, c, d;

    __cpuid(1, a, b, c, d);
    if (c & (1 << 27)) {
        set_up();
        tests();
    } else {
        printf("no XSAVE\n");
    }
    printf("xsave: %d passed, %d failed\n", passed, failed);
    fflush(stdout);
    if (getpid() == 1) {
        sync();
        reboot(RB_POWER_OFF);
    }
    return failed != 0;
}
