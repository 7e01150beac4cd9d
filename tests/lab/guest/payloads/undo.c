/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM can not make the end of a large request private: all of it is refused,
 * and what was done of it by then is as before
 *
 * Some pages were private already, and stay so with what they hold.
 */
#include "runs.h"

#define SIZE    (128 * 0x100000ULL)
#define BAD     (SIZE - PAGE)
#define ISLAND  (8 * PAGE)

/* A page every 4 MiB; the one at the start, and each step's, among them */
static void fill_shared(void)
{
    for (u64 at = 0; at < SIZE; at += 2 * PAGE_2M) {
        fill(shar(RUNS_GPA + at), PAGE, 0x11);
    }
}

static bool all_as_before(void)
{
    bool good = true;

    for (u64 at = 0; at < SIZE; at += 2 * PAGE_2M) {
        const volatile u64 *words = shar(RUNS_GPA + at);

        good &= words[0] == 0x1111111111111111 && words[511] == words[0];
    }
    return good;
}

void payload(void)
{
    fill_shared();
    must_map(RUNS_GPA + ISLAND, 1, TO_PRIVATE);
    fill(priv(RUNS_GPA + ISLAND), PAGE, 0x22);
    host_mark();
    host_fails(FAILS_MARK, RUNS_GPA + BAD);
    check(T("refused"), map_gpa_range(RUNS_GPA, SIZE / PAGE, TO_PRIVATE) != 0);
    host("private", T("states-as-before"), PAGE, 0, 0);
    check(T("shared-as-before"), all_as_before());
    host_expect(T("host-sees-it"), RUNS_GPA, PAGE, 0x11);
    check_bytes(T("private-as-before"), priv(RUNS_GPA + ISLAND), PAGE, 0x22);
    host_counted(T("nothing-counted"), 0, 0, 0);
    host_fails(FAILS_NOTHING, 0);
    check_eq(T("granted"), map_gpa_range(RUNS_GPA, SIZE / PAGE, TO_PRIVATE),
             0);
    check_bytes(T("private-kept"), priv(RUNS_GPA + ISLAND), PAGE, 0x22);
    host_counted(T("counted"), 0, SIZE - PAGE, 0);
}
