/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The eight cases that private memory for SEV guests was first tested with:
 * the area that they are about
 *
 * "RFC V1 PATCH 0/3 selftests: KVM: sev: selftests for fd-based approach of
 * supporting private memory" (V. Annapurve, 2022-05-24).
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

static void all_cases(void);

static void run_at(const char *prefix, u64 where, u64 length)
{
    set_prefix(prefix);
    gpa = where;
    size = length;
    all_cases();
}
