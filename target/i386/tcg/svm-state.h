/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a vCPU remembers of the guest that VMRUN started
 *
 * Part of CPUX86State, and cleared by a reset.
 */
#ifndef TARGET_I386_TCG_SVM_STATE_H
#define TARGET_I386_TCG_SVM_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* VMCB offset 090h, APM volume 2, appendix B; SNP is of the VMSA. */
#define SVM_SEV         (1U << 1)
#define SVM_SEV_ES      (1U << 2)
#define SVM_SEV_SNP     (1U << 3)

/**
 * SvmTlbKey: what translations depend on
 *
 * Those made under one key may be used under an equal one.
 */
typedef struct SvmTlbKey {
    uint64_t asid, sev, vmpl, is_smm;
    uint64_t cr0, cr3, cr4, efer;
    uint64_t pkru, pkrs;
    uint64_t is_nested, nested_cr3, nested_pg_mode;
} SvmTlbKey;

/**
 * SvmState: one vCPU as a host of guests
 * @host: the host's side as VMRUN left it
 * @guest: the guest's side as #VMEXIT left it
 * @switching: between the two sides; a loaded CR0, CR3 or CR4 flushes nothing
 *
 * Between VMRUN and #VMEXIT, and 0 otherwise:
 * @asid: of the guest
 * @sev: SVM_SEV, SVM_SEV_ES, SVM_SEV_SNP; where QEMU is the hypervisor of an
 *     SNP guest, all of them, always
 * @vmpl: of an SNP guest's VMSA
 *
 * @vmsa: physical address of the VMSA in use, with SVM_SEV_ES
 *
 * @walks_outdated: where QEMU is the hypervisor: a page has been rescinded, and
 *     the guest's next flush of its translations ends walks by it (atomic)
 */
typedef struct SvmState {
    SvmTlbKey host;
    SvmTlbKey guest;
    bool switching;
    uint32_t asid;
    uint8_t sev;
    uint8_t vmpl;
    uint64_t vmsa;
    bool walks_outdated;
} SvmState;

#endif
