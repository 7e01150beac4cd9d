/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest's CPUID page shall hold
 *
 * In the shape in which KVM_GET_CPUID2 lists it, as target/i386/sev.c makes
 * the page from such a list.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "cpu.h"
#include "sev-firmware.h"
#include "tcg/snp/processor.h"
#include "psp.h"

enum { EAX, EBX, ECX, EDX };

typedef struct List {
    CPUX86State *env;
    struct kvm_cpuid_entry2 *entries;
    uint32_t room;
    uint32_t used;
} List;

typedef enum Subleaf {
    WITHOUT_SUBLEAF,
    WITH_SUBLEAF,
} Subleaf;

static void ask(List *list, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    snp_cpuid(list->env, leaf, subleaf, &regs[EAX], &regs[EBX], &regs[ECX],
              &regs[EDX]);
}

static void add(List *list, uint32_t leaf, uint32_t subleaf, Subleaf kind,
                const uint32_t regs[4])
{
    if (list->used < list->room) {
        list->entries[list->used] = (struct kvm_cpuid_entry2) {
            .function = leaf,
            .index = subleaf,
            .flags = kind == WITH_SUBLEAF ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX
                                          : 0,
            .eax = regs[EAX],
            .ebx = regs[EBX],
            .ecx = regs[ECX],
            .edx = regs[EDX],
        };
    }
    list->used++;
}

/* A leaf that is all zero reads the same where it is left out. */
static bool is_empty(const uint32_t regs[4])
{
    return !(regs[EAX] | regs[EBX] | regs[ECX] | regs[EDX]);
}

static void add_plain(List *list, uint32_t leaf)
{
    uint32_t regs[4];

    ask(list, leaf, 0, regs);
    if (leaf == 1) {
        /* mirrors CR4 of the moment; the guest puts its own in */
        regs[ECX] &= ~CPUID_EXT_OSXSAVE;
    }
    if (!is_empty(regs)) {
        add(list, leaf, 0, WITHOUT_SUBLEAF, regs);
    }
}

/* Sub-leaves up to the one that EAX of the first names */
static void add_counted(List *list, uint32_t leaf)
{
    uint32_t regs[4], last;

    ask(list, leaf, 0, regs);
    last = regs[EAX];
    for (uint32_t i = 0; i <= MIN(last, 8); i++) {
        ask(list, leaf, i, regs);
        add(list, leaf, i, WITH_SUBLEAF, regs);
    }
}

/*
 * A leaf whose subleaves have a type, bits @type of register @reg, up to and
 * with the one of type 0 that ends the list
 */
static void add_typed(List *list, uint32_t leaf, unsigned reg, uint32_t type)
{
    uint32_t regs[4];

    for (uint32_t i = 0; i < 8; i++) {
        ask(list, leaf, i, regs);
        if (!i && is_empty(regs)) {
            return;
        }
        add(list, leaf, i, WITH_SUBLEAF, regs);
        if (!(regs[reg] & type)) {
            return;
        }
    }
}

static void add_topology(List *list, uint32_t leaf)
{
    add_typed(list, leaf, ECX, 0xff00);
}

static void add_caches(List *list, uint32_t leaf)
{
    add_typed(list, leaf, EAX, 0x1f);
}

static void add_xsave(List *list, uint32_t leaf)
{
    uint32_t regs[4];

    for (uint32_t i = 0; i < 63; i++) {
        ask(list, leaf, i, regs);
        if (i == 0 && is_empty(regs)) {
            return;
        }
        if (i <= 1 || regs[EAX]) {
            add(list, leaf, i, WITH_SUBLEAF, regs);
        }
    }
}

static void add_leaf(List *list, uint32_t leaf)
{
    switch (leaf) {
    case 4:
    case 0x8000001d:
        add_caches(list, leaf);
        break;
    case 7:
        add_counted(list, leaf);
        break;
    case 0xb:
    case 0x1f:
        add_topology(list, leaf);
        break;
    case 0xd:
        add_xsave(list, leaf);
        break;
    default:
        add_plain(list, leaf);
        break;
    }
}

static void add_range(List *list, uint32_t first, uint32_t most)
{
    uint32_t regs[4];

    ask(list, first, 0, regs);
    if (regs[EAX] < first) {
        return;
    }
    for (uint32_t leaf = first; leaf <= MIN(regs[EAX], first + most); leaf++) {
        add_leaf(list, leaf);
    }
}

int sev_firmware_get_cpuid(CPUState *cs, struct kvm_cpuid2 *cpuid)
{
    List list = {
        .env = cpu_env(cs),
        .entries = cpuid->entries,
        .room = cpuid->nent,
    };

    /* No processor has as many leaves; -cpu level= and xlevel= can ask. */
    add_range(&list, 0, 0xff);
    add_range(&list, 0x80000000, 0xff);
    if (list.used > list.room) {
        return -E2BIG;
    }
    cpuid->nent = list.used;
    return 0;
}
