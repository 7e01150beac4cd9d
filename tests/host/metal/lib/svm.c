/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See svm.h. */
#include "svm.h"

#define EFER_SVME (1 << 12)

u8 vmcb[PAGE] __attribute__((aligned(PAGE)));
u8 hsave[PAGE] __attribute__((aligned(PAGE)));
u8 guest_stack[PAGE] __attribute__((aligned(PAGE)));
struct regs regs;

static u64 npml4[512] __attribute__((aligned(PAGE)));
static u64 npdpt[512] __attribute__((aligned(PAGE)));
static u64 npd[512] __attribute__((aligned(PAGE)));
static u64 npt[512] __attribute__((aligned(PAGE)));
static u8 iopm[3 * PAGE] __attribute__((aligned(PAGE)));
static u8 msrpm[2 * PAGE] __attribute__((aligned(PAGE)));

void svm_on(void)
{
    wrmsr(0xc0000080, rdmsr(0xc0000080) | EFER_SVME);
    wrmsr(0xc0010117, (u64)hsave);
    memset(iopm, 0xff, sizeof(iopm));
    memset(msrpm, 0xff, sizeof(msrpm));
}

void set_segment(void *save, unsigned offset, u16 selector, u16 attributes,
                 u32 limit, u64 base)
{
    u8 *at = (u8 *)save + offset;

    *(u16 *)at = selector;
    *(u16 *)(at + 2) = attributes;
    *(u32 *)(at + 4) = limit;
    *(u64 *)(at + 8) = base;
}

static void put64(void *save, unsigned offset, u64 value)
{
    *(u64 *)((u8 *)save + offset) = value;
}

void set_flat(void *save, const void *rip)
{
    set_segment(save, SAVE_CS, SEL_CODE64, 0xa9b, ~0U, 0);
    set_segment(save, SAVE_SS, SEL_DATA, 0xc93, ~0U, 0);
    set_segment(save, SAVE_DS, SEL_DATA, 0xc93, ~0U, 0);
    set_segment(save, SAVE_ES, SEL_DATA, 0xc93, ~0U, 0);
    set_segment(save, SAVE_GDTR, 0, 0, 31, (u64)gdt);
    set_segment(save, SAVE_IDTR, 0, 0, sizeof(idt) - 1, (u64)idt);
    put64(save, SAVE_EFER, rdmsr(0xc0000080));
    put64(save, SAVE_CR0, read_cr0());
    put64(save, SAVE_CR3, PML4);
    put64(save, SAVE_CR4, read_cr4());
    put64(save, SAVE_DR6, 0xffff0ff0);
    put64(save, SAVE_DR7, 0x400);
    put64(save, SAVE_RFLAGS, 2);
    put64(save, SAVE_RIP, (u64)rip);
    put64(save, SAVE_RSP, (u64)guest_stack + PAGE);
    put64(save, SAVE_PAT, 0x0007040600070406);
}

void set_guest(const void *rip)
{
    memset(vmcb, 0, sizeof(vmcb));
    *vmcb32(VMCB_INTERCEPTS) = 1U << 31;            /* shutdown */
    *vmcb32(VMCB_INTERCEPTS_2) = 3;                 /* VMRUN, VMMCALL */
    *vmcb64(VMCB_IOPM) = (u64)iopm;
    *vmcb64(VMCB_MSRPM) = (u64)msrpm;
    *vmcb32(VMCB_ASID) = 1;
    set_flat(vmcb + VMCB_SAVE, rip);
}

u64 run(void)
{
    enter_guest((u64)vmcb, &regs);
    return exit_code();
}

u8 vmsa[PAGE] __attribute__((aligned(PAGE)));

ES_GUEST(vc_handler, "popq %rbx");

void set_encrypted(const void *rip)
{
    set_guest(rip);
    memset(vmcb + VMCB_SAVE, 0x5a, PAGE - VMCB_SAVE);
    *vmcb32(VMCB_CR_INTERCEPTS) = ~0U;
    *vmcb32(VMCB_DR_INTERCEPTS) = ~0U;
    *vmcb32(VMCB_INTERCEPTS) = ~0U;
    *vmcb32(VMCB_INTERCEPTS_2) = 0x3fff;
    *vmcb64(VMCB_NESTED_CTL) = NESTED_NP | NESTED_SEV | NESTED_SEV_ES;
    *vmcb64(VMCB_NESTED_CR3) = nested_pages();
    *vmcb64(VMCB_VMSA) = (u64)vmsa;
    *vmcb32(VMCB_INT_CTL) = 1 << 24;                /* V_INTR_MASKING */
    memset(vmsa, 0, sizeof(vmsa));
    set_flat(vmsa, rip);
    *vmsa64(VMSA_XCR0) = 1;
    *(u32 *)(vmsa + VMSA_MXCSR) = 0x1f80;
    *(u16 *)(vmsa + VMSA_FCW) = 0x37f;
}

u64 run_encrypted(void)
{
    void enter_encrypted(u64 vmcb, u64 *area);

    set_segment(hsave + 0x400, SAVE_FS, 0, 0xc93, ~0U, HOST_FS_BASE);
    *area64(0x208) = HOST_LSTAR;
    *area64(VMSA_XCR0) = 1;
    enter_encrypted((u64)vmcb, area64(0));
    return exit_code();
}

u64 nested_pages(void)
{
    npml4[0] = (u64)npdpt | 7;
    npdpt[0] = (u64)npd | 7;
    for (unsigned i = 1; i < 4; i++) {
        npdpt[i] = (u64)i << 30 | 0x87;
    }
    for (unsigned i = 0; i < 512; i++) {
        npd[i] = (u64)i << 21 | 0x87;
        npt[i] = (NESTED_SMALL_START + i * PAGE) | 7;
    }
    npd[NESTED_SMALL_START >> 21] = (u64)npt | 7;
    return (u64)npml4;
}

u64 *nested_entry(u64 gpa)
{
    return &npt[gpa >> 12 & 511];
}
