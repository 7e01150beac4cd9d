/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The seed's cases, PMPAT to PSAWDAT, over the conversion ranges
 *
 * P private, S shared; M memory, A access, T test; PSAT and its like change
 * the state in between.  Everything around a range keeps its state.
 */
#include "kvm.h"

#define PAT1 0x11
#define PAT2 0x22
#define PAT3 0x33
#define AROUND 0xee

static u64 gpa, size;

static void convert(u64 attributes)
{
    int64_t ret = map_gpa_range(gpa, size / PAGE, attributes);

    if (ret) {
        fatal("KVM_HC_MAP_GPA_RANGE", ret);
    }
}

/* Where the kernel has no encryption bit both views are the same. */
static void *view(bool private)
{
    return private ? priv(gpa) : shar(gpa);
}

/* The first letter of the policy: both, shared, private, none */
static bool discards(char half)
{
    static char policy;

    if (!policy) {
        policy = host_policy();
    }
    return policy == 'b' || policy == half;
}

static void *start(bool private)
{
    convert(TO_SHARED);
    fill(shar(gpa), size, 0);
    if (private) {
        convert(TO_PRIVATE);
    }
    host_mark();
    return view(private);
}

static void pmpat(void)
{
    void *va = start(true);

    host_fill(gpa, size, PAT1);
    fill(va, size, PAT2);
    host_expect(S("PMPAT-host-reads-its-own"), gpa, size, PAT1);
    check_bytes(S("PMPAT-guest-reads-its-own"), va, size, PAT2);
    host_counted(S("PMPAT-nothing-converted"), 0, 0, 0);
}

static const char no_cbit[] =
    "this kernel takes the type of an access from the page's attribute";

static void pmsat(void)
{
    static const char *const names[] = {
        S("PMSAT-guest-reads-host's"), S("PMSAT-host-reads-guest's"),
        S("PMSAT-each-page-faults"),
    };
    void *va;

    if (!cbit) {
        for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
            skip(names[i], no_cbit);
        }
        return;
    }
    start(true);
    host_fill(gpa, size, PAT1);
    va = view(false);
    check_bytes(names[0], va, size, PAT1);
    fill(va, size, PAT2);
    host_expect(names[1], gpa, size, PAT2);
    host_counted(names[2], 1, 0, size);
}

static void smsat(void)
{
    void *va = start(false);

    host_fill(gpa, size, PAT1);
    check_bytes(S("SMSAT-guest-reads-host's"), va, size, PAT1);
    fill(va, size, PAT2);
    host_expect(S("SMSAT-host-reads-guest's"), gpa, size, PAT2);
    host_counted(S("SMSAT-nothing-converted"), 0, 0, 0);
}

static void smpat(void)
{
    static const char *const names[] = {
        S("SMPAT-host-reads-its-own"), S("SMPAT-guest-reads-its-own"),
        S("SMPAT-each-page-faults"),
    };
    void *va;

    if (!cbit) {
        for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
            skip(names[i], no_cbit);
        }
        return;
    }
    start(false);
    host_fill(gpa, size, PAT1);
    va = view(true);
    fill(va, size, PAT2);
    host_kept(names[0], gpa, size, PAT1);
    check_bytes(names[1], va, size, PAT2);
    host_counted(names[2], 1, size, 0);
}

/* Three patterns, so that a stale mapping can not pass for the new one. */
static void psat(void)
{
    void *va = start(true);

    host_fill(gpa, size, PAT1);
    fill(va, size, PAT2);
    convert(TO_SHARED);
    va = view(false);
    check_bytes(S("PSAT-guest-reads-host's"), va, size, PAT1);
    fill(va, size, PAT3);
    host_expect(S("PSAT-host-reads-guest's"), gpa, size, PAT3);
    host_counted(S("PSAT-converted-once"), 0, 0, size);
}

static void spat(void)
{
    void *va = start(false);

    fill(va, size, PAT1);
    host_expect(S("SPAT-host-reads-guest's"), gpa, size, PAT1);
    convert(TO_PRIVATE);
    va = view(true);
    fill(va, size, PAT2);
    host_kept(S("SPAT-host-reads-old"), gpa, size, PAT1);
    check_bytes(S("SPAT-guest-reads-its-own"), va, size, PAT2);
    host_counted(S("SPAT-converted-once"), 0, size, 0);
}

static void pspahct(void)
{
    void *va = start(true);

    host_fill(gpa, size, PAT1);
    fill(va, size, PAT2);
    convert(TO_SHARED);
    check_bytes(S("PSPAHCT-guest-reads-host's"), view(false), size, PAT1);
    fill(view(false), size, PAT3);
    host_expect(S("PSPAHCT-host-reads-guest's"), gpa, size, PAT3);
    convert(TO_PRIVATE);
    fill(va, size, PAT1);
    host_kept(S("PSPAHCT-host-reads-old"), gpa, size, PAT3);
    check_bytes(S("PSPAHCT-private-again"), va, size, PAT1);
    host_counted(S("PSPAHCT-converted-twice"), 0, size, size);
}

/* A page that comes back is empty only where the policy discards it. */
static void psawdat(void)
{
    void *va = start(true);

    fill(va, size, PAT1);
    convert(TO_SHARED);
    fill(view(false), size, PAT2);
    host_expect(S("PSAWDAT-host-reads-guest's"), gpa, size, PAT2);
    convert(TO_PRIVATE);
    check_bytes(S("PSAWDAT-private-by-policy"), va, size,
                discards('p') ? 0 : PAT1);
    fill(va, size, PAT3);
    convert(TO_SHARED);
    check_bytes(S("PSAWDAT-shared-by-policy"), view(false), size,
                discards('s') ? 0 : PAT2);
}

static void all_cases(const char *name, u64 offset, u64 bytes)
{
    u64 begin = AREA_GPA - PAGE, end = AREA_GPA + 3 * PAGE_2M;

    set_prefix(name);
    gpa = AREA_GPA + offset;
    size = bytes;
    fill(shar(begin), end - begin, AROUND);
    pmpat();
    pmsat();
    smsat();
    smpat();
    psat();
    spat();
    pspahct();
    psawdat();
    convert(TO_SHARED);
    host_expect(S("nothing-before"), begin, gpa - begin, AROUND);
    host_expect(S("nothing-behind"), gpa + size, end - gpa - size, AROUND);
}

void payload(void)
{
    all_cases(A("0-4k"), 0, PAGE);
    all_cases(A("0-2m"), 0, PAGE_2M);
    all_cases(A("4k-4k"), PAGE, PAGE);
    all_cases(A("4k-2m"), PAGE, PAGE_2M);
    all_cases(A("2m-4k"), PAGE_2M, PAGE);
}
