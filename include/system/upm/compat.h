/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what moved between QEMU 10.0 and 11.x
 */
#ifndef SYSTEM_UPM_COMPAT_H
#define SYSTEM_UPM_COMPAT_H

#if __has_include("system/memory.h")
#include "system/memory.h"
#else
#include "exec/memory.h"
#endif

#if __has_include("system/address-spaces.h")
#include "system/address-spaces.h"
#else
#include "exec/address-spaces.h"
#endif

#if __has_include("system/ramblock.h")
#include "system/ramblock.h"
#else
#include "exec/ramblock.h"
#endif

#if __has_include("hw/core/boards.h")
#include "hw/core/boards.h"
#else
#include "hw/boards.h"
#endif

#if __has_include("hw/core/qdev.h")
#include "hw/core/qdev.h"
#else
#include "hw/qdev-core.h"
#endif

#if __has_include("hw/core/qdev-properties.h")
#include "hw/core/qdev-properties.h"
#else
#include "hw/qdev-properties.h"
#endif

#if __has_include("hw/core/sysbus.h")
#include "hw/core/sysbus.h"
#else
#include "hw/sysbus.h"
#endif

/*
 * QEMU 11.1's ram_block_discard_range() discards the private half as well, and
 * the other one has its old meaning there.  The version decides, and not
 * whether there is such a function: one that got another name would not be
 * missed, at the price of what the guest has in its private half.
 */
#if QEMU_VERSION_MAJOR > 11 || \
    (QEMU_VERSION_MAJOR == 11 && \
     (QEMU_VERSION_MINOR > 0 || QEMU_VERSION_MICRO >= 50))
#define upm_discard_shared_range(rb, start, length) \
    ram_block_discard_shared_range(rb, start, length)
#else
#define upm_discard_shared_range(rb, start, length) \
    ram_block_discard_range(rb, start, length)
#endif

#endif
