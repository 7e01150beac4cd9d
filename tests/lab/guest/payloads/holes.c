/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ranges with holes: pages that have the state already keep their contents,
 * and what a discard leaves behind is as long as the conversion, no more
 *
 * With four memory blocks the widest range lies in all of them.
 */
#include "kvm.h"

#define PAT1 0x11
#define PAT2 0x22
#define PAT3 0x33
#define GPA AREA_GPA
#define PAGES 64ULL
#define SIZE (PAGES * PAGE)
#define WIDE_GPA (AREA_GPA - PAGE_2M / 2)
#define WIDE (5 * PAGE_2M / 2)

static void *at(bool private, u64 page)
{
    return private ? priv(GPA + page * PAGE) : shar(GPA + page * PAGE);
}

/* Every fourth page, from @first on, holds @four and the others @others. */
static void check_pattern(const char *name, bool private, u64 first, u8 four,
                          u8 others)
{
    u64 wrong = 0;

    for (u64 i = 0; i < PAGES; i++) {
        const volatile u64 *words = at(private, i);
        u64 value = (i % 4 == first ? four : others) * 0x0101010101010101;

        for (u64 w = 0; w < PAGE / 8; w++) {
            wrong += words[w] != value;
        }
    }
    check_eq(name, wrong, 0);
}

/* Some pages of a shared range are private: they stay what they are. */
static void islands_to_private(void)
{
    fill(shar(GPA), SIZE, PAT1);
    for (u64 i = 0; i < PAGES; i += 4) {
        must_map(GPA + i * PAGE, 1, TO_PRIVATE);
        fill(at(true, i), PAGE, PAT2);
    }
    host_mark();
    must_map(GPA, PAGES, TO_PRIVATE);
    host_counted(T("islands-only-the-rest-converted"), 0, SIZE / 4 * 3, 0);
    check_pattern(T("islands-kept-and-rest-zero"), true, 0, PAT2, 0);
    host_kept(T("islands-shared-half-by-policy"), GPA, SIZE, PAT1);
}

/* And the other way round. */
static void islands_to_shared(void)
{
    fill(priv(GPA), SIZE, PAT2);
    for (u64 i = 1; i < PAGES; i += 4) {
        must_map(GPA + i * PAGE, 1, TO_SHARED);
        fill(at(false, i), PAGE, PAT3);
    }
    host_mark();
    must_map(GPA, PAGES, TO_SHARED);
    host_counted(T("shared-islands-only-the-rest-converted"), 0, 0,
                 SIZE / 4 * 3);
    check_pattern(T("shared-islands-kept"), false, 1, PAT3,
                  discards('s') ? 0 : PAT1);
    host_mark();
    must_map(GPA, PAGES, TO_SHARED);
    host_counted(T("nothing-left-to-convert"), 0, 0, 0);
    check_pattern(T("nothing-left-to-discard"), false, 1, PAT3,
                  discards('s') ? 0 : PAT1);
}

/* One page of a private range goes and comes back. */
static void punch(void)
{
    must_map(GPA, PAGES, TO_PRIVATE);
    fill(priv(GPA), SIZE, PAT2);
    must_map(GPA + 9 * PAGE, 1, TO_SHARED);
    fill(at(false, 9), PAGE, PAT1);
    host_mark();
    must_map(GPA + 9 * PAGE, 1, TO_PRIVATE);
    host_counted(T("punched-page-comes-back"), 0, PAGE, 0);
    check_bytes(T("punched-page-by-policy"), at(true, 9), PAGE,
                discards('p') ? 0 : PAT2);
    host_kept(T("punched-page-shared-half"), GPA + 9 * PAGE, PAGE, PAT1);
    check_bytes(T("page-before-the-punched-one"), at(true, 8), PAGE, PAT2);
    check_bytes(T("page-behind-the-punched-one"), at(true, 10), PAGE, PAT2);
    fill(at(true, 9), PAGE, PAT3);
    check_bytes(T("punched-page-takes-writes"), at(true, 9), PAGE, PAT3);
    must_map(GPA, PAGES, TO_SHARED);
    fill(shar(GPA), SIZE, 0);
    must_map(GPA, PAGES, TO_PRIVATE);
    check_bytes(T("all-punched-by-policy"), at(true, 9), PAGE,
                discards('p') ? 0 : PAT3);
    must_map(GPA, PAGES, TO_SHARED);
}

static void wide(void)
{
    fill(shar(WIDE_GPA - PAGE), WIDE + 2 * PAGE, PAT1);
    host_mark();
    must_map(WIDE_GPA, WIDE / PAGE, TO_PRIVATE);
    host_counted(T("wide-to-private"), 0, WIDE, 0);
    host_kept(T("wide-shared-half"), WIDE_GPA, WIDE, PAT1);
    host_expect(T("wide-before"), WIDE_GPA - PAGE, PAGE, PAT1);
    host_expect(T("wide-behind"), WIDE_GPA + WIDE, PAGE, PAT1);
    for (u64 page = 0; page < WIDE; page += PAGE) {
        *(volatile u64 *)priv(WIDE_GPA + page) = page;
    }
    u64 wrong = 0;
    for (u64 page = 0; page < WIDE; page += PAGE) {
        wrong += *(volatile u64 *)priv(WIDE_GPA + page) != page;
    }
    check_eq(T("wide-each-page-is-its-own"), wrong, 0);
    must_map(WIDE_GPA, WIDE / PAGE, TO_SHARED);
    host_counted(T("wide-to-shared"), 0, 0, WIDE);
    fill(shar(WIDE_GPA), WIDE, PAT2);
    host_expect(T("wide-host-sees-shared"), WIDE_GPA, WIDE, PAT2);
}

void payload(void)
{
    islands_to_private();
    islands_to_shared();
    punch();
    wide();
}
