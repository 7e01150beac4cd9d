/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every register of a VMSA arrives in the vCPU that is created with it; two
 * vCPUs
 *
 * Fields: APM volume 2, table B-4.
 */
#include "snp.h"

#define MSR_TSC_AUX 0xc0000103

/* What the vCPU stores, and where its VMSA has it */
enum { GENERAL = 16, SYSTEM = 24 };

u64 general[GENERAL];
u64 vector[2];
u64 flags;
u32 mxcsr;
u16 fcw;
u16 selectors[4];
static u64 system[SYSTEM];
static volatile u64 ready;

void vmsa_entry(void);
void vmsa_main(void);

asm(".text\n"
    "vmsa_entry:\n"
    "mov %rax, general + 0x00(%rip)\n"
    "mov %rcx, general + 0x08(%rip)\n"
    "mov %rdx, general + 0x10(%rip)\n"
    "mov %rbx, general + 0x18(%rip)\n"
    "mov %rsp, general + 0x20(%rip)\n"
    "mov %rbp, general + 0x28(%rip)\n"
    "mov %rsi, general + 0x30(%rip)\n"
    "mov %rdi, general + 0x38(%rip)\n"
    "mov %r8, general + 0x40(%rip)\n"
    "mov %r9, general + 0x48(%rip)\n"
    "mov %r10, general + 0x50(%rip)\n"
    "mov %r11, general + 0x58(%rip)\n"
    "mov %r12, general + 0x60(%rip)\n"
    "mov %r13, general + 0x68(%rip)\n"
    "mov %r14, general + 0x70(%rip)\n"
    "mov %r15, general + 0x78(%rip)\n"
    "pushfq\n"
    "popq flags(%rip)\n"
    "movups %xmm3, vector(%rip)\n"
    "stmxcsr mxcsr(%rip)\n"
    "fnstcw fcw(%rip)\n"
    "mov %ds, selectors(%rip)\n"
    "mov %es, selectors + 2(%rip)\n"
    "mov %ss, selectors + 4(%rip)\n"
    "mov %cs, selectors + 6(%rip)\n"
    "call vmsa_main\n");

#define READ(what) ({ u64 value_; asm volatile("mov %%" what ", %0"       \
                                               : "=r"(value_)); value_; })

static const struct {
    const char *name;
    unsigned offset;
    u64 value;
} general_fields[GENERAL] = {
    { T("rax"), 0x1f8, 0x1111111111111101 },
    { T("rcx"), 0x308, 0x1111111111111102 },
    { T("rdx"), 0x310, 0x1111111111111103 },
    { T("rbx"), 0x318, 0x1111111111111104 },
    { T("rsp"), 0x1d8, 0 },
    { T("rbp"), 0x328, 0x1111111111111106 },
    { T("rsi"), 0x330, 0x1111111111111107 },
    { T("rdi"), 0x338, 0x1111111111111108 },
    { T("r8"), 0x340, 0x1111111111111109 },
    { T("r9"), 0x348, 0x111111111111110a },
    { T("r10"), 0x350, 0x111111111111110b },
    { T("r11"), 0x358, 0x111111111111110c },
    { T("r12"), 0x360, 0x111111111111110d },
    { T("r13"), 0x368, 0x111111111111110e },
    { T("r14"), 0x370, 0x111111111111110f },
    { T("r15"), 0x378, 0x1111111111111110 },
};

static const struct {
    const char *name;
    unsigned offset;
    u32 msr;
    u64 value;
} msr_fields[] = {
    { T("fs-base"), 0x48, 0xc0000100, 0x00007f0012345000 },
    { T("gs-base"), 0x58, 0xc0000101, 0x00007f0023456000 },
    { T("kernel-gs-base"), 0x220, 0xc0000102, 0x00007f0034567000 },
    { T("star"), 0x200, 0xc0000081, 0x0023001000000000 },
    { T("lstar"), 0x208, 0xc0000082, 0xffffffff81000000 },
    { T("cstar"), 0x210, 0xc0000083, 0xffffffff82000000 },
    { T("sfmask"), 0x218, 0xc0000084, 0x47700 },
    { T("sysenter-cs"), 0x228, 0x174, 0x10 },
    { T("sysenter-esp"), 0x230, 0x175, 0x00007f0045678000 },
    { T("sysenter-eip"), 0x238, 0x176, 0x00007f0056789000 },
    { T("pat"), 0x268, 0x277, 0x0007010600070106 },
    { T("tsc-aux"), 0x2ec, MSR_TSC_AUX, 0x77 },
};

/* Not by RDMSR, which some hosts intercept: #VC has no place to go here. */
static u64 read_tsc_aux(void)
{
    u32 aux;

    asm volatile("rdtscp" : "=c"(aux) :: "rax", "rdx");
    return aux;
}

void vmsa_main(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(msr_fields); i++) {
        system[n++] = msr_fields[i].msr == MSR_TSC_AUX ? read_tsc_aux() :
                      rdmsr(msr_fields[i].msr);
    }
    system[n++] = READ("cr0");
    system[n++] = READ("cr2");
    system[n++] = READ("cr3");
    system[n++] = READ("cr4");
    system[n++] = READ("dr6");
    system[n++] = rdmsr(0xc0000080);
    ready = 1;
    for (;;) {
        asm volatile("hlt");
    }
}

static void put(u8 *page, unsigned offset, u64 value, unsigned size)
{
    memcpy(page + offset, &value, size);
}

static u64 field(const u8 *page, unsigned offset)
{
    return *(const u64 *)(page + offset);
}

void payload(void)
{
    u8 *page = ap_vmsa(1);
    u64 stack = field(page, 0x1d8);
    unsigned n = ARRAY_SIZE(msr_fields);

    for (unsigned i = 0; i < GENERAL; i++) {
        if (general_fields[i].value) {
            put(page, general_fields[i].offset, general_fields[i].value, 8);
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(msr_fields); i++) {
        put(page, msr_fields[i].offset, msr_fields[i].value,
            msr_fields[i].msr == MSR_TSC_AUX ? 4 : 8);
    }
    put(page, 0x178, (u64)vmsa_entry, 8);
    put(page, 0x170, 0x8d7, 8);         /* all flags but IF */
    put(page, 0x240, 0x123456789000, 8);
    put(page, 0x408, 0x1f00, 4);
    put(page, 0x410, 0x027f, 2);
    put(page, 0x470 + 3 * 16, 0x0123456789abcdef, 8);
    put(page, 0x470 + 3 * 16 + 8, 0xfedcba9876543210, 8);
    rmpadjust(page, 0, 0x10001);
    check_eq(T("created"), ap_request(AP_CREATE, 1, (u64)page, SEV_FEATURES),
             0);
    ap_signal_once(1);
    check(T("ready"), wait_for(&ready, 1));

    for (unsigned i = 0; i < GENERAL; i++) {
        check_eq(general_fields[i].name, general[i],
                 general_fields[i].value ?: stack);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(msr_fields); i++) {
        bool own = msr_fields[i].msr != MSR_TSC_AUX || has_tsc_aux();

        check_eq(msr_fields[i].name, system[i], own ? msr_fields[i].value : 0);
    }
    check_eq(T("cr0"), system[n], field(page, 0x158));
    check_eq(T("cr2"), system[n + 1], 0x123456789000);
    check_eq(T("cr3"), system[n + 2], field(page, 0x150));
    check_eq(T("cr4"), system[n + 3], field(page, 0x148));
    check_eq(T("dr6"), system[n + 4], 0xffff0ff0);
    /* SVME is the host's */
    check_eq(T("efer"), system[n + 5] & ~0x1000ULL,
             field(page, 0xd0) & ~0x1000ULL);
    check_eq(T("rflags"), flags, 0x8d7);
    check_eq(T("mxcsr"), mxcsr, 0x1f00);
    check_eq(T("fcw"), fcw, 0x027f);
    check(T("xmm"), vector[0] == 0x0123456789abcdef &&
          vector[1] == 0xfedcba9876543210);
    check_eq(T("ds"), selectors[0], SEL_DATA);
    check_eq(T("es"), selectors[1], SEL_DATA);
    check_eq(T("ss"), selectors[2], SEL_DATA);
    check_eq(T("cs"), selectors[3], SEL_CODE64);
}
