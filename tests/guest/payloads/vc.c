/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What raises #VC, with which error code, and what does not
 *
 * The intercepts are those that KVM sets for an SEV-ES guest.  Automatic
 * exits are not reflected; APM volume 2, 15.35.4 and 15.35.5.
 */
#include "snp.h"

static u8 buffer[16];

#define INSTRUCTION(name, ...)                                          \
    static void name(void *arg)                                         \
    {                                                                   \
        (void)arg;                                                      \
        asm volatile(__VA_ARGS__);                                      \
    }

INSTRUCTION(do_cpuid, "cpuid" :: "a"(0), "c"(0) : "rbx", "rdx")
INSTRUCTION(do_inb, "in %%dx, %%al" :: "d"(0x3fd) : "rax")
INSTRUCTION(do_inw, "in %%dx, %%ax" :: "d"(0x510) : "rax")
INSTRUCTION(do_inl, "in %%dx, %%eax" :: "d"(0xcfc) : "rax")
INSTRUCTION(do_inb_imm, "in $0x70, %%al" ::: "rax")
INSTRUCTION(do_outb, "out %%al, %%dx" :: "d"(0x80), "a"(0))
INSTRUCTION(do_outw, "out %%ax, %%dx" :: "d"(0x510), "a"(0))
INSTRUCTION(do_outl, "out %%eax, %%dx" :: "d"(0xcf8), "a"(0))
INSTRUCTION(do_outb_imm, "out %%al, $0x80" :: "a"(0))
INSTRUCTION(do_insb, "insb" :: "d"(0x511), "D"(buffer) : "memory")
INSTRUCTION(do_rep_insb, "rep insb" :: "d"(0x511), "D"(buffer), "c"(4)
            : "memory")
INSTRUCTION(do_outsb, "outsb" :: "d"(0x80), "S"(buffer) : "memory")
INSTRUCTION(do_rep_outsb, "rep outsb" :: "d"(0x80), "S"(buffer), "c"(4)
            : "memory")
INSTRUCTION(do_rdmsr, "rdmsr" :: "c"(0x1b) : "rax", "rdx")
INSTRUCTION(do_rdmsr_mtrr, "rdmsr" :: "c"(0x2ff) : "rax", "rdx")
INSTRUCTION(do_rdmsr_unknown, "rdmsr" :: "c"(0xc0011fff) : "rax", "rdx")
INSTRUCTION(do_wrmsr, "wrmsr" :: "c"(0x2ff), "a"(0), "d"(0))
INSTRUCTION(do_wrmsr_x2apic, "wrmsr" :: "c"(0x80b), "a"(0), "d"(0))
INSTRUCTION(do_invd, "invd")
INSTRUCTION(do_wbinvd, "wbinvd")
INSTRUCTION(do_rdpmc, "rdpmc" :: "c"(0) : "rax", "rdx")
INSTRUCTION(do_monitor, "monitor" :: "a"(buffer), "c"(0), "d"(0))
INSTRUCTION(do_mwait, "mwait" :: "a"(0), "c"(0))
INSTRUCTION(do_vmrun, "vmrun %%rax" :: "a"(AREA_GPA) : "memory")
INSTRUCTION(do_vmload, "vmload %%rax" :: "a"(AREA_GPA) : "memory")
INSTRUCTION(do_vmsave, "vmsave %%rax" :: "a"(AREA_GPA) : "memory")
INSTRUCTION(do_skinit, "skinit %%eax" :: "a"(AREA_GPA) : "memory")
INSTRUCTION(do_invlpga, "invlpga %%rax, %%ecx" :: "a"(AREA_GPA), "c"(0)
            : "memory")
INSTRUCTION(do_vmmcall, "vmmcall" :: "a"(0))
INSTRUCTION(do_read_dr7, "mov %%dr7, %%rax" ::: "rax")
INSTRUCTION(do_write_dr7, "mov %%rax, %%dr7" :: "a"(0x400))
INSTRUCTION(do_mmio_read, "mov (%0), %%eax"
            :: "r"(0xfed00000) : "rax", "memory")
INSTRUCTION(do_mmio_write, "mov %%eax, (%0)"
            :: "r"(0xfee00080), "a"(0) : "memory")
INSTRUCTION(do_unvalidated_read, "mov (%0), %%eax"
            :: "r"(AREA_GPA) : "rax", "memory")
INSTRUCTION(do_unvalidated_write, "mov %%eax, (%0)"
            :: "r"(AREA_GPA + 0x1000), "a"(0) : "memory")
INSTRUCTION(do_unvalidated_call, "call *%0" :: "r"(AREA_GPA + 0x2000UL))

static const struct {
    const char *name;
    void (*fn)(void *);
    u64 error;
    /* the bytes at the address that #VC pushes; 0 where it is a #VC fetch */
    u8 bytes[3];
} reflected[] = {
    { T("cpuid"), do_cpuid, NAE_CPUID, { 0x0f, 0xa2 } },
    { T("in-8"), do_inb, NAE_IOIO, { 0xec } },
    { T("in-16"), do_inw, NAE_IOIO, { 0x66, 0xed } },
    { T("in-32"), do_inl, NAE_IOIO, { 0xed } },
    { T("in-immediate"), do_inb_imm, NAE_IOIO, { 0xe4, 0x70 } },
    { T("out-8"), do_outb, NAE_IOIO, { 0xee } },
    { T("out-16"), do_outw, NAE_IOIO, { 0x66, 0xef } },
    { T("out-32"), do_outl, NAE_IOIO, { 0xef } },
    { T("out-immediate"), do_outb_imm, NAE_IOIO, { 0xe6, 0x80 } },
    { T("ins"), do_insb, NAE_IOIO, { 0x6c } },
    { T("rep-ins"), do_rep_insb, NAE_IOIO, { 0xf3, 0x6c } },
    { T("outs"), do_outsb, NAE_IOIO, { 0x6e } },
    { T("rep-outs"), do_rep_outsb, NAE_IOIO, { 0xf3, 0x6e } },
    { T("rdmsr-apic-base"), do_rdmsr, NAE_MSR, { 0x0f, 0x32 } },
    { T("rdmsr-mtrr"), do_rdmsr_mtrr, NAE_MSR, { 0x0f, 0x32 } },
    { T("rdmsr-unknown"), do_rdmsr_unknown, NAE_MSR, { 0x0f, 0x32 } },
    { T("wrmsr-mtrr"), do_wrmsr, NAE_MSR, { 0x0f, 0x30 } },
    { T("wrmsr-x2apic"), do_wrmsr_x2apic, NAE_MSR, { 0x0f, 0x30 } },
    { T("invd"), do_invd, NAE_INVD, { 0x0f, 0x08 } },
    { T("wbinvd"), do_wbinvd, NAE_WBINVD, { 0x0f, 0x09 } },
    { T("rdpmc"), do_rdpmc, NAE_RDPMC, { 0x0f, 0x33 } },
    { T("monitor"), do_monitor, NAE_MONITOR, { 0x0f, 0x01, 0xc8 } },
    { T("mwait"), do_mwait, NAE_MWAIT, { 0x0f, 0x01, 0xc9 } },
    { T("vmrun"), do_vmrun, NAE_VMRUN, { 0x0f, 0x01, 0xd8 } },
    { T("vmload"), do_vmload, NAE_VMLOAD, { 0x0f, 0x01, 0xda } },
    { T("vmsave"), do_vmsave, NAE_VMSAVE, { 0x0f, 0x01, 0xdb } },
    { T("skinit"), do_skinit, NAE_SKINIT, { 0x0f, 0x01, 0xde } },
    { T("invlpga"), do_invlpga, NAE_INVLPGA, { 0x0f, 0x01, 0xdf } },
    { T("vmmcall"), do_vmmcall, NAE_VMMCALL, { 0x0f, 0x01, 0xd9 } },
    { T("dr7-read"), do_read_dr7, NAE_READ_DR7, { 0x0f, 0x21 } },
    { T("dr7-write"), do_write_dr7, NAE_WRITE_DR7, { 0x0f, 0x23 } },
    { T("mmio-read"), do_mmio_read, NPF_MMIO, { 0x8b } },
    { T("mmio-write"), do_mmio_write, NPF_MMIO, { 0x89 } },
    { T("unvalidated-read"), do_unvalidated_read, NPF_NOT_VALIDATED,
      { 0x8b } },
    { T("unvalidated-write"), do_unvalidated_write, NPF_NOT_VALIDATED,
      { 0x89 } },
    { T("unvalidated-fetch"), do_unvalidated_call, NPF_NOT_VALIDATED, { 0 } },
};

/* Prefixes differ between assemblers; compare past an address-size one. */
static bool rip_is_at(u64 rip, const u8 *bytes)
{
    const u8 *p = (const u8 *)rip;

    if (*p == 0x67) {
        p++;
    }
    for (unsigned i = 0; i < 3 && bytes[i]; i++) {
        if (p[i] != bytes[i]) {
            return false;
        }
    }
    return true;
}

INSTRUCTION(do_rdtsc, "rdtsc" ::: "rax", "rdx")
INSTRUCTION(do_rdtscp, "rdtscp" ::: "rax", "rdx", "rcx")
INSTRUCTION(do_cr0, "mov %%cr0, %%rax; mov %%rax, %%cr0" ::: "rax", "memory")
INSTRUCTION(do_cr2, "mov %%cr2, %%rax; mov %%rax, %%cr2" ::: "rax")
INSTRUCTION(do_cr3, "mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory")
INSTRUCTION(do_cr4, "mov %%cr4, %%rax; mov %%rax, %%cr4" ::: "rax", "memory")
INSTRUCTION(do_cr8, "mov %%cr8, %%rax; mov %%rax, %%cr8" ::: "rax")
INSTRUCTION(do_dr, "mov %%rax, %%dr0; mov %%dr0, %%rax;"
            "mov %%rax, %%dr3; mov %%dr3, %%rax" :: "a"(0x1000))
INSTRUCTION(do_dr6, "mov %%dr6, %%rax; mov %%rax, %%dr6" ::: "rax")
INSTRUCTION(do_pause, "pause")
INSTRUCTION(do_clts, "clts")
INSTRUCTION(do_invlpg, "invlpg (%0)" :: "r"(AREA_GPA) : "memory")
INSTRUCTION(do_lgdt, "sgdt -16(%%rsp); lgdt -16(%%rsp)" ::: "memory")
INSTRUCTION(do_int3_flags, "pushf; popf" ::: "memory")

static void msr_round_trip(void *arg)
{
    u32 msr = (u64)arg;

    wrmsr(msr, rdmsr(msr));
}

static void msr_read(void *arg)
{
    rdmsr((u64)arg);
}

static const struct {
    const char *name;
    void (*fn)(void *);
    u64 arg;
} native[] = {
    { T("no-vc-rdtsc"), do_rdtsc, 0 },
    { T("no-vc-rdtscp"), do_rdtscp, 0 },
    { T("no-vc-cr0"), do_cr0, 0 },
    { T("no-vc-cr2"), do_cr2, 0 },
    { T("no-vc-cr3"), do_cr3, 0 },
    { T("no-vc-cr4"), do_cr4, 0 },
    { T("no-vc-cr8"), do_cr8, 0 },
    { T("no-vc-dr0-dr3"), do_dr, 0 },
    { T("no-vc-dr6"), do_dr6, 0 },
    { T("no-vc-pause"), do_pause, 0 },
    { T("no-vc-clts"), do_clts, 0 },
    { T("no-vc-invlpg"), do_invlpg, 0 },
    { T("no-vc-lgdt"), do_lgdt, 0 },
    { T("no-vc-popf"), do_int3_flags, 0 },
    { T("no-vc-msr-efer"), msr_round_trip, 0xc0000080 },
    { T("no-vc-msr-star"), msr_round_trip, 0xc0000081 },
    { T("no-vc-msr-lstar"), msr_round_trip, 0xc0000082 },
    { T("no-vc-msr-cstar"), msr_round_trip, 0xc0000083 },
    { T("no-vc-msr-syscall-mask"), msr_round_trip, 0xc0000084 },
    { T("no-vc-msr-fs-base"), msr_round_trip, 0xc0000100 },
    { T("no-vc-msr-gs-base"), msr_round_trip, 0xc0000101 },
    { T("no-vc-msr-kernel-gs-base"), msr_round_trip, 0xc0000102 },
    { T("no-vc-msr-sysenter-cs"), msr_round_trip, 0x174 },
    { T("no-vc-msr-sysenter-esp"), msr_round_trip, 0x175 },
    { T("no-vc-msr-sysenter-eip"), msr_round_trip, 0x176 },
    { T("no-vc-msr-pat"), msr_round_trip, 0x277 },
    { T("no-vc-msr-ghcb"), msr_read, MSR_GHCB },
    { T("no-vc-msr-sev-status"), msr_read, MSR_SEV_STATUS },
};

/* XSETBV needs CR4.OSXSAVE, which a CPU without XSAVE refuses. */
static void do_xsetbv(void *arg)
{
    (void)arg;
    asm volatile("mov %%cr4, %%rax; or $0x40000, %%rax; mov %%rax, %%cr4;"
                 "xor %%ecx, %%ecx; xgetbv; xsetbv"
                 ::: "rax", "rcx", "rdx", "memory");
}

static void user_rdmsr(void *arg)
{
    (void)arg;
    run_user(do_rdmsr, stacks[1] + STACK_SIZE);
}

static void user_cpuid(void *arg)
{
    (void)arg;
    run_user(do_cpuid, stacks[1] + STACK_SIZE);
}

/* ---- debug exceptions: KVM keeps their intercept without DebugSwap ---- */

INSTRUCTION(do_single_step, "pushf; orl $0x100, (%%rsp); popf; nop; nop"
            ::: "memory", "cc")
INSTRUCTION(do_icebp, ".byte 0xf1; nop")
INSTRUCTION(do_int1, "int $1; nop")

static void write_efer(void *arg)
{
    wrmsr(0xc0000080, (u64)arg);
}

INSTRUCTION(do_step_vmgexit, "pushf; orl $0x100, (%%rsp); popf;"
            "rep; vmmcall; nop; nop" ::: "memory", "cc")

static void check_tf_over_vmgexit(void)
{
    u64 saved = rdmsr(MSR_GHCB);
    const u8 *rip;
    struct trap t;

    wrmsr(MSR_GHCB, GHCB_MSR_FEATURES);
    t = try_fn(do_step_vmgexit, NULL);
    wrmsr(MSR_GHCB, saved);
    check_trap(T("single-step-vmgexit"), t, VC, NAE_DB);
    /* Right behind it, or, where the exit has taken the trap, one later */
    rip = (const u8 *)t.rip - (t.vector == VC && ((u8 *)t.rip)[-1] == 0x90);
    check(T("single-step-vmgexit-rip"), t.vector == VC && rip[-1] == 0xd9 &&
          rip[-4] == 0xf3);
}

static void check_debug(void)
{
    struct trap t = try_fn(do_single_step, NULL);

    check_trap(T("single-step"), t, VC, NAE_DB);
    /* a trap: behind the first instruction after POPF */
    check(T("single-step-rip"), t.vector == VC &&
          ((const u8 *)t.rip)[-1] == 0x90 && ((const u8 *)t.rip)[-2] == 0x9d);
    check_tf_over_vmgexit();
    /* None of the two is an intercepted #DB: APM volume 2, 15.12.2 */
    check_trap(T("icebp"), try_fn(do_icebp, NULL), DB, -1);
    check_trap(T("int-1"), try_fn(do_int1, NULL), DB, -1);
}

/* Part of the VMSA, and so the guest's own, from Zen 4 on */
static void check_tsc_aux(void)
{
    bool own = has_tsc_aux();

    check_trap(T("msr-tsc-aux"), try_fn(msr_round_trip, (void *)0xc0000103),
               own ? -1 : VC, own ? -1 : NAE_MSR);
}

/* It is the processor's that runs an encrypted guest. */
static void check_svme(void)
{
    u64 efer = rdmsr(0xc0000080);

    check_eq(T("svme-is-set"), efer >> 12 & 1, 1);
    check_trap(T("svme-cleared"), try_fn(write_efer,
                                         (void *)(efer & ~(1ULL << 12))),
               -1, -1);
    check_eq(T("svme-stays"), rdmsr(0xc0000080), efer);
}

/* The timer of the local APIC ends a HLT that nothing reflects. */
static void check_hlt(void)
{
    u64 apic = 0xfee00000;
    struct cpu *cpu = this_cpu();

    mmio_write(apic + 0xf0, 4, 0x1ff);
    mmio_write(apic + 0x3e0, 4, 0xb);
    mmio_write(apic + 0x320, 4, 0x30);
    mmio_write(apic + 0x380, 4, 100000);
    asm volatile("sti; hlt; cli" ::: "memory");
    check_eq(T("no-vc-hlt"), cpu->interrupts, 1);
    mmio_write(apic + 0xb0, 4, 0);
}

void payload(void)
{
    struct trap t;

    for (unsigned i = 0; i < ARRAY_SIZE(reflected); i++) {
        t = try_fn(reflected[i].fn, NULL);
        if (t.vector == VC && t.error == reflected[i].error &&
            reflected[i].bytes[0] && !rip_is_at(t.rip, reflected[i].bytes)) {
            print("# rip is not at the instruction but at ");
            print_hex(t.rip);
            print("\n");
            t.vector = -2;
        }
        check_trap(reflected[i].name, t, VC, reflected[i].error);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(native); i++) {
        t = try_fn(native[i].fn, (void *)native[i].arg);
        check_trap(native[i].name, t, -1, -1);
    }
    t = try_fn(do_xsetbv, NULL);
    check(T("no-vc-xsetbv"), t.vector != VC);
    check_hlt();
    check_debug();
    check_svme();
    check_tsc_aux();
    check_trap(T("user-cpuid"), try_fn(user_cpuid, NULL), VC, NAE_CPUID);
    check_trap(T("user-rdmsr"), try_fn(user_rdmsr, NULL), GP, 0);
}
