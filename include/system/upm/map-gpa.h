/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what KVM_HC_MAP_GPA_RANGE asks for, whoever serves
 * it
 */
#ifndef SYSTEM_UPM_MAP_GPA_H
#define SYSTEM_UPM_MAP_GPA_H

#include "exec/hwaddr.h"

/**
 * MapGpa: what KVM_HC_MAP_GPA_RANGE asks for
 * @gpa: first byte
 * @size: bytes
 */
typedef struct MapGpa {
    hwaddr gpa;
    uint64_t size;
    bool to_private;
} MapGpa;

/**
 * upm_decode_map_gpa: what a guest's request asks for
 * @gpa, @pages, @attributes: the hypercall's arguments, as the guest gave them
 *
 * Linux, Documentation/virt/kvm/x86/hypercalls.rst.
 *
 * Returns: NULL, or what is wrong with it that upm_convert() would not see.
 */
const char *upm_decode_map_gpa(uint64_t gpa, uint64_t pages,
                               uint64_t attributes, MapGpa *request);

#endif
