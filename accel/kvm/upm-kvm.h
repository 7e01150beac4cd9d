/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: what kvm-all.c calls
 */
#ifndef ACCEL_KVM_UPM_KVM_H
#define ACCEL_KVM_UPM_KVM_H

#include "exec/hwaddr.h"

/** upm_kvm_init: make KVM the provider of page states */
void upm_kvm_init(void);

/**
 * upm_kvm_convert: a conversion that KVM asks for
 * @ret: 0 or a negative errno, where the result is true
 *
 * Returns: false where @start is not RAM with a private half.  QEMU has its
 * own answer for that.
 */
bool upm_kvm_convert(hwaddr start, uint64_t size, bool to_private, int *ret);

/**
 * upm_kvm_slot_added: a new memory slot was made private as a whole; give its
 * shared frames their attribute back
 * @start: guest-physical address of the slot
 * @host: where the shared half of the slot is mapped
 * @size: bytes
 */
void upm_kvm_slot_added(hwaddr start, void *host, uint64_t size);

#endif
