/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * World switches of encrypted guests: what QEMU's SVM calls
 *
 * On any machine: without a host world they do nothing.
 */
#ifndef TARGET_I386_TCG_SNP_HOST_VMRUN_HOOKS_H
#define TARGET_I386_TCG_SNP_HOST_VMRUN_HOOKS_H

/**
 * snp_host_check_switch: VMRUN is about to write to the VMCB and to the host's
 * save area
 *
 * #GP where the hypervisor does not own one of them (APM volume 2, 15.36.10),
 * or another vCPU runs with this VMCB, which is in use from now on.
 */
void snp_host_check_switch(CPUX86State *env, uintptr_t ra);

/**
 * snp_host_vmrun: VMRUN has saved the host's state and loaded intercepts
 * @nested_ctl: VMCB offset 090h
 * @msrpm, @iopm: where its permission maps lie, as checked; bits 11:0 are not
 *     looked at
 *
 * A guest with SEV-ES or SEV-SNP is loaded from its VMSA, and what else VMRUN
 * takes from the VMCB from there on.  May end with #VMEXIT where a check
 * fails.
 *
 * Returns: true if the guest's state is loaded; false for other guests.
 */
bool snp_host_vmrun(CPUX86State *env, uint64_t nested_ctl, uint32_t asid,
                    uint64_t msrpm, uint64_t iopm, uintptr_t ra);

/**
 * snp_host_event: EVENTINJ, as snp_host_vmrun() has checked it
 * @event: as the VMCB has it now, for other guests
 */
uint32_t snp_host_event(CPUX86State *env, uint32_t event);

/**
 * snp_host_save: #VMEXIT is about to save the guest's state
 *
 * Returns: true if it is saved, in the VMSA; false for other guests.
 */
bool snp_host_save(CPUX86State *env);

/** snp_host_restore: #VMEXIT has loaded what it does for any guest */
void snp_host_restore(CPUX86State *env);

/**
 * snp_host_cr_written, snp_host_efer_written: traps behind a write to a
 * control register or EFER of a guest with SEV-ES
 * @value: what was written
 */
void snp_host_cr_written(CPUX86State *env, unsigned cr, uint64_t value,
                         uintptr_t ra);
void snp_host_efer_written(CPUX86State *env, uintptr_t ra);

/**
 * snp_host_own_msr: an intercepted RDMSR or WRMSR that the hypervisor of a
 * guest with SEV alone has no say in: SEV_STATUS
 */
bool snp_host_own_msr(CPUX86State *env, uint32_t type);

/** snp_cr3_reserved: bits of CR3 that must be clear in long mode */
uint64_t snp_cr3_reserved(CPUX86State *env);

#endif
