/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPUID page, held against what a chip can do
 *
 * SEV-SNP Firmware ABI (56860), section 7.1: AMD's firmware does not look at
 * the processor's own CPUID, which a hypervisor may have switched parts of
 * off, and to which it adds parts of its own (x2APIC, the hypervisor bit).
 * It knows the chip: each register of a leaf has a rule of the Processor
 * Programming Reference, section "CPUID Policy Enforcement".  A leaf of
 * neither range is not looked at, one that no rule is about must be empty.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "psp.h"
#include "target/i386/cpuid-signature.h"
#include "trace.h"

enum { EAX, EBX, ECX, EDX };

/* Leaves that the firmware has a say in: 0000_xxxx and 8000_xxxx */
#define RANGE_MASK  0x7fff0000

#define ALL         0xffffffff
#define LEAF_XSAVE  0xd

/* Family, model and stepping in the order of their weight */
#define RESERVED_SIGNATURE 0xf000f000

typedef enum Rule {
    MASK,           /* no other bits than these */
    EXACT,          /* this value */
    AT_MOST,        /* as a number */
} Rule;

typedef struct RegRule {
    Rule rule;
    uint32_t value;
} RegRule;

#define FREE        { MASK, ALL }
#define NONE        { EXACT, 0 }
#define IS(number)  { EXACT, number }
#define BITS(bits)  { MASK, bits }
#define UP_TO(max)  { AT_MOST, max }

/* Fields of a register with a rule of their own come on top: check_fields() */
typedef struct LeafRule {
    uint32_t leaf, subleaf;
    RegRule regs[4];
} LeafRule;

static const LeafRule common_rules[] = {
    /* 0 to 6: maximum, signature and features, caches, MONITOR, thermal */
    { 0x0, 0, { UP_TO(0x10), FREE, FREE, FREE } },
    { 0x1, 0, { FREE, BITS(0xffffff00), BITS(0xfefa320b), BITS(0x178bfbff) } },
    { 0x2, 0, { FREE, FREE, FREE, FREE } },
    { 0x4, 0, { FREE, FREE, FREE, FREE } },
    { 0x5, 0, { BITS(0xffff), BITS(0xffff), BITS(0x3), BITS(0xff) } },
    { 0x6, 0, { BITS(0x4), NONE, BITS(0x1), NONE } },
    /* Topology */
    { 0xb, 0, { BITS(0x1f), BITS(0xffff), BITS(0xffff), FREE } },
    { 0xb, 1, { BITS(0x1f), BITS(0xffff), BITS(0xffff), FREE } },
    { 0xb, 2, { BITS(0x1f), BITS(0xffff), BITS(0xffff), FREE } },
    /*
     * XSAVE.  Where a component lies in the area is the matter of the
     * processor that saves it, not of the chip's name.
     */
    { 0xd, 1, { BITS(0xf), FREE, BITS(0x1800), NONE } },
    { 0xd, 2, { IS(0x100), FREE, NONE, NONE } },
    { 0xd, 9, { IS(0x8), FREE, NONE, NONE } },
    { 0xd, 11, { IS(0x10), NONE, IS(1), NONE } },
    { 0xd, 12, { IS(0x18), NONE, IS(1), NONE } },
    /* Quality of service */
    { 0xf, 0, { NONE, FREE, NONE, BITS(0x2) } },
    { 0xf, 1, { FREE, FREE, FREE, FREE } },
    { 0x10, 0, { NONE, FREE, NONE, NONE } },
    { 0x10, 1, { FREE, FREE, FREE, FREE } },
    /* Maximum, features, name, caches, power, sizes, SVM */
    { 0x80000000, 0, { UP_TO(0x80000028), FREE, FREE, FREE } },
    { 0x80000001, 0, { FREE, FREE, BITS(0x75c237ff), BITS(0x2fd3fbff) } },
    { 0x80000002, 0, { FREE, FREE, FREE, FREE } },
    { 0x80000003, 0, { FREE, FREE, FREE, FREE } },
    { 0x80000004, 0, { FREE, FREE, FREE, FREE } },
    { 0x80000005, 0, { FREE, FREE, FREE, FREE } },
    { 0x80000006, 0, { FREE, FREE, FREE, FREE } },
    { 0x80000007, 0, { NONE, BITS(0x3b), FREE, BITS(0x6799) } },
    { 0x80000008, 0, { BITS(0xffffff), BITS(0x79bef35f), BITS(0x3f0ff),
                       BITS(0xffffff) } },
    { 0x8000000a, 0, { FREE, FREE, NONE, BITS(0x1fbfbcff) } },
    /* TLBs, optimisations, IBS, caches, topology, encryption */
    { 0x80000019, 0, { FREE, FREE, NONE, NONE } },
    { 0x8000001a, 0, { FREE, NONE, NONE, NONE } },
    { 0x8000001b, 0, { BITS(0xbff), NONE, NONE, NONE } },
    { 0x8000001d, 0, { FREE, FREE, FREE, FREE } },
    { 0x8000001d, 1, { FREE, FREE, FREE, FREE } },
    { 0x8000001d, 2, { FREE, FREE, FREE, FREE } },
    { 0x8000001d, 3, { FREE, FREE, FREE, FREE } },
    { 0x8000001d, 4, { FREE, NONE, FREE, NONE } },
    { 0x8000001e, 0, { FREE, BITS(0xffff), BITS(0x7ff), FREE } },
    { 0x8000001f, 0, { BITS(0x30fffff), BITS(0xffff), FREE, FREE } },
    { 0x80000020, 0, { NONE, FREE, NONE, NONE } },
    { 0x80000020, 1, { FREE, NONE, NONE, FREE } },
    { 0x80000020, 2, { FREE, NONE, NONE, FREE } },
    { 0x80000020, 3, { NONE, FREE, BITS(0x7f), NONE } },
    { 0x80000021, 0, { BITS(0x18062fcf), FREE, NONE, NONE } },
    { 0x80000022, 0, { BITS(0x7), FREE, FREE, NONE } },
    { 0x80000023, 0, { BITS(0x1), FREE, NONE, NONE } },
    { 0x80000026, 0, { FREE, FREE, FREE, FREE } },
    { 0x80000026, 1, { FREE, FREE, FREE, FREE } },
    { 0x80000026, 2, { FREE, FREE, FREE, FREE } },
    { 0x80000026, 3, { FREE, FREE, FREE, FREE } },
};

/* Family 19h, models 00h to 0Fh: neither AVX-512 nor five levels of paging */
static const LeafRule milan_rules[] = {
    { 0x7, 0, { NONE, BITS(0x219c97a9), BITS(0x40069c), BITS(0x10) } },
    { 0xd, 0, { BITS(0x207), FREE, FREE, NONE } },
};

static const LeafRule genoa_rules[] = {
    { 0x7, 0, { UP_TO(1), BITS(0xf1bf97a9), BITS(0x415fde),
                BITS(0x10000010) } },
    { 0x7, 1, { BITS(0x20), NONE, NONE, NONE } },
    { 0xd, 0, { BITS(0x2e7), FREE, FREE, NONE } },
    { 0xd, 5, { IS(0x40), FREE, BITS(0x3), NONE } },
    { 0xd, 6, { IS(0x200), FREE, BITS(0x3), NONE } },
    { 0xd, 7, { IS(0x400), FREE, BITS(0x3), NONE } },
};

typedef struct Chip {
    const LeafRule *rules;
    size_t count;
    unsigned linear_bits;
} Chip;

static const Chip milan = { milan_rules, ARRAY_SIZE(milan_rules), 48 };
static const Chip genoa = { genoa_rules, ARRAY_SIZE(genoa_rules), 57 };

/*
 * Bytes of the XSAVE area: where the processor keeps a component in the
 * standard format, and how long it is.  Bits 11 and 12 are of XSS.
 */
static const struct {
    unsigned bit;
    uint32_t offset, size;
} components[] = {
    { 2, 0x240, 0x100 },
    { 5, 0x440, 0x40 },
    { 6, 0x480, 0x200 },
    { 7, 0x680, 0x400 },
    { 9, 0xa80, 0x8 },
    { 11, 0, 0x10 },
    { 12, 0, 0x18 },
};

#define XSAVE_LEGACY_SIZE   0x240
#define XCR0_X87_SSE        3

/* What one entry has, and what it shall have */
typedef struct Check {
    const PspCpuidEntry *entry;
    uint32_t leaf, subleaf;
    uint32_t regs[4];
    unsigned corrections;
} Check;

static const Chip *chip_of(uint32_t signature)
{
    bool is_zen3 = cpuid_family(signature) == 0x19 &&
                   cpuid_model(signature) < 0x10;

    return is_zen3 ? &milan : &genoa;
}

/* For comparing: which of two is the later chip? */
static uint32_t rank(uint32_t signature)
{
    return cpuid_family(signature) << 16 | cpuid_model(signature) << 4 |
           (signature & 0xf);
}

static const LeafRule *find(const LeafRule *rules, size_t count,
                            uint32_t leaf, uint32_t subleaf)
{
    for (size_t i = 0; i < count; i++) {
        if (rules[i].leaf == leaf && rules[i].subleaf == subleaf) {
            return &rules[i];
        }
    }
    return NULL;
}

static void correct(Check *check, int reg, uint32_t value)
{
    if (check->regs[reg] == value) {
        return;
    }
    trace_psp_cpuid_correct(check->leaf, check->subleaf, check->regs[reg],
                            value);
    check->regs[reg] = value;
    check->corrections++;
}

static void correct_field(Check *check, int reg, unsigned shift,
                          unsigned bits, uint32_t value)
{
    correct(check, reg, deposit32(check->regs[reg], shift, bits, value));
}

static void limit_field(Check *check, int reg, unsigned shift, unsigned bits,
                        uint32_t max)
{
    uint32_t value = extract32(check->regs[reg], shift, bits);

    correct_field(check, reg, shift, bits, MIN(value, max));
}

static void apply(Check *check, int reg, const RegRule *rule)
{
    uint32_t value = check->regs[reg];

    switch (rule->rule) {
    case MASK:
        value &= rule->value;
        break;
    case EXACT:
        value = rule->value;
        break;
    case AT_MOST:
        value = MIN(value, rule->value);
        break;
    }
    correct(check, reg, value);
}

static void check_signature(Check *check, uint32_t signature)
{
    correct(check, EAX, check->regs[EAX] & ~RESERVED_SIGNATURE);
    if (rank(check->regs[EAX]) > rank(signature)) {
        correct(check, EAX, signature);
    }
}

static uint32_t xsave_size(uint64_t mask, bool compacted)
{
    uint32_t size = XSAVE_LEGACY_SIZE;

    for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
        if (!(mask & 1ULL << components[i].bit)) {
            continue;
        }
        if (compacted) {
            size += components[i].size;
        } else if (components[i].offset) {
            size = MAX(size, components[i].offset + components[i].size);
        }
    }
    return size;
}

static void check_xsave(Check *check)
{
    uint64_t xcr0 = le64_to_cpu(check->entry->xcr0_in);
    uint64_t xss = le64_to_cpu(check->entry->xss_in);

    if (check->subleaf == 0) {
        correct(check, EAX, check->regs[EAX] | XCR0_X87_SSE);
        correct(check, EBX, xsave_size(xcr0, false));
    } else if (check->subleaf == 1) {
        correct(check, EBX, xsave_size(xcr0 | xss, true));
    }
}

static void check_fields(Check *check, const Chip *chip, uint32_t signature)
{
    switch (check->leaf) {
    case 0x1:
        check_signature(check, signature);
        /* CLFLUSH works on 8 quadwords. */
        correct_field(check, EBX, 8, 8, 8);
        break;
    case LEAF_XSAVE:
        check_xsave(check);
        break;
    case 0x80000001:
        check_signature(check, signature);
        break;
    case 0x80000008:
        limit_field(check, EAX, 0, 8, 52);
        limit_field(check, EAX, 8, 8, chip->linear_bits);
        limit_field(check, EDX, 0, 16, 7);
        limit_field(check, EDX, 16, 8, 1);
        break;
    case 0x8000001f:
        /* A guest that takes another bit for the C-bit shares its secrets. */
        correct_field(check, EBX, 0, 6, 51);
        limit_field(check, EBX, 12, 4, PSP_VMPCKS);
        break;
    case 0x80000022:
        limit_field(check, EBX, 0, 4, 6);
        limit_field(check, EBX, 4, 6, 0x10);
        break;
    }
}

static void check_rules(Check *check, uint32_t signature)
{
    const Chip *chip = chip_of(signature);
    const LeafRule *rule = find(chip->rules, chip->count, check->leaf,
                                check->subleaf);

    if (!rule) {
        rule = find(common_rules, ARRAY_SIZE(common_rules), check->leaf,
                    check->subleaf);
    }
    for (int reg = EAX; reg <= EDX; reg++) {
        static const RegRule none = NONE;

        apply(check, reg, rule ? &rule->regs[reg] : &none);
    }
    if (rule) {
        check_fields(check, chip, signature);
    }
}

static unsigned check_entry(PspCpuidEntry *entry, uint32_t signature)
{
    Check check = {
        .entry = entry,
        .leaf = le32_to_cpu(entry->leaf),
        .subleaf = le32_to_cpu(entry->subleaf),
        .regs = { le32_to_cpu(entry->eax), le32_to_cpu(entry->ebx),
                  le32_to_cpu(entry->ecx), le32_to_cpu(entry->edx) },
        .corrections = entry->reserved != 0,
    };

    if (check.leaf & RANGE_MASK) {
        return 0;
    }
    check_rules(&check, signature);
    entry->reserved = 0;
    entry->eax = cpu_to_le32(check.regs[EAX]);
    entry->ebx = cpu_to_le32(check.regs[EBX]);
    entry->ecx = cpu_to_le32(check.regs[ECX]);
    entry->edx = cpu_to_le32(check.regs[EDX]);
    return check.corrections;
}

unsigned psp_cpuid_check_chip(PspCpuidPage *page, uint32_t signature)
{
    unsigned corrections = 0;

    /* The firmware says no more of these than that they are wrong. */
    if (page->reserved_04 || page->reserved_08 ||
        le32_to_cpu(page->count) > PSP_CPUID_MAX) {
        return 1;
    }
    for (uint32_t i = 0; i < le32_to_cpu(page->count); i++) {
        corrections += check_entry(&page->entries[i], signature);
    }
    return corrections;
}
