/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which MSRs the hypervisor serves by event, and which are #GP
 *
 * What is found is printed in runs, in the form of msr_map.h.
 */
#include "snp.h"
#include "msr_map.h"

static const struct {
    const char *name;
    u32 first, last;
} ranges[] = {
    { T("low"), 0, 0x1fff },
    { T("hyper-v"), 0x40000000, 0x400001ff },
    { T("kvm"), 0x4b564d00, 0x4b564dff },
    { T("amd-c000"), 0xc0000000, 0xc0001fff },
    { T("amd-c001"), 0xc0010000, 0xc0011fff },
};

/* The GHCB is not cleared between events: its valid bits are, by the host. */
static bool access(u32 msr, bool write)
{
    ghcb_set(GHCB_CODE, NAE_MSR);
    ghcb_set(GHCB_INFO1, write);
    ghcb_set(GHCB_INFO2, 0);
    ghcb_set(GHCB_RCX, msr);
    ghcb_set(GHCB_RAX, 0);
    ghcb_set(GHCB_RDX, 0);
    vmgexit(this_cpu()->ghcb_gpa);
    return ghcb_get(GHCB_INFO1) != 1 ||
           (ghcb_get(GHCB_INFO2) & 0xfffff7ff) != 0x8000030d;
}

/* What can be read is not written to: most of it would matter. */
/* Writing what is its own by event would be the guest's end, see end_wrmsr. */
static bool is_own(u32 msr)
{
    static const struct {
        u32 first, last;
    } own[] = {
        { 0x174, 0x176 }, { 0x1d9, 0x1d9 }, { 0x1db, 0x1de }, { 0x277, 0x277 },
        { 0xda0, 0xda0 }, { 0xc0000080, 0xc0000084 },
        { 0xc0000100, 0xc0000103 }, { 0xc0010130, 0xc0010131 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(own); i++) {
        if (msr >= own[i].first && msr <= own[i].last) {
            return true;
        }
    }
    return false;
}

static unsigned found(u32 msr)
{
    if (access(msr, false)) {
        return READ;
    }
    return !is_own(msr) && access(msr, true) ? WRITE : 0;
}

static unsigned expected(u32 msr)
{
    for (unsigned i = 0; i < ARRAY_SIZE(served); i++) {
        if (msr >= served[i].first && msr <= served[i].last) {
            return served[i].how;
        }
    }
    return 0;
}

static void print_run(u32 first, u32 last, unsigned how)
{
    if (!how) {
        return;
    }
    print("# { ");
    print_hex(first);
    print(", ");
    print_hex(last);
    print(how == READ ? ", READ },\n" : ", WRITE },\n");
}

/* Returns: what is not as expected, and the last one that is not. */
static unsigned sweep(u32 first, u32 last, u32 *wrong)
{
    unsigned how = 0, count = 0;
    u32 begin = first;

    for (u32 msr = first; msr <= last; msr++) {
        unsigned now = found(msr);

        if (now != expected(msr)) {
            *wrong = msr;
            count++;
        }
        if (now != how) {
            print_run(begin, msr - 1, how);
            begin = msr;
            how = now;
        }
    }
    print_run(begin, last, how);
    return count;
}

void payload(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
        u32 wrong = 0;
        unsigned count = sweep(ranges[i].first, ranges[i].last, &wrong);

        if (count) {
            result("last-one-that-is-wrong", wrong);
        }
        check_eq(ranges[i].name, count, 0);
    }
}
