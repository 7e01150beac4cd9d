/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices have the shared half only; and page states outlive a change of the
 * memory map around them
 */
#include "snp.h"

#define SECRET  0x5a
#define PUBLIC  0xc3

static u32 swap(u32 value)
{
    return __builtin_bswap32(value);
}

/* Let fw_cfg write the first @n bytes of its signature to @gpa. */
static void dma(volatile u32 *request, u64 request_gpa, u64 gpa, u32 n)
{
    request[0] = swap(0x0a);            /* select item 0, read */
    request[1] = swap(n);
    request[2] = swap(gpa >> 32);
    request[3] = swap(gpa);
    io_out(0x514, 4, swap(request_gpa >> 32));
    io_out(0x518, 4, swap(request_gpa));
}

static void check_dma(void)
{
    u64 request = AREA_GPA, target = AREA_GPA + PAGE;
    u64 hidden = AREA_GPA + 2 * PAGE;

    validate(priv(request), 3 * PAGE);
    fill(priv(target), PAGE, SECRET);
    to_shared(request, PAGE);
    fill(shar(request), PAGE, 0);

    dma(shar(request), request, target, 4);
    check_eq(T("dma-done"), *(volatile u32 *)shar(request), 0);
    check_bytes(T("dma-leaves-private-page"), priv(target), PAGE, SECRET);
    check(T("dma-leaves-page-state"), pvalidate(priv(target), 0, 1).cf);
    to_shared(target, PAGE);
    check_eq(T("dma-went-to-shared-half"), *(volatile u32 *)shar(target),
             0x554d4551);
    fill(shar(target), PAGE, 0);
    dma(shar(request), request, target, 4);
    check_eq(T("dma-to-shared-page"), *(volatile u32 *)shar(target),
             0x554d4551);

    /* A request in a private page is one that the device can not read. */
    fill(shar(target), PAGE, 0);
    dma(priv(hidden), hidden, target, 4);
    check_bytes(T("dma-request-in-private-page"), shar(target), PAGE, 0);
    check_eq(T("dma-request-unchanged"), *(volatile u32 *)priv(hidden),
             swap(0x0a));
}

static void pam(unsigned offset, u8 value)
{
    io_out(0xcf8, 4, 0x80000090 | (offset & 4));
    io_out(0xcfc + (offset & 3), 1, value);
}

/* RAM below 1 MiB, where the chipset splits and joins its mapping */
static void check_remap(void)
{
    u64 shared = 0xc0000, private = 0xc1000;

    pam(1, 0x33);
    validate(priv(shared), 2 * PAGE);
    fill(priv(private), PAGE, SECRET);
    to_shared(shared, PAGE);
    fill(shar(shared), PAGE, PUBLIC);
    /* split behind it, and take it away and back */
    pam(2, 0x33);
    check_bytes(T("split-keeps-shared"), shar(shared), PAGE, PUBLIC);
    check_bytes(T("split-keeps-private"), priv(private), PAGE, SECRET);
    check(T("split-keeps-validated"), pvalidate(priv(private), 0, 1).cf);
    pam(1, 0x30);
    pam(1, 0x33);
    check_bytes(T("remap-keeps-shared"), shar(shared), PAGE, PUBLIC);
    check_bytes(T("remap-keeps-private"), priv(private), PAGE, SECRET);
    check(T("remap-keeps-validated"), pvalidate(priv(private), 0, 1).cf);
    to_private(shared, PAGE);
    fill(priv(shared), PAGE, SECRET);
    check_bytes(T("remap-to-private"), priv(shared), 2 * PAGE, SECRET);
}

void payload(void)
{
    check_dma();
    check_remap();
}
