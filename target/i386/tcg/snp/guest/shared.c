/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shared half: guest RAM as the hypervisor and devices see it
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "tcg/snp/guest/memory.h"

bool snp_shared_find(hwaddr gpa, uint64_t size, bool is_write,
                     SnpShared *shared)
{
    hwaddr len = size;
    MemoryRegion *mr = address_space_translate(&address_space_memory, gpa,
                                               &shared->offset, &len,
                                               is_write,
                                               MEMTXATTRS_UNSPECIFIED);

    if (len < size || !memory_region_is_ram(mr) ||
        memory_region_is_ram_device(mr) ||
        (is_write && (mr->readonly || mr->rom_device))) {
        return false;
    }
    shared->mr = mr;
    shared->host = (uint8_t *)memory_region_get_ram_ptr(mr) + shared->offset;
    return true;
}

void snp_shared_dirty(const SnpShared *shared, uint64_t size)
{
    memory_region_set_dirty(shared->mr, shared->offset, size);
}

bool snp_shared_is_mapped(hwaddr gpa, bool is_write)
{
    MemoryRegion *mr;
    hwaddr xlat, len = 1;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&address_space_memory, gpa, &xlat, &len,
                                 is_write, MEMTXATTRS_UNSPECIFIED);
    return memory_access_is_direct(mr, is_write, MEMTXATTRS_UNSPECIFIED);
}
