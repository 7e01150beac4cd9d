/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Certificates for SEV-SNP guests under KVM
 */
#ifndef TARGET_I386_KVM_SEV_REQ_CERTS_H
#define TARGET_I386_KVM_SEV_REQ_CERTS_H

struct kvm_run;

/**
 * sev_req_certs_enable: let KVM ask for certificates, if certs-path was given
 *
 * To be called when the SNP VM is initialised and has no vCPUs yet.
 *
 * Returns: false with @errp set where the kernel cannot.
 */
bool sev_req_certs_enable(Error **errp);

/**
 * sev_req_certs_handle_exit: serve KVM_EXIT_SNP_REQ_CERTS
 *
 * The vCPU is made to come back at once, so that sev_req_certs_after_run()
 * can unlock the file when KVM has asked the firmware for the report.
 *
 * Locking: the BQL is not held.  Returns: false for any other exit.
 */
bool sev_req_certs_handle_exit(struct kvm_run *run);

/** sev_req_certs_after_run: the vCPU was in KVM_RUN again */
void sev_req_certs_after_run(void);

#endif
