/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of x86 guests with private memory
 */
#ifndef TARGET_I386_UPM_GUEST_H
#define TARGET_I386_UPM_GUEST_H

#include "qom/object.h"
#include "system/confidential-guest-support.h"

/**
 * upm_guest_class_init: give a type of confidential guests with private
 * memory the options "discard", "upm-mode", "emulated", "cert-dir" and
 * "certs-path", and its "launch-digest"
 */
void upm_guest_class_init(ObjectClass *oc);

/** upm_guest_add_discard: give a type of guests the option "discard" */
void upm_guest_add_discard(ObjectClass *oc);

/** upm_guest_add_mode: give a type of guests the option "upm-mode" */
void upm_guest_add_mode(ObjectClass *oc);

/**
 * upm_guest_check_mode: can KVM do what "upm-mode" says?
 *
 * To be called when the VM exists.  Returns: true, or false with @errp naming
 * what the kernel lacks.
 */
bool upm_guest_check_mode(ConfidentialGuestSupport *cgs, Error **errp);

/**
 * upm_guest_check_vm_type: has KVM the type of VM that the guest needs?
 *
 * Where it has not, QEMU ends with a message that names what is missing: who
 * asks for a type has no other way to fail.
 */
void upm_guest_check_vm_type(ConfidentialGuestSupport *cgs);

/** upm_guest_emulated: emulated=on was given to the guest object @obj */
bool upm_guest_emulated(Object *obj);

/**
 * upm_guest_cert_dir: where the keys of the emulated chip are, or will be
 *
 * What cert-dir= names, else qemu-upm below $XDG_STATE_HOME, else
 * ~/.local/state/qemu-upm.
 */
char *upm_guest_cert_dir(void);

/** upm_guest_certs_path: what certs-path= names, or NULL */
const char *upm_guest_certs_path(void);

/** upm_guest_no_vm_type: say what to do where KVM lacks a type of guests */
void upm_guest_no_vm_type(void);

/** upm_machine_class_init: give x86 machines the option "kvm-type" */
void upm_machine_class_init(ObjectClass *oc);

#endif
