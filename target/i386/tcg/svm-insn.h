/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A decoder for the instructions that SVM can intercept
 */
#ifndef TARGET_I386_TCG_SVM_INSN_H
#define TARGET_I386_TCG_SVM_INSN_H

#include "cpu.h"

#define SVM_INSN_MAX 15

/**
 * SvmInsn: an instruction
 * @bytes, @fetched: what of it and behind it could be read
 * @length: of the instruction, 0 for one that is not decoded
 * @opcode: its last byte, with 0F00h added behind 0F
 * @modrm, @rex: 0 where it has none
 * @address_bits: 16, 32 or 64
 * @segment: an override's R_*, or -1
 * @sib, @disp: of a memory operand
 */
typedef struct SvmInsn {
    uint8_t bytes[SVM_INSN_MAX];
    unsigned fetched;
    unsigned length;
    unsigned opcode;
    uint8_t modrm, rex, sib;
    unsigned address_bits;
    int segment;
    int32_t disp;
} SvmInsn;

/**
 * svm_insn_fetch: read the instruction at CS:RIP, as far as it is RAM
 *
 * Through the guest's page tables, without a fault.
 */
void svm_insn_fetch(CPUX86State *env, SvmInsn *insn);

/** svm_insn_decode: fill in all but @bytes and @fetched */
void svm_insn_decode(CPUX86State *env, SvmInsn *insn);

/** svm_insn_address: linear address of the memory operand */
uint64_t svm_insn_address(CPUX86State *env, const SvmInsn *insn);

#endif
