/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU that is halted has left its VMSA, and goes on with what is there by
 * then; two vCPUs
 *
 * APM volume 2, 15.36.12: VMRUN loads what is in the page.  INIT and SIPI
 * change no register of such a vCPU.
 */
#include "snp.h"

#define NMI         2
#define NMI_COMMAND 0x4400
#define MARK        0x5a5aa5a5c3c33c3c
#define VMSA_R15    0x378
#define VMSA_RIP    0x178
/* Behind what the processor reads or writes: table B-4 */
#define SPARE       0xff8

extern u64 idt[];
extern u8 sleeps[], awake[];
u64 wakes, r15, spins;

/* Counts, and ends by IRET */
void count_nmi(void);
asm("count_nmi:"
    "incq %gs:32;"
    "iretq");

asm("sleeps:\n"
    "mov %rdi, %r15\n"
    "hlt\n"
    "awake:\n"
    "mov %r15, r15(%rip)\n"
    "incq wakes(%rip)\n"
    "1: pause\n"
    "incq spins(%rip)\n"
    "jmp 1b\n");

void ap_main(unsigned index)
{
    (void)index;
    asm volatile("jmp sleeps" :: "D"(MARK) : "memory");
    __builtin_unreachable();
}

static void send_nmi(u32 apic_id)
{
    mmio_write(0xfee00310, 4, apic_id << 24);
    mmio_write(0xfee00300, 4, NMI_COMMAND);
}

/* What it wrote last is there: it has left, and is not awake. */
static bool is_halted(const u8 *vmsa)
{
    for (unsigned i = 0; i < 20000; i++) {
        if (!rmpadjust(vmsa, 0, 0x10001).eax &&
            *(const volatile u64 *)(vmsa + VMSA_RIP) == (u64)awake) {
            return true;
        }
        delay_us(1000);
    }
    return false;
}

void payload(void)
{
    u8 *vmsa = priv(VMSA_GPA);
    u64 seen;

    set_gate(idt, NMI, count_nmi);
    ap_start(1);
    check(T("halts"), is_halted(vmsa));
    check_eq(T("its-r15"), *(volatile u64 *)(vmsa + VMSA_R15), MARK);
    *(volatile u64 *)(vmsa + VMSA_R15) = ~MARK;
    *(volatile u64 *)(vmsa + SPARE) = MARK;
    send_nmi(1);
    check(T("wakes"), wait_for(&wakes, 1));
    check_eq(T("r15-of-the-page"), r15, ~MARK);
    check_eq(T("one-nmi"), cpus[1].interrupts, 1);
    check(T("runs"), wait_for_more(&spins, 0));
    /* Where it is by now, and not where it was halted */
    ap_init(1);
    delay_us(100000);
    seen = spins;
    ap_sipi(1);
    check(T("goes-on"), wait_for_more(&spins, seen));
    check_eq(T("where-it-was"), wakes, 1);
    check_eq(T("destroy"), ap_request(AP_DESTROY, 1, 0, 0), 0);
    while (rmpadjust(vmsa, 0, 1).eax) {
        delay_us(1000);
    }
    check_eq(T("r15-stays"), *(volatile u64 *)(vmsa + VMSA_R15), ~MARK);
    check_eq(T("spare-stays"), *(volatile u64 *)(vmsa + SPARE), MARK);
}
