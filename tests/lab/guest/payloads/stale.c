/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory is unplugged, and the attribute of its pages stays: an
 * access to what is in its place, here nothing, comes to an end
 */
#include "kvm.h"

#define DIMM_GPA    0x100000000ULL
#define WINDOW      0x30000000      /* where its first 2 MiB are mapped */

/* QEMU, docs/specs/acpi_mem_hotplug.rst */
#define SELECTOR    0xa00
#define CONTROL     0xa14
#define EJECT       8

extern u64 pml4[512], pd_private[512];

static void map_dimm(void)
{
    u64 *pdpt = (u64 *)(pml4[0] & ~0xfffULL);
    u64 *pd = (u64 *)(pdpt[0] & ~0xfffULL);
    u64 entry = DIMM_GPA | (pd[0] & 0xfff);

    pd[WINDOW / PAGE_2M] = entry;
    pd_private[WINDOW / PAGE_2M] = entry | cbit;
    asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
}

static void eject_dimm(void)
{
    asm volatile("outl %0, %1" :: "a"(0), "Nd"((u16)SELECTOR));
    asm volatile("outb %0, %1" :: "a"((u8)EJECT), "Nd"((u16)CONTROL));
}

void payload(void)
{
    map_dimm();
    check_eq(T("request"), map_gpa_range(DIMM_GPA, 8, TO_PRIVATE), 0);
    fill(priv(WINDOW), 8 * PAGE, 0x11);
    check_bytes(T("private"), priv(WINDOW), 8 * PAGE, 0x11);
    eject_dimm();
    check(T("access-ends"), *(volatile u8 *)shar(WINDOW) != 0x11);
    check(T("next-page-as-well"),
          *(volatile u8 *)shar(WINDOW + PAGE) != 0x11);
}
