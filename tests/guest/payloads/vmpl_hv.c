/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restricted injection, as an SVSM at VMPL0 wants it: interrupts and NMIs come
 * by #HV and a doorbell page, or not at all, while VMPL2 has them as ever; two
 * vCPUs
 *
 * What coconut-svsm asks of SEV_STATUS is here: RestrictedInjection and
 * DebugSwap.
 */
#include "hv.h"
#include "vmpls.h"

#define FEATURES        0x29
#define STATUS          (FEATURES << 2 | 3)
#define FEATURES_LOW    0x21
#define HV_FEATURES     0x27

#define NONE            (-1ULL)
#define ERROR_INPUT     (2ULL << 32 | GHCB_ERR_INPUT)
#define APIC            0xfee00000ULL

#define FLAG_NO_SIGNAL  0x80

enum { LOW = 2 };

/* A page for each vCPU, and what #HV has found there */
#define DOORBELL(index) (AREA_GPA + (index) * PAGE)
static volatile u64 signals[2], vectors[2], nmis[2], in_other, low_interrupts;
static volatile bool keep_vector, keep_silent;

static volatile u8 *doorbell(void)
{
    return shar(DOORBELL(this_cpu()->index));
}

/*
 * Halt unless *@p is more than @than.  #HV comes when it likes, so that who
 * was about to halt must not any more.
 */
void halt_unless(const volatile u64 *p, u64 than);
extern u8 halt_over[];

asm(".text\n"
    "halt_unless:\n"
    "cmp (%rdi), %rsi\n"
    "jb halt_over\n"
    "hlt\n"
    "halt_over:\n"
    "ret\n");

/* Without the GHCB, which may be in use: what it says is only written down. */
static bool on_hv(struct frame *frame)
{
    unsigned index = this_cpu()->index;
    volatile u8 *page = doorbell();
    u8 flags;

    if (frame->vector != HV) {
        return false;
    }
    signals[index]++;
    if (frame->rip - (u64)halt_unless <
        (u64)halt_over - (u64)halt_unless) {
        frame->rip = (u64)halt_over;
    }
    flags = __atomic_fetch_and(&page[1], keep_silent ? FLAG_NO_SIGNAL : 0,
                               __ATOMIC_SEQ_CST);
    nmis[index] += flags & BELL_NMI;
    if (!keep_vector) {
        vectors[index] = __atomic_exchange_n(&page[0], 0, __ATOMIC_SEQ_CST);
    }
    return true;
}

static void end_of_interrupt(void)
{
    mmio_write(APIC + 0xb0, 4, 0);
}

/* ---- elsewhere ---- */

/* The second vCPU, at VMPL0, with a doorbell of its own */
void ap_main(unsigned index)
{
    if (index != 1) {
        vmpl_serve(index);
    }
    ghcb_setup();
    mmio_write(APIC + 0xf0, 4, 0x1ff);
    hv_ring_at(DOORBELL(1));
    in_other = rdmsr(MSR_SEV_STATUS);
    for (;;) {
        asm volatile("hlt");
    }
}

static void begin_low(struct vmpl_call *call)
{
    ghcb_setup();
    call->answer = rdmsr(MSR_SEV_STATUS);
}

static void query_low(struct vmpl_call *call)
{
    call->answer = hv_event(NAE_DOORBELL, QUERY, 0);
}

/* What was sent to the vCPU comes here, as soon as interrupts are on. */
static void open_low(struct vmpl_call *call)
{
    asm volatile("sti; nop; nop; cli" ::: "memory");
    low_interrupts = this_cpu()->interrupts;
    end_of_interrupt();
    call->answer = low_interrupts;
}

static u64 low(void (*fn)(struct vmpl_call *call))
{
    return vmpl_call(LOW, 2, fn, NULL, 0);
}

/* ---- at VMPL0 ---- */

static void open(void)
{
    asm volatile("sti; nop; nop; cli" ::: "memory");
}

static void check_offered(void)
{
    struct trap t;

    check_eq(T("status"), rdmsr(MSR_SEV_STATUS), STATUS);
    check_eq(T("features"), vmgexit(0x80) >> 12, HV_FEATURES);
    check_eq(T("preferred"), hv_event(NAE_DOORBELL, PREFERRED, 0), NONE);
    check_eq(T("query-none"), hv_event(NAE_DOORBELL, QUERY, 0), NONE);
    check_eq(T("set-misaligned"), hv_ring_at(DOORBELL(0) + 8), ERROR_INPUT);
    check_eq(T("set-in-mmio"), hv_ring_at(APIC), ERROR_INPUT);
    check_eq(T("set-nowhere"), hv_ring_at(1ULL << 40), ERROR_INPUT);
    check_eq(T("unknown-request"), hv_event(NAE_DOORBELL, 4, 0), ERROR_INPUT);
    check_eq(T("query-still-none"), hv_event(NAE_DOORBELL, QUERY, 0), NONE);
    /* No exception is injected either. */
    ghcb_clear();
    ghcb_set(GHCB_RCX, 0);
    check_eq(T("rdpmc"), ghcb_call(NAE_RDPMC, 0, 0), 1);
    check_eq(T("rdpmc-exception"), answer(GHCB_INFO2), 0x80000300 | GP);
    asm volatile("mov %%dr7, %%rax" ::: "rax");
    t = try_fn((void (*)(void *))open, NULL);
    check_trap(T("debug-swap"), t, -1, -1);
}

/* Neither an interrupt nor an NMI, with RFLAGS.IF or without */
static void check_without(void)
{
    hv_send(SELF | 0x41);
    hv_send(NMI_TO(0));
    open();
    delay_us(3000);
    open();
    check_eq(T("without-no-hv"), signals[0], 0);
    check_eq(T("without-no-interrupt"), this_cpu()->interrupts, 0);
}

static void check_with(void)
{
    check_eq(T("set"), hv_ring_at(DOORBELL(0)), DOORBELL(0));
    check_eq(T("held-one-hv"), signals[0], 1);
    check_eq(T("held-nmi"), nmis[0], 1);
    check_eq(T("held-vector"), vectors[0], 0x41);
    check_eq(T("query"), hv_event(NAE_DOORBELL, QUERY, 0), DOORBELL(0));
    end_of_interrupt();

    hv_send(SELF | 0x42);
    check_eq(T("fixed"), signals[0] << 8 | vectors[0], 0x242);
    end_of_interrupt();
    hv_send(NMI_TO(0));
    check_eq(T("nmi"), signals[0] << 8 | nmis[0], 0x302);
    mmio_write(APIC + 0x310, 4, 0);
    mmio_write(APIC + 0x300, 4, SELF | 0x43);
    check_eq(T("by-apic"), signals[0] << 8 | vectors[0], 0x443);
    end_of_interrupt();
    check_eq(T("no-interrupt"), this_cpu()->interrupts, 0);
}

/* The guest says when it wants to hear of more. */
static void check_silence(void)
{
    u64 before = signals[0];

    keep_silent = true;
    hv_send(SELF | 0x51);
    end_of_interrupt();
    check_eq(T("silent-first"), signals[0], before + 1);
    keep_vector = true;
    hv_send(SELF | 0x52);
    check_eq(T("silent-no-hv"), signals[0], before + 1);
    check_eq(T("silent-vector"), doorbell()[0], 0x52);
    hv_send(SELF | 0x63);
    check_eq(T("not-taken"), doorbell()[0], 0x52);
    doorbell()[0] = 0;
    end_of_interrupt();
    check_eq(T("taken"), doorbell()[0], 0x63);
    doorbell()[0] = 0;
    end_of_interrupt();
    keep_vector = keep_silent = false;
    doorbell()[1] = 0;
    hv_send(SELF | 0x54);
    check_eq(T("heard-again"), signals[0] << 8 | vectors[0],
             (before + 2) << 8 | 0x54);
    end_of_interrupt();
}

/* The timer of the local APIC, and interrupts are off. */
static void check_hlt(void)
{
    u64 before = signals[0];

    mmio_write(APIC + 0x3e0, 4, 0xb);
    mmio_write(APIC + 0x320, 4, 0x45);
    mmio_write(APIC + 0x380, 4, 100000);
    halt_unless(&signals[0], before);
    check_eq(T("hlt"), vectors[0], 0x45);
    end_of_interrupt();
}

static void check_other(void)
{
    u64 vmsa = (u64)ap_vmsa(1);

    check_eq(T("creation-without"), ap_request(AP_CREATE, 1, vmsa,
                                               FEATURES_LOW), ERROR_INPUT);
    check_eq(T("creation-alternate"), ap_request(AP_CREATE, 1, vmsa, 0x31),
             ERROR_INPUT);
    ap_start(1);
    check(T("other-status"), wait_for(&in_other, STATUS));
    hv_send(FIXED_TO(1, 0x61));
    check(T("other-hv"), wait_for(&vectors[1], 0x61));
    hv_send(NMI_TO(1));
    check(T("other-nmi"), wait_for(&nmis[1], 1));
    check_eq(T("other-no-interrupt"), cpus[1].interrupts, 0);
}

/* An SVSM's guest: what waits for the vCPU comes to VMPL2, without #HV. */
static void check_low(void)
{
    u8 *page = vmpl_page(LOW, 2);
    u64 before = signals[0];

    page[0x3b0] = FEATURES_LOW;
    check_eq(T("low-creation"), ap_request(AP_ON_INIT | 2 << 16, 0, (u64)page,
                                           FEATURES_LOW), 0);
    check_eq(T("low-status"), low(begin_low), FEATURES_LOW << 2 | 3);
    check_eq(T("low-doorbell"), low(query_low), NONE);
    check_eq(T("low-nothing"), low(open_low), 0);
    check_eq(T("clear"), hv_event(NAE_DOORBELL, CLEAR, 0), 0);
    check_eq(T("query-cleared"), hv_event(NAE_DOORBELL, QUERY, 0), NONE);
    hv_send(SELF | 0x47);
    open();
    check_eq(T("cleared-no-hv"), signals[0], before);
    check_eq(T("low-interrupt"), low(open_low), 1);
    check_eq(T("low-interrupt-once"), low(open_low), 1);
    check_eq(T("no-hv-at-all"), signals[0] + this_cpu()->interrupts, before);
}

void payload(void)
{
    trap_hook = on_hv;
    vmpl_share(2);
    to_shared(DOORBELL(0), 2 * PAGE);
    memset(shar(DOORBELL(0)), 0, 2 * PAGE);
    mmio_write(APIC + 0xf0, 4, 0x1ff);
    check_offered();
    check_without();
    check_with();
    check_silence();
    check_hlt();
    check_other();
    check_low();
}
