/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPUID page, as the firmware checks it
 *
 * SEV-SNP Firmware ABI (56860), section 7.1: the firmware makes sure that
 * the page promises nothing that the processor does not have, and that what
 * the guest derives sizes of buffers from is true.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "psp.h"
#include "trace.h"

enum { EAX, EBX, ECX, EDX };

#define LEAF_XSAVE          0xd
#define XSAVE_LEGACY_SIZE   0x240   /* x87, SSE and the header */
#define XCR0_X87            (1ULL << 0)
#define XCR0_SSE            (1ULL << 1)
#define XCR0_AVX            (1ULL << 2)

#define OSXSAVE             (1U << 27)

/* Registers that are sets of features: the page may have less, not more. */
static const struct {
    uint32_t leaf, subleaf;
    uint8_t regs;               /* a bit for each of EAX to EDX */
} feature_regs[] = {
    { 1, 0, 1 << ECX | 1 << EDX },
    { 7, 0, 1 << EBX | 1 << ECX | 1 << EDX },
    { 7, 1, 1 << EAX | 1 << EDX },
    { LEAF_XSAVE, 0, 1 << EAX | 1 << EDX },
    { LEAF_XSAVE, 1, 1 << EAX | 1 << ECX | 1 << EDX },
    { 0x80000001, 0, 1 << ECX | 1 << EDX },
    { 0x80000007, 0, 1 << EDX },
    { 0x80000008, 0, 1 << EBX },
    { 0x8000000a, 0, 1 << EDX },
    { 0x8000001f, 0, 1 << EAX },
    { 0x80000021, 0, 1 << EAX },
};

typedef struct Check {
    PspCpuidFn *cpuid;
    unsigned corrections;
} Check;

static void correct32(Check *check, const PspCpuidEntry *entry,
                      uint32_t *field, uint32_t value)
{
    if (le32_to_cpu(*field) == value) {
        return;
    }
    trace_psp_cpuid_correct(le32_to_cpu(entry->leaf),
                            le32_to_cpu(entry->subleaf),
                            le32_to_cpu(*field), value);
    *field = cpu_to_le32(value);
    check->corrections++;
}

static void correct64(Check *check, const PspCpuidEntry *entry,
                      uint64_t *field, uint64_t value)
{
    if (le64_to_cpu(*field) == value) {
        return;
    }
    trace_psp_cpuid_correct(le32_to_cpu(entry->leaf),
                            le32_to_cpu(entry->subleaf),
                            le64_to_cpu(*field), value);
    *field = cpu_to_le64(value);
    check->corrections++;
}

static void check_features(Check *check, PspCpuidEntry *entry)
{
    uint32_t have[4], value[4];

    value[EAX] = le32_to_cpu(entry->eax);
    value[EBX] = le32_to_cpu(entry->ebx);
    value[ECX] = le32_to_cpu(entry->ecx);
    value[EDX] = le32_to_cpu(entry->edx);

    for (size_t i = 0; i < ARRAY_SIZE(feature_regs); i++) {
        if (feature_regs[i].leaf != le32_to_cpu(entry->leaf) ||
            feature_regs[i].subleaf != le32_to_cpu(entry->subleaf)) {
            continue;
        }
        check->cpuid(feature_regs[i].leaf, feature_regs[i].subleaf, have);
        for (int reg = EAX; reg <= EDX; reg++) {
            if (feature_regs[i].regs & 1 << reg) {
                value[reg] &= have[reg];
            }
        }
        if (feature_regs[i].leaf == 1) {
            /* mirrors CR4, which is clear when the guest starts */
            value[ECX] &= ~OSXSAVE;
        }
        correct32(check, entry, &entry->eax, value[EAX]);
        correct32(check, entry, &entry->ebx, value[EBX]);
        correct32(check, entry, &entry->ecx, value[ECX]);
        correct32(check, entry, &entry->edx, value[EDX]);
        return;
    }
}

/* Bytes that XSAVE (or, compacted, XSAVES) needs for these components */
static uint32_t xsave_size(Check *check, uint64_t components, bool compacted)
{
    uint32_t size = XSAVE_LEGACY_SIZE, regs[4];

    for (uint32_t i = 2; i < 63; i++) {
        if (!(components & 1ULL << i)) {
            continue;
        }
        check->cpuid(LEAF_XSAVE, i, regs);
        if (!compacted) {
            size = MAX(size, regs[EBX] + regs[EAX]);
            continue;
        }
        if (regs[ECX] & 2) {
            size = ROUND_UP(size, 64);
        }
        size += regs[EAX];
    }
    return size;
}

/*
 * Sub-leaves 0 and 1 of leaf Dh say in EBX how large the save area is for
 * the XCR0 and XSS that the entry names.
 */
static void check_xsave(Check *check, PspCpuidEntry *entry)
{
    bool compacted = le32_to_cpu(entry->subleaf) == 1;
    uint64_t xcr0 = le64_to_cpu(entry->xcr0_in);
    uint64_t xss = le64_to_cpu(entry->xss_in);
    uint32_t main_leaf[4], sub_leaf[4];

    check->cpuid(LEAF_XSAVE, 0, main_leaf);
    check->cpuid(LEAF_XSAVE, 1, sub_leaf);
    xcr0 &= (uint64_t)main_leaf[EDX] << 32 | main_leaf[EAX];
    xcr0 |= XCR0_X87;
    if (!(xcr0 & XCR0_SSE)) {
        xcr0 &= ~XCR0_AVX;
    }
    xss &= compacted ? (uint64_t)sub_leaf[EDX] << 32 | sub_leaf[ECX] : 0;

    correct64(check, entry, &entry->xcr0_in, xcr0);
    correct64(check, entry, &entry->xss_in, xss);
    if (main_leaf[EAX]) {
        correct32(check, entry, &entry->ebx,
                  xsave_size(check, xcr0 | xss, compacted));
    }
}

static void check_memory_encryption(Check *check, PspCpuidEntry *entry)
{
    uint32_t have[4], ebx = le32_to_cpu(entry->ebx);

    check->cpuid(0x8000001f, 0, have);
    /* A guest that takes another bit for the C-bit shares its secrets. */
    correct32(check, entry, &entry->ebx, (ebx & ~0x3fU) | (have[EBX] & 0x3f));
}

static void check_entry(Check *check, PspCpuidEntry *entry)
{
    uint32_t leaf = le32_to_cpu(entry->leaf);

    correct64(check, entry, &entry->reserved, 0);
    check_features(check, entry);
    if (leaf == LEAF_XSAVE && le32_to_cpu(entry->subleaf) <= 1) {
        check_xsave(check, entry);
        return;
    }
    correct64(check, entry, &entry->xcr0_in, 0);
    correct64(check, entry, &entry->xss_in, 0);
    if (leaf == 0x8000001f) {
        check_memory_encryption(check, entry);
    }
}

unsigned psp_cpuid_check(PspCpuidPage *page, PspCpuidFn *cpuid)
{
    static const PspCpuidEntry header = { .leaf = -1, .subleaf = -1 };
    Check check = { .cpuid = cpuid };

    correct32(&check, &header, &page->count,
              MIN(le32_to_cpu(page->count), PSP_CPUID_MAX));
    correct32(&check, &header, &page->reserved_04, 0);
    correct64(&check, &header, &page->reserved_08, 0);
    for (uint32_t i = 0; i < le32_to_cpu(page->count); i++) {
        check_entry(&check, &page->entries[i]);
    }
    return check.corrections;
}
