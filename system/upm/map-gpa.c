/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: KVM_HC_MAP_GPA_RANGE, its arguments
 */
#include "qemu/osdep.h"
#include "standard-headers/asm-x86/kvm_para.h"
#include "system/upm/map-gpa.h"
#include "system/upm/upm.h"

/* Bits 0-3 of the third argument */
#define MAP_GPA_PAGE_SIZE 0xf

/*
 * The page size is a hint, and not always true: KVM leaves it at 2 MiB when it
 * goes on with the rest of a page state change.
 */
const char *upm_decode_map_gpa(uint64_t gpa, uint64_t pages,
                               uint64_t attributes, MapGpa *request)
{
    uint64_t page_size = attributes & MAP_GPA_PAGE_SIZE;

    if (attributes & ~(uint64_t)(MAP_GPA_PAGE_SIZE |
                                 KVM_MAP_GPA_RANGE_ENCRYPTED)) {
        return "unknown attributes";
    }
    if (page_size != KVM_MAP_GPA_RANGE_PAGE_SZ_4K &&
        page_size != KVM_MAP_GPA_RANGE_PAGE_SZ_2M &&
        page_size != KVM_MAP_GPA_RANGE_PAGE_SZ_1G) {
        return "unknown page size";
    }
    if (pages > UINT64_MAX >> UPM_FRAME_BITS) {
        return "too many pages";
    }
    *request = (MapGpa) {
        .gpa = gpa,
        .size = pages << UPM_FRAME_BITS,
        .to_private = attributes & KVM_MAP_GPA_RANGE_ENCRYPTED,
    };
    return NULL;
}
