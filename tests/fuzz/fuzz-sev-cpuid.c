/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID pages: whatever is in one, the table that the firmware gives back
 * promises nothing that the processor does not have, and is taken
 *
 * Sources: target/i386/psp/cpuid-page.c
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/psp/psp.h"
#include "fuzz.h"

enum { EAX, EBX, ECX, EDX };

static uint32_t processor;      /* another one for each input */

/* Registers with a pattern of bits, save areas of any size */
static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    for (int i = 0; i < 4; i++) {
        regs[i] = (leaf * 0x9e3779b1U + subleaf * 0x85ebca6bU + i) * processor;
        regs[i] ^= regs[i] >> 13;
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return 0;
}

/* Leaf 7, sub-leaf 0: EBX, ECX and EDX are sets of features. */
static void check_features(const PspCpuidEntry *entry)
{
    uint32_t have[4];

    if (le32_to_cpu(entry->leaf) != 7 || le32_to_cpu(entry->subleaf)) {
        return;
    }
    fake_cpuid(7, 0, have);
    FUZZ_ASSERT(!(le32_to_cpu(entry->ebx) & ~have[EBX]));
    FUZZ_ASSERT(!(le32_to_cpu(entry->ecx) & ~have[ECX]));
    FUZZ_ASSERT(!(le32_to_cpu(entry->edx) & ~have[EDX]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree PspCpuidPage *page = g_new0(PspCpuidPage, 1);
    g_autofree PspCpuidPage *once = NULL;
    bool changed;
    unsigned corrections;

    if (size < sizeof(processor)) {
        return 0;
    }
    memcpy(&processor, data, sizeof(processor));
    size -= sizeof(processor);
    memcpy(page, data + sizeof(processor), MIN(size, sizeof(*page)));
    once = g_memdup2(page, sizeof(*page));

    corrections = psp_cpuid_check(page, fake_cpuid);
    changed = memcmp(page, once, sizeof(*page));
    FUZZ_ASSERT(changed == !!corrections);
    FUZZ_ASSERT(le32_to_cpu(page->count) <= PSP_CPUID_MAX);
    FUZZ_ASSERT(!page->reserved_04 && !page->reserved_08);
    for (uint32_t i = 0; i < le32_to_cpu(page->count); i++) {
        FUZZ_ASSERT(!page->entries[i].reserved);
        check_features(&page->entries[i]);
    }
    FUZZ_ASSERT(psp_cpuid_check(page, fake_cpuid) == 0);
    return 0;
}
