/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host does that no healthy one does: VMRUN of pages that it has given
 * away, and a command to the firmware by a store that goes on behind it
 */
#include "rmp.h"

#define VM_HSAVE_PA     0xc0010117
#define BAR             0xd0000000ULL
#define COMMAND         0x10980
#define SNP_INIT        (0x81 << 16)
#define CR0_MP          (1ULL << 1)
#define CR0_EM          (1ULL << 2)
#define CR4_OSFXSR      (1ULL << 9)

asm(".pushsection .text\n"
    "guest: vmmcall\n"
    "ud2\n"
    ".popsection");
extern const u8 guest[];

/* Where nothing else is: the host maps memory by 2 MiB, all of it its own. */
#define GIVEN   0x1400000ULL

static u64 give(void)
{
    struct rmp_state state = { .gpa = PAGE, .assigned = 1, .asid = 1 };

    return rmpupdate(GIVEN, &state);
}

static u64 take(void)
{
    struct rmp_state state = {};

    return rmpupdate(GIVEN, &state);
}

static void vmrun(void *page)
{
    asm volatile("clgi\n"
                 "vmrun\n"
                 "stgi" :: "a"(page) : "memory", "rbx", "rcx", "rdx");
}

static void check_pages(void)
{
    set_guest(guest);
    memcpy((void *)GIVEN, vmcb, PAGE);
    check(T("vmcb-is-given"), !give());
    check(T("vmrun-of-a-vmcb-that-is-not-owned"),
          try(vmrun, (void *)GIVEN) == GP);
    check(T("vmcb-is-taken"), !take());

    wrmsr(VM_HSAVE_PA, GIVEN);
    check(T("save-area-is-given"), !give());
    check(T("vmrun-to-a-save-area-that-is-not-owned"),
          try(vmrun, vmcb) == GP);
    check(T("save-area-is-taken"), !take());
    wrmsr(VM_HSAVE_PA, (u64)hsave);
    check(T("runs-after-all"), run() == EXIT_VMMCALL);
}

static u32 config(u32 device, u32 offset)
{
    u32 value;

    asm volatile("outl %0, %w1"
                 :: "a"(0x80000000 | device << 11 | offset), "d"(0xcf8));
    asm volatile("inl %w1, %0" : "=a"(value) : "d"(0xcfc));
    return value;
}

static void set_config(u32 device, u32 offset, u32 value)
{
    config(device, offset);
    asm volatile("outl %0, %w1" :: "a"(value), "d"(0xcfc));
}

static bool find_firmware(void)
{
    u32 device;

    for (device = 0; device < 32; device++) {
        if (config(device, 0) == 0x14ca1022) {
            set_config(device, 0x18, BAR);
            set_config(device, 0x1c, 0);
            set_config(device, 4, 6);
            return true;
        }
    }
    return false;
}

/*
 * The command is in the midst of the store, and flushes translations.  Many
 * pages before it make QEMU's TLB grow, and shrink again by that.
 */
static bool store_across(unsigned int pages)
{
    static u32 data[4] __attribute__((aligned(16)));
    unsigned int i;

    for (i = 0; i < pages; i++) {
        /* volatile: the access itself is what counts */
        (void)*(volatile u8 *)(0x1000000ULL + i * (u64)PAGE);
    }
    data[1] = SNP_INIT;
    asm volatile("movups %0, %%xmm0\n"
                 "movups %%xmm0, (%1)"
                 :: "m"(data), "r"(BAR + COMMAND - 4) : "memory");
    /* volatile: a register of a device; bit 31 says that it is done */
    return *(volatile u32 *)(BAR + COMMAND) >> 31;
}

static void check_stores(void)
{
    unsigned int i, done = 0, pages = 256;

    asm volatile("mov %0, %%cr4" :: "r"(read_cr4() | CR4_OSFXSR));
    asm volatile("mov %0, %%cr0" :: "r"((read_cr0() & ~CR0_EM) | CR0_MP));
    for (i = 0; i < 40; i++) {
        done += store_across(pages);
        pages = pages < 40000 ? pages * 2 : 256;
    }
    check(T("commands-in-the-midst-of-a-store"), done == 40);
}

void payload(void)
{
    svm_on();
    check(T("firmware"), find_firmware());
    snp_on();
    check_pages();
    check_stores();
}
