/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What later processors added to SVM: next RIP and decode assists
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "svm.h"
#include "tcg/helper-tcg.h"
#include "tcg/svm-assist.h"
#include "tcg/svm-insn.h"

/* Offsets into the VMCB that svm.h has no names for */
#define VMCB_NEXT_RIP   0x0c8
#define VMCB_INSN       0x0d0

/* EXITINFO1 of an intercepted CR access: it is a MOV, with that register. */
#define INFO_MOV_CR (1ULL << 63)

#define OPCODE_INT3 0xcc
#define OPCODE_INTN 0xcd
#define OPCODE_INTO 0xce
#define OPCODE_0F01 0x0f01
#define OPCODE_MOV_FROM_CR 0x0f20
#define OPCODE_MOV_TO_DR 0x0f23

static bool has(CPUX86State *env, uint32_t feature)
{
    return env->features[FEAT_SVM] & feature;
}

/*
 * Next RIP is there for the instruction intercepts of table 15-7, IOIO, MSR
 * and the exceptions that are instructions, and 0 for the rest.
 */
static bool is_instruction(uint64_t code)
{
    switch (code) {
    case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_DR7 + 8:
    case SVM_EXIT_EXCP_BASE + EXCP03_INT3:
    case SVM_EXIT_EXCP_BASE + EXCP04_INTO:
    case SVM_EXIT_CR0_SEL_WRITE ... SVM_EXIT_MSR:
    case SVM_EXIT_VMRUN ... SVM_EXIT_XSETBV:
        return true;
    default:
        return false;
    }
}

static bool shows_bytes(uint64_t code)
{
    return code == SVM_EXIT_NPF || code == SVM_EXIT_EXCP_BASE + EXCP0E_PAGE;
}

static void write_next_rip(CPUX86State *env, uint64_t rip)
{
    if (has(env, CPUID_SVM_NRIPSAVE)) {
        x86_stq_phys(env_cpu(env), env->vm_vmcb + VMCB_NEXT_RIP, rip);
    }
}

/* Offset 3:0 of EXITINFO1: the general register of MOV CR and MOV DR */
static unsigned general_register(const SvmInsn *insn)
{
    return (insn->modrm & 7) | (insn->rex & 1 ? 8 : 0);
}

static bool is_mov(const SvmInsn *insn)
{
    return insn->opcode >= OPCODE_MOV_FROM_CR &&
           insn->opcode <= OPCODE_MOV_TO_DR;
}

static uint64_t decoded_info(CPUX86State *env, uint64_t code, uint64_t info,
                             const SvmInsn *insn)
{
    if (!insn->length) {
        return info;
    }
    switch (code) {
    case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_CR0 + 15:
    case SVM_EXIT_CR0_SEL_WRITE:
        return is_mov(insn) ? INFO_MOV_CR | general_register(insn) : 0;
    case SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR0 + 15:
        return is_mov(insn) ? general_register(insn) : 0;
    case SVM_EXIT_SWINT:
        return insn->opcode == OPCODE_INTN ? insn->bytes[insn->length - 1]
                                           : info;
    case SVM_EXIT_INVLPG:
        return insn->opcode == OPCODE_0F01 ? svm_insn_address(env, insn)
                                           : info;
    default:
        return info;
    }
}

/* The number of bytes, and then as many, of SVM_INSN_MAX */
static void write_bytes(CPUX86State *env, const SvmInsn *insn)
{
    uint8_t field[1 + SVM_INSN_MAX] = { insn->fetched };
    CPUState *cs = env_cpu(env);

    memcpy(field + 1, insn->bytes, insn->fetched);
    for (unsigned i = 0; i < sizeof(field); i += 8) {
        x86_stq_phys(cs, env->vm_vmcb + VMCB_INSN + i, ldq_le_p(field + i));
    }
}

uint64_t svm_assist(CPUX86State *env, uint64_t code, uint64_t info)
{
    bool decodes = has(env, CPUID_SVM_DECODEASSIST);
    bool wants_bytes = decodes && shows_bytes(code);
    SvmInsn insn = {};

    /* An instruction of an encrypted guest is not the hypervisor's to see. */
    if (env->svm.sev & SVM_SEV_ES || !(wants_bytes || is_instruction(code))) {
        write_next_rip(env, 0);
        return info;
    }
    svm_insn_fetch(env, &insn);
    if (is_instruction(code)) {
        svm_insn_decode(env, &insn);
    }
    write_next_rip(env, insn.length ? svm_rip_after(env, insn.length) : 0);
    if (wants_bytes) {
        write_bytes(env, &insn);
    }
    return decodes ? decoded_info(env, code, info, &insn) : info;
}

unsigned svm_insn_length(CPUX86State *env)
{
    SvmInsn insn = {};

    svm_insn_fetch(env, &insn);
    svm_insn_decode(env, &insn);
    return insn.length;
}

/*
 * Events
 */

uint32_t svm_soft_event(CPUX86State *env, int vector)
{
    SvmInsn insn = {};

    if (!(env->hflags & HF_GUEST_MASK) ||
        (vector != EXCP03_INT3 && vector != EXCP04_INTO)) {
        return SVM_EXIT_SWINT;
    }
    svm_insn_fetch(env, &insn);
    svm_insn_decode(env, &insn);
    switch (insn.opcode) {
    case OPCODE_INT3:
    case OPCODE_INTO:
        return SVM_EXIT_EXCP_BASE + vector;
    default:
        return SVM_EXIT_SWINT;
    }
}

void svm_inject_soft(CPUX86State *env)
{
    int vector = env_cpu(env)->exception_index;

    if (!has(env, CPUID_SVM_NRIPSAVE)) {
        return;
    }
    if (!env->exception_is_int && vector != EXCP03_INT3 &&
        vector != EXCP04_INTO) {
        return;
    }
    env->exception_is_int = 1;
    env->exception_next_eip = x86_ldq_phys(env_cpu(env),
                                           env->vm_vmcb + VMCB_NEXT_RIP);
}

uint32_t svm_event_type(int vector, bool is_int, bool is_hw)
{
    if (is_int) {
        return vector == EXCP03_INT3 || vector == EXCP04_INTO
               ? SVM_EVTINJ_TYPE_EXEPT : SVM_EVTINJ_TYPE_SOFT;
    }
    if (!is_hw) {
        return SVM_EVTINJ_TYPE_EXEPT;
    }
    return vector == EXCP02_NMI ? SVM_EVTINJ_TYPE_NMI : SVM_EVTINJ_TYPE_INTR;
}
