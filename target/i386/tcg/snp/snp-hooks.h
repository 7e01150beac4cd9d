/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated SEV-SNP processor: what QEMU's own files call
 */
#ifndef TARGET_I386_TCG_SNP_HOOKS_H
#define TARGET_I386_TCG_SNP_HOOKS_H

#include "cpu.h"

#define EXCP1D_VC 29

/** snp_active: this machine runs an SNP guest on the emulated processor */
bool snp_active(void);

/** snp_init_sipi: take over INIT or SIPI of a vCPU of an SNP guest */
bool snp_init_signal(X86CPU *cpu);
bool snp_sipi_signal(X86CPU *cpu);

#endif
