/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: devices that deal with memory by their own rules
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "system/upm/compat.h"
#include "system/upm/devices.h"
#include "trace/trace-upm.h"

static bool has_private_half(const RAMBlock *rb)
{
    return rb && rb->guest_memfd >= 0;
}

bool upm_memory_allows(const RAMBlock *rb, const char *device, Error **errp)
{
    ERRP_GUARD();

    if (!has_private_half(rb)) {
        return true;
    }
    error_setg(errp, "%s cannot discard private memory", device);
    error_append_hint(errp, "A guest with private memory has it discarded by "
                      "its conversions, see discard=.\n");
    return false;
}

bool upm_balloon_ignores(const RAMBlock *rb, uint64_t offset, uint64_t size)
{
    if (!has_private_half(rb)) {
        return false;
    }
    trace_upm_balloon_ignored(rb->idstr, offset, size);
    return true;
}
