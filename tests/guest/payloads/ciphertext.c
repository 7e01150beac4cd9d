/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory that is in use, read without the C-bit: it stays private, and
 * neither its content is seen nor what the host has there; two vCPUs
 *
 * APM volume 2, 15.36.10: such reads are not checked against the RMP.
 */
#include "snp.h"

#define IMPLICIT    1
#define SECRET      0x6666666666666666
#define HOST        0x12
#define PUBLIC      0x9999999999999999

static volatile u64 order, value;

static u64 read_shared(u64 gpa)
{
    return *(volatile u64 *)shar(gpa);
}

void ap_main(unsigned index)
{
    (void)index;
    for (;;) {
        if (order) {
            value = read_shared(order);
            order = 0;
        }
        pause();
    }
}

/* With what its TLB has */
static u64 remote_read(u64 gpa)
{
    order = gpa;
    return wait_for(&order, 0) ? value : 0;
}

void payload(void)
{
    u64 gpa = AREA_GPA, first, second;
    volatile u64 *secret = priv(gpa);

    validate(priv(gpa), PAGE);
    *secret = SECRET;
    ap_start(1);
    host_fill(gpa, PAGE, HOST);
    host_mark();
    first = read_shared(gpa);
    second = remote_read(gpa);
    host_counted(T("reads-convert-nothing"), IMPLICIT, 0, 0);
    check(T("is-no-plain-text"), first != SECRET && second != SECRET);
    check(T("is-not-the-host's"), (u8)first != HOST && (u8)second != HOST);
    check_eq(T("stays-private"), *secret, SECRET);
    check(T("stays-validated"), pvalidate(priv(gpa), 0, 1).cf);

    /* A write is checked: the page becomes shared. */
    *(volatile u64 *)shar(gpa) = PUBLIC;
    check_eq(T("reads-shared"), read_shared(gpa), PUBLIC);
    check_eq(T("other-vcpu-reads-shared"), remote_read(gpa), PUBLIC);
    host_expect(T("host-reads-shared"), gpa, 8, (u8)PUBLIC);

    /* And the other way round */
    to_private(gpa, PAGE);
    *secret = SECRET;
    check(T("is-no-plain-text-again"), read_shared(gpa) != SECRET &&
          remote_read(gpa) != SECRET);
    check(T("nor-what-was-shared"), read_shared(gpa) != PUBLIC &&
          remote_read(gpa) != PUBLIC);
}
