/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The eight cases that private memory for SEV guests was first tested with
 *
 * "RFC V1 PATCH 0/3 selftests: KVM: sev: selftests for fd-based approach of
 * supporting private memory" (V. Annapurve, 2022-05-24), put into the steps
 * that an SNP guest takes: PVALIDATE before the first private use, and page
 * state changes instead of the hypercall.
 */
#include "snp.h"

#ifndef SEED_BASE
#define SEED_BASE AREA_GPA
#endif

#define PAT1 0x66
#define PAT2 0x99
#define PAT3 0x33
#define PAT4 0xaa

#define SLOT        16
#define DIRECTORY   4

static u64 gpa, size;
static bool shared;

/* The area through one view, as a guest changes it: C-bit, then INVLPG. */
static void *view(bool private)
{
    void *va = NULL;

    if (size == PAGE_2M) {
        va = (void *)(WINDOW_VA + DIRECTORY * PAGE_2M);
        *window_directory(DIRECTORY) = gpa | (private ? CBIT : 0) | PTE_2M;
        invlpg(va);
        return va;
    }
    for (u64 at = size; at; at -= PAGE) {
        va = map_page(SLOT + at / PAGE - 1, gpa + at - PAGE, private);
    }
    return va;
}

static void change_by_msr(unsigned op)
{
    for (u64 at = 0; at < size; at += PAGE) {
        if (psc_msr(gpa + at, op) != 0x15) {
            fatal("page state change by MSR", gpa + at);
        }
    }
}

static void change_by_nae(unsigned op)
{
    u64 entries[2];
    unsigned n = 1;

    entries[0] = psc_entry(gpa, op) | (size == PAGE_2M ? PSC_2M : 0);
    if (size != PAGE_2M) {
        entries[n++] = psc_entry(gpa + PAGE, op);
    }
    if (psc(entries, n)) {
        fatal("page state change", gpa);
    }
}

typedef void (*change_fn)(unsigned op);

static void *make_shared(change_fn change)
{
    rescind(view(true), size);
    change(PSC_SHARED);
    shared = true;
    return view(false);
}

static void *make_private(change_fn change)
{
    void *va;

    change(PSC_PRIVATE);
    shared = false;
    va = view(true);
    validate(va, size);
    return va;
}

/* Private, validated, and nothing left of the case before */
static void *start_private(void)
{
    if (!shared) {
        make_shared(change_by_nae);
    }
    return make_private(change_by_nae);
}

static void *start_shared(void)
{
    return shared ? view(false) : make_shared(change_by_nae);
}

static void write_byte(void *va)
{
    *(volatile u8 *)va = PAT2;
}

/* How many pages raise #VC for not being validated, once; validates them. */
static unsigned touch_private(volatile u8 *va)
{
    unsigned faults = 0;

    for (u64 at = 0; at < size; at += PAGE) {
        struct trap t = try_fn(write_byte, (void *)(va + at));

        if (t.vector == VC && t.error == NPF_NOT_VALIDATED) {
            faults++;
            validate(va + at, PAGE);
        }
    }
    return faults;
}

static void pmpat(void)
{
    void *va = start_private();

    host_fill(gpa, size, PAT1);
    fill(va, size, PAT2);
    host_expect(S("PMPAT-host-reads-its-own"), gpa, size, PAT1);
    check_bytes(S("PMPAT-guest-reads-its-own"), va, size, PAT2);
    host_absent(S("PMPAT-private-not-in-shared-half"), PAT2);
}

static void pmsat(void)
{
    void *va;

    start_private();
    host_fill(gpa, size, PAT1);
    va = view(false);
    check_bytes(S("PMSAT-guest-reads-host's"), va, size, PAT1);
    shared = true;
    fill(va, size, PAT2);
    host_expect(S("PMSAT-host-reads-guest's"), gpa, size, PAT2);
    check_trap(S("PMSAT-private-is-gone"), try_fn(write_byte, view(true)),
               VC, NPF_NOT_VALIDATED);
    /* which has made that page private */
    change_by_nae(PSC_SHARED);
}

static void smsat(void)
{
    void *va = start_shared();

    host_fill(gpa, size, PAT1);
    check_bytes(S("SMSAT-guest-reads-host's"), va, size, PAT1);
    fill(va, size, PAT2);
    host_expect(S("SMSAT-host-reads-guest's"), gpa, size, PAT2);
}

static void smpat(void)
{
    void *va;

    start_shared();
    host_fill(gpa, size, PAT1);
    va = view(true);
    check_eq(S("SMPAT-each-page-faults"), touch_private(va), size / PAGE);
    shared = false;
    fill(va, size, PAT2);
    host_kept(S("SMPAT-host-reads-its-own"), gpa, size, PAT1);
    check_bytes(S("SMPAT-guest-reads-its-own"), va, size, PAT2);
    host_absent(S("SMPAT-private-not-in-shared-half"), PAT2);
}

/* Three patterns, so that a stale mapping can not pass for the new one. */
static void psat(void)
{
    void *va = start_private();

    host_fill(gpa, size, PAT1);
    fill(va, size, PAT2);
    host_expect(S("PSAT-host-reads-its-own"), gpa, size, PAT1);
    check_bytes(S("PSAT-guest-reads-its-own"), va, size, PAT2);
    va = make_shared(change_by_nae);
    fill(va, size, PAT3);
    host_expect(S("PSAT-host-reads-guest's"), gpa, size, PAT3);
    check_bytes(S("PSAT-guest-reads-shared"), va, size, PAT3);
    check_trap(S("PSAT-private-is-gone"), try_fn(write_byte, view(true)),
               VC, NPF_NOT_VALIDATED);
    change_by_nae(PSC_SHARED);
}

static void spat(void)
{
    void *va = start_shared();

    host_fill(gpa, size, PAT1);
    check_bytes(S("SPAT-guest-reads-host's"), va, size, PAT1);
    fill(va, size, PAT2);
    host_expect(S("SPAT-host-reads-guest's"), gpa, size, PAT2);
    va = make_private(change_by_nae);
    fill(va, size, PAT1);
    host_kept(S("SPAT-host-reads-old"), gpa, size, PAT2);
    check_bytes(S("SPAT-guest-reads-its-own"), va, size, PAT1);
}

static const char *const pspahct_names[2][8] = {
    { S("PSPAHCT-msr-host-reads-its-own"), S("PSPAHCT-msr-private"),
      S("PSPAHCT-msr-guest-reads-host's"), S("PSPAHCT-msr-host-reads-guest's"),
      S("PSPAHCT-msr-host-reads-old"), S("PSPAHCT-msr-private-again") },
    { S("PSPAHCT-nae-host-reads-its-own"), S("PSPAHCT-nae-private"),
      S("PSPAHCT-nae-guest-reads-host's"), S("PSPAHCT-nae-host-reads-guest's"),
      S("PSPAHCT-nae-host-reads-old"), S("PSPAHCT-nae-private-again") },
};

static void pspahct(change_fn change, const char *const *names)
{
    void *va = start_private();

    host_fill(gpa, size, PAT1);
    fill(va, size, PAT2);
    host_expect(names[0], gpa, size, PAT1);
    check_bytes(names[1], va, size, PAT2);
    va = make_shared(change);
    check_bytes(names[2], va, size, PAT1);
    fill(va, size, PAT2);
    host_expect(names[3], gpa, size, PAT2);
    va = make_private(change);
    fill(va, size, PAT1);
    host_kept(names[4], gpa, size, PAT2);
    check_bytes(names[5], va, size, PAT1);
}

static void psawdat(void)
{
    void *va = start_private();

    fill(va, size, PAT1);
    host_backing(S("PSAWDAT-backing-private"), gpa, size, true);
    va = make_shared(change_by_nae);
    fill(va, size, PAT2);
    host_expect(S("PSAWDAT-host-reads-guest's"), gpa, size, PAT2);
    host_fill(gpa, size, PAT1);
    check_bytes(S("PSAWDAT-guest-reads-host's"), va, size, PAT1);
    host_backing(S("PSAWDAT-backing-shared"), gpa, size, false);
    va = make_private(change_by_nae);
    fill(va, size, PAT2);
    check_bytes(S("PSAWDAT-private-again"), va, size, PAT2);
    host_backing(S("PSAWDAT-backing-private-again"), gpa, size, true);
    va = make_shared(change_by_nae);
    fill(va, size, PAT3);
    host_expect(S("PSAWDAT-host-reads-guest's-again"), gpa, size, PAT3);
    host_fill(gpa, size, PAT4);
    check_bytes(S("PSAWDAT-guest-reads-host's-again"), va, size, PAT4);
    host_backing(S("PSAWDAT-backing-shared-again"), gpa, size, false);
}

static void all_cases(void)
{
    shared = false;
    validate(view(true), size);
    pmpat();
    pmsat();
    smsat();
    smpat();
    psat();
    spat();
    pspahct(change_by_msr, pspahct_names[0]);
    pspahct(change_by_nae, pspahct_names[1]);
    psawdat();
}

void payload(void)
{
    set_prefix(A("4k"));
    gpa = SEED_BASE + 3 * PAGE;
    size = 2 * PAGE;
    all_cases();
    set_prefix(A("2m"));
    gpa = SEED_BASE + 2 * PAGE_2M;
    size = PAGE_2M;
    all_cases();
}
