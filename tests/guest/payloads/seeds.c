/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The eight cases with private memory (upm-mode=on)
 *
 * In the steps that an SNP guest takes: PVALIDATE before the first private
 * use, and page state changes.  The other kinds have no RMP, and the
 * hypercall.
 */
#include "seeds.h"

static bool shared;

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

static void change_by_hypercall(unsigned op)
{
    u64 error = hypercall(HC_MAP_GPA, gpa, size / PAGE,
                          op == PSC_PRIVATE ? MAP_PRIVATE : MAP_SHARED);

    if (error) {
        fatal("KVM_HC_MAP_GPA_RANGE", error);
    }
}

/* As this kind of guest usually does it */
static void change_state(unsigned op)
{
    if (has_rmp()) {
        change_by_nae(op);
    } else {
        change_by_hypercall(op);
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
        make_shared(change_state);
    }
    return make_private(change_state);
}

static void *start_shared(void)
{
    return shared ? view(false) : make_shared(change_state);
}

static void write_byte(void *va)
{
    *(volatile u8 *)va = PAT2;
}

/* What the kind of guest finds where its private memory is gone */
static void check_gone(const char *with_rmp, const char *without)
{
    struct trap t = try_fn(write_byte, view(true));

    if (has_rmp()) {
        check_trap(with_rmp, t, VC, NPF_NOT_VALIDATED);
    } else {
        check_trap(without, t, -1, 0);
    }
    /* which has made that page private */
    change_state(PSC_SHARED);
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

/*
 * Of memory as a guest finds it: once a page is mapped, no host would see a
 * read of it (payload ciphertext).
 */
static void pmsat(void)
{
    void *va = view(false);

    host_fill(gpa, size, PAT1);
    check_bytes(S("PMSAT-guest-reads-host's"), va, size, PAT1);
    shared = true;
    fill(va, size, PAT2);
    host_expect(S("PMSAT-host-reads-guest's"), gpa, size, PAT2);
    check_gone(SNP_S("PMSAT-private-is-gone"), OLD_S("PMSAT-no-fault"));
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
    check_eq(S("SMPAT-each-page-faults"), touch_private(va),
             has_rmp() ? size / PAGE : 0);
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
    va = make_shared(change_state);
    fill(va, size, PAT3);
    host_expect(S("PSAT-host-reads-guest's"), gpa, size, PAT3);
    check_bytes(S("PSAT-guest-reads-shared"), va, size, PAT3);
    check_gone(SNP_S("PSAT-private-is-gone"), OLD_S("PSAT-no-fault"));
}

static void spat(void)
{
    void *va = start_shared();

    host_fill(gpa, size, PAT1);
    check_bytes(S("SPAT-guest-reads-host's"), va, size, PAT1);
    fill(va, size, PAT2);
    host_expect(S("SPAT-host-reads-guest's"), gpa, size, PAT2);
    va = make_private(change_state);
    fill(va, size, PAT1);
    host_kept(S("SPAT-host-reads-old"), gpa, size, PAT2);
    check_bytes(S("SPAT-guest-reads-its-own"), va, size, PAT1);
}

static const char *const pspahct_names[3][6] = {
    { SNP_S("PSPAHCT-msr-host-reads-its-own"), SNP_S("PSPAHCT-msr-private"),
      SNP_S("PSPAHCT-msr-guest-reads-host's"),
      SNP_S("PSPAHCT-msr-host-reads-guest's"),
      SNP_S("PSPAHCT-msr-host-reads-old"),
      SNP_S("PSPAHCT-msr-private-again") },
    { SNP_S("PSPAHCT-nae-host-reads-its-own"), SNP_S("PSPAHCT-nae-private"),
      SNP_S("PSPAHCT-nae-guest-reads-host's"),
      SNP_S("PSPAHCT-nae-host-reads-guest's"),
      SNP_S("PSPAHCT-nae-host-reads-old"),
      SNP_S("PSPAHCT-nae-private-again") },
    { OLD_S("PSPAHCT-hypercall-host-reads-its-own"),
      OLD_S("PSPAHCT-hypercall-private"),
      OLD_S("PSPAHCT-hypercall-guest-reads-host's"),
      OLD_S("PSPAHCT-hypercall-host-reads-guest's"),
      OLD_S("PSPAHCT-hypercall-host-reads-old"),
      OLD_S("PSPAHCT-hypercall-private-again") },
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
    va = make_shared(change_state);
    fill(va, size, PAT2);
    host_expect(S("PSAWDAT-host-reads-guest's"), gpa, size, PAT2);
    host_fill(gpa, size, PAT1);
    check_bytes(S("PSAWDAT-guest-reads-host's"), va, size, PAT1);
    host_backing(S("PSAWDAT-backing-shared"), gpa, size, false);
    va = make_private(change_state);
    fill(va, size, PAT2);
    check_bytes(S("PSAWDAT-private-again"), va, size, PAT2);
    host_backing(S("PSAWDAT-backing-private-again"), gpa, size, true);
    va = make_shared(change_state);
    fill(va, size, PAT3);
    host_expect(S("PSAWDAT-host-reads-guest's-again"), gpa, size, PAT3);
    host_fill(gpa, size, PAT4);
    check_bytes(S("PSAWDAT-guest-reads-host's-again"), va, size, PAT4);
    host_backing(S("PSAWDAT-backing-shared-again"), gpa, size, false);
}

static void all_cases(void)
{
    shared = false;
    pmsat();
    pmpat();
    smsat();
    smpat();
    psat();
    spat();
    if (has_rmp()) {
        pspahct(change_by_msr, pspahct_names[0]);
        pspahct(change_by_nae, pspahct_names[1]);
    } else {
        pspahct(change_by_hypercall, pspahct_names[2]);
    }
    psawdat();
}

void payload(void)
{
    run_at(A("4k"), SEED_BASE + 3 * PAGE, 2 * PAGE);
    run_at(A("2m"), SEED_BASE + 2 * PAGE_2M, PAGE_2M);
}
