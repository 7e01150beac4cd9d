/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Headers and names of x86 and of TCG that moved between QEMU 10.0 and 10.2
 */
#ifndef TARGET_I386_UPM_COMPAT_H
#define TARGET_I386_UPM_COMPAT_H

#if __has_include("qapi/qapi-types-misc-i386.h")
#include "qapi/qapi-types-misc-i386.h"
#else
#include "qapi/qapi-types-misc-target.h"
#endif

#ifdef CONFIG_TCG
#if __has_include("exec/cpu_ldst.h")
#include "exec/cpu_ldst.h"
#else
#include "accel/tcg/cpu-ldst.h"
#endif
#endif

#if __has_include("exec/exec-all.h")
#include "exec/exec-all.h"
#define upm_invalidate_code(start, last) tb_invalidate_phys_range(start, last)
#else
#include "accel/tcg/cpu-mmu-index.h"
#include "accel/tcg/probe.h"
#include "exec/cputlb.h"
#include "exec/icount.h"
#include "exec/target_page.h"
#include "exec/tlb-flags.h"
#include "exec/translation-block.h"
#define upm_invalidate_code(start, last) \
    tb_invalidate_phys_range(NULL, start, last)
#define x86_confidential_guest_mask_cpuid_features \
    x86_confidential_guest_adjust_cpuid_features
#endif

#if __has_include("system/accel-ops.h")
#include "system/accel-ops.h"
#else
#include "accel/accel-cpu-ops.h"
#endif

#if QEMU_VERSION_MAJOR > 10 || QEMU_VERSION_MINOR > 0
#define upm_apic_msr_write(apic, index, value) \
    apic_msr_write(apic, index, value)
#else
#define upm_apic_msr_write(apic, index, value) apic_msr_write(index, value)
#endif

/*
 * With the BQL.  Without a kick, and not as an interrupt of a device, of which
 * -icount says when there may be one; from 10.2 on others read it without BQL.
 */
#if QEMU_VERSION_MAJOR > 10 || QEMU_VERSION_MINOR >= 2
#define upm_set_interrupt(cs, mask) cpu_set_interrupt(cs, mask)
#else
#define upm_set_interrupt(cs, mask) ((cs)->interrupt_request |= (mask))
#endif

#endif
