/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers and instructions of ops.S
 */
#ifndef XSAVE_OPS_H
#define XSAVE_OPS_H

#include <stdint.h>

/* FXSAVE's image, which is the legacy region of an XSAVE area as well. */
struct fx {
    uint16_t fcw, fsw;
    uint8_t ftw, pad;
    uint16_t fop;
    uint64_t ip, dp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint8_t xmm[16][16];
    uint8_t rest[96];
};

struct regs {
    struct fx fx;
    uint8_t ymm[16][32];
} __attribute__((aligned(64)));

typedef void op(void);
void experiment(op *op, void *area, uint64_t mask, const struct regs *in,
                struct regs *out);
op op_xsave, op_xsavec, op_xsavec64, op_xsaves, op_xrstor, op_xrstor64,
   op_xrstors, op_xsavec_66, op_xsavec_f2, op_xsavec_f3, op_xsavec_lock,
   op_xsavec_reg, op_return;

#endif
