/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers, instructions and exceptions of ring0.S
 */
#ifndef XSAVE_RING0_H
#define XSAVE_RING0_H

#include <stdint.h>

struct regs {
    uint8_t fx[512];
    uint8_t ymm[8][32];
} __attribute__((aligned(64)));

typedef void op(void);
void attempt(op *op, void *area, uint64_t mask, const struct regs *in,
             struct regs *out);
void bare(op *op, void *area, uint64_t mask);
op op_xsavec, op_xsaves, op_xrstor, op_xrstors, op_wrxss, op_rdxss;
extern uint8_t vectors[32][16];
/* volatile: exceptions write them, -1 for no error code */
extern volatile uint32_t fault_vector, fault_code;

#endif
