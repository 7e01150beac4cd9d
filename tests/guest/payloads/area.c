/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ten pages in the middle of a private area change their state, asked for
 * and by access; what lies around them keeps its content
 *
 * After private_mem_test and its TDX form ("host consumes private memory").
 */
#include "snp.h"

#define AREA        AREA_GPA
#define FOCUS       (AREA + 0x100000UL)
#define FOCUS_SIZE  (10 * PAGE)
#define BEHIND      (FOCUS + FOCUS_SIZE)
#define BEHIND_SIZE (AREA + PAGE_2M - BEHIND)
#define CONTROL     0x11
#define SECRET      0x66
#define PUBLIC      0x99
#define HOST        0x12
#define OLD         0x22

static void read_byte(void *va)
{
    *(volatile u8 *)va;
}

static u64 change(unsigned op)
{
    u64 entries[10];

    for (unsigned i = 0; i < 10; i++) {
        entries[i] = psc_entry(FOCUS + i * PAGE, op);
    }
    return psc(entries, 10);
}

static void check_around(const char *before, const char *behind)
{
    check_bytes(before, priv(AREA), FOCUS - AREA, CONTROL);
    check_bytes(behind, priv(BEHIND), BEHIND_SIZE, CONTROL);
}

static void explicit(void)
{
    fill(priv(FOCUS), FOCUS_SIZE, SECRET);
    host_expect(T("host-reads-old"), FOCUS, FOCUS_SIZE, OLD);
    host_absent(T("secret-is-not-shared"), SECRET);
    rescind(priv(FOCUS), FOCUS_SIZE);
    check_eq(T("explicit-to-shared"), change(PSC_SHARED), 0);
    check_bytes(T("explicit-guest-reads-old"), shar(FOCUS), FOCUS_SIZE, OLD);
    fill(shar(FOCUS), FOCUS_SIZE, PUBLIC);
    host_expect(T("explicit-host-reads-guest's"), FOCUS, FOCUS_SIZE, PUBLIC);
    host_fill(FOCUS, FOCUS_SIZE, HOST);
    check_bytes(T("explicit-guest-reads-host's"), shar(FOCUS), FOCUS_SIZE,
                HOST);
    check_around(T("explicit-before"), T("explicit-behind"));
    check_eq(T("explicit-to-private"), change(PSC_PRIVATE), 0);
    validate(priv(FOCUS), FOCUS_SIZE);
    fill(priv(FOCUS), FOCUS_SIZE, SECRET);
    host_kept(T("explicit-host-keeps-old"), FOCUS, FOCUS_SIZE, HOST);
    check_bytes(T("explicit-guest-reads-private"), priv(FOCUS), FOCUS_SIZE,
                SECRET);
    host_absent(T("explicit-secret-is-not-shared"), SECRET);
    check_around(T("explicit-before-again"), T("explicit-behind-again"));
}

/* A host that reads and writes the shared half disturbs nobody. */
static void host_interferes(void)
{
    host_fill(FOCUS, FOCUS_SIZE, HOST);
    host_expect(T("host-reads-once"), FOCUS, FOCUS_SIZE, HOST);
    check_bytes(T("guest-undisturbed"), priv(FOCUS), FOCUS_SIZE, SECRET);
    fill(priv(FOCUS), FOCUS_SIZE, SECRET + 1);
    host_expect(T("host-reads-the-same-twice"), FOCUS, FOCUS_SIZE, HOST);
    host_fill(AREA, FOCUS - AREA, HOST);
    check_around(T("host-writes-before"), T("host-writes-behind"));
}

static void implicit(void)
{
    unsigned faults = 0;

    /* Private, and not used yet */
    rescind(priv(FOCUS), FOCUS_SIZE);
    change(PSC_SHARED);
    change(PSC_PRIVATE);
    host_fill(FOCUS, FOCUS_SIZE, HOST);
    check_bytes(T("implicit-guest-reads-host's"), shar(FOCUS), FOCUS_SIZE,
                HOST);
    fill(shar(FOCUS), FOCUS_SIZE, PUBLIC);
    host_expect(T("implicit-host-reads-guest's"), FOCUS, FOCUS_SIZE, PUBLIC);
    check_around(T("implicit-before"), T("implicit-behind"));
    for (u64 at = FOCUS; at < BEHIND; at += PAGE) {
        struct trap t = try_fn(read_byte, priv(at));

        faults += t.vector == VC && t.error == NPF_NOT_VALIDATED;
        validate(priv(at), PAGE);
    }
    check_eq(T("implicit-faults"), faults, 10);
    no_bytes(T("implicit-public-not-private"), priv(FOCUS), FOCUS_SIZE,
             PUBLIC);
    fill(priv(FOCUS), FOCUS_SIZE, SECRET);
    host_kept(T("implicit-host-keeps-old"), FOCUS, FOCUS_SIZE, PUBLIC);
    host_absent(T("implicit-secret-is-not-shared"), SECRET);
    check_around(T("implicit-before-again"), T("implicit-behind-again"));
}

/* Every odd page shared, then all of it by one request */
static void odd_pages(void)
{
    bool private = true, shared = true;
    u64 entry;

    fill(priv(AREA), PAGE_2M, SECRET);
    for (u64 at = AREA + PAGE; at < AREA + PAGE_2M; at += 2 * PAGE) {
        to_shared(at, PAGE);
        *(volatile u8 *)shar(at) = PUBLIC;
    }
    for (u64 at = AREA; at < AREA + PAGE_2M; at += 2 * PAGE) {
        private &= *(volatile u8 *)priv(at) == SECRET;
        shared &= *(volatile u8 *)shar(at + PAGE) == PUBLIC;
    }
    check(T("odd-pages-even-private"), private);
    check(T("odd-pages-odd-shared"), shared);
    for (u64 at = AREA; at < AREA + PAGE_2M; at += 2 * PAGE) {
        rescind(priv(at), PAGE);
    }
    entry = psc_entry(AREA, PSC_SHARED) | PSC_2M;
    check_eq(T("odd-pages-all-to-shared"), psc(&entry, 1), 0);
    shared = true;
    for (u64 at = AREA; at < AREA + PAGE_2M; at += 2 * PAGE) {
        shared &= *(volatile u8 *)shar(at + PAGE) == PUBLIC;
    }
    check(T("odd-pages-keep-shared-content"), shared);
    entry = psc_entry(AREA, PSC_PRIVATE) | PSC_2M;
    check_eq(T("odd-pages-all-to-private"), psc(&entry, 1), 0);
    validate(priv(AREA), PAGE_2M);
    fill(priv(AREA), PAGE_2M, CONTROL);
    check_bytes(T("odd-pages-usable"), priv(AREA), PAGE_2M, CONTROL);
}

void payload(void)
{
    host_fill(AREA, PAGE_2M, OLD);
    validate(priv(AREA), PAGE_2M);
    fill(priv(AREA), PAGE_2M, CONTROL);
    explicit();
    host_interferes();
    implicit();
    odd_pages();
}
