/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a debugger sees of an encrypted guest
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/target_page.h"
#include "qemu/rcu.h"
#include "qom/object.h"
#include "system/upm/compat.h"
#include "target/i386/sev.h"
#include "target/i386/upm-compat.h"
#include "tcg/snp/guest/guest.h"

/*
 * Only a guest whose owner allowed debugging in its policy shows private
 * memory, as DBG_DECRYPT would; the others cannot be translated at all,
 * since their page tables are private.
 */
static bool debug_allowed(void)
{
    uint64_t policy = object_property_get_uint(OBJECT(current_machine->cgs),
                                               "policy", NULL);

    return snp_guest()->kind.sev & SVM_SEV_SNP ? policy & SEV_SNP_POLICY_DBG
                                               : !(policy & SEV_POLICY_NODBG);
}

/* One level of a walk: false where the entry is not present */
static bool debug_entry(CPUState *cs, hwaddr table, unsigned index,
                        unsigned width, uint64_t *entry)
{
    hwaddr at = (table | snp_cbit_mask()) + index * width;

    *entry = width == 8 ? x86_ldq_phys(cs, at) : x86_ldl_phys(cs, at);
    return *entry & PG_PRESENT_MASK;
}

static hwaddr debug_walk(CPUState *cs, vaddr addr)
{
    CPUX86State *env = cpu_env(cs);
    bool pae = env->cr[4] & CR4_PAE_MASK;
    bool lma = env->hflags & HF_LMA_MASK;
    unsigned width = pae ? 8 : 4, bits = pae ? 9 : 10;
    int level = lma ? (env->cr[4] & CR4_LA57_MASK ? 5 : 4) : (pae ? 3 : 2);
    hwaddr table = env->cr[3] & (pae && !lma ? ~0x1fULL : ~0xfffULL);
    uint64_t entry, offset;

    for (;; level--) {
        unsigned shift = 12 + (level - 1) * bits;
        unsigned index = (addr >> shift) & ((1 << bits) - 1);
        bool leaf = level == 1;

        if (!debug_entry(cs, table & PG_ADDRESS_MASK, index, width, &entry)) {
            return -1;
        }
        leaf |= (level == 2 || (lma && level == 3)) && entry & PG_PSE_MASK;
        if (leaf) {
            offset = (1ULL << shift) - 1;
            entry &= PG_ADDRESS_MASK & ~offset;
            return (entry | (addr & offset & ~0xfffULL)) |
                   (pae ? 0 : snp_cbit_mask());
        }
        table = entry & PG_ADDRESS_MASK;
    }
}

/*
 * What has no private half is there for guests without an RMP, whatever the
 * C-bit: firmware in flash, for one.  See snp_plain_elsewhere().
 */
static hwaddr without_half(hwaddr paddr)
{
    hwaddr gpa = paddr & ~snp_cbit_mask();
    uint64_t offset;

    RCU_READ_LOCK_GUARD();
    return paddr == -1 || snp_guest()->kind.sev & SVM_SEV_SNP ||
           snp_memory_find(&snp_guest()->mem, gpa, &offset) ? paddr : gpa;
}

bool snp_guest_debug_translate(CPUState *cs, vaddr addr, hwaddr *paddr)
{
    CPUX86State *env = cpu_env(cs);

    if (!debug_allowed()) {
        *paddr = -1;
    } else if (!(env->cr[0] & CR0_PG_MASK)) {
        *paddr = without_half((addr & TARGET_PAGE_MASK) | snp_cbit_mask());
    } else {
        *paddr = without_half(debug_walk(cs, addr));
    }
    return true;
}
