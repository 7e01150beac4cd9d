/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The seed's cases, PMPAT to PSAWDAT, over the conversion ranges
 *
 * P private, S shared; M memory, A access, T test; PSAT and its like change
 * the state in between.  Everything around a range keeps its state.  The first
 * vCPU converts; accesses go round all that there are, so that none gets by
 * with a translation of its own that is out of date.
 */
#include "kvm.h"

#define PAT1 0x11
#define PAT2 0x22
#define PAT3 0x33
#define AROUND 0xee

static u64 gpa, size;
static unsigned cpus;

static struct {
    const char *name;
    void *va;
    u8 value;
} job;

static void do_job(void)
{
    if (job.name) {
        check_bytes(job.name, job.va, size, job.value);
    } else {
        fill(job.va, size, job.value);
    }
}

static void access(const char *name, void *va, u8 value)
{
    static unsigned turn;

    job.name = name;
    job.va = va;
    job.value = value;
    run_on(turn++ % cpus, do_job);
}

static void put(void *va, u8 value)
{
    access(NULL, va, value);
}

static void convert(u64 attributes)
{
    must_map(gpa, size / PAGE, attributes);
}

/* Where the kernel has no encryption bit both views are the same. */
static void *view(bool private)
{
    return private ? priv(gpa) : shar(gpa);
}

static void *start(bool private)
{
    convert(TO_SHARED);
    put(shar(gpa), 0);
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
    put(va, PAT2);
    host_expect(S("PMPAT-host-reads-its-own"), gpa, size, PAT1);
    access(S("PMPAT-guest-reads-its-own"), va, PAT2);
    host_counted(S("PMPAT-nothing-converted"), 0, 0, 0);
}

static void pmsat(void)
{
    void *va;

    start(true);
    host_fill(gpa, size, PAT1);
    va = view(false);
    access(CBIT_S("PMSAT-guest-reads-host's"), va, PAT1);
    put(va, PAT2);
    host_expect(CBIT_S("PMSAT-host-reads-guest's"), gpa, size, PAT2);
    host_counted(CBIT_S("PMSAT-each-page-faults"), 1, 0, size);
}

static void smsat(void)
{
    void *va = start(false);

    host_fill(gpa, size, PAT1);
    access(S("SMSAT-guest-reads-host's"), va, PAT1);
    put(va, PAT2);
    host_expect(S("SMSAT-host-reads-guest's"), gpa, size, PAT2);
    host_counted(S("SMSAT-nothing-converted"), 0, 0, 0);
}

static void smpat(void)
{
    void *va;

    start(false);
    host_fill(gpa, size, PAT1);
    va = view(true);
    put(va, PAT2);
    host_kept(CBIT_S("SMPAT-host-reads-its-own"), gpa, size, PAT1);
    access(CBIT_S("SMPAT-guest-reads-its-own"), va, PAT2);
    host_counted(CBIT_S("SMPAT-each-page-faults"), 1, size, 0);
}

/* Three patterns, so that a stale mapping can not pass for the new one. */
static void psat(void)
{
    void *va = start(true);

    host_fill(gpa, size, PAT1);
    put(va, PAT2);
    convert(TO_SHARED);
    va = view(false);
    access(S("PSAT-guest-reads-host's"), va, PAT1);
    put(va, PAT3);
    host_expect(S("PSAT-host-reads-guest's"), gpa, size, PAT3);
    host_counted(S("PSAT-converted-once"), 0, 0, size);
}

static void spat(void)
{
    void *va = start(false);

    put(va, PAT1);
    host_expect(S("SPAT-host-reads-guest's"), gpa, size, PAT1);
    convert(TO_PRIVATE);
    va = view(true);
    put(va, PAT2);
    host_kept(S("SPAT-host-reads-old"), gpa, size, PAT1);
    access(S("SPAT-guest-reads-its-own"), va, PAT2);
    host_counted(S("SPAT-converted-once"), 0, size, 0);
}

static void pspahct(void)
{
    void *va = start(true);

    host_fill(gpa, size, PAT1);
    put(va, PAT2);
    convert(TO_SHARED);
    access(S("PSPAHCT-guest-reads-host's"), view(false), PAT1);
    put(view(false), PAT3);
    host_expect(S("PSPAHCT-host-reads-guest's"), gpa, size, PAT3);
    convert(TO_PRIVATE);
    put(va, PAT1);
    host_kept(S("PSPAHCT-host-reads-old"), gpa, size, PAT3);
    access(S("PSPAHCT-private-again"), va, PAT1);
    host_counted(S("PSPAHCT-converted-twice"), 0, size, size);
}

/* A page that comes back is empty only where the policy discards it. */
static void psawdat(void)
{
    void *va = start(true);

    put(va, PAT1);
    convert(TO_SHARED);
    put(view(false), PAT2);
    host_expect(S("PSAWDAT-host-reads-guest's"), gpa, size, PAT2);
    convert(TO_PRIVATE);
    access(S("PSAWDAT-private-by-policy"), va, discards('p') ? 0 : PAT1);
    put(va, PAT3);
    convert(TO_SHARED);
    access(S("PSAWDAT-shared-by-policy"), view(false),
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
    smsat();
    if (cbit) {
        pmsat();
        smpat();
    }
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
    cpus = host_cpus();
    start_cpus(cpus - 1);
    all_cases(A("0-4k"), 0, PAGE);
    all_cases(A("0-2m"), 0, PAGE_2M);
    all_cases(A("4k-4k"), PAGE, PAGE);
    all_cases(A("4k-2m"), PAGE, PAGE_2M);
    all_cases(A("2m-4k"), PAGE_2M, PAGE);
}
