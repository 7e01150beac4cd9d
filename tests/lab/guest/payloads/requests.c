/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that can not be granted: each gets an error and changes nothing
 */
#include "kvm.h"

struct request {
    const char *name;
    u64 gpa, pages, attributes;
};

/* KVM itself refuses some of these; the guest cannot tell, nor should it. */
static const struct request requests[] = {
    { T("no-pages"), AREA_GPA, 0, TO_PRIVATE },
    { T("unaligned"), AREA_GPA + 1, 1, TO_PRIVATE },
    { T("wraps"), AREA_GPA, 1ULL << 52, TO_PRIVATE },
    { T("wraps-at-the-end"), -PAGE, 2, TO_PRIVATE },
    { T("mmio"), 0xfee00000, 1, TO_PRIVATE },
    { T("nothing-there"), 1ULL << 36, 1, TO_PRIVATE },
    { T("shared-nothing-there"), 1ULL << 36, 1, TO_SHARED },
    { T("beyond-the-end-of-ram"), 62 << 20, 1024, TO_PRIVATE },
    { T("unknown-attributes"), AREA_GPA, 1, TO_PRIVATE | 1 << 8 },
    { T("all-of-it"), 0, 1ULL << 40, TO_PRIVATE },
};

void payload(void)
{
    fill(shar(AREA_GPA), PAGE, 0x11);
    host_mark();
    for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
        const struct request *r = &requests[i];

        check(r->name, map_gpa_range(r->gpa, r->pages, r->attributes) != 0);
    }
    host_counted(T("nothing-converted"), 0, 0, 0);
    host_expect(T("memory-as-before"), AREA_GPA, PAGE, 0x11);
    check_eq(T("good-request-after"), map_gpa_range(AREA_GPA, 1, TO_PRIVATE),
             0);
    host_counted(T("good-request-counted"), 0, PAGE, 0);
}
