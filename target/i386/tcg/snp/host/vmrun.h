/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * World switches of encrypted guests: what the files of the host world share
 */
#ifndef TARGET_I386_TCG_SNP_HOST_VMRUN_H
#define TARGET_I386_TCG_SNP_HOST_VMRUN_H

#include "cpu.h"
#include "target/i386/sev-vmsa.h"
#include "tcg/snp/processor.h"

/* Offsets in the VMCB that svm.h has no names for; APM volume 2, table B-1 */
#define VMCB_NESTED_CTL 0x090
#define VMCB_GHCB_MSR   0x0a0
#define VMCB_VMSA       0x108

/* int_state, offset 068h */
#define INT_STATE_GUEST_IF (1U << 1)

/* Exit code that svm.h lacks; APM volume 2, appendix C */
#define SVM_EXIT_BUSY               -2ULL

/** snp_host_vmsa_rules: what VMRUN takes for a VMSA; @snp: of an SNP guest */
const SnpVmsaRules *snp_host_vmsa_rules(bool snp);

/**
 * snp_host_vmsa_read, snp_host_vmsa_write: the page at @spa as a whole
 *
 * Returns: false where it is not RAM.
 */
bool snp_host_vmsa_read(hwaddr spa, SevVmsa *vmsa);
bool snp_host_vmsa_write(hwaddr spa, const SevVmsa *vmsa);

/**
 * snp_host_release: the vCPU's VMCB and VMSA are in use no more
 *
 * At #VMEXIT, and at a reset or an INIT that nobody intercepts: they end a
 * guest without one.
 */
void snp_host_release(CPUX86State *env);

/*
 * intercept.c: for SnpWorldOps
 */
bool snp_host_intercepted(CPUX86State *env, uint32_t type, uint64_t param,
                          uintptr_t ra);
bool snp_host_io_intercepted(CPUX86State *env, uint32_t port, uint32_t param,
                             uintptr_t ra);
G_NORETURN void snp_host_exit(CPUX86State *env, uint64_t code, uint64_t info1,
                              uintptr_t ra);
bool snp_host_vmgexit(CPUX86State *env);

/**
 * snp_host_guest_rdmsr, snp_host_guest_wrmsr: the MSR of the GHCB in a guest
 * with SEV-ES
 *
 * Returns: false for other MSRs, and where no such guest runs.
 */
bool snp_host_guest_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value);
bool snp_host_guest_wrmsr(CPUX86State *env, uint32_t index, uint64_t value);

#endif
