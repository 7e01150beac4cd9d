/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what monitors are told of by themselves
 */
#ifndef SYSTEM_UPM_EVENTS_H
#define SYSTEM_UPM_EVENTS_H

/**
 * upm_termination_reason: a guest's reason to be terminated
 * @set: who defines the reason, 4 bits
 * @code: the reason, 8 bits
 *
 * Set 0 is that of the GHCB specification (2.3.1, GHCB MSR protocol,
 * termination request), set 1 that of Linux
 * (arch/x86/include/asm/sev-common.h).  Returns: words, never NULL.
 */
const char *upm_termination_reason(unsigned int set, unsigned int code);

/**
 * upm_termination_decode: the reason in a termination request of the GHCB
 * MSR protocol
 * @msr: value of the MSR
 *
 * Returns: false where @msr holds something else.
 */
bool upm_termination_decode(uint64_t msr, unsigned int *set,
                            unsigned int *code);

/**
 * upm_tell_terminated: UPM_GUEST_TERMINATED for a reason by set and code
 * @vcpu: index of the vCPU that asked
 */
void upm_tell_terminated(int vcpu, unsigned int set, unsigned int code);

/** upm_tell_terminated_by: the same, for a reason in words only */
void upm_tell_terminated_by(int vcpu, const char *reason);

#endif
