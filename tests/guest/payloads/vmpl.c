/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other VMPLs, as an SVSM at VMPL0 uses them: two vCPUs, of which each can run
 * VMPL0 to 2
 *
 * APM volume 2, 15.36.7 (VMPLs) and 15.36.12; GHCB specification, SNP Run VMPL
 * and SNP AP Creation.
 */
#include "vmpls.h"

/* vCPUs of the library: those at VMPL2, by real one, and VMPL1 of the first */
enum { SECOND = 1, LOW = 2, SECOND_LOW = 3, MIDDLE = 1 };

#define ROUNDS          10000
#define MARK            0x0123456789abcdef
#define ERROR_INPUT     (2ULL << 32 | GHCB_ERR_INPUT)
#define DONE            0x17
#define MSR_FEATURES    0x80

static volatile bool second_begins;
static volatile u64 rounds[2], first_msr, started;
static u8 *low_page, *second_page;

/* ---- at VMPL 1 and 2 ---- */

static void say_hello(struct vmpl_call *call)
{
    first_msr = rdmsr(MSR_GHCB);
    ghcb_setup();
    call->answer = rdmsr(MSR_SEV_STATUS);
}

static void count(struct vmpl_call *call)
{
    call->answer = ++rounds[this_cpu()->index == SECOND_LOW];
}

static void adjust(struct vmpl_call *call)
{
    call->answer = rmpadjust(call->page, 0, call->value).eax;
}

static void query(struct vmpl_call *call)
{
    struct result r = rmpquery(call->page, call->value);

    call->answer = (u64)r.eax << 32 | r.rdx;
}

static void validate_page(struct vmpl_call *call)
{
    struct result r = pvalidate(call->page, 0, call->value);

    call->answer = r.eax;
}

static void read_page(struct vmpl_call *call)
{
    invlpg(call->page);
    call->answer = *(volatile u64 *)call->page;
}

static void write_page(struct vmpl_call *call)
{
    *(volatile u64 *)call->page = call->value;
    call->answer = 0;
}

static void features(struct vmpl_call *call)
{
    ghcb_clear();
    call->answer = (u64)ghcb_call(NAE_FEATURES, 0, 0) << 32 |
                   ghcb_get(GHCB_INFO2);
}

static void create_vmpl0(struct vmpl_call *call)
{
    call->answer = ap_request(AP_CREATE, 1, call->value, SEV_FEATURES);
}

static void return_by_event(struct vmpl_call *call)
{
    /* ... in the midst of a call */
    call->done++;
    call->answer = MARK;
    call->answer = run_vmpl_event(0);
    call->done--;
}

/* With registers that VMPL0 reads, and writes, in the VMSA */
static void return_with_marks(struct vmpl_call *call)
{
    u64 r13 = MARK;

    wrmsr(MSR_GHCB, 0x16);
    call->done++;
    asm volatile("mov %0, %%r13\n"
                 "rep; vmmcall\n"
                 "mov %%r13, %0" : "+r"(r13) :: "r13", "memory");
    call->answer = r13;
    call->done--;
}

static void call_code(void *code_page)
{
    asm volatile("call *%0" :: "r"(code_page) : "memory");
}

static void execute(struct vmpl_call *call)
{
    call->answer = try_fn(call_code, (void *)call->page).vector;
}

static u8 user_stack[256] __attribute__((aligned(16)));

static void enter_user(void *code_page)
{
    run_user(code_page, user_stack + sizeof(user_stack));
}

/* Ends by UD2 */
static void execute_user(struct vmpl_call *call)
{
    call->answer = try_fn(enter_user, (void *)call->page).vector;
}

/* The second real vCPU, at VMPL0, and all others at theirs */
void ap_main(unsigned index)
{
    started++;
    if (index != SECOND || !second_begins) {
        vmpl_serve(index);
    }
    ghcb_setup();
    vmpl_prepare(SECOND_LOW, 2, 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        vmpl_call(SECOND_LOW, 2, count, NULL, 0);
    }
    /* Whoever runs it at another VMPL has to wake it. */
    for (;;) {
        asm volatile("hlt");
    }
}

/* ---- at VMPL0 ---- */

static u64 low(void (*fn)(struct vmpl_call *call), volatile void *page,
               u64 value)
{
    return vmpl_call(LOW, 2, fn, page, value);
}

static void check_offered(void)
{
    u64 vmsa = (u64)ap_vmsa(LOW);

    rmpadjust((void *)vmsa, 0, VMPL_VMSA | 2);
    check_eq(T("features-msr"), vmgexit(MSR_FEATURES) >> 12, FEATURES_VMPL);
    ghcb_clear();
    check_eq(T("features-event"), ghcb_call(NAE_FEATURES, 0, 0), 0);
    check_eq(T("features-event-value"), answer(GHCB_INFO2), FEATURES_VMPL);
    check_eq(T("run-itself"), run_vmpl(0), DONE);
    check_eq(T("run-without-vmsa"), run_vmpl(1) & 0xfff, DONE);
    check(T("run-without-vmsa-error"), run_vmpl(1) >> 32 != 0);
    check_eq(T("run-without-vmsa-event"), run_vmpl_event(1), ERROR_INPUT);
    check(T("run-not-offered"), run_vmpl(3) >> 32 != 0);
    check_eq(T("run-not-offered-event"), run_vmpl_event(3), ERROR_INPUT);
    check_eq(T("create-not-offered"), ap_request(AP_CREATE | 3 << 16, 0, vmsa,
                                                 SEV_FEATURES), ERROR_INPUT);
    check_eq(T("create-own-vmpl0"), ap_request(AP_CREATE, 0, vmsa,
                                               SEV_FEATURES), ERROR_INPUT);
    check_eq(T("create-other-vmpl"), ap_request(AP_ON_INIT | 1 << 16, 0, vmsa,
                                                SEV_FEATURES), 0);
    /* The VMSA is of VMPL0 by its field. */
    check(T("run-other-vmpl"), run_vmpl(1) >> 32 != 0);
    check_eq(T("destroy-vmpl1"), ap_request(AP_DESTROY | 1 << 16, 0, 0, 0), 0);
    rmpadjust((void *)vmsa, 0, 2);
}

static void check_entry(void)
{
    const u64 *vmsa;

    low_page = vmpl_prepare(LOW, 2, 0);
    vmsa = (const u64 *)low_page;
    check_eq(T("vmpl2-status"), low(say_hello, NULL, 0), KIND_SNP);
    check_eq(T("vmpl2-ghcb-msr"), first_msr & 0xfff, 1);
    check_eq(T("vmpl2-event"), low(features, NULL, 0), FEATURES_VMPL);
    ghcb_clear();
    check_eq(T("vmpl0-event-after"), ghcb_call(NAE_FEATURES, 0, 0), 0);
    vmpl_prepare(MIDDLE, 1, 0);
    check_eq(T("vmpl1-status"), vmpl_call(MIDDLE, 1, say_hello, NULL, 0),
             KIND_SNP);
    check_eq(T("vmpl2-event-again"), low(features, NULL, 0), FEATURES_VMPL);
    check_eq(T("vmsa-vmpl"), low_page[0xca], 2);
    check_eq(T("vmsa-exit-code"), vmsa[0x3c0 / 8], 0x403);
    check_eq(T("vmsa-features"), vmsa[0x3b0 / 8], SEV_FEATURES);
}

/* As an SVSM reads a call and writes what it comes to */
static void check_registers(void)
{
    volatile u64 *r13 = (volatile u64 *)(low_page + 0x368);

    low(return_with_marks, NULL, 0);
    check_eq(T("vmsa-r13"), *r13, MARK);
    *r13 = ~MARK;
    check_eq(T("run-again"), run_vmpl(2), DONE);
    check_eq(T("vmpl2-r13"), vmpl_calls[LOW].answer, ~MARK);
    check_eq(T("by-event"), low(return_by_event, NULL, 0), MARK);
    check_eq(T("run-by-event"), run_vmpl_event(2), 0);
    check_eq(T("vmpl2-run-by-event"), vmpl_calls[LOW].answer, 0);
}

static void check_instructions(void)
{
    volatile u8 *page = priv(AREA_GPA);

    validate(page, 4 * PAGE);
    check_eq(T("grant-read"), rmpadjust(page, 0, VMPL_R | 2).eax, 0);
    check_eq(T("vmpl2-pvalidate"), low(validate_page, page, 1),
             FAIL_PERMISSION);
    check_eq(T("vmpl2-rescind"), low(validate_page, page, 0),
             FAIL_PERMISSION);
    check_eq(T("vmpl2-rmpadjust-vmpl0"), low(adjust, page, 0),
             FAIL_PERMISSION);
    check_eq(T("vmpl2-rmpadjust-vmpl1"), low(adjust, page, 1),
             FAIL_PERMISSION);
    check_eq(T("vmpl2-rmpadjust-vmpl2"), low(adjust, page, VMPL_R | 2),
             FAIL_PERMISSION);
    check_eq(T("vmpl2-rmpadjust-vmpl3"), low(adjust, page, VMPL_R | 3), 0);
    check_eq(T("vmpl2-rmpadjust-more"), low(adjust, page, VMPL_R | VMPL_W | 3),
             FAIL_PERMISSION);
    check_eq(T("vmpl2-rmpquery-vmpl3"), low(query, page, 3), VMPL_R | 3);
    check_eq(T("vmpl2-rmpquery-vmpl1"), low(query, page, 1) >> 32,
             FAIL_PERMISSION);
    /* The bit is VMPL0's alone to change, and others are not told so. */
    check_eq(T("vmpl2-rmpadjust-vmsa"),
             low(adjust, page, VMPL_VMSA | VMPL_R | 3), 0);
    check_eq(T("vmpl2-made-no-vmsa"), rmpquery(page, 3).rdx, VMPL_R | 3);
    check_eq(T("reserved-permissions"), rmpadjust(page, 0, 0x2002).eax, 1);
    check_eq(T("vmpl2-creates-vmpl0"), low(create_vmpl0, NULL,
                                           (u64)ap_vmsa(1)), ERROR_INPUT);
}

static void check_access(void)
{
    volatile u64 *page = priv(AREA_GPA + PAGE);
    u8 *exec = priv(AREA_GPA + 2 * PAGE), *user = exec + PAGE;

    page[0] = MARK;
    rmpadjust(page, 0, VMPL_R | 2);
    check_eq(T("vmpl2-reads"), low(read_page, page, 0), MARK);
    rmpadjust(page, 0, VMPL_R | VMPL_W | 2);
    low(write_page, page, ~MARK);
    check_eq(T("vmpl2-writes"), page[0], ~MARK);
    /* RET, and UD2 at CPL 3 */
    exec[0] = 0xc3;
    rmpadjust(exec, 0, VMPL_R | VMPL_XS | 2);
    check_eq(T("vmpl2-executes"), low(execute, exec, 0), -1ULL);
    *(u16 *)user = 0x0b0f;
    rmpadjust(user, 0, VMPL_R | VMPL_XU | 2);
    check_eq(T("vmpl2-executes-user"), low(execute_user, user, 0), UD);
}

static void check_rounds(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (low(count, NULL, 0) != i + 1) {
            break;
        }
    }
    check_eq(T("rounds"), rounds[0], ROUNDS);
}

static void check_two(void)
{
    vmpl_prepare(LOW, 2, 0);
    second_begins = true;
    rounds[0] = 0;
    second_page = ap_vmsa(SECOND);
    rmpadjust(second_page, 0, VMPL_VMSA | 1);
    ap_request(AP_CREATE, SECOND, (u64)second_page, SEV_FEATURES);
    ap_signal_once(SECOND);
    for (unsigned i = 0; i < ROUNDS; i++) {
        low(count, NULL, 0);
    }
    check_eq(T("two-first"), rounds[0], ROUNDS);
    check(T("two-second"), wait_for(&rounds[1], ROUNDS));
}

/*
 * What one vCPU asks for another that runs elsewhere is done at once.  That one
 * is halted, and its page was refilled, which is nobody's to write over.
 */
static void check_other_vcpu(void)
{
    volatile u64 *refilled = (volatile u64 *)(second_page + 0x378);
    u64 before = started;
    u8 *page;

    check_eq(T("destroy-other"), ap_request(AP_DESTROY | 2 << 16, 1, 0, 0), 0);
    second_begins = false;
    *refilled = MARK;
    vmpl_calls[SECOND_LOW].fn = count;
    page = vmpl_page(SECOND_LOW, 1);
    check_eq(T("create-other"), ap_request(AP_CREATE | 1 << 16, 1, (u64)page,
                                           SEV_FEATURES), 0);
    check(T("other-runs"), wait_for(&started, before + 1));
    check(T("other-has-counted"), wait_for(&rounds[1], ROUNDS + 1));
    check_eq(T("other-page-stays"), *refilled, MARK);
}

static void check_destruction(void)
{
    check_eq(T("destroy"), ap_request(AP_DESTROY | 2 << 16, 0, 0, 0), 0);
    check(T("run-destroyed"), run_vmpl(2) >> 32 != 0);
    check_eq(T("run-destroyed-event"), run_vmpl_event(2), ERROR_INPUT);
    check_eq(T("others-stay"), vmpl_call(MIDDLE, 1, features, NULL, 0),
             FEATURES_VMPL);
}

void payload(void)
{
    vmpl_share(1);
    vmpl_share(2);
    check_offered();
    check_entry();
    check_registers();
    check_instructions();
    check_access();
    check_rounds();
    check_destruction();
    check_two();
    check_other_vcpu();
}
