/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: commands that want to know what a guest writes
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "system/upm/compat.h"
#include "system/upm/dirty.h"

bool upm_memory_allows_dirty_log(const char *command, Error **errp)
{
    ERRP_GUARD();

    if (!machine_require_guest_memfd(current_machine)) {
        return true;
    }
    error_setg(errp, "%s: what a guest writes to private memory cannot be "
               "logged", command);
    error_append_hint(errp, "calc-dirty-rate with mode=page-sampling looks at "
                      "the shared memory of the guest.\n");
    return false;
}
