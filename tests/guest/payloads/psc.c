/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page state changes: one page, 2 MiB, parts and lists, in and out
 *
 * What one side holds is never seen on the other.
 */
#include "snp.h"

#define SECRET  0x5a
#define PUBLIC  0xc3

static void read_byte(void *va)
{
    *(volatile u8 *)va;
}

static bool is_valid(u64 gpa)
{
    return try_fn(read_byte, priv(gpa)).vector == -1;
}

/* Private, shared, private: @size is one page of either size. */
static void in_and_out(u64 gpa, u64 size)
{
    u64 large = size == PAGE_2M ? PSC_2M : 0;
    u64 entry = psc_entry(gpa, PSC_SHARED) | large;
    struct trap t;
    bool refused;

    validate(priv(gpa), size);
    fill(priv(gpa), size, SECRET);
    rescind(priv(gpa), size);
    check_eq(S("to-shared"), psc(&entry, 1), 0);
    check_eq(S("to-shared-progress"), entry & 0xfff, large ? 512 : 1);
    check_eq(S("to-shared-current"), psc_current, 1);
    no_bytes(S("secret-not-shared"), shar(gpa), size, SECRET);
    host_absent(S("secret-not-in-shared-half"), SECRET);
    fill(shar(gpa), size, PUBLIC);
    check_bytes(S("shared-is-usable"), shar(gpa), size, PUBLIC);
    host_expect(S("shared-is-seen-by-host"), gpa, size, PUBLIC);

    entry = psc_entry(gpa, PSC_PRIVATE) | large;
    check_eq(S("to-private"), psc(&entry, 1), 0);
    t = try_fn(read_byte, priv(gpa + size - PAGE));
    check_trap(S("to-private-is-not-validated"), t, VC, NPF_NOT_VALIDATED);
    refused = large && !host_large_pages();
    check_eq(S("pvalidate"), pvalidate(priv(gpa), large != 0, 1).eax,
             refused ? FAIL_SIZEMISMATCH : 0);
    check(S("pvalidate-again"),
          pvalidate(priv(gpa), large != 0, 1).cf == !refused);
    validate(priv(gpa), size);
    no_bytes(S("public-not-private"), priv(gpa), size, PUBLIC);
    fill(priv(gpa), size, SECRET);
    check_bytes(S("private-is-usable"), priv(gpa), size, SECRET);
    host_absent(S("second-secret-not-in-shared-half"), SECRET);
    host_kept(S("host-sees-old-public"), gpa, size, PUBLIC);
    rescind(priv(gpa), size);
}

/* A 2 MiB entry of which half is done already */
static void check_partial(void)
{
    u64 gpa = AREA_GPA + 4 * PAGE_2M;
    u64 half = gpa + PAGE_2M / 2;
    u64 entry = psc_entry(gpa, PSC_SHARED) | PSC_2M | 256;

    validate(priv(gpa), PAGE_2M);
    fill(priv(gpa), PAGE_2M, SECRET);
    check_eq(T("partial-2m"), psc(&entry, 1), 0);
    check_eq(T("partial-2m-progress"), entry & 0xfff, 512);
    check_bytes(T("partial-2m-first-half"), priv(gpa), PAGE_2M / 2, SECRET);
    fill(shar(half), PAGE_2M / 2, PUBLIC);
    host_expect(T("partial-2m-second-half"), half, PAGE_2M / 2, PUBLIC);
    check(T("partial-2m-second-half-invalid"), !is_valid(half));

    /* Nothing is left to do of one that is finished. */
    entry = psc_entry(gpa, PSC_SHARED) | PSC_2M | 512;
    check_eq(T("finished-2m"), psc(&entry, 1), 0);
    check_bytes(T("finished-2m-does-nothing"), priv(gpa), PAGE_2M / 2,
                SECRET);
    entry = psc_entry(gpa, PSC_SHARED) | 1;
    check_eq(T("finished-4k"), psc(&entry, 1), 0);
    check(T("finished-4k-does-nothing"), is_valid(gpa));
}

/* To the state that a page has */
static void check_same(void)
{
    u64 gpa = AREA_GPA + 6 * PAGE_2M;
    u64 entry = psc_entry(gpa, PSC_PRIVATE);

    validate(priv(gpa), PAGE);
    fill(priv(gpa), PAGE, SECRET);
    check_eq(T("private-to-private"), psc(&entry, 1), 0);
    check_bytes(T("private-to-private-keeps-content"), priv(gpa), PAGE,
                SECRET);
    check(T("private-to-private-keeps-validated"),
          pvalidate(priv(gpa), 0, 1).cf);
    to_shared(gpa, PAGE);
    fill(shar(gpa), PAGE, PUBLIC);
    entry = psc_entry(gpa, PSC_SHARED);
    check_eq(T("shared-to-shared"), psc(&entry, 1), 0);
    check_bytes(T("shared-to-shared-keeps-content"), shar(gpa), PAGE,
                PUBLIC);
    /* 2 MiB of which a page is shared already */
    entry = psc_entry(gpa, PSC_SHARED) | PSC_2M;
    check_eq(T("mixed-to-shared"), psc(&entry, 1), 0);
    check_bytes(T("mixed-to-shared-keeps-content"), shar(gpa), PAGE, PUBLIC);
    fill(shar(gpa), PAGE_2M, PUBLIC);
    check_bytes(T("mixed-to-shared-all"), shar(gpa), PAGE_2M, PUBLIC);
}

/* A full list of alternating operations */
static void check_list(void)
{
    static u64 entries[253];
    u64 gpa = AREA_GPA + 8 * PAGE_2M;
    bool shared = true, private = true, done = true;
    unsigned n = ARRAY_SIZE(entries);

    validate(priv(gpa), PAGE_2M);
    fill(priv(gpa), PAGE_2M, SECRET);
    for (unsigned i = 0; i < n; i++) {
        entries[i] = psc_entry(gpa + i * PAGE, i & 1 ? PSC_SHARED :
                               PSC_PRIVATE);
    }
    /* and the last entry is a large one */
    entries[n - 1] = psc_entry(gpa + PAGE_2M, PSC_SHARED) | PSC_2M;
    check_eq(T("list"), psc(entries, n), 0);
    check_eq(T("list-current"), psc_current, n);
    for (unsigned i = 0; i < n - 1; i++) {
        if (i & 1) {
            *(volatile u8 *)shar(gpa + i * PAGE) = PUBLIC;
            shared &= !is_valid(gpa + i * PAGE);
        } else {
            private &= *(volatile u8 *)priv(gpa + i * PAGE) == SECRET;
        }
        done &= (entries[i] & 0xfff) == 1;
    }
    check(T("list-shared"), shared);
    check(T("list-private"), private);
    check(T("list-progress"), done && (entries[n - 1] & 0xfff) == 512);
    check_bytes(T("list-neighbours"), priv(gpa + n * PAGE),
                PAGE_2M - n * PAGE, SECRET);
    fill(shar(gpa + PAGE_2M), PAGE_2M, PUBLIC);
    host_expect(T("list-large"), gpa + PAGE_2M, PAGE_2M, PUBLIC);
}

/* The pages on both sides of a converted one keep state and content. */
static void check_precision(void)
{
    u64 gpa = AREA_GPA + 10 * PAGE_2M;
    u64 start = gpa + PAGE_2M - 2 * PAGE;
    bool kept = true;

    /* four pages across a 2 MiB boundary, each in turn the converted one */
    validate(priv(gpa), 2 * PAGE_2M);
    for (unsigned i = 0; i < 4; i++) {
        u64 page = start + i * PAGE;

        fill(priv(start), 4 * PAGE, SECRET);
        to_shared(page, PAGE);
        fill(shar(page), PAGE, PUBLIC);
        for (unsigned j = 0; j < 4; j++) {
            kept &= j == i || (is_valid(start + j * PAGE) &&
                *(volatile u8 *)priv(start + j * PAGE) == SECRET &&
                *(volatile u8 *)priv(start + j * PAGE + PAGE - 1) == SECRET);
        }
        to_private(page, PAGE);
        fill(priv(page), PAGE, SECRET);
    }
    check(T("precision"), kept);
    check_bytes(T("precision-content"), priv(start), 4 * PAGE, SECRET);
    host_absent(T("precision-no-secret-in-shared-half"), SECRET);
}

void payload(void)
{
    set_prefix(A("4k"));
    in_and_out(AREA_GPA + PAGE, PAGE);
    set_prefix(A("2m"));
    in_and_out(AREA_GPA + 2 * PAGE_2M, PAGE_2M);
    set_prefix(NULL);
    check_partial();
    check_same();
    check_list();
    check_precision();
}
