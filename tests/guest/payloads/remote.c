/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one vCPU changes, the other one sees with its very next access; two
 * vCPUs, in step
 */
#include "snp.h"

#define SECRET 0x5a
#define PUBLIC 0xc3

enum { NONE, READ, WRITE, RUN, FORGET };

static volatile u64 order;
static void *volatile where;
static struct trap caught;
static volatile u64 value;

static void read_byte(void *va)
{
    value = *(volatile u8 *)va;
}

static void write_byte(void *va)
{
    *(volatile u8 *)va = 0x77;
}

static void run(void *va)
{
    u64 eax;

    asm volatile("call *%1" : "=a"(eax) : "r"(va) : "memory");
    value = eax;
}

static void forget(void *va)
{
    invlpg(va);
}

void ap_main(unsigned index)
{
    static void (*const todo[])(void *) = {
        [READ] = read_byte, [WRITE] = write_byte, [RUN] = run,
        [FORGET] = forget,
    };

    (void)index;
    for (;;) {
        if (order != NONE) {
            caught = try_fn(todo[order], where);
            order = NONE;
        }
        pause();
    }
}

/* Let the other vCPU do it, and wait until it has */
static struct trap remote(unsigned what, void *va)
{
    where = va;
    value = 0;
    order = what;
    if (!wait_for(&order, NONE)) {
        fatal("no answer from the other vCPU", what);
    }
    return caught;
}

/* Of what is validated still */
static void check_to_shared(u64 gpa, u64 large)
{
    u64 entry = psc_entry(gpa, PSC_SHARED) | large;
    u64 last = gpa + (large ? PAGE_2M : PAGE) - PAGE;

    validate(priv(gpa), last + PAGE - gpa);
    fill(priv(gpa), last + PAGE - gpa, SECRET);
    remote(READ, priv(last));
    check_eq(S("reads-private"), value, SECRET);
    psc(&entry, 1);
    check_trap(S("private-is-gone"), remote(READ, priv(last)), VC,
               NPF_NOT_VALIDATED);
}

static void check_to_private(u64 gpa, u64 large)
{
    u64 size = large ? PAGE_2M : PAGE;
    u64 entry = psc_entry(gpa, PSC_SHARED) | large;

    psc(&entry, 1);
    fill(shar(gpa), size, PUBLIC);
    remote(WRITE, shar(gpa + size - PAGE));
    check_eq(S("writes-shared"), *(volatile u8 *)shar(gpa + size - PAGE),
             0x77);
    entry = psc_entry(gpa, PSC_PRIVATE) | large;
    psc(&entry, 1);
    validate(priv(gpa), size);
    fill(priv(gpa), size, SECRET);
    /* An old mapping would write without making the page shared again. */
    remote(WRITE, shar(gpa + size - PAGE));
    check_trap(S("shared-access-converts"),
               try_fn(read_byte, priv(gpa + size - PAGE)), VC,
               NPF_NOT_VALIDATED);
}

static void check_rescind(void)
{
    u64 gpa = AREA_GPA;

    validate(priv(gpa), PAGE);
    fill(priv(gpa), PAGE, SECRET);
    remote(READ, priv(gpa));
    check_eq(T("reads"), value, SECRET);
    rescind(priv(gpa), PAGE);
    remote(FORGET, priv(gpa));
    check_trap(T("rescinded"), remote(READ, priv(gpa)), VC,
               NPF_NOT_VALIDATED);
    validate(priv(gpa), PAGE);
    check_trap(T("validated-again"), remote(READ, priv(gpa)), -1, -1);

    /* What the other one has not forgotten, the conversion ends. */
    rescind(priv(gpa), PAGE);
    psc_msr(gpa, PSC_SHARED);
    check_trap(T("converted-after-rescind"), remote(READ, priv(gpa)), VC,
               NPF_NOT_VALIDATED);
}

static void check_code(void)
{
    u64 gpa = AREA_GPA + PAGE;
    u64 entry = psc_entry(gpa, PSC_SHARED);
    volatile u8 *p = priv(gpa);

    validate(priv(gpa), PAGE);
    p[0] = 0xb8;
    *(volatile u32 *)(p + 1) = 0x1234;
    p[5] = 0xc3;
    remote(RUN, priv(gpa));
    check_eq(T("runs"), value, 0x1234);
    *(volatile u32 *)(p + 1) = 0x5678;
    remote(RUN, priv(gpa));
    check_eq(T("runs-what-was-changed"), value, 0x5678);
    psc(&entry, 1);
    check_trap(T("code-is-gone"), remote(RUN, priv(gpa)), VC,
               NPF_NOT_VALIDATED);
}

/* An implicit conversion by the other vCPU */
static void check_implicit(void)
{
    u64 gpa = AREA_GPA + 2 * PAGE;

    validate(priv(gpa), PAGE);
    fill(priv(gpa), PAGE, SECRET);
    check_bytes(T("private-before"), priv(gpa), PAGE, SECRET);
    remote(WRITE, shar(gpa));
    check_trap(T("converted-by-the-other"), try_fn(read_byte, priv(gpa)), VC,
               NPF_NOT_VALIDATED);
}

void payload(void)
{
    ap_start(1);
    set_prefix(A("4k"));
    check_to_shared(AREA_GPA + 4 * PAGE, 0);
    check_to_private(AREA_GPA + 5 * PAGE, 0);
    set_prefix(A("2m"));
    check_to_shared(AREA_GPA + 2 * PAGE_2M, PSC_2M);
    check_to_private(AREA_GPA + 4 * PAGE_2M, PSC_2M);
    set_prefix(NULL);
    check_rescind();
    check_code();
    check_implicit();
}
