/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why the firmware did not take a CPUID page
 *
 * SEV-SNP Firmware ABI (56860), 8.17.2.6: the firmware writes back the page
 * that it would take.  What it took away was promised by -cpu.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "explain-cpuid.h"

#define REGS 4

static const char *const reg_names[REGS] = { "EAX", "EBX", "ECX", "EDX" };

#define LEAF_XSAVE      0xd
#define LEAF_SEV        0x8000001f
#define CBIT_POSITION   0x3f

static void read_regs(const PspCpuidEntry *entry, uint32_t regs[REGS])
{
    regs[0] = le32_to_cpu(entry->eax);
    regs[1] = le32_to_cpu(entry->ebx);
    regs[2] = le32_to_cpu(entry->ecx);
    regs[3] = le32_to_cpu(entry->edx);
}

static void add_once(GPtrArray *names, const char *name)
{
    for (unsigned i = 0; i < names->len; i++) {
        if (g_str_equal(names->pdata[i], name)) {
            return;
        }
    }
    g_ptr_array_add(names, (char *)name);
}

/* What a register is where its bits are no features of the CPU model */
static const char *register_hint(uint32_t leaf, uint32_t subleaf,
                                 unsigned reg, uint32_t diff)
{
    if (leaf == LEAF_XSAVE && subleaf <= 1 && reg == 1) {
        return " (size of the XSAVE area, follows from the features)";
    }
    if (leaf == LEAF_SEV && reg == 1 && diff & CBIT_POSITION) {
        return " (position of the C-bit: cbitpos= of the guest object)";
    }
    return "";
}

typedef struct Explanation {
    GString *text;
    GPtrArray *options;         /* names of features to be switched off */
    SevCpuidNameFn *name;
    bool unnamed;
} Explanation;

static void explain_bits(Explanation *e, uint32_t leaf, uint32_t subleaf,
                         unsigned reg, uint32_t taken)
{
    const char *separator = ",\n    ";

    for (unsigned bit = 0; bit < 32; bit++) {
        const char *name;

        if (!(taken & 1U << bit)) {
            continue;
        }
        name = e->name(leaf, subleaf, reg, bit);
        g_string_append_printf(e->text, "%sbit %u", separator, bit);
        separator = ", ";
        if (name) {
            g_string_append_printf(e->text, " (%s)", name);
            add_once(e->options, name);
        } else {
            e->unnamed = true;
        }
    }
}

static void explain_register(Explanation *e, uint32_t leaf, uint32_t subleaf,
                             unsigned reg, uint32_t before, uint32_t after)
{
    const char *hint = register_hint(leaf, subleaf, reg, before ^ after);

    if (before == after) {
        return;
    }
    g_string_append_printf(e->text, "  leaf 0x%x, subleaf 0x%x, %s: given"
                           " 0x%08x, accepted 0x%08x%s", leaf, subleaf,
                           reg_names[reg], before, after, hint);
    if (*hint) {
        e->unnamed = true;
    } else {
        explain_bits(e, leaf, subleaf, reg, before & ~after);
    }
    g_string_append_c(e->text, '\n');
}

static void explain_inputs(Explanation *e, const PspCpuidEntry *before,
                           const PspCpuidEntry *after)
{
    if (before->xcr0_in == after->xcr0_in && before->xss_in == after->xss_in) {
        return;
    }
    g_string_append_printf(e->text, "  leaf 0x%x, subleaf 0x%x, XCR0 and XSS: "
                           "given 0x%" PRIx64 " and 0x%" PRIx64 ", accepted 0x%"
                           PRIx64 " and 0x%" PRIx64 "\n",
                           le32_to_cpu(before->leaf),
                           le32_to_cpu(before->subleaf),
                           le64_to_cpu(before->xcr0_in),
                           le64_to_cpu(before->xss_in),
                           le64_to_cpu(after->xcr0_in),
                           le64_to_cpu(after->xss_in));
    e->unnamed = true;
}

static void explain_entry(Explanation *e, const PspCpuidEntry *before,
                          const PspCpuidEntry *after)
{
    uint32_t given[REGS], accepted[REGS];

    read_regs(before, given);
    read_regs(after, accepted);
    explain_inputs(e, before, after);
    for (unsigned reg = 0; reg < REGS; reg++) {
        explain_register(e, le32_to_cpu(before->leaf),
                         le32_to_cpu(before->subleaf), reg, given[reg],
                         accepted[reg]);
    }
}

static void add_options(Explanation *e)
{
    if (e->options->len) {
        g_string_append(e->text, "Add to -cpu: ");
        for (unsigned i = 0; i < e->options->len; i++) {
            g_string_append_printf(e->text, "%s%s=off", i ? "," : "",
                                   (char *)e->options->pdata[i]);
        }
        g_string_append_c(e->text, '\n');
    }
    if (e->unnamed || !e->options->len) {
        g_string_append(e->text, "What no option of -cpu is named for follows "
                        "from the CPU model; choose the one of this host's "
                        "processor or an older one.\n");
    }
}

char *sev_cpuid_explain(const PspCpuidPage *before, const PspCpuidPage *after,
                        SevCpuidNameFn *name)
{
    Explanation e = {
        .text = g_string_new("The CPUID page was not accepted:\n"),
        .options = g_ptr_array_new(),
        .name = name,
    };
    uint32_t given = le32_to_cpu(before->count);
    uint32_t accepted = le32_to_cpu(after->count);

    if (given != accepted) {
        g_string_append_printf(e.text, "  number of leaves: given %u, accepted"
                               " %u\n", given, accepted);
    }
    for (uint32_t i = 0; i < MIN(MIN(given, accepted), PSP_CPUID_MAX); i++) {
        explain_entry(&e, &before->entries[i], &after->entries[i]);
    }
    add_options(&e);
    g_ptr_array_unref(e.options);
    return g_string_free(e.text, false);
}
