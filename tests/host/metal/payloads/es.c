/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMRUN and #VMEXIT of a guest with SEV-ES
 *
 * APM volume 2, 15.35.
 */
#include "svm.h"

#define GHCB_MSR "0xc0010130"

ES_GUEST(g_vmgexit, "rep; vmmcall\n hlt");
ES_GUEST(g_vmmcall, "vmmcall");
ES_GUEST(g_cpuid, "cpuid");
ES_GUEST(g_in, "inb $0x80, %al");
ES_GUEST(g_outs, "outsb");
ES_GUEST(g_rdtsc, "rdtsc");
ES_GUEST(g_rdmsr_tsc, "movl $0x10, %ecx\n rdmsr");
ES_GUEST(g_read_cr4, "mov %cr4, %rax");
ES_GUEST(g_write_dr7, "mov %rax, %dr7");
ES_GUEST(g_invd, "invd");
ES_GUEST(g_vmrun, "vmrun %rax");
ES_GUEST(g_stgi, "stgi");
ES_GUEST(g_ud, "ud2");
ES_GUEST(g_hlt, "hlt");
ES_GUEST(g_pause, "pause");
ES_GUEST(g_status, "movl $0xc0010131, %ecx\n rdmsr\n movl %eax, %ebx");
ES_GUEST(g_ghcb, "movl $" GHCB_MSR ", %ecx\n movl $0x12345678, %eax\n"
         "movl $0x9a, %edx\n wrmsr\n rep; vmmcall\n rdmsr\n movl %eax, %ebx");
ES_GUEST(g_sti, "sti\n nop");
ES_GUEST(g_write_cr0, "mov %rax, %cr0");
ES_GUEST(g_write_cr4, "mov %r8, %cr4");
ES_GUEST(g_write_cr8, "mov %rax, %cr8");
ES_GUEST(g_write_efer, "movl $0xc0000080, %ecx\n rdmsr\n btsl $0, %eax\n"
         "wrmsr");
ES_GUEST(g_bad_cr4, "bts $63, %rax\n mov %rax, %cr4");
ES_GUEST(g_load, "movl (%rsi), %eax");
ES_GUEST(g_registers, "addq $1, %rcx\n addq $2, %r8\n movq $0x77, %r9\n"
         "pcmpeqd %xmm1, %xmm1\n wrfsbase %rdx");

static void start(const u8 *rip)
{
    set_encrypted(rip);
    set_gate(idt, VC, (void (*)(void))vc_handler);
}

/* A #VC with this code, and then the handler's VMGEXIT */
static void check_vc(const char *name, const u8 *rip, u64 code)
{
    start(rip);
    if (run_encrypted() != EXIT_VMGEXIT) {
        check_eq(name, exit_code(), EXIT_VMGEXIT);
        return;
    }
    check_eq(name, *vmsa64(VMSA_RBX), code);
}

/* An exit, with RIP behind the instruction */
static void check_exit(const char *name, const u8 *rip, const u8 *end,
                       u64 code)
{
    start(rip);
    if (run_encrypted() != code) {
        check_eq(name, exit_code(), code);
        return;
    }
    check_eq(name, *vmsa64(SAVE_RIP), (u64)end);
}

static void intercepts(void)
{
    check_vc(T("vc-vmmcall"), g_vmmcall, EXIT_VMMCALL);
    check_vc(T("vc-cpuid"), g_cpuid, EXIT_CPUID);
    check_vc(T("vc-in"), g_in, EXIT_IOIO);
    check_vc(T("vc-outs"), g_outs, EXIT_IOIO);
    check_vc(T("vc-rdtsc"), g_rdtsc, 0x6e);
    check_vc(T("vc-rdmsr"), g_rdmsr_tsc, EXIT_MSR);
    check_vc(T("vc-read-cr4"), g_read_cr4, 0x04);
    check_vc(T("vc-write-dr7"), g_write_dr7, 0x37);
    check_vc(T("vc-invd"), g_invd, 0x76);
    check_vc(T("vc-vmrun"), g_vmrun, 0x80);
    check_vc(T("vc-stgi"), g_stgi, 0x84);
    check_exit(T("hlt"), g_hlt, g_hlt_end, EXIT_HLT);
    check_exit(T("pause"), g_pause, g_pause_end, EXIT_PAUSE);
    check_exit(T("vmgexit"), g_vmgexit, g_vmgexit + 4, EXIT_VMGEXIT);
    check_eq(T("next-rip"), *vmcb64(VMCB_NEXT_RIP), 0);
}

/* What is not intercepted, the guest does itself. */
static void no_intercepts(void)
{
    start(g_rdtsc);
    *vmcb32(VMCB_INTERCEPTS) &= ~(1U << 14);
    run_encrypted();
    check_eq(T("own-rdtsc"), *vmsa64(SAVE_RIP), (u64)g_rdtsc_end + 4);
    start(g_rdmsr_tsc);
    ((u8 *)*vmcb64(VMCB_MSRPM))[4] = 0xfe;
    run_encrypted();
    ((u8 *)*vmcb64(VMCB_MSRPM))[4] = 0xff;
    check_eq(T("own-rdmsr"), *vmsa64(SAVE_RIP), (u64)g_rdmsr_tsc_end + 4);
    start(g_in);
    ((u8 *)*vmcb64(VMCB_IOPM))[0x80 / 8] = 0xfe;
    run_encrypted();
    ((u8 *)*vmcb64(VMCB_IOPM))[0x80 / 8] = 0xff;
    check_eq(T("own-in"), *vmsa64(SAVE_RIP), (u64)g_in_end + 4);
    /* But no instruction of a hypervisor's */
    start(g_stgi);
    set_gate(idt, UD, (void (*)(void))g_status);
    *vmcb32(VMCB_INTERCEPTS_2) &= ~(1U << 4);
    run_encrypted();
    check_eq(T("no-stgi"), *vmsa64(VMSA_RBX), 3);
    start(g_vmmcall);
    set_gate(idt, UD, (void (*)(void))g_status);
    *vmcb32(VMCB_INTERCEPTS_2) &= ~(1U << 1);
    run_encrypted();
    check_eq(T("no-vmmcall"), *vmsa64(VMSA_RBX), 3);
    /* All exceptions, and yet the #VC itself arrives. */
    start(g_ud);
    *vmcb32(VMCB_EXCEPTIONS) = ~0U;
    run_encrypted();
    check_eq(T("vc-ud"), *vmsa64(VMSA_RBX), EXIT_EXCEPTION + UD);
}

static void msrs(void)
{
    start(g_status);
    run_encrypted();
    check_eq(T("sev-status"), *vmsa64(VMSA_RBX), 3);
    start(g_ghcb);
    check_eq(T("ghcb-exit"), run_encrypted(), EXIT_VMGEXIT);
    check_eq(T("ghcb-msr"), *vmcb64(VMCB_GHCB_MSR), 0x9a12345678);
    *vmcb64(VMCB_GHCB_MSR) = 0x4321;
    run_encrypted();
    check_eq(T("ghcb-reply"), *vmsa64(VMSA_RBX), 0x4321);
}

static void state(void)
{
    u64 base, lstar;
    unsigned touched = 0;

    start(g_registers);
    *vmsa64(VMSA_RCX) = 0x1000;
    *vmsa64(VMSA_RDX) = 0x7000;
    *vmsa64(VMSA_R8) = 0x2000;
    *vmsa64(SAVE_CR4) |= 1 << 16;
    run_encrypted();
    base = rdmsr(0xc0000100);
    lstar = rdmsr(0xc0000082);
    check_eq(T("guest-rcx"), *vmsa64(VMSA_RCX), 0x1001);
    check_eq(T("guest-r8"), *vmsa64(VMSA_R8), 0x2002);
    check_eq(T("guest-r9"), *vmsa64(VMSA_R8 + 8), 0x77);
    check_eq(T("guest-fs"), *vmsa64(SAVE_FS + 8), 0x7000);
    check_eq(T("guest-xmm1"), *vmsa64(0x470 + 16), ~0ULL);
    check_eq(T("host-fs"), base, HOST_FS_BASE);
    check_eq(T("host-lstar"), lstar, HOST_LSTAR);
    for (unsigned i = VMCB_SAVE; i < PAGE; i++) {
        touched += vmcb[i] != 0x5a;
    }
    check_eq(T("save-area"), touched, 0);
    start(g_vmgexit);
    run_encrypted();
    check_eq(T("interrupts-off"), *vmcb32(VMCB_INT_STATE), 0);
    start(g_sti);
    run_encrypted();
    check_eq(T("interrupts-on"), *vmcb32(VMCB_INT_STATE), 2);
}

/* Bits 15 and 31:16 of the third vector trap writes that were made. */
static void check_trap(const char *name, const u8 *rip, const u8 *end,
                       u64 code, u64 value)
{
    start(rip);
    *vmcb32(VMCB_CR_INTERCEPTS) = 0;
    *vmcb32(VMCB_INTERCEPTS) &= ~(1U << 28 | 1 << 5);
    *vmcb32(VMCB_INTERCEPTS_2) = 0xffff8003;
    *vmsa64(SAVE_RAX) = value;
    *vmsa64(VMSA_R8) = value;
    if (run_encrypted() != code) {
        check_eq(name, exit_code(), code);
    } else if (*vmsa64(SAVE_RIP) != (u64)end) {
        check_eq(name, *vmsa64(SAVE_RIP), (u64)end);
    } else {
        check_eq(name, *vmcb64(VMCB_INFO1), value);
    }
}

static void traps(void)
{
    check_trap(T("trap-cr0"), g_write_cr0, g_write_cr0_end, 0x90,
               read_cr0() ^ 0x20);
    check_eq(T("trap-cr0-done"), *vmsa64(SAVE_CR0), read_cr0() ^ 0x20);
    check_trap(T("trap-cr4"), g_write_cr4, g_write_cr4_end, 0x94,
               read_cr4() | 0x80);
    check_trap(T("trap-cr8"), g_write_cr8, g_write_cr8_end, 0x98, 5);
    check_trap(T("trap-efer"), g_write_efer, g_write_efer_end, 0x8f,
               rdmsr(0xc0000080) | 1);
}

/* A #GP, not the end of the guest */
static void bad_write(void)
{
    start(g_bad_cr4);
    *vmcb32(VMCB_CR_INTERCEPTS) = 0;
    set_gate(idt, GP, (void (*)(void))vc_handler);
    check_eq(T("bad-cr4"), run_encrypted(), EXIT_VMGEXIT);
    check_eq(T("bad-cr4-error"), *vmsa64(VMSA_RBX), 0);
}

static void faults(void)
{
    start(g_load);
    *vmsa64(VMSA_RSI) = NESTED_SMALL_START + 0x345;
    *nested_entry(NESTED_SMALL_START) = 0;
    check_eq(T("npf"), run_encrypted(), EXIT_NPF);
    check_eq(T("npf-address"), *vmcb64(VMCB_INFO2) & ~0xfffULL,
             NESTED_SMALL_START);
    check_eq(T("npf-rip"), *vmsa64(SAVE_RIP), (u64)g_load);
    *nested_entry(NESTED_SMALL_START) = NESTED_SMALL_START | 7;
    check_eq(T("npf-retried"), run_encrypted(), EXIT_VMGEXIT);
    start(g_ud);
    set_segment(vmsa, SAVE_IDTR, 0, 0, 0, 0);
    check_eq(T("shutdown"), run_encrypted(), EXIT_SHUTDOWN);
}

static void injection(void)
{
    start(g_hlt);
    set_gate(idt, 0x44, (void (*)(void))g_vmgexit);
    *vmcb32(VMCB_EVENT) = EVENT_VALID | 0x44;
    check_eq(T("inject"), run_encrypted(), EXIT_VMGEXIT);
    check_eq(T("inject-frame"), *(u64 *)(guest_stack + PAGE - 40), (u64)g_hlt);
    /* One that is pending for a guest with interrupts on */
    start(g_sti);
    *vmcb64(VMCB_INT_CTL) = 1 << 8 | 1 << 20 | 1 << 24 | 0x46ULL << 32;
    check_eq(T("vintr"), run_encrypted(), 0x64);
    check_eq(T("vintr-state"), *vmcb32(VMCB_INT_STATE) & 2, 2);
}

static void check_invalid(const char *name)
{
    check_eq(name, run(), EXIT_INVALID);
}

/* The host's registers stay: VMRUN has loaded nothing. */
static void invalid(void)
{
    start(g_vmgexit);
    *vmcb64(VMCB_VMSA) += 0x10;
    check_invalid(T("vmsa-misaligned"));
    start(g_vmgexit);
    *vmcb64(VMCB_VMSA) = 0xfee00000;
    check_invalid(T("vmsa-in-device"));
    start(g_vmgexit);
    *vmcb64(VMCB_VMSA) = 1ULL << 46;
    check_invalid(T("vmsa-nowhere"));
    start(g_vmgexit);
    *vmsa64(SAVE_EFER) &= ~(1ULL << 12);
    check_invalid(T("no-svme"));
    start(g_vmgexit);
    vmsa[SAVE_CPL] = 4;
    check_invalid(T("cpl"));
    start(g_vmgexit);
    *vmsa64(VMSA_FEATURES) = 1ULL << 40;
    check_invalid(T("sev-features"));
    start(g_vmgexit);
    *vmsa64(VMSA_FEATURES) = 1;
    check_invalid(T("snp-without-snp"));
    start(g_vmgexit);
    *vmcb64(VMCB_NESTED_CTL) = NESTED_SEV | NESTED_SEV_ES;
    check_invalid(T("no-nested-paging"));
    start(g_vmgexit);
    *vmcb64(VMCB_NESTED_CTL) = NESTED_NP | NESTED_SEV_ES;
    check_invalid(T("es-without-sev"));
    start(g_vmgexit);
    *vmcb32(VMCB_ASID) = 0;
    check_invalid(T("asid-0"));
    start(g_vmgexit);
    *vmcb32(VMCB_ASID) = 1000;
    check_invalid(T("asid-too-high"));
    start(g_vmgexit);
    *vmcb32(VMCB_EVENT) = EVENT_VALID | 1 << 8;
    check_invalid(T("event-type"));
    start(g_vmgexit);
    check_eq(T("valid-again"), run_encrypted(), EXIT_VMGEXIT);
}

static void stgi(void *unused)
{
    (void)unused;
    asm volatile("stgi");
}

/* Page 0 is one like the others. */
static void vmsa_at_zero(void)
{
    unsigned i, touched = 0;
    u8 *zero;

    /* As gcc would know that nothing is there */
    asm volatile("xor %0, %0" : "=r"(zero));
    start(g_vmgexit);
    memcpy(zero, vmsa, PAGE);
    *vmcb64(VMCB_VMSA) = 0;
    check_eq(T("vmsa-at-0"), run_encrypted(), EXIT_VMGEXIT);
    check_eq(T("vmsa-at-0-rip"), *(u64 *)(zero + SAVE_RIP),
             (u64)g_vmgexit + 4);
    for (i = VMCB_SAVE; i < PAGE; i++) {
        touched += vmcb[i] != 0x5a;
    }
    check_eq(T("vmsa-at-0-save-area"), touched, 0);
    /* The host is no guest afterwards: it has instructions of its own. */
    check(T("vmsa-at-0-host"), try(stgi, NULL) == -1);
    start(g_vmgexit);
    check_eq(T("vmsa-elsewhere"), run_encrypted(), EXIT_VMGEXIT);
}

void payload(void)
{
    svm_on();
    intercepts();
    no_intercepts();
    msrs();
    state();
    traps();
    bad_write();
    faults();
    injection();
    invalid();
    vmsa_at_zero();
}
