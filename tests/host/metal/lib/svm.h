/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMCBs and guests of a bare-metal host
 *
 * Offsets and codes: APM volume 2, appendix B and C.
 */
#ifndef SVM_H
#define SVM_H

#include "metal.h"

#define VMCB_CR_INTERCEPTS      0x000
#define VMCB_DR_INTERCEPTS      0x004
#define VMCB_EXCEPTIONS         0x008
#define VMCB_INTERCEPTS         0x00c
#define VMCB_INTERCEPTS_2       0x010
#define VMCB_IOPM               0x040
#define VMCB_MSRPM              0x048
#define VMCB_ASID               0x058
#define VMCB_TLB_CONTROL        0x05c
#define VMCB_INT_CTL            0x060
#define VMCB_INT_STATE          0x068
#define VMCB_EXIT_CODE          0x070
#define VMCB_INFO1              0x078
#define VMCB_INFO2              0x080
#define VMCB_EXIT_INT_INFO      0x088
#define VMCB_NESTED_CTL         0x090
#define VMCB_GHCB_MSR           0x0a0
#define VMCB_EVENT              0x0a8
#define VMCB_NESTED_CR3         0x0b0
#define VMCB_LBR                0x0b8
#define VMCB_NEXT_RIP           0x0c8
#define VMCB_INSN_SIZE          0x0d0
#define VMCB_INSN_BYTES         0x0d1
#define VMCB_VMSA               0x108
#define VMCB_SAVE               0x400

/* In the save area, and in a VMSA */
#define SAVE_ES         0x000
#define SAVE_CS         0x010
#define SAVE_SS         0x020
#define SAVE_DS         0x030
#define SAVE_FS         0x040
#define SAVE_GDTR       0x060
#define SAVE_IDTR       0x080
#define SAVE_TR         0x090
#define SAVE_CPL        0x0cb
#define SAVE_EFER       0x0d0
#define SAVE_CR4        0x148
#define SAVE_CR3        0x150
#define SAVE_CR0        0x158
#define SAVE_DR7        0x160
#define SAVE_DR6        0x168
#define SAVE_RFLAGS     0x170
#define SAVE_RIP        0x178
#define SAVE_RSP        0x1d8
#define SAVE_RAX        0x1f8
#define SAVE_CR2        0x240
#define SAVE_PAT        0x268

#define EXIT_EXCEPTION  0x40
#define EXIT_CPUID      0x72
#define EXIT_SWINT      0x75
#define EXIT_PAUSE      0x77
#define EXIT_HLT        0x78
#define EXIT_INVLPG     0x79
#define EXIT_IOIO       0x7b
#define EXIT_MSR        0x7c
#define EXIT_SHUTDOWN   0x7f
#define EXIT_VMMCALL    0x81
#define EXIT_NPF        0x400
#define EXIT_VMGEXIT    0x403
#define EXIT_INVALID    (~0ULL)

#define EVENT_VALID     (1ULL << 31)
#define EVENT_ERROR     (1ULL << 11)
#define EVENT_INTR      (0ULL << 8)
#define EVENT_EXCEPTION (3ULL << 8)
#define EVENT_SOFT      (4ULL << 8)

/* General registers but RAX and RSP */
struct regs {
    u64 rbx, rcx, rdx, rsi, rdi, rbp;
    u64 r8, r9, r10, r11, r12, r13, r14, r15;
};

/** svm_on: EFER.SVME and a page for the host's state */
void svm_on(void);

extern u8 vmcb[PAGE], hsave[PAGE];
extern u8 guest_stack[PAGE];
extern struct regs regs;

static inline u64 *vmcb64(unsigned offset)
{
    return (u64 *)(vmcb + offset);
}

static inline u32 *vmcb32(unsigned offset)
{
    return (u32 *)(vmcb + offset);
}

static inline u64 *save64(unsigned offset)
{
    return (u64 *)(vmcb + VMCB_SAVE + offset);
}

static inline u64 exit_code(void)
{
    return *vmcb64(VMCB_EXIT_CODE);
}

/** set_segment: of a save area */
void set_segment(void *save, unsigned offset, u16 selector, u16 attributes,
                 u32 limit, u64 base);

/**
 * set_flat: 64-bit state at CPL 0, with the host's address space
 * @save: of a VMCB, or a VMSA
 */
void set_flat(void *save, const void *rip);

/**
 * set_guest: a VMCB of a 64-bit guest with the host's address space that
 * starts at @rip; only VMRUN, VMMCALL and shutdown are intercepted
 */
void set_guest(const void *rip);

void enter_guest(u64 vmcb, struct regs *regs);

/** run: VMRUN of vmcb and regs; the exit code */
u64 run(void);

/* Only in a VMSA */
#define VMSA_VMPL       0x0ca
#define VMSA_RCX        0x308
#define VMSA_RDX        0x310
#define VMSA_RBX        0x318
#define VMSA_RSI        0x330
#define VMSA_R8         0x340
#define VMSA_FEATURES   0x3b0
#define VMSA_XCR0       0x3e8
#define VMSA_MXCSR      0x408
#define VMSA_FCW        0x410

#define NESTED_NP       (1 << 0)
#define NESTED_SEV      (1 << 1)
#define NESTED_SEV_ES   (1 << 2)

extern u8 vmsa[PAGE];

static inline u64 *vmsa64(unsigned offset)
{
    return (u64 *)(vmsa + offset);
}

/**
 * ES_GUEST: code of a guest, from @name to @name_end, and then VMGEXIT, in
 * ES_GUEST_TAIL bytes more
 */
#define ES_GUEST(name, text)                                            \
    asm(".pushsection .text\n .global " #name ", " #name "_end\n"       \
        #name ": " text "\n" #name "_end:"                              \
        " rep; vmmcall\n hlt\n .popsection");                           \
    extern const u8 name[], name##_end[]
#define ES_GUEST_TAIL   5

/** vc_handler: leaves the error code in RBX and ends with VMGEXIT */
extern const u8 vc_handler[], vc_handler_end[];

/**
 * set_encrypted: a VMCB and a VMSA of a guest with SEV-ES that starts at
 * @rip, with nested pages; everything but exceptions is intercepted
 *
 * The save area of the VMCB is full of 5Ah.
 */
void set_encrypted(const void *rip);

/** run_encrypted: VMRUN of it; the exit code */
u64 run_encrypted(void);

/* What the host's registers of type B are afterwards */
#define HOST_FS_BASE    0x123456789000ULL
#define HOST_LSTAR      0xffff800012345678ULL
static inline u64 *area64(unsigned offset)
{
    extern u8 hsave[];

    return (u64 *)(hsave + 0x400 + offset);
}

/** nested_pages: 4 GiB as they are; @low in pages of 4 KiB up to AREA_END */
#define NESTED_SMALL_START 0x1000000
u64 nested_pages(void);
/** nested_entry: of a page in the 2 MiB from NESTED_SMALL_START */
u64 *nested_entry(u64 gpa);

#endif
