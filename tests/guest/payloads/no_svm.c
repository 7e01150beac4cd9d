/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest with SEV alone is no hypervisor, whatever it writes to control
 * registers: there is nobody to exit to
 *
 * APM volume 2, 3.1.2, 3.1.3 and 15.4.
 */
#include "snp.h"

#define MSR_EFER        0xc0000080
#define EFER_SVME       (1ULL << 12)
#define MSR_HSAVE       0xc0010117
#define HSAVE_GPA       AREA_GPA

static void write_cr3(void *value)
{
    asm volatile("mov %0, %%cr3" :: "r"(value));
}

static void write_cr4(void *value)
{
    asm volatile("mov %0, %%cr4" :: "r"(value));
}

static void write_efer(void *value)
{
    wrmsr(MSR_EFER, (u64)value);
}

static void do_vmrun(void *address)
{
    asm volatile("vmrun %%rax" :: "a"(address) : "memory");
}

/* What a #VMEXIT would load: a host's state of zeros ends no payload well. */
void payload(void)
{
    u64 cr3, cr4;

    asm volatile("mov %%cr3, %0; mov %%cr4, %1" : "=r"(cr3), "=r"(cr4));
    try_fn(write_efer, (void *)(rdmsr(MSR_EFER) | EFER_SVME));
    check_eq(T("no-svme"), rdmsr(MSR_EFER) & EFER_SVME, 0);
    wrmsr(MSR_HSAVE, HSAVE_GPA);
    check_trap(T("cr4-reserved"), try_fn(write_cr4, (void *)(cr4 | 1 << 30)),
               GP, 0);
    check_trap(T("cr3-reserved"), try_fn(write_cr3,
                                         (void *)(cr3 | 1ULL << 52)), GP, 0);
    check_eq(T("still-encrypted"), rdmsr(MSR_SEV_STATUS), KIND_SEV);
    check_trap(T("vmrun"), try_fn(do_vmrun, (void *)AREA_GPA), UD, 0);
}
