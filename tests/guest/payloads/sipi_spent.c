/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INIT and SIPI that start a vCPU with a new VMSA are no other's: the AP reset
 * hold that it comes to lasts; two vCPUs
 *
 * GHCB specification, SNP AP Creation with CREATE_ON_INIT.
 */
#include "snp.h"

static volatile u64 starts, holding, done;

void ap_main(unsigned index)
{
    (void)index;
    ghcb_setup();
    starts++;
    for (u64 number = starts;; number += 2) {
        holding = number;
        vmgexit(6);
        done = number;
    }
}

/* It is in its hold by then: KVM would forget a signal that comes before. */
static bool holds(u64 number)
{
    bool came = wait_for(&holding, number);

    delay_us(200000);
    return came && done != number;
}

void payload(void)
{
    u64 vmsa = (u64)ap_vmsa(1);

    ap_signal(1);
    check(T("first-holds"), holds(1));
    rmpadjust(priv(vmsa), 0, 0x10001);
    check_eq(T("create-on-init"),
             ap_request(AP_ON_INIT, 1, vmsa, own_features()), 0);
    ap_signal(1);
    check(T("starts"), wait_for(&starts, 2));
    check(T("started-holds"), holds(2));
    ap_signal(1);
    check(T("hold-ends"), wait_for(&done, 2));
}
