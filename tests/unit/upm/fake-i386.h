/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kvm/kvm_i386.h, sev.h and sev-firmware.h declare only for code that is
 * compiled per target, and a test puts in its place
 */
#ifndef TESTS_UNIT_UPM_FAKE_I386_H
#define TESTS_UNIT_UPM_FAKE_I386_H

#define QEMU_KVM_I386_H
#define TARGET_I386_SEV_FIRMWARE_H
#define I386_SEV_H

bool kvm_is_vm_type_supported(int type);
int kvm_ioctl(KVMState *s, unsigned long type, ...);
bool sev_es_enabled(void);
bool sev_firmware_launch_digest(uint8_t digest[48]);

#endif
