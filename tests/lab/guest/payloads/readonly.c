/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAM that the guest makes read-only by a PAM register of q35's host bridge:
 * KVM has no read-only slots with private memory, and QEMU must not end
 */
#include "kvm.h"
#include "pam.h"

#define GPA 0xd0000

void payload(void)
{
    set_pam(3, PAM_RAM);
    fill(shar(GPA), PAGE, 0x11);
    set_pam(3, 0x11);
    check_bytes(T("read-only-can-be-read"), shar(GPA), PAGE, 0x11);
    set_pam(3, PAM_RAM);
    check_bytes(T("writable-again"), shar(GPA), PAGE, 0x11);
    fill(shar(GPA), PAGE, 0x22);
    host_expect(T("host-sees-it"), GPA, PAGE, 0x22);
}
