/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What query-upm counts is what the guest did. */
#include "snp.h"

#define EXPLICIT 0
#define IMPLICIT 1

static void read_byte(void *va)
{
    *(volatile u8 *)va;
}

static void write_byte(void *va)
{
    *(volatile u8 *)va = 3;
}

void payload(void)
{
    u64 gpa = AREA_GPA;
    u64 large = AREA_GPA + 2 * PAGE_2M;
    u64 entries[4];
    unsigned i;

    validate(priv(gpa), 10 * PAGE);
    fill(priv(gpa), 10 * PAGE, 1);
    rescind(priv(gpa), 10 * PAGE);
    host_mark();
    for (i = 0; i < 3; i++) {
        entries[i] = psc_entry(gpa + i * PAGE, PSC_SHARED);
    }
    psc(entries, 3);
    fill(shar(gpa), 3 * PAGE, 2);
    host_counted(T("three-pages-to-shared"), EXPLICIT, 0, 3 * PAGE);
    for (i = 0; i < 3; i++) {
        entries[i] = psc_entry(gpa + i * PAGE, PSC_SHARED);
    }
    psc(entries, 3);
    host_counted(T("shared-already"), EXPLICIT, 0, 0);
    for (i = 0; i < 4; i++) {
        entries[i] = psc_entry(gpa + i * PAGE, PSC_PRIVATE);
    }
    psc(entries, 4);
    host_counted(T("three-of-four-to-private"), EXPLICIT, 3 * PAGE, 0);
    psc_msr(gpa, PSC_SHARED);
    host_counted(T("one-by-msr"), EXPLICIT, 0, PAGE);
    psc_msr(gpa, PSC_PRIVATE);
    host_counted(T("one-back-by-msr"), EXPLICIT, PAGE, 0);

    for (i = 0; i < 10; i++) {
        write_byte(shar(gpa + i * PAGE));
    }
    host_counted(T("ten-implicit-to-shared"), IMPLICIT, 0, 10 * PAGE);
    for (i = 0; i < 10; i++) {
        read_byte(shar(gpa + i * PAGE));
    }
    host_counted(T("shared-access-to-shared"), IMPLICIT, 0, 0);
    for (i = 0; i < 10; i++) {
        try_fn(read_byte, priv(gpa + i * PAGE));
    }
    host_counted(T("ten-implicit-to-private"), IMPLICIT, 10 * PAGE, 0);

    validate(priv(large), PAGE_2M);
    fill(priv(large), PAGE_2M, 1);
    rescind(priv(large), PAGE_2M);
    entries[0] = psc_entry(large, PSC_SHARED) | PSC_2M;
    psc(entries, 1);
    fill(shar(large), PAGE_2M, 2);
    host_counted(T("2m-to-shared"), EXPLICIT, 0, PAGE_2M);
    entries[0] = psc_entry(large, PSC_PRIVATE) | PSC_2M;
    psc(entries, 1);
    host_counted(T("2m-to-private"), EXPLICIT, PAGE_2M, 0);

    psc_msr(0xfed00000, PSC_SHARED);
    host_refused(T("refused-is-counted"));
    host_counted(T("refused-converts-nothing"), EXPLICIT, 0, 0);
}
