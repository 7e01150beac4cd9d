/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMSA of a vCPU that runs belongs to the processor, and has the vCPU's
 * state afterwards; three vCPUs
 *
 * APM volume 2, 15.36.12.  A hypervisor may run the vCPU with pauses, in which
 * its VMSA is a page like others: so what is in use fails once, at least.
 */
#include "snp.h"

#define FAIL_INUSE  3
#define MARK        0x5a5aa5a5c3c33c3c
/* Behind what the processor reads or writes: table B-4 */
#define SPARE       0xff8
#define TRIES       2000

u64 spins;
static volatile u64 writes, written;
extern u8 spin_begin[], spin_end[];

asm(".text\n"
    "spin_begin:\n"
    "mov %rdi, %r15\n"
    "1: pause\n"
    "incq spins(%rip)\n"
    "jmp 1b\n"
    "spin_end:\n");

static u8 *page(void)
{
    return priv(VMSA_GPA);
}

void ap_main(unsigned index)
{
    if (index == 1) {
        asm volatile("jmp spin_begin" :: "D"(MARK) : "memory");
    }
    while (!writes) {
        pause();
    }
    /* No translation from before it was in use */
    invlpg(page());
    *(volatile u64 *)(page() + SPARE) = MARK;
    written = 1;
    for (;;) {
        asm volatile("hlt");
    }
}

static struct result set_vmsa(void)
{
    return rmpadjust(page(), 0, 0x10001);
}

static struct result validate_again(void)
{
    return pvalidate(page(), 0, 1);
}

/* Once in two seconds */
static bool is_in_use(struct result (*try)(void))
{
    for (unsigned i = 0; i < TRIES; i++) {
        struct result r = try();

        if (r.eax == FAIL_INUSE && !r.cf) {
            return true;
        }
        if (r.eax) {
            return false;
        }
        delay_us(1000);
    }
    return false;
}

/* Destruction is done some time after it was accepted. */
static bool becomes_a_page(u8 *vmsa)
{
    for (unsigned i = 0; i < 10 * TRIES; i++) {
        u32 eax = rmpadjust(vmsa, 0, 1).eax;

        if (eax != FAIL_INUSE) {
            return !eax;
        }
        delay_us(1000);
    }
    return false;
}

static void check_state(void)
{
    const u64 *vmsa = (const u64 *)page();
    u64 rip = vmsa[0x178 / 8];

    check_eq(T("destroyed-r15"), vmsa[0x378 / 8], MARK);
    check(T("destroyed-rip"), rip >= (u64)spin_begin && rip < (u64)spin_end);
    check_eq(T("destroyed-cr3"), vmsa[0x150 / 8] & ~CBIT, (u64)paging_root);
    check_eq(T("destroyed-features"), vmsa[0x3b0 / 8], SEV_FEATURES);
    check_eq(T("written"), *(const u64 *)(page() + SPARE), MARK);
}

/* A vCPU that is halted is not running: firmware uses its VMSA again. */
static void check_halted(void)
{
    u8 *vmsa = priv(VMSA_GPA + 2 * PAGE);

    check(T("halted-is-a-page"), becomes_a_page(vmsa));
    *(volatile u64 *)(vmsa + SPARE) = MARK;
    check_eq(T("halted-written"), *(volatile u64 *)(vmsa + SPARE), MARK);
    check(T("halted-rip"), *(u64 *)(vmsa + 0x178) != (u64)start_c);
}

void payload(void)
{
    u64 seen;

    ap_start(2);
    ap_start(1);
    check(T("runs"), wait_for_more(&spins, 0));
    check(T("in-use-rmpadjust"), is_in_use(set_vmsa));
    check(T("in-use-pvalidate"), is_in_use(validate_again));
    seen = spins;
    check(T("runs-on"), wait_for_more(&spins, seen));
    writes = 1;
    delay_us(10000);
    check_eq(T("destroy"), ap_request(AP_DESTROY, 1, 0, 0), 0);
    check(T("write-is-made"), wait_for(&written, 1));
    check(T("destroyed-is-a-page"), becomes_a_page(page()));
    check_state();
    check_halted();
}
