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
    { T("no-pages-to-shared"), AREA_GPA, 0, TO_SHARED },
    { T("unaligned"), AREA_GPA + 1, 1, TO_PRIVATE },
    { T("half-a-page"), AREA_GPA + 0x800, 1, TO_PRIVATE },
    { T("2^52-pages"), AREA_GPA, 1ULL << 52, TO_PRIVATE },
    { T("2^52-pages-less-one"), AREA_GPA, (1ULL << 52) - 1, TO_PRIVATE },
    { T("2^64-pages-less-one"), AREA_GPA, -1ULL, TO_PRIVATE },
    { T("wraps-at-the-end"), -PAGE, 2, TO_PRIVATE },
    { T("last-page-of-all"), -PAGE, 1, TO_PRIVATE },
    { T("apic"), 0xfee00000, 1, TO_PRIVATE },
    { T("apic-to-shared"), 0xfee00000, 1, TO_SHARED },
    { T("hpet"), 0xfed00000, 1, TO_PRIVATE },
    { T("nothing-there"), 1ULL << 36, 1, TO_PRIVATE },
    { T("nothing-there-to-shared"), 1ULL << 36, 1, TO_SHARED },
    { T("across-the-end-of-ram"), 62 << 20, 1024, TO_PRIVATE },
    { T("across-the-end-to-shared"), 62 << 20, 1024, TO_SHARED },
    { T("all-of-it"), 0, 1ULL << 40, TO_PRIVATE },
    { T("unknown-attribute"), AREA_GPA, 1, TO_PRIVATE | 1 << 5 },
    { T("unknown-attribute-63"), AREA_GPA, 1, TO_PRIVATE | 1ULL << 63 },
    { T("unknown-page-size"), AREA_GPA, 1, TO_PRIVATE | 3 },
};

/* -KVM_EINVAL (Linux, uapi/linux/kvm_para.h), as KVM itself answers */
#define REFUSED -22

void payload(void)
{
    fill(shar(AREA_GPA), PAGE, 0x11);
    host_mark();
    for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
        const struct request *r = &requests[i];

        check_eq(r->name, map_gpa_range(r->gpa, r->pages, r->attributes),
                 REFUSED);
    }
    host("private", T("no-page-is-private"), 0, 0, 0);
    host_counted(T("nothing-converted"), 0, 0, 0);
    host_expect(T("memory-as-before"), AREA_GPA, PAGE, 0x11);
    check_eq(T("good-request-after"), map_gpa_range(AREA_GPA, 1, TO_PRIVATE),
             0);
    host_counted(T("good-request-counted"), 0, PAGE, 0);
}
