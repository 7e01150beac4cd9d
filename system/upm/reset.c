/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: the platform forgets a guest
 *
 * A block may have frames that nothing maps just now, such as those below
 * ROM, so that blocks are walked, not guest addresses.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/rcu.h"
#include "core.h"

static int reset_block(UpmBlock *block, Error **errp)
{
    ERRP_GUARD();
    int ret = upm_convert_block(block, !block->began_shared, UPM_CAUSE_RESET,
                                errp);

    if (ret < 0) {
        error_prepend(errp, "RAM block '%s': ", block->name);
        return ret;
    }
    ret = upm_provider->forget(block);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "RAM block '%s': its private half cannot "
                         "be discarded", block->name);
    }
    return ret;
}

/* No conversion can be made where blocks are found, with the lock held. */
static void collect(UpmBlock *block, void *opaque)
{
    g_ptr_array_add(opaque, block);
}

int upm_reset_states(Error **errp)
{
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    int ret = 0;

    if (!upm_provider->forget) {
        error_setg(errp, "%s keeps what it knows of a guest",
                   upm_provider->name);
        return -ENOTSUP;
    }
    RCU_READ_LOCK_GUARD();
    upm_foreach_block(collect, blocks);
    for (unsigned int i = 0; i < blocks->len && ret >= 0; i++) {
        ret = reset_block(g_ptr_array_index(blocks, i), errp);
    }
    return ret;
}
