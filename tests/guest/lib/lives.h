/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Payloads that reset their machine, and begin anew */
#ifndef LIVES_H
#define LIVES_H

#include "snp.h"

/* Of the machine's CMOS memory, which a reset leaves alone */
#define CMOS_LIFE       0x70
#define CMOS_KEY        0x71

u8 cmos(u8 index);
void set_cmos(u8 index, u8 value);

/**
 * reset: in one of three ways, by the number of the life: port CF9h, a triple
 * fault, the keyboard controller
 * @hole: where no memory is validated, for an interrupt table
 *
 * Returns where the guest is reset only when its vCPU is stopped.
 */
void reset(u8 life, u64 hole);

#endif
