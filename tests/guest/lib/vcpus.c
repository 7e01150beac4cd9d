/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Application processors, and waiting for them; see snp.h. */
#include "lib.h"

static void put(u8 *page, unsigned offset, u64 value, unsigned size)
{
    memcpy(page + offset, &value, size);
}

static void put_segment(u8 *page, unsigned offset, u16 selector,
                        u16 attributes, u32 limit, u64 base)
{
    put(page, offset, selector, 2);
    put(page, offset + 2, attributes, 2);
    put(page, offset + 4, limit, 4);
    put(page, offset + 8, base, 8);
}

/* APM volume 2, table B-4 */
u8 *ap_vmsa(unsigned index)
{
    static bool second[MAX_CPUS];
    u8 *page = priv(VMSA_GPA + (2 * (index - 1) + second[index]) * PAGE);
    u64 cr0, cr3, cr4;

    second[index] = !second[index];
    asm volatile("mov %%cr0, %0; mov %%cr3, %1; mov %%cr4, %2"
                 : "=r"(cr0), "=r"(cr3), "=r"(cr4));
    memset(page, 0, PAGE);
    for (unsigned offset = 0; offset <= 0x50; offset += 0x10) {
        put_segment(page, offset, SEL_DATA, 0xc93, 0xffffffff, 0);
    }
    put_segment(page, 0x10, SEL_CODE64, 0xa9b, 0xffffffff, 0);
    put_segment(page, 0x60, 0, 0, SEL_TSS + 16 * MAX_CPUS - 1, (u64)gdt);
    put_segment(page, 0x70, 0, 0x82, 0xffff, 0);
    put_segment(page, 0x80, 0, 0, sizeof(idt) - 1, (u64)idt);
    put_segment(page, 0x90, 0, 0x8b, 0xffff, 0);
    put(page, 0xd0, rdmsr(0xc0000080) | 0x1000, 8);
    put(page, 0x148, cr4, 8);
    put(page, 0x150, cr3, 8);
    put(page, 0x158, cr0, 8);
    put(page, 0x160, 0x400, 8);
    put(page, 0x168, 0xffff0ff0, 8);
    put(page, 0x170, 2, 8);
    put(page, 0x178, (u64)start_c, 8);
    put(page, 0x1d8, (u64)(stacks[index] + STACK_SIZE), 8);
    put(page, 0x268, 0x0007040600070406, 8);
    put(page, 0x338, index, 8);
    put(page, 0x3b0, own_features(), 8);
    put(page, 0x3e8, 1, 8);
    put(page, 0x408, 0x1f80, 4);
    put(page, 0x410, 0x37f, 2);
    return page;
}

u64 ap_request(unsigned op, u32 apic_id, u64 vmsa_gpa, u64 features)
{
    u64 info1;

    ghcb_clear();
    if (op != AP_DESTROY) {
        ghcb_set(GHCB_RAX, features);
    }
    info1 = ghcb_call(NAE_AP_CREATE, (u64)apic_id << 32 | op, vmsa_gpa);
    return info1 << 32 | ghcb_get(GHCB_INFO2);
}

/*
 * KVM leaves a vCPU alone that never had INIT and SIPI, whatever has been
 * created for it (vcpu_enter_guest() is what looks).  Firmware sends both to
 * all vCPUs, once; creations after that wait for nothing.
 */
void ap_signal_once(unsigned index)
{
    static bool signalled[MAX_CPUS];

    if (!signalled[index]) {
        signalled[index] = true;
        ap_signal(index);
    }
}

void ap_start(unsigned index)
{
    u8 *page = ap_vmsa(index);
    struct result r = rmpadjust(page, 0, 0x10001);
    u64 error;

    if (r.eax) {
        fatal("RMPADJUST of a VMSA", r.eax);
    }
    error = ap_request(AP_CREATE, index, (u64)page, own_features());
    if (error) {
        fatal("AP creation", error);
    }
    ap_signal_once(index);
}

/* The interrupt command register */
static void send_command(u32 apic_id, u32 command)
{
    mmio_write(0xfee00310, 4, apic_id << 24);
    mmio_write(0xfee00300, 4, command);
}

void ap_init(u32 apic_id)
{
    send_command(apic_id, 0x4500);
}

void ap_sipi(u32 apic_id)
{
    if (has_ghcb()) {
        /* Whatever the vector */
        send_command(apic_id, 0x46ff);
        return;
    }
    memcpy(priv(SIPI_GPA), sipi_code, sipi_code_end - sipi_code);
    send_command(apic_id, 0x4600 | SIPI_GPA / PAGE);
}

void ap_signal(u32 apic_id)
{
    ap_init(apic_id);
    delay_us(100);
    ap_sipi(apic_id);
}

void ap_signal_until(u32 apic_id, const volatile u64 *what, u64 old)
{
    for (unsigned sent = 0; sent < WAIT_SECONDS && *what == old; sent++) {
        ap_signal(apic_id);
        for (unsigned ms = 0; ms < 1000 && *what == old; ms++) {
            delay_us(1000);
        }
    }
}

/* The power management timer of q35 counts 3.579545 MHz, in 24 bits. */
static u32 timer(void)
{
    return io_in(0x608, 4) & 0xffffff;
}

void timer_setup(void)
{
    /* PMBASE of the LPC bridge, and its enable bit */
    io_out(0xcf8, 4, 0x8000f840);
    io_out(0xcfc, 4, 0x601);
    io_out(0xcf8, 4, 0x8000f844);
    io_out(0xcfc, 1, 0x80);
}

void delay_us(u64 us)
{
    u32 start = timer();

    while (((timer() - start) & 0xffffff) < us * 358 / 100) {
        pause();
    }
}

/*
 * Until @p is in [@low, @high].  The timer comes round every 4.7 seconds; who
 * is kept from looking at it for longer than that only waits longer.
 */
static bool wait_within(const volatile u64 *p, u64 low, u64 high)
{
    u64 ticks = 0;
    u32 last, now;

    if (*p - low <= high - low) {
        return true;
    }
    last = timer();
    while (*p - low > high - low) {
        now = timer();
        ticks += (now - last) & 0xffffff;
        last = now;
        if (ticks > WAIT_SECONDS * 3579545ULL) {
            return false;
        }
        pause();
    }
    return true;
}

bool wait_for(const volatile u64 *p, u64 value)
{
    return wait_within(p, value, value);
}

bool wait_for_more(const volatile u64 *p, u64 than)
{
    return wait_within(p, than + 1, -1ULL);
}

void stay_while(const volatile u64 *p, u64 value)
{
    while (*p == value) {
        pause();
    }
}
