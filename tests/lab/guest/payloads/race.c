/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversions by all processors at once, of pages that lie between those of
 * the others: what was written is read back, whatever happens next to it
 *
 * Where there is an encryption bit, every second conversion is an access.
 */
#include "kvm.h"

#define OTHERS  (MAX_CPUS - 1)
#define PAGES   16
#define ROUNDS  500

static volatile u64 rounds[MAX_CPUS];
static volatile u32 errors, done;

static u64 page_of(unsigned index, unsigned i)
{
    return AREA_GPA + (i * MAX_CPUS + index) * PAGE;
}

static void use_page(unsigned index, u64 gpa, bool private, u64 value)
{
    volatile u64 *va = private ? priv(gpa) : shar(gpa);
    bool ask = !cbit || value % 2;

    if (ask && map_gpa_range(gpa, 1, private ? TO_PRIVATE : TO_SHARED)) {
        __atomic_add_fetch(&errors, 1, __ATOMIC_SEQ_CST);
        return;
    }
    va[index] = value;
    va[511] = ~value;
    if (va[index] != value || va[511] != ~value) {
        __atomic_add_fetch(&errors, 1, __ATOMIC_SEQ_CST);
    }
}

static void work(unsigned index)
{
    for (u64 n = 0; n < ROUNDS; n++) {
        use_page(index, page_of(index, n % PAGES), n / PAGES & 1, n);
        rounds[index] = n + 1;
    }
    __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
}

void ap_main(unsigned index)
{
    work(index);
}

void payload(void)
{
    start_cpus(OTHERS);
    work(0);
    while (done < MAX_CPUS) {
        pause();
    }
    check_eq(T("no-errors"), errors, 0);
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        result("rounds", rounds[i]);
    }
    check_eq(T("all-rounds"), rounds[0] + rounds[1] + rounds[2] + rounds[3],
             MAX_CPUS * ROUNDS);
}
