/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One vCPU converts what another one uses; two vCPUs
 *
 * Whatever the order, what was written privately is never in the shared
 * half, and what was written shared is never read privately.
 */
#include "snp.h"

#define ROUNDS      400
/* the other vCPU is waited for where it does less than one in so many */
#define ROUNDS_A_TURN 8
#define PAGE_GPA    (AREA_GPA + 0x10000UL)
#define STABLE_GPA  (AREA_GPA + PAGE_2M + 0x10000UL)
#define REGION_GPA  (AREA_GPA + 2 * PAGE_2M)
#define SECRET      0x5a
#define PUBLIC      0xc3

enum { IDLE, ALTERNATE, COUNT, CONVERT, STOPPED };

/* The other vCPU does what @task says, and says in @doing what that is. */
static volatile u64 task, doing, done;
static volatile u64 odd_exceptions, leaks, used, counted, refused;

static void write_secret(void *va)
{
    memset(va, SECRET, 64);
}

static void write_public(void *va)
{
    memset(va, PUBLIC, 64);
}

struct probe {
    volatile u8 *at;
    u8 found;
};

static void read_byte(void *arg)
{
    struct probe *probe = arg;

    probe->found = *probe->at;
}

/* An access that may find its page gone, but nothing else */
static bool access(void (*fn)(void *), void *arg)
{
    struct trap t = try_fn(fn, arg);

    if (t.vector == -1) {
        return true;
    }
    if (t.vector != VC || t.error != NPF_NOT_VALIDATED) {
        odd_exceptions++;
    }
    return false;
}

static void use_both_views(u64 gpa)
{
    struct probe private = { priv(gpa), 0 }, shared = { shar(gpa), 0 };

    access(write_secret, priv(gpa));
    if (access(read_byte, &private) && private.found == PUBLIC) {
        leaks++;
    }
    access(write_public, shar(gpa));
    if (access(read_byte, &shared) && shared.found == SECRET) {
        leaks++;
    }
}

static void try_pvalidate(void *arg)
{
    pvalidate((void *)((u64)arg & ~1ULL), 0, (u64)arg & 1);
}

static void convert(u64 gpa, bool private)
{
    u64 entry = psc_entry(gpa, private ? PSC_PRIVATE : PSC_SHARED);

    if (!private) {
        access(try_pvalidate, priv(gpa));
    }
    if (psc(&entry, 1)) {
        refused++;
    }
    if (private) {
        access(try_pvalidate, (u8 *)priv(gpa) + 1);
    }
}

static void convert_region(unsigned seed)
{
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        u64 entries[3];

        seed = seed * 1103515245 + 12345;
        for (unsigned j = 0; j < 3; j++) {
            u64 page = (seed >> (8 * j)) & 15;

            entries[j] = psc_entry(REGION_GPA + page * PAGE,
                                   seed >> (28 - j) & 1 ? PSC_PRIVATE :
                                   PSC_SHARED);
        }
        if (psc(entries, 3)) {
            refused++;
        }
    }
}

void ap_main(unsigned index)
{
    ghcb_setup();
    for (;;) {
        doing = task;
        switch (doing) {
        case ALTERNATE:
            use_both_views(PAGE_GPA);
            used++;
            break;
        case COUNT:
            ++*(volatile u64 *)shar(STABLE_GPA);
            counted++;
            pause();
            break;
        case CONVERT:
            convert_region(index);
            task = IDLE;
            break;
        case STOPPED:
            done = 1;
            for (;;) {
                asm volatile("hlt");
            }
        }
    }
}

/* Nothing is under way any more when this returns. */
static void stop_task(void)
{
    task = IDLE;
    if (!wait_for(&doing, IDLE)) {
        fatal("the other vCPU does not stop", doing);
    }
}

static void check_alternate(void)
{
    bool went_on = true;

    host_watch(PAGE_GPA, PAGE, SECRET);
    task = ALTERNATE;
    for (unsigned i = 0; i < ROUNDS && went_on; i++) {
        went_on = wait_for_more(&used, i / ROUNDS_A_TURN);
        convert(PAGE_GPA, true);
        access(write_secret, priv(PAGE_GPA));
        convert(PAGE_GPA, false);
        access(write_public, shar(PAGE_GPA));
    }
    stop_task();
    host_watched(T("no-secret-seen-by-host"));
    check(T("accesses"), went_on);
    check_eq(T("no-leak"), leaks, 0);
    check_eq(T("no-other-exception"), odd_exceptions, 0);
    check_eq(T("no-refusal"), refused, 0);
    /* Both halves still work. */
    convert(PAGE_GPA, true);
    fill(priv(PAGE_GPA), PAGE, SECRET);
    check_bytes(T("private-afterwards"), priv(PAGE_GPA), PAGE, SECRET);
    host_absent(T("no-secret-in-shared-half"), SECRET);
    to_shared(PAGE_GPA, PAGE);
    fill(shar(PAGE_GPA), PAGE, PUBLIC);
    host_expect(T("shared-afterwards"), PAGE_GPA, PAGE, PUBLIC);
}

static void check_count(void)
{
    bool went_on = true;

    validate(priv(STABLE_GPA), PAGE);
    to_shared(STABLE_GPA, PAGE);
    fill(shar(STABLE_GPA), PAGE, 0);
    counted = 0;
    task = COUNT;
    for (unsigned i = 0; i < ROUNDS && went_on; i++) {
        went_on = wait_for_more(&counted, i / ROUNDS_A_TURN);
        convert(STABLE_GPA + PAGE, i & 1);
        convert(STABLE_GPA - PAGE, i & 1);
    }
    stop_task();
    check(T("neighbour-counts"), went_on);
    check_eq(T("no-shared-write-lost"), *(volatile u64 *)shar(STABLE_GPA),
             counted);
}

static void check_overlap(void)
{
    refused = 0;
    task = CONVERT;
    convert_region(99);
    check(T("overlap-ends"), wait_for(&task, IDLE));
    check_eq(T("overlap-no-refusal"), refused, 0);
    for (unsigned i = 0; i < 16; i++) {
        convert(REGION_GPA + i * PAGE, true);
    }
    fill(priv(REGION_GPA), 16 * PAGE, SECRET);
    check_bytes(T("overlap-all-private"), priv(REGION_GPA), 16 * PAGE,
                SECRET);
    host_absent(T("overlap-no-secret-in-shared-half"), SECRET);
}

void payload(void)
{
    ap_start(1);
    check_alternate();
    check_count();
    check_overlap();
    task = STOPPED;
    check(T("stopped"), wait_for(&done, 1));
}
