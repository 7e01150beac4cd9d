/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPUs of the machine in the order in which SEV guests' are measured
 */
#ifndef TARGET_I386_SEV_VCPUS_H
#define TARGET_I386_SEV_VCPUS_H

#include "hw/core/cpu.h"
#include "sev-vmsa.h"

/** sev_vcpus: number of vCPUs */
unsigned sev_vcpus(void);

/** sev_vcpu: the vCPU of number @index, less than their number */
CPUState *sev_vcpu(unsigned index);

/**
 * sev_vcpu_reset: what vCPU @index starts with, without its SEV features
 *
 * Locking: BQL; the vCPU must not run.
 */
void sev_vcpu_reset(unsigned index, PspVcpuReset *reset);

#endif
