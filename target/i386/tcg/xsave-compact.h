/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XSAVE's compacted format for TCG: what the rest of the target calls
 */
#ifndef I386_TCG_XSAVE_COMPACT_H
#define I386_TCG_XSAVE_COMPACT_H

#include "cpu.h"
#include "system/tcg.h"

/**
 * xrstor_compact: XRSTOR of an area in the compacted format
 * @env: the processor; a fault in guest memory leaves by way of @ra
 * @ptr: linear address of the area, a multiple of 64
 * @request: EDX:EAX of the instruction
 * @ra: host return address of the helper, for faults
 *
 * Registers change only where the whole header is valid.
 *
 * Returns: false where the instruction must raise #GP(0): the area is not
 * in the compacted format, this processor has no XSAVEC, or the header or
 * MXCSR has reserved bits.
 *
 * Source: Intel SDM volume 1, section 13.8 (XRSTOR).
 */
bool xrstor_compact(CPUX86State *env, target_ulong ptr, uint64_t request,
                    uintptr_t ra);

/**
 * xsave_compact_size: CPUID leaf 0xD, sub-leaf 1, EBX
 * @env: the processor
 * @all: size in bytes of an area with every component that it supports
 *
 * EBX covers what XCR0 and IA32_XSS enable now, and Linux compares it with
 * its own sum.  Other accelerators keep @all.
 *
 * Returns: size in bytes, 576 or more.
 *
 * Source: Intel SDM volume 2, CPUID, leaf 0DH.
 */
static inline uint32_t xsave_compact_size(CPUX86State *env, uint32_t all)
{
    return tcg_enabled() ? xsave_area_size(env->xcr0 | env->xss, true) : all;
}

#ifndef CONFIG_USER_ONLY
/**
 * x86_xss_read: RDMSR of IA32_XSS
 * @env: the processor; raises #GP(0) where it has no XSAVES
 * @ra: host return address of the helper
 *
 * Returns: the supervisor state components that are enabled.
 *
 * Source: Intel SDM volume 1, section 13.3.
 */
uint64_t x86_xss_read(CPUX86State *env, uintptr_t ra);

/**
 * x86_xss_write: WRMSR of IA32_XSS
 * @env: the processor; raises #GP(0) where it has no XSAVES, or where @val
 *       has a bit that is no supported supervisor state component
 * @val: new value
 * @ra: host return address of the helper
 *
 * Source: Intel SDM volume 1, section 13.3.
 */
void x86_xss_write(CPUX86State *env, uint64_t val, uintptr_t ra);
#endif

#endif
