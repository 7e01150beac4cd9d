/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID pages, held against a chip as AMD's firmware does
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/psp/psp.h"

#define MILAN           0x00a00f11
#define GENOA           0x00a10f11

static unsigned check_cpuid(uint32_t chip, PspCpuidEntry *entry)
{
    g_autofree PspCpuidPage *page = g_new0(PspCpuidPage, 1);
    unsigned corrections;

    page->count = cpu_to_le32(1);
    page->entries[0] = *entry;
    corrections = psp_cpuid_check_chip(page, chip);
    *entry = page->entries[0];
    return corrections;
}

/* With what the rules want of other registers than the one in question */
static PspCpuidEntry good_entry(uint32_t leaf, uint32_t subleaf, uint64_t xcr0)
{
    PspCpuidEntry entry = {
        .leaf = cpu_to_le32(leaf), .subleaf = cpu_to_le32(subleaf),
        .xcr0_in = cpu_to_le64(xcr0),
    };

    if (leaf == 1) {
        entry.ebx = cpu_to_le32(0x800);
    } else if (leaf == 0xd) {
        entry.eax = cpu_to_le32(subleaf ? 0 : 3);
        entry.ebx = cpu_to_le32(xcr0 == 7 ? 0x340 : 0x240);
    } else if (leaf == 0x8000001f) {
        entry.ebx = cpu_to_le32(51);
    }
    return entry;
}

static void test_cpuid(void)
{
    enum { EAX, EBX, ECX, EDX };
    static const struct {
        uint32_t chip, leaf, subleaf;
        int reg;
        uint32_t asked, given;
        uint64_t xcr0;
    } cases[] = {
        /* x2APIC, the hypervisor bit, HT and OSXSAVE are KVM's to give. */
        { MILAN, 1, 0, ECX, 0xfefa320b, 0xfefa320b },
        { MILAN, 1, 0, EDX, 0x178bfbff, 0x178bfbff },
        { MILAN, 1, 0, ECX, 0xffffffff, 0xfefa320b },
        { MILAN, 1, 0, EBX, 0x02020800, 0x02020800 },
        { MILAN, 1, 0, EBX, 0x02021001, 0x02020800 },
        { MILAN, 1, 0, EAX, MILAN, MILAN },
        { MILAN, 1, 0, EAX, 0x00800f12, 0x00800f12 },
        { MILAN, 1, 0, EAX, GENOA, MILAN },
        { GENOA, 1, 0, EAX, MILAN, MILAN },
        { MILAN, 7, 0, EBX, 0xffffffff, 0x219c97a9 },
        { GENOA, 7, 0, EBX, 0xffffffff, 0xf1bf97a9 },
        { MILAN, 7, 0, ECX, 1U << 16 | 0x18, 0x18 },
        { GENOA, 7, 0, ECX, 1U << 16, 1U << 16 },
        { MILAN, 0xd, 0, EAX, 0xe4, 7 },
        { GENOA, 0xd, 0, EAX, 0xe7, 0xe7 },
        { MILAN, 0xd, 0, EBX, 0x340, 0x240, 1 },
        { MILAN, 0xd, 0, EBX, 0x240, 0x340, 7 },
        { MILAN, 0xd, 1, EBX, 0, 0x340, 7 },
        { MILAN, 0x80000001, 0, ECX, 1U << 22, 1U << 22 },
        { MILAN, 0x80000008, 0, EAX, 0x3934, 0x3034 },
        { GENOA, 0x80000008, 0, EAX, 0x3934, 0x3934 },
        { MILAN, 0x80000008, 0, EAX, 0xff, 0x34 },
        { MILAN, 0x8000001f, 0, EBX, 47, 51 },
        { MILAN, 0x8000001f, 0, EBX, 0x7173, 0x4173 },
        { MILAN, 0x80000021, 0, EAX, 0xffffffff, 0x18062fcf },
        { MILAN, 0x80000022, 0, EBX, 0xfff, 0xd06 },
        /* no rule: empty */
        { MILAN, 3, 0, EAX, 1, 0 },
        { MILAN, 7, 1, EAX, 0x20, 0 },
        { GENOA, 7, 1, EAX, 0x20, 0x20 },
        { MILAN, 0x8000ffff, 0, EDX, 5, 0 },
        /* neither range: the hypervisor's own */
        { MILAN, 0x40000000, 0, EBX, 0x4b4d564b, 0x4b4d564b },
        { MILAN, 0x00010000, 0, EBX, 5, 5 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        PspCpuidEntry entry = good_entry(cases[i].leaf, cases[i].subleaf,
                                         cases[i].xcr0);
        uint32_t *regs = &entry.eax;
        unsigned corrections;

        regs[cases[i].reg] = cpu_to_le32(cases[i].asked);
        corrections = check_cpuid(cases[i].chip, &entry);
        g_test_message("leaf %x.%x: %x", cases[i].leaf, cases[i].subleaf,
                       le32_to_cpu(regs[cases[i].reg]));
        g_assert_cmphex(le32_to_cpu(regs[cases[i].reg]), ==, cases[i].given);
        g_assert_cmpint(corrections > 0, ==, cases[i].asked != cases[i].given);
        g_assert_cmpuint(check_cpuid(cases[i].chip, &entry), ==, 0);
    }
}

static void test_cpuid_page(void)
{
    g_autofree PspCpuidPage *page = g_new0(PspCpuidPage, 1);

    page->count = cpu_to_le32(PSP_CPUID_MAX);
    g_assert_cmpuint(psp_cpuid_check_chip(page, MILAN), ==, 0);
    page->count = cpu_to_le32(PSP_CPUID_MAX + 1);
    g_assert_cmpuint(psp_cpuid_check_chip(page, MILAN), >, 0);
    page->count = cpu_to_le32(UINT32_MAX);
    g_assert_cmpuint(psp_cpuid_check_chip(page, MILAN), >, 0);
    page->count = 0;
    page->reserved_08 = 1;
    g_assert_cmpuint(psp_cpuid_check_chip(page, MILAN), >, 0);
    page->reserved_08 = 0;
    page->count = cpu_to_le32(1);
    page->entries[0].reserved = 1;
    g_assert_cmpuint(psp_cpuid_check_chip(page, MILAN), ==, 1);
    g_assert_cmpuint(psp_cpuid_check_chip(page, MILAN), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/psp-cpuid/rules", test_cpuid);
    g_test_add_func("/psp-cpuid/page", test_cpuid_page);
    return g_test_run();
}
