/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU is halted, is woken, and gets another VMSA at that moment; two vCPUs
 *
 * Its page is an ordinary one as soon as it does not use it any more, as Linux
 * has it: it must not look for its VMSA there then.
 */
#include "sleeper.h"

#define ROUNDS  100

static volatile u64 starts;

void ap_main(unsigned index)
{
    (void)index;
    starts++;
    sleeper_run();
}

/* Creation is done some time after it was accepted. */
static bool becomes_a_page(u8 *vmsa)
{
    for (unsigned i = 0; i < 20000; i++) {
        if (!rmpadjust(vmsa, 0, 1).eax) {
            memset(vmsa, 0, PAGE);
            return true;
        }
        delay_us(1000);
    }
    return false;
}

/* Returns: whether the vCPU has started with another page, the next one. */
static bool replace(u8 **vmsa)
{
    u8 *next = ap_vmsa(1), *old = *vmsa;
    u64 before;

    *vmsa = next;
    if (rmpadjust(next, 0, 0x10001).eax || !sleeper_halts(old)) {
        return false;
    }
    before = starts;
    ap_sipi(1);
    return !ap_request(AP_CREATE, 1, (u64)next, own_features()) &&
           becomes_a_page(old) && wait_for(&starts, before + 1);
}

void payload(void)
{
    u8 *vmsa = priv(VMSA_GPA);
    unsigned done = 0;

    /* A SIPI may still come in time to wake the next one: it halts again. */
    sleeper_rounds = -1ULL;
    ap_start(1);
    while (done < ROUNDS && replace(&vmsa)) {
        done++;
    }
    check_eq(T("replaced"), done, ROUNDS);
    check_eq(T("starts"), starts, ROUNDS + 1);
    check(T("halts"), sleeper_halts(vmsa));
}
