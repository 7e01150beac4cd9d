/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the next NMI comes: where the processor has no virtual NMI, once the
 * guest has said so, GHCB specification 4.1, NMI complete; two vCPUs
 */
#include "snp.h"

#define NMI 2
#define NMI_COMMAND 0x4400

extern u64 idt[];

/* Counts, and ends by IRET */
void count_nmi(void);
asm("count_nmi:"
    "incq %gs:32;"
    "iretq");

static volatile u64 rounds, completes;

static void send_nmi(u32 apic_id)
{
    mmio_write(0xfee00310, 4, apic_id << 24);
    mmio_write(0xfee00300, 4, NMI_COMMAND);
}

static void complete(void)
{
    ghcb_clear();
    ghcb_call(NAE_NMI_DONE, 0, 0);
}

static void iret(void)
{
    asm volatile("mov %%rsp, %%rax; mov %%ss, %%ecx; push %%rcx; push %%rax;"
                 "pushf; mov %%cs, %%ecx; push %%rcx; lea 1f(%%rip), %%rax;"
                 "push %%rax; iretq; 1:" ::: "rax", "rcx", "memory", "cc");
}

/* What does not come has a while to do so. */
static u64 count_after_a_while(unsigned index)
{
    delay_us(200000);
    return cpus[index].interrupts;
}

static void check_mask(bool vnmi)
{
    volatile u64 *count = &cpus[0].interrupts;

    send_nmi(0);
    check(T("first-comes"), wait_for(count, 1));
    send_nmi(0);
    check_eq(T("iret-is-not-enough"), count_after_a_while(0), vnmi ? 2 : 1);
    iret();
    check_eq(T("nor-is-another"), count_after_a_while(0), vnmi ? 2 : 1);
    complete();
    check(T("complete-delivers"), wait_for(count, 2));
}

/* One is held while another is dealt with, no more. */
static void check_pending(bool vnmi)
{
    u64 before = cpus[0].interrupts;

    send_nmi(0);
    send_nmi(0);
    check_eq(T("two-more"), count_after_a_while(0) - before, vnmi ? 2 : 0);
    complete();
    check_eq(T("two-were-one"), count_after_a_while(0) - before, vnmi ? 2 : 1);
    complete();
    check_eq(T("none-is-left"), count_after_a_while(0) - before, vnmi ? 2 : 1);
}

static void take_nmi(void *arg)
{
    (void)arg;
    send_nmi(0);
    delay_us(60000000);
}

/* A handler that never ends by IRET: only the processor cares. */
static void check_no_iret(bool vnmi)
{
    u64 before = cpus[0].interrupts;
    u64 gate[2] = { idt[2 * NMI], idt[2 * NMI + 1] };

    set_trap_gates(idt);
    check_trap(T("handler-without-iret"), try_fn(take_nmi, NULL), NMI, -1);
    idt[2 * NMI] = gate[0];
    idt[2 * NMI + 1] = gate[1];
    complete();
    send_nmi(0);
    check_eq(T("complete-without-iret"), count_after_a_while(0) - before,
             vnmi ? 0 : 1);
    iret();
    check_eq(T("iret-at-last"), count_after_a_while(0) - before, 1);
    complete();
}

void ap_main(unsigned index)
{
    (void)index;
    rounds++;
    ghcb_setup();
    while (!completes) {
        pause();
    }
    complete();
    for (;;) {
        pause();
    }
}

/* The mask is no part of a VMSA. */
static void check_new_vmsa(bool vnmi)
{
    volatile u64 *count = &cpus[1].interrupts;

    ap_start(1);
    check(T("other-runs"), wait_for(&rounds, 1));
    send_nmi(1);
    check(T("other-has-one"), wait_for(count, 1));
    ap_start(1);
    check(T("other-runs-again"), wait_for(&rounds, 2));
    send_nmi(1);
    check_eq(T("mask-outlives-vmsa"), count_after_a_while(1), vnmi ? 2 : 1);
    completes = 1;
    check(T("other-has-two"), wait_for(count, 2));
}

void payload(void)
{
    bool vnmi = has_vnmi();

    set_gate(idt, NMI, count_nmi);
    check_mask(vnmi);
    check_pending(vnmi);
    check_no_iret(vnmi);
    check_new_vmsa(vnmi);
}
