/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PAM registers of q35's host bridge (MCH): what is to be found from
 * 0xc0000 to 0xfffff.  Each change splits, deletes or merges memory slots.
 */
#ifndef PAM_H
#define PAM_H

#include "kvm.h"

#define PAM_REGISTERS   7
#define PAM_RAM         0x33

/** set_pam: register @i; @value PAM_RAM, or 0 for what lies on the bus */
static inline void set_pam(unsigned i, u8 value)
{
    pci_write8(0, 0x90 + i, value);
}

static inline void set_all_pam(u8 value)
{
    for (unsigned i = 0; i < PAM_REGISTERS; i++) {
        set_pam(i, value);
    }
}

#endif
