/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of x86 guests with private memory
 */
#ifndef TARGET_I386_UPM_GUEST_H
#define TARGET_I386_UPM_GUEST_H

#include "qapi/qapi-types-upm-common.h"
#include "qom/object.h"
#include "system/confidential-guest-support.h"

/**
 * upm_guest_class_init: give the type of SEV-SNP guests all options of
 * SevUpmGuestProperties in upm-common.json, and its "launch-digest"
 */
void upm_guest_class_init(ObjectClass *oc);

/**
 * upm_guest_sev_class_init: give the type of SEV and SEV-ES guests the options
 * of SevUpmGuestProperties that are for them
 */
void upm_guest_sev_class_init(ObjectClass *oc);

/**
 * upm_guest_add_memory: give a type of guests the options "discard" and
 * "pre-fault"
 */
void upm_guest_add_memory(ObjectClass *oc);

/** upm_guest_add_mode: give a type of guests the option "upm-mode" */
void upm_guest_add_mode(ObjectClass *oc);

/**
 * upm_guest_init: start the machine with the options of its guest
 *
 * To be called when the VM exists, and before guest memory is converted.
 * Locking: BQL.  Returns: true, or false with @errp naming what the kernel
 * lacks for what "upm-mode" says.
 */
bool upm_guest_init(ConfidentialGuestSupport *cgs, Error **errp);

/**
 * upm_guest_check_vm_type: has KVM the type of VM that the guest needs?
 *
 * Where it has not, QEMU ends with a message that names what is missing: who
 * asks for a type has no other way to fail.
 */
void upm_guest_check_vm_type(ConfidentialGuestSupport *cgs);

/** upm_guest_emulated: emulated=on was given to @guest */
bool upm_guest_emulated(Object *guest);

/** upm_guest_sev_features: SEV_FEATURES that the machine's guest asks for */
uint64_t upm_guest_sev_features(void);

/** upm_guest_measure_only: what measure-only= of the machine's guest says */
SevMeasureOnly upm_guest_measure_only(void);

/**
 * upm_guest_program_emulates: was QEMU started under a name that allows the
 * emulated platform?
 *
 * Such a name ends in "-snp-emulated".  Management software asks a binary
 * what it can do before there is a guest object to carry emulated=on, with
 * an environment and options of its own (libvirt: -no-user-config -machine
 * none,accel=kvm:tcg); the path of the binary is all that an operator chooses.
 */
bool upm_guest_program_emulates(void);

/**
 * upm_guest_cert_dir: where the keys of the emulated chip are, or will be
 *
 * What cert-dir= of the machine's guest names, else qemu-upm below
 * $XDG_STATE_HOME, else ~/.local/state/qemu-upm.
 */
char *upm_guest_cert_dir(void);

/**
 * upm_guest_certs_path: what certs-path= of the machine's guest names, or NULL
 */
const char *upm_guest_certs_path(void);

/** upm_guest_no_vm_type: say what to do where KVM lacks a type of guests */
void upm_guest_no_vm_type(void);

#endif
