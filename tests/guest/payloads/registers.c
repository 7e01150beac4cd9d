/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the launch gives the first vCPU, and registers that read back
 *
 * The state is that of the VMSA which QEMU measures; APM volume 2, table
 * 14-2 and appendix B.
 */
#include "snp.h"

static u64 read_cr0(void)
{
    u64 value;

    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static void write_cr0(u64 value)
{
    asm volatile("mov %0, %%cr0" :: "r"(value) : "memory");
}

static u64 read_cr4(void)
{
    u64 value;

    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static void write_cr4(u64 value)
{
    asm volatile("mov %0, %%cr4" :: "r"(value) : "memory");
}

static void write_cr3_bit_52(void *cr3)
{
    asm volatile("mov %0, %%cr3" :: "r"((u64)cr3 | 1ULL << 52) : "memory");
}

static void write_cr4_bit_30(void *cr4)
{
    write_cr4((u64)cr4 | 1 << 30);
}

/* A fault changes nothing: where the registers are lost, so is the payload. */
static void check_reserved(void)
{
    u64 cr3, cr4 = read_cr4(), again;

    asm volatile("mov %%cr3, %0" : "=r"(cr3));
    check_trap(T("cr3-reserved"), try_fn(write_cr3_bit_52, (void *)cr3), GP,
               0);
    asm volatile("mov %%cr3, %0" : "=r"(again));
    check_eq(T("cr3-reserved-has-no-effect"), again, cr3);
    check_trap(T("cr4-reserved"), try_fn(write_cr4_bit_30, (void *)cr4), GP,
               0);
    check_eq(T("cr4-reserved-has-no-effect"), read_cr4(), cr4);
}

static void check_write_back(void)
{
    u64 value, again;

    value = read_cr0();
    write_cr0(value);
    check_eq(T("cr0"), read_cr0(), value);
    write_cr0(value & ~(1ULL << 16));
    check_eq(T("cr0-write-protect-off"), read_cr0(), value & ~(1ULL << 16));
    write_cr0(value);
    asm volatile("mov %%cr3, %0" : "=r"(value));
    check_eq(T("cr3-has-the-c-bit"), value, (u64)paging_root | CBIT);
    asm volatile("mov %0, %%cr3; mov %%cr3, %1"
                 : "+r"(value), "=r"(again) :: "memory");
    check_eq(T("cr3"), again, value);
    value = read_cr4();
    write_cr4(value ^ 0x80);
    check_eq(T("cr4-global-pages"), read_cr4(), value ^ 0x80);
    write_cr4(value);
    check_eq(T("cr4"), read_cr4(), value);
    asm volatile("mov %1, %%cr8; mov %%cr8, %0" : "=r"(value) : "r"(5UL));
    check_eq(T("cr8"), value, 5);
    asm volatile("mov %0, %%cr8" :: "r"(0UL));
    value = rdmsr(0xc0000080);
    wrmsr(0xc0000080, value);
    check_eq(T("efer"), rdmsr(0xc0000080), value);
    wrmsr(0xc0000080, value ^ 1);
    check_eq(T("efer-syscall"), rdmsr(0xc0000080), value ^ 1);
    wrmsr(0xc0000080, value);
    wrmsr(0xc0000082, 0xffffffff80001234);
    check_eq(T("lstar"), rdmsr(0xc0000082), 0xffffffff80001234);
    wrmsr(0xc0000100, 0x123456789000);
    check_eq(T("fs-base"), rdmsr(0xc0000100), 0x123456789000);
    value = rdmsr(0x277);
    check_eq(T("pat-after-reset"), value, 0x0007040600070406);
    wrmsr(0x277, 0x0007010600070106);
    check_eq(T("pat"), rdmsr(0x277), 0x0007010600070106);
    wrmsr(0x277, value);
}

static void check_initial(void)
{
    u64 value;
    u32 mxcsr;
    u16 fcw;

    asm volatile("stmxcsr %0" : "=m"(mxcsr));
    check_eq(T("mxcsr-after-reset"), mxcsr, 0x1f80);
    asm volatile("fnstcw %0" : "=m"(fcw));
    check_eq(T("fcw-after-reset"), fcw, 0x37f);
    asm volatile("mov %%dr6, %0" : "=r"(value));
    check_eq(T("dr6-after-reset"), value, 0xffff0ff0);
}

static void write_sev_status(void *arg)
{
    (void)arg;
    wrmsr(MSR_SEV_STATUS, 0);
}

static void check_pages(void)
{
    u32 *cpuid = priv(CPUID_GPA);
    u8 *secrets = priv(SECRETS_GPA);
    u32 leaf_1f = 0, ebx = 0;
    bool zero = true, filtered = true, xsave = true;

    check(T("cpuid-page-count"), cpuid[0] >= 10 && cpuid[0] <= 64);
    for (u32 i = 0; i < cpuid[0] && i < 64; i++) {
        u32 *entry = cpuid + 4 + 12 * i;

        switch (entry[0]) {
        case 1:
            filtered = !(entry[8] & (1 << 27 | 1 << 24));
            break;
        case 0xd:
            if (entry[1] < 2) {
                xsave &= entry[7] == 0x240 && entry[2] == 1;
            }
            break;
        case 0x8000001f:
            leaf_1f = entry[6];
            ebx = entry[7];
            break;
        }
    }
    check_eq(T("cpuid-page-sev-bits"), leaf_1f & 0x1a, 0x1a);
    check_eq(T("cpuid-page-c-bit"), ebx & 0x3f, CBIT_POS);
    check_eq(T("cpuid-page-reduced-bits"), ebx >> 6 & 0x3f, 1);
    check(T("cpuid-page-no-osxsave-no-tsc-deadline"), filtered);
    check(T("cpuid-page-xsave-size"), xsave);

    check(T("secrets-version"), *(u32 *)secrets >= 2);
    for (unsigned i = 0x20; i < 0x40; i++) {
        zero &= !secrets[i];
    }
    check(T("secrets-vmpck0-is-set"), !zero);
    check(T("secrets-vmpcks-differ"), *(u64 *)(secrets + 0x20) !=
          *(u64 *)(secrets + 0x40));
    check_bytes(T("sec-memory-is-zero"), priv(VMSA_GPA), VMSA_SIZE, 0);
    check(T("launch-pages-are-validated"),
          pvalidate(priv(CPUID_GPA), 0, 1).cf &&
          pvalidate(priv(SECRETS_GPA), 0, 1).cf &&
          pvalidate(priv(VMSA_GPA), 0, 1).cf);
}

void payload(void)
{
    struct trap t;

    check_initial();
    check_pages();
    check_write_back();
    check_reserved();
    t = try_fn(write_sev_status, NULL);
    check(T("sev-status-is-read-only"), t.vector == GP || t.vector == VC);
    check_eq(T("sev-status"), rdmsr(MSR_SEV_STATUS), 7);
}
