/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each NAE event answers, GHCB specification 4.1. */
#include "snp.h"

#define FW_CFG_SELECT   0x510
#define FW_CFG_DATA     0x511
#define HPET            0xfed00000
#define IOAPIC          0xfec00000

static u64 buffer_gpa(void)
{
    return this_cpu()->ghcb_gpa + GHCB_BUFFER;
}

static void check_io(void)
{
    u32 signature = 0;

    io_out(FW_CFG_SELECT, 2, 0);
    for (int i = 0; i < 4; i++) {
        signature |= io_in(FW_CFG_DATA, 1) << (8 * i);
    }
    check_eq(T("io-byte"), signature, 0x554d4551);     /* "QEMU" */
    io_out(0xcf8, 4, 0x80000000);
    check_eq(T("io-long"), io_in(0xcfc, 4), 0x29c08086);
    check_eq(T("io-word"), io_in(0xcfe, 2), 0x29c0);
    io_out(0x70, 1, 0x0d);
    check_eq(T("io-rtc"), io_in(0x71, 1), 0x80);
}

static void check_string_io(void)
{
    static const char text[] = "# a line by string output\n";
    unsigned i;

    io_out(FW_CFG_SELECT, 2, 0);
    ghcb_clear();
    ghcb_set(GHCB_SCRATCH, buffer_gpa());
    check_eq(T("string-in-accepted"),
             ghcb_call(NAE_IOIO, FW_CFG_DATA << 16 | 0x1d, 4), 0);
    check_eq(T("string-in"), (u32)answer(GHCB_BUFFER), 0x554d4551);

    ghcb_clear();
    for (i = 0; text[i]; i++) {
        ghcb()[GHCB_BUFFER + i] = text[i];
    }
    ghcb_set(GHCB_SCRATCH, buffer_gpa());
    check_eq(T("string-out-accepted"),
             ghcb_call(NAE_IOIO, 0x3f8 << 16 | 0x1c, i), 0);

    /* 16 bits at a time, and at an offset in the buffer */
    ghcb_clear();
    ghcb_poke(GHCB_BUFFER + 0x100, 0xcfc);
    ghcb_set(GHCB_SCRATCH, buffer_gpa() + 0x100);
    check_eq(T("string-in-words"),
             ghcb_call(NAE_IOIO, 0xcfcU << 16 | 0x2d, 2), 0);
    check_eq(T("string-in-words-data"),
             (u32)answer(GHCB_BUFFER + 0x100), 0x80868086);
}

static void check_cpuid(void)
{
    ghcb_clear();
    ghcb_set(GHCB_RAX, 0);
    ghcb_set(GHCB_RCX, 0);
    check_eq(T("cpuid-accepted"), ghcb_call(NAE_CPUID, 0, 0), 0);
    check(T("cpuid-vendor"), answer(GHCB_RBX) == 0x68747541 &&
          answer(GHCB_RDX) == 0x69746e65 &&
          answer(GHCB_RCX) == 0x444d4163);
    ghcb_clear();
    ghcb_set(GHCB_RAX, 0);
    ghcb_set(GHCB_RCX, 0);
    ghcb_call(NAE_CPUID, 0, 0);
    check(T("cpuid-valid-bits"), ghcb_is_valid(GHCB_RAX) &&
          ghcb_is_valid(GHCB_RBX) && ghcb_is_valid(GHCB_RCX) &&
          ghcb_is_valid(GHCB_RDX));
    ghcb_clear();
    ghcb_set(GHCB_RAX, 1);
    ghcb_set(GHCB_RCX, 0);
    ghcb_call(NAE_CPUID, 0, 0);
    check_eq(T("cpuid-apic-id"), answer(GHCB_RBX) >> 24 & 0xff, 0);
    ghcb_clear();
    ghcb_set(GHCB_RAX, 0xd);
    ghcb_set(GHCB_RCX, 0);
    ghcb_set(GHCB_XCR0, 1);
    check_eq(T("cpuid-d-with-xcr0"), ghcb_call(NAE_CPUID, 0, 0), 0);
}

static bool is_gp(u32 info1)
{
    /* The event to inject; KVM leaves out the error code's valid bit. */
    return info1 == 1 && (answer(GHCB_INFO2) & 0xfffff7ff) == 0x8000030d;
}

static u32 nae_rdmsr(u32 msr)
{
    ghcb_clear();
    ghcb_set(GHCB_RCX, msr);
    return ghcb_call(NAE_MSR, 0, 0);
}

static u32 nae_wrmsr(u32 msr, u64 value)
{
    ghcb_clear();
    ghcb_set(GHCB_RCX, msr);
    ghcb_set(GHCB_RAX, (u32)value);
    ghcb_set(GHCB_RDX, value >> 32);
    return ghcb_call(NAE_MSR, 1, 0);
}

static u64 msr_result(void)
{
    return (answer(GHCB_RDX) << 32) | (u32)answer(GHCB_RAX);
}

static void check_msr(void)
{
    check_eq(T("msr-read-apic-base"), nae_rdmsr(0x1b), 0);
    check_eq(T("msr-apic-base"), msr_result(), 0xfee00900);
    check_eq(T("msr-write-mtrr-default"), nae_wrmsr(0x2ff, 0xc06), 0);
    nae_rdmsr(0x2ff);
    check_eq(T("msr-mtrr-default"), msr_result(), 0xc06);
    check_eq(T("msr-write-mtrr-base"), nae_wrmsr(0x200, 0x12345006), 0);
    nae_rdmsr(0x200);
    check_eq(T("msr-mtrr-base"), msr_result(), 0x12345006);
    /* An APIC base that is not possible is a general protection fault. */
    check(T("msr-write-error"), is_gp(nae_wrmsr(0x1b, 1ULL << 60)));
    check_eq(T("msr-error-goes-on"), nae_rdmsr(0x1b), 0);
    check_eq(T("msr-unchanged-by-error"), msr_result(), 0xfee00900);
}

static void check_mmio(void)
{
    u64 index;

    check_eq(T("mmio-apic-version"), mmio_read(0xfee00030, 4) & 0xff, 0x14);
    check_eq(T("mmio-hpet-vendor"), mmio_read(HPET, 8) >> 16 & 0xffff,
             0x8086);
    check_eq(T("mmio-hpet-vendor-word"), mmio_read(HPET, 4) >> 16 & 0xffff,
             0x8086);
    mmio_write(IOAPIC, 4, 0x1234);
    index = mmio_read(IOAPIC, 4);
    check_eq(T("mmio-write"), (u32)index, 0x34);
    mmio_write(0xfee00080, 4, 0x20);
    check_eq(T("mmio-apic-tpr"), (u32)mmio_read(0xfee00080, 4), 0x20);
    mmio_write(0xfee00080, 4, 0);
    /* An address that nothing decodes has some value, but no error. */
    mmio_read(0xd0000000, 4);
    check(T("mmio-nothing"), true);

    ghcb_clear();
    ghcb_set(GHCB_SCRATCH, buffer_gpa());
    check_eq(T("mmio-nine-bytes"), ghcb_call(NAE_MMIO_READ, HPET, 9), 2);
    ghcb_clear();
    ghcb_set(GHCB_SCRATCH, buffer_gpa());
    ghcb_call(NAE_MMIO_READ, HPET, 0);
    check(T("mmio-no-bytes"), true);
    /* The buffer is RAM, but no MMIO: shared RAM may be read this way. */
    ghcb_clear();
    ghcb_set(GHCB_SCRATCH, buffer_gpa());
    ghcb_call(NAE_MMIO_READ, 0xfffffffffffff000, 8);
    check(T("mmio-beyond-everything"), true);
}

/* Private memory can not be had through the MMIO door. */
static void check_mmio_private(void)
{
    u64 area = AREA_GPA;

    validate(priv(area), PAGE);
    fill(priv(area), PAGE, 0x5a);
    ghcb_clear();
    ghcb_set(GHCB_SCRATCH, buffer_gpa());
    ghcb_call(NAE_MMIO_READ, area, 8);
    check(T("mmio-read-of-private"),
          answer(GHCB_BUFFER) != 0x5a5a5a5a5a5a5a5a);
    ghcb_clear();
    ghcb_poke(GHCB_BUFFER, 0x3333333333333333);
    ghcb_set(GHCB_SCRATCH, buffer_gpa());
    ghcb_call(NAE_MMIO_WRITE, area, 8);
    check_bytes(T("mmio-write-to-private"), priv(area), PAGE, 0x5a);
}

static u32 plain(u64 code)
{
    ghcb_clear();
    return ghcb_call(code, 0, 0);
}

static void rdpmc(void *arg)
{
    (void)arg;
    ghcb_clear();
    ghcb_set(GHCB_RCX, 0);
    ghcb_call(NAE_RDPMC, 0, 0);
}

static u32 write_dr7(u64 value)
{
    ghcb_clear();
    ghcb_set(GHCB_RAX, value);
    return ghcb_call(NAE_WRITE_DR7, 0, 0);
}

/* Breakpoint 0, on execution: the hypervisor cannot arm it. */
static void run_breakpoint(void *arg)
{
    asm volatile("lea 1f(%%rip), %%rax; mov %%rax, %%dr0" ::: "rax");
    *(u32 *)arg = write_dr7(0x401);
    asm volatile("1: nop");
}

static void check_dr7(void)
{
    u32 info1 = 0;
    struct trap t = try_fn(run_breakpoint, &info1);

    check_trap(T("dr7-arms-nothing"), t, -1, -1);
    check_eq(T("dr7-write"), info1, 0);
    check_eq(T("dr7-write-reserved"), write_dr7(1ULL << 32), 0);
}

static void check_rest(void)
{
    struct trap t;
    u64 info1;

    check_eq(T("wbinvd"), plain(NAE_WBINVD), 0);
    check_eq(T("invd"), plain(NAE_INVD), 0);
    check_eq(T("nmi-complete"), plain(NAE_NMI_DONE), 0);

    t = try_fn(rdpmc, NULL);
    info1 = ghcb_get(GHCB_INFO1);
    check_trap(T("rdpmc"), t, GP, 0);
    check_eq(T("rdpmc-answer"), info1, 0);
    ghcb_clear();
    ghcb_set(GHCB_RAX, 0);
    ghcb_set(GHCB_RCX, 0);
    ghcb_set(GHCB_RDX, 0);
    check_eq(T("monitor"), ghcb_call(NAE_MONITOR, 0, 0), 0);
    ghcb_clear();
    ghcb_set(GHCB_RAX, 0);
    ghcb_set(GHCB_RCX, 0);
    check_eq(T("mwait"), ghcb_call(NAE_MWAIT, 0, 0), 0);
    ghcb_clear();
    ghcb_set(GHCB_RAX, 0x999);
    ghcb_set(GHCB_CPL, 0);
    check_eq(T("vmmcall"), ghcb_call(NAE_VMMCALL, 0, 0), 0);
    /* KVM_ENOSYS */
    check_eq(T("vmmcall-unknown"), answer(GHCB_RAX), -1000ULL);
    check_dr7();
    check_eq(T("features"), plain(NAE_FEATURES), 0);
    check_eq(T("features-value"), answer(GHCB_INFO2), 3);

    ghcb_clear();
    check_eq(T("jump-table-set"), ghcb_call(NAE_JUMP_TABLE, 0, 0x1234000), 0);
    ghcb_clear();
    check_eq(T("jump-table-get"), ghcb_call(NAE_JUMP_TABLE, 1, 0), 0);
    check_eq(T("jump-table"), answer(GHCB_INFO2), 0x1234000);
    ghcb_clear();
    check_eq(T("jump-table-neither"), ghcb_call(NAE_JUMP_TABLE, 2, 0), 2);
    check_eq(T("jump-table-error"), answer(GHCB_INFO2), GHCB_ERR_INPUT);
}

static void rdtscp(void *arg)
{
    (void)arg;
    plain(NAE_RDTSCP);
}

/* No hypervisor has to serve what it does not intercept; see end_rdtsc, too. */
static void check_not_intercepted(void)
{
    u64 was;

    check_trap(T("rdtscp"), try_fn(rdtscp, NULL), UD, -1);
    if (!host_goes_on()) {
        return;
    }
    was = rdtsc();
    check_eq(SPEC_T("rdtsc"), plain(NAE_RDTSC), 0);
    check(SPEC_T("rdtsc-value"),
          msr_result() >= was && msr_result() <= rdtsc());
}

void payload(void)
{
    check_io();
    check_string_io();
    check_cpuid();
    check_msr();
    check_mmio();
    check_mmio_private();
    check_rest();
    check_not_intercepted();
}
