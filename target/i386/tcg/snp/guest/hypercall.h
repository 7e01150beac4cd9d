/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's hypercalls: what their registers mean
 *
 * Linux, Documentation/virt/kvm/x86/hypercalls.rst, and what KVM does beyond
 * it (kvm_emulate_hypercall() in arch/x86/kvm/x86.c).  Nothing here knows a
 * vCPU, so that it has a unit test.
 */
#ifndef TARGET_I386_TCG_SNP_GUEST_HYPERCALL_H
#define TARGET_I386_TCG_SNP_GUEST_HYPERCALL_H

/**
 * SnpHypercall: a hypercall as it was made
 * @nr: RAX
 * @args: RBX, RCX, RDX
 * @wide: the guest is in 64-bit mode, or nobody can see whether it is; else
 *     32 bits of each register count
 * @user: its CPL is not 0
 */
typedef struct SnpHypercall {
    uint64_t nr;
    uint64_t args[3];
    bool wide;
    bool user;
} SnpHypercall;

/**
 * SnpHypercallConvert: convert guest-physical memory
 * @gpa, @size: whole frames, not empty, and the range does not wrap
 *
 * Returns: 0 or a negative errno.
 */
typedef int SnpHypercallConvert(void *opaque, uint64_t gpa, uint64_t size,
                                bool to_private);

/**
 * snp_hypercall_answer: carry a hypercall out
 *
 * Calls @convert once at most.
 *
 * Returns: what RAX is to be: 0 or a negative KVM errno.
 */
uint64_t snp_hypercall_answer(const SnpHypercall *call,
                              SnpHypercallConvert *convert, void *opaque);

#endif
