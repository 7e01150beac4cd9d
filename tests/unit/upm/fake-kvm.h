/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What system/kvm.h declares only for code that is compiled per target, and
 * fake-kvm.c.inc puts in its place
 */
#ifndef TESTS_UNIT_UPM_FAKE_KVM_H
#define TESTS_UNIT_UPM_FAKE_KVM_H

#include "system/kvm.h"

#if QEMU_VERSION_MAJOR == 10 && QEMU_VERSION_MINOR == 0
int kvm_vm_ioctl(KVMState *s, unsigned long type, ...);
#endif
int kvm_vcpu_ioctl(CPUState *cpu, unsigned long type, ...);
int kvm_vm_check_extension(KVMState *s, unsigned int extension);

#endif
