/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints of a VMPL with DebugSwap are nobody else's: one without can
 * neither read them nor hit them
 *
 * APM volume 2, table B-4: DR0 to DR3 are in a VMSA with DebugSwap only.
 */
#include "debug-registers.h"
#include "vmpls.h"

#define FEATURES        0x21
#define FEATURES_LOW    0x01
#define VMSA_DR7        0x160
#define VMSA_FEATURES   0x3b0
/* Breakpoint 0 where an instruction is executed, globally enabled */
#define DR7_EXECUTE_0   0x402ULL
#define MARK(n)         (0x1122334455667700 + (n))

enum { LOW = 2 };

static volatile u64 seen[4];

static void read_all(void)
{
    seen[0] = READ_DR(0);
    seen[1] = READ_DR(1);
    seen[2] = READ_DR(2);
    seen[3] = READ_DR(3);
}

void ap_main(unsigned index)
{
    vmpl_serve(index);
}

/* With a DR7 that has been armed by its VMSA */
static void look(struct vmpl_call *call)
{
    ghcb_setup();
    read_all();
    call->answer = (u64)try_fn(landmark, NULL).vector;
}

static void look_again(struct vmpl_call *call)
{
    read_all();
    call->answer = 0;
}

void payload(void)
{
    u8 *page;

    check_eq(T("own-features"), own_features(), FEATURES);
    vmpl_share(2);
    page = vmpl_page(LOW, 2);
    *(u64 *)(page + VMSA_FEATURES) = FEATURES_LOW;
    *(u64 *)(page + VMSA_DR7) = DR7_EXECUTE_0;
    check_eq(T("creation"), ap_request(AP_ON_INIT | 2 << 16, 0, (u64)page,
                                       FEATURES_LOW), 0);
    WRITE_DR(0, landmark);
    WRITE_DR(1, MARK(1));
    WRITE_DR(2, MARK(2));
    WRITE_DR(3, MARK(3));

    check_eq(T("not-hit"), vmpl_call(LOW, 2, look, NULL, 0), -1ULL);
    check_eq(T("dr0-not-seen"), seen[0], 0);
    check_eq(T("dr1-not-seen"), seen[1], 0);
    check_eq(T("dr2-not-seen"), seen[2], 0);
    check_eq(T("dr3-not-seen"), seen[3], 0);
    read_all();
    check_eq(T("dr0-kept"), seen[0], (u64)landmark);
    check_eq(T("dr1-kept"), seen[1], MARK(1));
    check_eq(T("dr2-kept"), seen[2], MARK(2));
    check_eq(T("dr3-kept"), seen[3], MARK(3));
    vmpl_call(LOW, 2, look_again, NULL, 0);
    check_eq(T("dr3-not-seen-again"), seen[3], 0);
}
