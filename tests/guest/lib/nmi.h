/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NMIs that are sent and counted
 */
#ifndef NMI_H
#define NMI_H

#include "snp.h"

#define NMI         2
#define NMI_COMMAND 0x4400

extern u64 idt[];

/* Counts, and ends by IRET */
void count_nmi(void);
asm(".text\n"
    "count_nmi:\n"
    "incq %gs:32\n"
    "iretq\n");

#endif
