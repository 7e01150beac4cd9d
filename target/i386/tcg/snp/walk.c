/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page walks in two dimensions: what QEMU's own walk asks on any machine
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/snp/processor.h"

static const SnpWalkOps *walk_ops(void)
{
    const SnpWorldOps *world = snp_world();

    return world ? world->walk : NULL;
}

uint64_t snp_walk_reserved(CPUX86State *env, int ptw_idx, uint64_t mask)
{
    const SnpWalkOps *ops = walk_ops();

    return ops ? ops->reserved(env, ptw_idx, mask) : mask;
}

hwaddr snp_walk_table(CPUX86State *env, int ptw_idx, hwaddr addr)
{
    const SnpWalkOps *ops = walk_ops();

    return ops ? ops->table(env, ptw_idx, addr) : addr;
}

bool snp_walk_leaf(CPUX86State *env, MMUAccessType type, int mmu_idx,
                   int ptw_idx, hwaddr *paddr, int *prot)
{
    const SnpWalkOps *ops = walk_ops();

    return !ops || ops->leaf(env, type, mmu_idx, ptw_idx, paddr, prot);
}

hwaddr snp_walk_nested(CPUX86State *env, hwaddr addr)
{
    const SnpWalkOps *ops = walk_ops();

    return ops ? ops->nested(env, addr) : addr;
}

void snp_nested_fault(CPUX86State *env, uint64_t *info1, target_ulong *gpa,
                      uintptr_t ra)
{
    const SnpWalkOps *ops = walk_ops();

    if (ops) {
        ops->nested_fault(env, info1, gpa, ra);
    }
}
