/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A decoder for the instructions that SVM can intercept
 *
 * The translator knows an instruction's length and operands, but a helper
 * that finds an intercept does not.  There are few of these, none of them
 * vectors: an opcode of one byte or two, at most one ModRM and one immediate
 * byte.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "exec/page-protection.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/svm-insn.h"

/*
 * Reading
 */

static bool is_64bit(CPUX86State *env)
{
    return env->hflags & HF_CS64_MASK;
}

static vaddr code_address(CPUX86State *env, unsigned offset)
{
    if (is_64bit(env)) {
        return env->eip + offset;
    }
    return (uint32_t)(env->segs[R_CS].base + env->eip + offset);
}

/* Bytes up to the end of a page; code in a device's memory is not read. */
static unsigned fetch_page(CPUX86State *env, uint8_t *to, unsigned offset)
{
    vaddr address = code_address(env, offset);
    unsigned size = MIN(SVM_INSN_MAX - offset,
                        TARGET_PAGE_SIZE - (address & ~TARGET_PAGE_MASK));
    int index = cpu_mmu_index(env_cpu(env), true);
    void *host = NULL;
    int flags;

    flags = probe_access_flags(env, address, 0, MMU_INST_FETCH, index, true,
                               &host, 0);
    if (flags & TLB_INVALID_MASK || !host) {
        return 0;
    }
    memcpy(to + offset, host, size);
    return size;
}

/*
 * The walk to the instruction may end in a device.  Nobody returns to the
 * translation block that is left here, so that it can do I/O.
 */
void svm_insn_fetch(CPUX86State *env, SvmInsn *insn)
{
    unsigned size;

    env_cpu(env)->neg.can_do_io = true;
    size = fetch_page(env, insn->bytes, 0);
    if (size && size < SVM_INSN_MAX) {
        size += fetch_page(env, insn->bytes, size);
    }
    insn->fetched = size;
}

/*
 * Decoding
 */

typedef struct Cursor {
    SvmInsn *insn;
    unsigned at;
    bool ended;
} Cursor;

static uint8_t next(Cursor *cursor)
{
    if (cursor->at >= cursor->insn->fetched) {
        cursor->ended = true;
        return 0;
    }
    return cursor->insn->bytes[cursor->at++];
}

static uint32_t next_bytes(Cursor *cursor, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint32_t)next(cursor) << i * 8;
    }
    return value;
}

static unsigned other_size(unsigned bits)
{
    return bits == 32 ? 16 : 32;
}

/* Returns: the byte behind the prefixes. */
static uint8_t decode_prefixes(CPUX86State *env, Cursor *cursor)
{
    static const uint8_t segments[] = {
        0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, /* ES, CS, SS, DS, FS, GS */
    };
    SvmInsn *insn = cursor->insn;
    unsigned bits = is_64bit(env) ? 64 : env->hflags & HF_CS32_MASK ? 32 : 16;

    insn->segment = -1;
    insn->address_bits = bits;
    while (!cursor->ended) {
        uint8_t byte = next(cursor);
        const uint8_t *segment = memchr(segments, byte, sizeof(segments));

        if (segment) {
            insn->segment = R_ES + (segment - segments);
        } else if (byte == 0x67) {
            insn->address_bits = other_size(bits);
        } else if (byte != 0x66 && byte != 0xf0 && byte != 0xf2 &&
                   byte != 0xf3) {
            if (!is_64bit(env) || (byte & 0xf0) != 0x40) {
                return byte;
            }
            /* A REX prefix counts right before the opcode only. */
            insn->rex = byte;
            continue;
        }
        insn->rex = 0;
    }
    return 0;
}

static unsigned disp_size16(uint8_t modrm)
{
    switch (modrm >> 6) {
    case 0:
        return (modrm & 7) == 6 ? 2 : 0;
    case 1:
        return 1;
    default:
        return 2;
    }
}

static unsigned disp_size(uint8_t modrm, uint8_t sib)
{
    switch (modrm >> 6) {
    case 0:
        return (modrm & 7) == 5 || ((modrm & 7) == 4 && (sib & 7) == 5) ? 4 : 0;
    case 1:
        return 1;
    default:
        return 4;
    }
}

static void decode_memory(Cursor *cursor)
{
    SvmInsn *insn = cursor->insn;
    unsigned size;

    if (insn->modrm >> 6 == 3) {
        return;
    }
    if (insn->address_bits == 16) {
        size = disp_size16(insn->modrm);
    } else {
        insn->sib = (insn->modrm & 7) == 4 ? next(cursor) : 0;
        size = disp_size(insn->modrm, insn->sib);
    }
    insn->disp = sextract32(next_bytes(cursor, size), 0, size ? size * 8 : 32);
}

static void decode_operands(Cursor *cursor)
{
    SvmInsn *insn = cursor->insn;

    switch (insn->opcode) {
    case 0x0f00: /* SLDT, STR, LLDT, LTR */
    case 0x0f01: /* SGDT ... INVLPG, and those of SVM */
        insn->modrm = next(cursor);
        decode_memory(cursor);
        break;
    case 0x0f20 ... 0x0f23: /* MOV CR, DR: registers, whatever mod says */
        insn->modrm = next(cursor);
        break;
    case 0xcd: /* INT */
    case 0xe4 ... 0xe7: /* IN, OUT with a number */
        next(cursor);
        break;
    case 0x6c ... 0x6f: /* INS, OUTS */
    case 0x90: /* PAUSE */
    case 0x9c ... 0x9d: /* PUSHF, POPF */
    case 0xcc: /* INT3 */
    case 0xce ... 0xcf: /* INTO, IRET */
    case 0xec ... 0xef: /* IN, OUT with DX */
    case 0xf1: /* ICEBP */
    case 0xf4: /* HLT */
    case 0x0f06: /* CLTS */
    case 0x0f08 ... 0x0f09: /* INVD, WBINVD */
    case 0x0f30 ... 0x0f33: /* WRMSR, RDTSC, RDMSR, RDPMC */
    case 0x0fa2: /* CPUID */
    case 0x0faa: /* RSM */
        break;
    default:
        cursor->ended = true;
        break;
    }
}

void svm_insn_decode(CPUX86State *env, SvmInsn *insn)
{
    Cursor cursor = { .insn = insn };

    insn->opcode = decode_prefixes(env, &cursor);
    if (insn->opcode == 0x0f) {
        insn->opcode = 0x0f00 | next(&cursor);
    }
    decode_operands(&cursor);
    insn->length = cursor.ended ? 0 : cursor.at;
}

/*
 * Addresses
 */

static uint64_t address16(CPUX86State *env, const SvmInsn *insn, int *segment)
{
    /* BX+SI, BX+DI, BP+SI, BP+DI, SI, DI, BP, BX */
    static const int8_t base[] = {
        R_EBX, R_EBX, R_EBP, R_EBP, -1, -1, R_EBP, R_EBX,
    };
    static const int8_t second[] = {
        R_ESI, R_EDI, R_ESI, R_EDI, R_ESI, R_EDI, -1, -1,
    };
    unsigned rm = insn->modrm & 7;
    uint64_t address = insn->disp;

    if (rm == 6 && insn->modrm >> 6 == 0) {
        return address;
    }
    if (base[rm] >= 0) {
        address += env->regs[base[rm]];
    }
    if (second[rm] >= 0) {
        address += env->regs[second[rm]];
    }
    if (base[rm] == R_EBP) {
        *segment = R_SS;
    }
    return address;
}

static uint64_t sib_index(CPUX86State *env, const SvmInsn *insn)
{
    unsigned index = (insn->sib >> 3 & 7) | (insn->rex & 2 ? 8 : 0);

    return index == R_ESP ? 0 : env->regs[index] << (insn->sib >> 6);
}

static uint64_t address32(CPUX86State *env, const SvmInsn *insn, int *segment)
{
    uint64_t address = (int64_t)insn->disp;
    bool has_sib = (insn->modrm & 7) == 4;
    unsigned base = has_sib ? insn->sib & 7 : insn->modrm & 7;

    if (has_sib) {
        address += sib_index(env, insn);
    }
    if (base == 5 && insn->modrm >> 6 == 0) {
        /* No base, which in 64-bit code stands for RIP */
        if (!has_sib && is_64bit(env)) {
            address += env->eip + insn->length;
        }
        return address;
    }
    if (base == R_ESP || base == R_EBP) {
        *segment = insn->rex & 1 ? R_DS : R_SS;
    }
    return address + env->regs[base | (insn->rex & 1 ? 8 : 0)];
}

uint64_t svm_insn_address(CPUX86State *env, const SvmInsn *insn)
{
    int segment = R_DS;
    uint64_t address;

    if (insn->address_bits == 16) {
        address = address16(env, insn, &segment);
    } else {
        address = address32(env, insn, &segment);
    }
    address = extract64(address, 0, insn->address_bits);
    if (insn->segment >= 0) {
        segment = insn->segment;
    }
    if (!is_64bit(env)) {
        return (uint32_t)(address + env->segs[segment].base);
    }
    if (segment == R_FS || segment == R_GS) {
        address += env->segs[segment].base;
    }
    return address;
}
