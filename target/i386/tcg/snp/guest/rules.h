/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the guest world's hypervisor and processor behave where there is a choice
 *
 * Which kind of guest this is, is SnpGuestKind's to say.
 */
#ifndef TARGET_I386_TCG_SNP_GUEST_RULES_H
#define TARGET_I386_TCG_SNP_GUEST_RULES_H

#include "tcg/snp/processor.h"

/**
 * SnpGuestRules: fixed once the machine has its vCPUs
 * @specification: where KVM ends a guest, the guest gets the error of the GHCB
 *     specification and goes on
 * @large_pages: 2 MiB of private memory can be one page, with one RMP entry
 * @vmpls: VMPLs that this hypervisor runs vCPUs at: 1, or up to SNP_VMPLS
 * @vnmi: the processor itself knows when a vCPU takes the next NMI (virtual
 *     NMI); otherwise the guest has to say so
 * @vmsa: what this hypervisor lets a vCPU run with
 */
typedef struct SnpGuestRules {
    bool specification;
    bool large_pages;
    uint8_t vmpls;
    bool vnmi;
    SnpVmsaRules vmsa;
} SnpGuestRules;

#endif
