/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU is unplugged while it runs, and another one takes its place; two vCPUs
 *
 * docs/specs/acpi_cpu_hotplug.rst.
 */
#include "snp.h"

#define FAIL_INUSE  3
#define VMSA_SET    0x10001
#define MARK        0x5a5aa5a5c3c33c3c
#define VMSA_R15    0x378
/* The registers that ICH9 has for it, and their bits */
#define SELECTOR    0xcd8
#define STATE       0xcdc
#define ENABLED     (1 << 0)
#define REMOVED     (1 << 2)
#define EJECT       (1 << 3)

u64 spins;

asm("spin_with_mark:\n"
    "mov %rdi, %r15\n"
    "1: pause\n"
    "incq spins(%rip)\n"
    "jmp 1b\n");

void ap_main(unsigned index)
{
    (void)index;
    asm volatile("jmp spin_with_mark" :: "D"(MARK) : "memory");
    __builtin_unreachable();
}

/* The first write makes QEMU show these registers, and not older ones. */
static void select_vcpu(u32 index)
{
    io_out(SELECTOR, 1, 0);
    io_out(SELECTOR, 4, index);
}

static bool wait_for_state(u32 bits, u32 value)
{
    for (unsigned i = 0; i < 10000; i++) {
        if ((io_in(STATE, 1) & bits) == value) {
            return true;
        }
        delay_us(1000);
    }
    return false;
}

static void check_running(void)
{
    u64 seen = spins;

    ap_start(1);
    /* A new one knows nothing of what was sent to the old one. */
    ap_signal(1);
    check(S("runs"), wait_for_more(&spins, seen));
    check_eq(S("in-use"), rmpadjust(priv(VMSA_GPA), 0, VMSA_SET).eax,
             FAIL_INUSE);
}

/* It runs, and is told something else at that moment. */
static void check_unplugged(bool also_asks)
{
    u8 *vmsa = priv(VMSA_GPA);

    host("unplug", S("asked"), 0, 0, 0);
    check(S("is-to-go"), wait_for_state(REMOVED, REMOVED));
    if (also_asks) {
        ap_request(AP_CREATE, 1, VMSA_GPA, SEV_FEATURES);
    }
    io_out(STATE, 1, EJECT);
    check(S("is-gone"), wait_for_state(ENABLED, 0));
    check_eq(S("page-again"), rmpadjust(vmsa, 0, 1).eax, 0);
    check_eq(S("create-nobody"),
             ap_request(AP_CREATE, 1, VMSA_GPA, SEV_FEATURES),
             2ULL << 32 | GHCB_ERR_INPUT);
}

void payload(void)
{
    select_vcpu(1);
    set_prefix(A("first"));
    check_running();
    check_unplugged(false);
    set_prefix(NULL);
    check_eq(T("registers"), *(u64 *)priv(VMSA_GPA + VMSA_R15), MARK);
    host("plug", T("asked-for-another"), 0, 0, 0);
    check(T("is-back"), wait_for_state(ENABLED, ENABLED));
    set_prefix(A("second"));
    /* The other one of its two pages comes first now. */
    ap_vmsa(1);
    check_running();
    check_unplugged(true);
}
