/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Next RIP and decode assists: one instruction a guest, each intercepted
 *
 * APM volume 2, 15.7.1, 15.8 and 15.20.
 */
#include "svm.h"

#define MOV_CR (1ULL << 63)
#define NO_INFO (MOV_CR | 0xdead)

/* The instruction, and what lies right behind it */
#define GUEST(name, text)                                               \
    asm(".pushsection .text\n" #name ": " text "\n" #name "_end:"       \
        " vmmcall\n ud2\n .popsection");                                \
    extern const u8 name[], name##_end[]

GUEST(g_cpuid, "cpuid");
GUEST(g_prefixes, ".byte 0x66, 0x66; cpuid");
GUEST(g_rdtsc, "rdtsc");
GUEST(g_rdpmc, "rdpmc");
GUEST(g_pushf, "pushf");
GUEST(g_popf, "popf");
GUEST(g_iret, "iretq");
GUEST(g_int, "int $0x41");
GUEST(g_int3, "int3");
GUEST(g_invd, "invd");
GUEST(g_wbinvd, "wbinvd");
GUEST(g_pause, "pause");
GUEST(g_hlt, "hlt");
GUEST(g_in_imm, "inb $0x80, %al");
GUEST(g_out_dx, "outl %eax, %dx");
GUEST(g_rdmsr, "rdmsr");
GUEST(g_wrmsr, "wrmsr");
GUEST(g_vmmcall, "vmmcall");
GUEST(g_vmload, "vmload %rax");
GUEST(g_vmsave, "vmsave %rax");
GUEST(g_stgi, "stgi");
GUEST(g_clgi, "clgi");
GUEST(g_invlpga, "invlpga %rax, %ecx");
GUEST(g_xsetbv, "xsetbv");
GUEST(g_sgdt, "sgdt 0x12345678(,%r9,8)");
GUEST(g_lidt, "lidt (%rsp)");
GUEST(g_sldt, "sldt %ax");
GUEST(g_ltr, "ltr 8(%rbp)");
GUEST(g_read_cr0, "mov %cr0, %r10");
GUEST(g_read_cr4, "mov %cr4, %rbx");
GUEST(g_write_cr0, "mov %r14, %cr0");
GUEST(g_write_cr3, "mov %rdi, %cr3");
GUEST(g_write_cr8, "mov %r9, %cr8");
GUEST(g_read_dr7, "mov %dr7, %rdx");
GUEST(g_write_dr0, "mov %r11, %dr0");
GUEST(g_smsw, "smsw %ax");
GUEST(g_lmsw, "lmsw %ax");
GUEST(g_clts, "clts");
GUEST(g_invlpg, "invlpg (%rbx)");
GUEST(g_invlpg_sib, "invlpg -8(%rbx,%rcx,4)");
GUEST(g_invlpg_r12, "invlpg 0x100(%r12)");
GUEST(g_invlpg_rip, "invlpg 0x1000(%rip)");
GUEST(g_invlpg_fs, "invlpg %fs:0x10(%rcx)");
GUEST(g_invlpg_32, "addr32 invlpg -0x20000000(%ebx)");
GUEST(g_invlpg_abs, "invlpg 0x7654321");
GUEST(g_ud, "ud2");
GUEST(g_load, "movl (%r15), %eax");
GUEST(g_nothing, "nop");

/* ---- 16-bit addressing ---- */

asm(".pushsection .text\n.code16\n"
    "g_invlpg_16: invlpg 0x10(%bp,%si)\ng_invlpg_16_end: vmmcall\n"
    ".code64\n.popsection");
extern const u8 g_invlpg_16[], g_invlpg_16_end[];

static void set_registers(void)
{
    regs = (struct regs) {
        .rbx = 0x20001000, .rcx = 0x300, .rdx = 0x80, .rsi = 0x1111,
        .rdi = PML4, .rbp = 0x2222, .r8 = 8, .r9 = 9, .r10 = 10, .r11 = 11,
        .r12 = 0x12345000, .r13 = 13, .r14 = 14, .r15 = 5ULL << 30,
    };
}

static void intercept_all(void)
{
    *vmcb32(VMCB_CR_INTERCEPTS) = ~0U;
    *vmcb32(VMCB_DR_INTERCEPTS) = ~0U;
    *vmcb32(VMCB_INTERCEPTS) = ~0U & ~(1U << 5);    /* but CR0's selective */
    *vmcb32(VMCB_INTERCEPTS_2) = 0x3fff;
    set_segment(vmcb + VMCB_SAVE, SAVE_FS, 0, 0xc93, ~0U, 0x1000000000);
}

static void check_fields(const char *name, u64 code, u64 info, u64 next)
{
    u64 found = exit_code();

    if (found != code) {
        print_state(name, false);
        print_values("exit ", code, found);
    } else if (info != NO_INFO && *vmcb64(VMCB_INFO1) != info) {
        print_state(name, false);
        print_values("EXITINFO1 ", info, *vmcb64(VMCB_INFO1));
    } else if (*vmcb64(VMCB_NEXT_RIP) != next) {
        print_state(name, false);
        print_values("next RIP ", next, *vmcb64(VMCB_NEXT_RIP));
    } else {
        print_state(name, true);
    }
    print("\n");
}

struct one {
    const char *name;
    const u8 *start, *end;
    u64 code, info;
};

static void try_one(const struct one *one)
{
    set_guest(one->start);
    set_registers();
    intercept_all();
    /* FS's base comes by VMLOAD. */
    asm volatile("vmload %%rax" :: "a"(vmcb) : "memory");
    *vmcb64(VMCB_NEXT_RIP) = 0x5555;
    run();
    check_fields(one->name, one->code, one->info, (u64)one->end);
}

static void instructions(void)
{
    const struct one all[] = {
        { T("cpuid"), g_cpuid, g_cpuid_end, EXIT_CPUID, 0 },
        { T("prefixes"), g_prefixes, g_prefixes_end, EXIT_CPUID, 0 },
        { T("rdtsc"), g_rdtsc, g_rdtsc_end, 0x6e, 0 },
        { T("rdpmc"), g_rdpmc, g_rdpmc_end, 0x6f, 0 },
        { T("pushf"), g_pushf, g_pushf_end, 0x70, 0 },
        { T("popf"), g_popf, g_popf_end, 0x71, 0 },
        { T("iret"), g_iret, g_iret_end, 0x74, 0 },
        { T("int"), g_int, g_int_end, EXIT_SWINT, 0x41 },
        { T("invd"), g_invd, g_invd_end, 0x76, 0 },
        { T("wbinvd"), g_wbinvd, g_wbinvd_end, 0x89, 0 },
        { T("pause"), g_pause, g_pause_end, EXIT_PAUSE, 0 },
        { T("hlt"), g_hlt, g_hlt_end, EXIT_HLT, 0 },
        { T("in"), g_in_imm, g_in_imm_end, EXIT_IOIO, NO_INFO },
        { T("out"), g_out_dx, g_out_dx_end, EXIT_IOIO, NO_INFO },
        { T("rdmsr"), g_rdmsr, g_rdmsr_end, EXIT_MSR, 0 },
        { T("wrmsr"), g_wrmsr, g_wrmsr_end, EXIT_MSR, 1 },
        { T("vmmcall"), g_vmmcall, g_vmmcall_end, EXIT_VMMCALL, 0 },
        { T("vmload"), g_vmload, g_vmload_end, 0x82, 0 },
        { T("vmsave"), g_vmsave, g_vmsave_end, 0x83, 0 },
        { T("stgi"), g_stgi, g_stgi_end, 0x84, 0 },
        { T("clgi"), g_clgi, g_clgi_end, 0x85, 0 },
        { T("invlpga"), g_invlpga, g_invlpga_end, 0x7a, NO_INFO },
        { T("xsetbv"), g_xsetbv, g_xsetbv_end, 0x8d, 0 },
        { T("sgdt"), g_sgdt, g_sgdt_end, 0x67, 0 },
        { T("lidt"), g_lidt, g_lidt_end, 0x6a, 0 },
        { T("sldt"), g_sldt, g_sldt_end, 0x68, 0 },
        { T("ltr"), g_ltr, g_ltr_end, 0x6d, 0 },
        { T("read-cr0"), g_read_cr0, g_read_cr0_end, 0x00, MOV_CR | 10 },
        { T("read-cr4"), g_read_cr4, g_read_cr4_end, 0x04, MOV_CR | 3 },
        { T("write-cr0"), g_write_cr0, g_write_cr0_end, 0x10, MOV_CR | 14 },
        { T("write-cr3"), g_write_cr3, g_write_cr3_end, 0x13, MOV_CR | 7 },
        { T("write-cr8"), g_write_cr8, g_write_cr8_end, 0x18, MOV_CR | 9 },
        { T("read-dr7"), g_read_dr7, g_read_dr7_end, 0x27, 2 },
        { T("write-dr0"), g_write_dr0, g_write_dr0_end, 0x30, 11 },
        { T("smsw"), g_smsw, g_smsw_end, 0x00, 0 },
        { T("lmsw"), g_lmsw, g_lmsw_end, 0x10, 0 },
        { T("clts"), g_clts, g_clts_end, 0x10, 0 },
        { T("invlpg"), g_invlpg, g_invlpg_end, EXIT_INVLPG, 0x20001000 },
        { T("invlpg-sib"), g_invlpg_sib, g_invlpg_sib_end, EXIT_INVLPG,
          0x20001000 - 8 + 0x300 * 4 },
        { T("invlpg-r12"), g_invlpg_r12, g_invlpg_r12_end, EXIT_INVLPG,
          0x12345100 },
        { T("invlpg-rip"), g_invlpg_rip, g_invlpg_rip_end, EXIT_INVLPG,
          (u64)g_invlpg_rip_end + 0x1000 },
        { T("invlpg-fs"), g_invlpg_fs, g_invlpg_fs_end, EXIT_INVLPG,
          0x1000000310 },
        { T("invlpg-32"), g_invlpg_32, g_invlpg_32_end, EXIT_INVLPG, 0x1000 },
        { T("invlpg-absolute"), g_invlpg_abs, g_invlpg_abs_end, EXIT_INVLPG,
          0x7654321 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
        try_one(&all[i]);
    }
}

/* A write that only the selective intercept catches */
static void selective_write(void)
{
    set_guest(g_write_cr0);
    set_registers();
    regs.r14 = read_cr0() ^ 0x20;
    *vmcb32(VMCB_INTERCEPTS) |= 1U << 5;
    run();
    check_fields(T("selective"), 0x65, MOV_CR | 14, (u64)g_write_cr0_end);
}

/* Protected mode without paging, 16-bit code in RAM below 1 MiB */
static void small_address(void)
{
    u8 *code = (u8 *)0x8000;

    memcpy(code, g_invlpg_16, g_invlpg_16_end - g_invlpg_16 + 3);
    set_guest(code);
    set_registers();
    intercept_all();
    *save64(SAVE_CR0) = 0x10;
    *save64(SAVE_CR4) = 0;
    *save64(SAVE_EFER) = 1 << 12;
    set_segment(vmcb + VMCB_SAVE, SAVE_CS, 0x700, 0x9b, 0xffff, 0x7000);
    set_segment(vmcb + VMCB_SAVE, SAVE_SS, 0x900, 0x93, 0xffff, 0x9000);
    *save64(SAVE_RIP) = 0x1000;
    run();
    check_fields(T("invlpg-16"), EXIT_INVLPG, 0x9000 + 0x2222 + 0x1111 + 0x10,
                 0x1000 + (g_invlpg_16_end - g_invlpg_16));
}

/* INT3 is an exception; other exceptions have no next RIP. */
static void exceptions(void)
{
    set_guest(g_int3);
    *vmcb32(VMCB_EXCEPTIONS) = 1 << 3;
    run();
    check_fields(T("int3"), EXIT_EXCEPTION + 3, 0, (u64)g_int3_end);
    set_guest(g_ud);
    *vmcb32(VMCB_EXCEPTIONS) = 1 << UD;
    *vmcb64(VMCB_NEXT_RIP) = 0x5555;
    run();
    check_fields(T("ud"), EXIT_EXCEPTION + UD, 0, 0);
}

static void check_insn(const char *name, const u8 *code, unsigned size)
{
    unsigned i;

    for (i = 0; i < size && vmcb[VMCB_INSN_BYTES + i] == code[i]; i++) {
        continue;
    }
    print_state(name, vmcb[VMCB_INSN_SIZE] == size && i == size);
    print_values("bytes ", size, vmcb[VMCB_INSN_SIZE]);
    print("\n");
}

static void bytes(void)
{
    u8 *edge = (u8 *)NESTED_SMALL_START + PAGE - 3;

    set_guest(g_load);
    set_registers();
    *vmcb32(VMCB_EXCEPTIONS) = 1 << PF;
    run();
    check_fields(T("page-fault"), EXIT_EXCEPTION + PF, 0, 0);
    check_eq(T("page-fault-address"), *vmcb64(VMCB_INFO2), 5ULL << 30);
    check_insn(T("page-fault-bytes"), g_load, 15);

    set_guest(g_load);
    set_registers();
    regs.r15 = NESTED_SMALL_START + 0x123;
    *vmcb64(VMCB_NESTED_CTL) = 1;
    *vmcb64(VMCB_NESTED_CR3) = nested_pages();
    *nested_entry(NESTED_SMALL_START) = 0;
    run();
    check_fields(T("nested-fault"), EXIT_NPF, 0x100000004, 0);
    check_eq(T("nested-fault-address"), *vmcb64(VMCB_INFO2),
             NESTED_SMALL_START + 0x123);
    check_insn(T("nested-fault-bytes"), g_load, 15);

    /* The next page cannot be read. */
    memcpy(edge, g_load, 3);
    set_guest(edge);
    set_registers();
    regs.r15 = NESTED_SMALL_START + 0x2000;
    *vmcb64(VMCB_NESTED_CTL) = 1;
    *vmcb64(VMCB_NESTED_CR3) = nested_pages();
    *nested_entry(NESTED_SMALL_START + 0x1000) = 0;
    *nested_entry(NESTED_SMALL_START + 0x2000) = 0;
    run();
    check_fields(T("edge"), EXIT_NPF, 0x100000004, 0);
    check_insn(T("edge-bytes"), edge, 3);

    /* Nothing can be read where the fetch itself faults. */
    set_guest((void *)(NESTED_SMALL_START + 0x1000));
    *vmcb64(VMCB_NESTED_CTL) = 1;
    *vmcb64(VMCB_NESTED_CR3) = nested_pages();
    *nested_entry(NESTED_SMALL_START + 0x1000) = 0;
    run();
    check_fields(T("fetch"), EXIT_NPF, 0x100000014, 0);
    check_insn(T("fetch-bytes"), edge, 0);
}

/* ---- injection: the handler's frame says where it goes back to ---- */

GUEST(g_handler, "nop");

static void inject(const char *name, u64 event, u64 rip_in_frame)
{
    set_guest(g_nothing);
    set_gate(idt, event & 0xff, (void (*)(void))g_handler);
    *vmcb32(VMCB_EVENT) = event | EVENT_VALID;
    *vmcb64(VMCB_NEXT_RIP) = 0x12345678;
    if (run() != EXIT_VMMCALL) {
        check_eq(name, exit_code(), EXIT_VMMCALL);
        return;
    }
    check_eq(name, *(u64 *)(guest_stack + PAGE - 40), rip_in_frame);
}

static void injection(void)
{
    inject(T("inject-interrupt"), 0x44 | EVENT_INTR, (u64)g_nothing);
    inject(T("inject-soft"), 0x45 | EVENT_SOFT, 0x12345678);
    inject(T("inject-bp"), 3 | EVENT_EXCEPTION, 0x12345678);
    inject(T("inject-ud"), UD | EVENT_EXCEPTION, (u64)g_nothing);
}

/* The stack is where NPT has nothing: delivery faults, and may be retried. */
static void faulted_delivery(const char *name, const void *rip, u64 event,
                             u64 expected)
{
    set_guest(rip);
    *save64(SAVE_RSP) = NESTED_SMALL_START + 0x2000;
    *vmcb64(VMCB_NESTED_CTL) = 1;
    *vmcb64(VMCB_NESTED_CR3) = nested_pages();
    *nested_entry(NESTED_SMALL_START + 0x1000) = 0;
    *vmcb32(VMCB_EVENT) = event;
    if (run() != EXIT_NPF) {
        check_eq(name, exit_code(), EXIT_NPF);
        return;
    }
    check_eq(name, *vmcb32(VMCB_EXIT_INT_INFO), expected);
}

static void deliveries(void)
{
    faulted_delivery(T("faulted-interrupt"), g_nothing, EVENT_VALID | 0x44,
                     EVENT_VALID | 0x44);
    faulted_delivery(T("faulted-ud"), g_ud, 0,
                     EVENT_VALID | EVENT_EXCEPTION | UD);
    faulted_delivery(T("faulted-soft"), g_int, 0,
                     EVENT_VALID | EVENT_SOFT | 0x41);
    faulted_delivery(T("faulted-int3"), g_int3, 0,
                     EVENT_VALID | EVENT_EXCEPTION | 3);
}

/* A virtual interrupt of the VMCB's own */
static void virtual_interrupt(void)
{
    set_guest(g_nothing);
    *save64(SAVE_RFLAGS) = 0x202;
    *save64(SAVE_RSP) = NESTED_SMALL_START + 0x2000;
    *vmcb64(VMCB_NESTED_CTL) = 1;
    *vmcb64(VMCB_NESTED_CR3) = nested_pages();
    *nested_entry(NESTED_SMALL_START + 0x1000) = 0;
    *vmcb64(VMCB_INT_CTL) = 1 << 8 | 1 << 20 | 1 << 24 | 0x46ULL << 32;
    run();
    check_eq(T("virtual-interrupt"), exit_code(), EXIT_NPF);
    check_eq(T("virtual-interrupt-type"), *vmcb32(VMCB_EXIT_INT_INFO),
             EVENT_VALID | 0x46);
}

void payload(void)
{
    u32 id[4];

    svm_on();
    cpuid(0x8000000a, 0, id);
    check_eq(T("features"), id[3] & 0xca, 0xca);
    instructions();
    selective_write();
    small_address();
    exceptions();
    bytes();
    injection();
    deliveries();
    virtual_interrupt();
    set_guest(g_vmmcall);
    *vmcb64(VMCB_LBR) = 1;
    run();
    check_eq(T("lbrv"), exit_code(), EXIT_VMMCALL);
}
