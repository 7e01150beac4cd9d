/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The eight cases where memory is encrypted in place (upm-mode=off)
 *
 * There is one memory.  Who has no key sees what was written with it
 * encrypted, and the guest sees with the key what was written without as if it
 * had been encrypted: in both ways neither pattern.  The host's writes come
 * first, as what it writes to a page that the guest uses with the key would be
 * lost or would spoil it.
 *
 * PSAWDAT counts what both sides of an area have allocated, and there is one.
 */
#include "seeds.h"

/*
 * What no emulated host (L1) can show: its guests' memory is the machine's own,
 * plain text to everybody.
 */
#ifdef PLAIN_TEXT
static void host_cannot(const char *name, u8 value)
{
    (void)value;
    skip(name, "memory is plain text here");
}

static void guest_cannot(const char *name, volatile void *va, u8 value)
{
    (void)va;
    (void)value;
    skip(name, "memory is plain text here");
}
#else
/* The host reads no trace of a pattern, in all of its memory. */
static void host_cannot(const char *name, u8 value)
{
    host_absent(name, value);
}

/* The guest reads no trace of a pattern in what it sees by a view. */
static void guest_cannot(const char *name, volatile void *va, u8 value)
{
    no_bytes(name, va, size, value);
}
#endif

static void tell(bool private)
{
    u64 error = hypercall(HC_MAP_GPA, gpa, size / PAGE,
                          private ? MAP_PRIVATE : MAP_SHARED);

    if (error) {
        fatal("KVM_HC_MAP_GPA_RANGE", error);
    }
}

/* As Linux does it: the page tables, the hypercall, then the first use. */
static void *change(bool private)
{
    void *va = view(private);

    tell(private);
    return va;
}

static void *start(bool private, u8 host_has)
{
    change(false);
    host_fill(gpa, size, host_has);
    return change(private);
}

static void pmpat(void)
{
    volatile u8 *va = start(true, PAT1);

    guest_cannot(S("PMPAT-host's-is-garbage"), va, PAT1);
    fill(va, size, PAT2);
    host_cannot(S("PMPAT-host-does-not-read-it"), PAT2);
    check_bytes(S("PMPAT-guest-reads-its-own"), va, size, PAT2);
    guest_cannot(S("PMPAT-not-without-the-key"), view(false), PAT2);
    host_cannot(S("PMPAT-host-does-not-read-it-still"), PAT2);
    check_bytes(S("PMPAT-guest-reads-its-own-again"), view(true), size, PAT2);
}

static void pmsat(void)
{
    volatile u8 *va = start(true, PAT1);

    fill(va, size, PAT2);
    va = view(false);
    guest_cannot(S("PMSAT-private-is-garbage"), va, PAT2);
    host_fill(gpa, size, PAT1);
    check_bytes(S("PMSAT-guest-reads-host's"), va, size, PAT1);
    fill(va, size, PAT3);
    host_expect(S("PMSAT-host-reads-guest's"), gpa, size, PAT3);
    va = view(true);
    guest_cannot(S("PMSAT-private-is-gone"), va, PAT2);
    guest_cannot(S("PMSAT-shared-is-garbage"), va, PAT3);
}

static void smsat(void)
{
    volatile u8 *va = start(false, PAT1);

    check_bytes(S("SMSAT-guest-reads-host's"), va, size, PAT1);
    fill(va, size, PAT3);
    host_expect(S("SMSAT-host-reads-guest's"), gpa, size, PAT3);
}

static void smpat(void)
{
    volatile u8 *va;

    start(false, PAT1);
    va = view(true);
    guest_cannot(S("SMPAT-host's-is-garbage"), va, PAT1);
    fill(va, size, PAT2);
    host_cannot(S("SMPAT-host-does-not-read-it"), PAT2);
    check_bytes(S("SMPAT-guest-reads-its-own"), va, size, PAT2);
}

/* Three patterns, so that a stale mapping can not pass for the new one. */
static void psat(void)
{
    volatile u8 *va = start(true, PAT1);

    fill(va, size, PAT2);
    check_bytes(S("PSAT-guest-reads-its-own"), va, size, PAT2);
    host_mark();
    va = change(false);
    host_counted(S("PSAT-recorded"), 0, 0, size);
    guest_cannot(S("PSAT-private-is-garbage"), va, PAT2);
    fill(va, size, PAT3);
    host_expect(S("PSAT-host-reads-guest's"), gpa, size, PAT3);
    check_bytes(S("PSAT-guest-reads-shared"), va, size, PAT3);
    guest_cannot(S("PSAT-private-is-gone"), view(true), PAT2);
}

static void spat(void)
{
    volatile u8 *va = start(false, PAT1);

    check_bytes(S("SPAT-guest-reads-host's"), va, size, PAT1);
    fill(va, size, PAT3);
    host_expect(S("SPAT-host-reads-guest's"), gpa, size, PAT3);
    host_mark();
    va = change(true);
    host_counted(S("SPAT-recorded"), 0, size, 0);
    guest_cannot(S("SPAT-shared-is-garbage"), va, PAT3);
    fill(va, size, PAT2);
    host_cannot(S("SPAT-host-does-not-read-it"), PAT2);
    check_bytes(S("SPAT-guest-reads-its-own"), va, size, PAT2);
}

static void pspahct(void)
{
    volatile u8 *va = start(true, PAT1);

    fill(va, size, PAT2);
    check_bytes(S("PSPAHCT-private"), va, size, PAT2);
    host_mark();
    va = change(false);
    host_counted(S("PSPAHCT-recorded-shared"), 0, 0, size);
    fill(va, size, PAT3);
    host_expect(S("PSPAHCT-host-reads-guest's"), gpa, size, PAT3);
    host_fill(gpa, size, PAT1);
    check_bytes(S("PSPAHCT-guest-reads-host's"), va, size, PAT1);
    va = change(true);
    host_counted(S("PSPAHCT-recorded-private"), 0, size, 0);
    fill(va, size, PAT2);
    host_cannot(S("PSPAHCT-host-does-not-read-it"), PAT2);
    check_bytes(S("PSPAHCT-private-again"), va, size, PAT2);
    /* asking again changes nothing */
    tell(true);
    host_counted(S("PSPAHCT-recorded-once"), 0, 0, 0);
    check_bytes(S("PSPAHCT-private-still"), va, size, PAT2);
}

static void all_cases(void)
{
    pmpat();
    pmsat();
    smsat();
    smpat();
    psat();
    spat();
    pspahct();
}

void payload(void)
{
    run_at(A("4k"), SEED_BASE + 3 * PAGE, 2 * PAGE);
    run_at(A("2m"), SEED_BASE + 2 * PAGE_2M, PAGE_2M);
}
