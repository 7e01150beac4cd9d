/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: RAM blocks with page states
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/lockable.h"
#include "qemu/rcu_queue.h"
#include "qapi/error.h"
#include "core.h"
#include "trace/trace-upm.h"

const UpmProviderOps *upm_provider;

/* Blocks are also found without the lock, so they leave by RCU. */
static QLIST_HEAD(, UpmBlock) blocks = QLIST_HEAD_INITIALIZER(blocks);

/* What later blocks begin with */
static UpmDiscardPolicy default_discard;
static bool begin_shared;

static GMutex mutex;

static void lock(void *object)
{
    g_mutex_lock(object);
}

static void unlock(void *object)
{
    g_mutex_unlock(object);
}

QemuLockable upm_lock = { .object = &mutex, .lock = lock, .unlock = unlock };

void upm_lock_wait(GCond *cond)
{
    g_cond_wait(cond, &mutex);
}

void upm_set_provider(const UpmProviderOps *ops)
{
    upm_provider = ops;
}

const char *upm_provider_name(void)
{
    return upm_provider ? upm_provider->name : NULL;
}

void upm_set_initial_state(bool private)
{
    begin_shared = !private;
}

/*
 * Discard policies
 */

bool upm_policy_discards(UpmDiscardPolicy policy, bool private)
{
    return policy == UPM_DISCARD_POLICY_BOTH ||
           policy == (private ? UPM_DISCARD_POLICY_PRIVATE
                              : UPM_DISCARD_POLICY_SHARED);
}

void upm_set_default_discard(UpmDiscardPolicy policy)
{
    UpmBlock *block;

    QEMU_LOCK_GUARD(&upm_lock);
    default_discard = policy;
    QLIST_FOREACH(block, &blocks, next) {
        if (!block->own_discard) {
            block->discard = policy;
        }
    }
}

void upm_block_set_discard(UpmBlock *block, UpmDiscardPolicy policy)
{
    QEMU_LOCK_GUARD(&upm_lock);
    block->discard = policy;
    block->own_discard = true;
}

/*
 * Blocks
 */

static void block_free(UpmBlock *block)
{
    g_free(block->failed_map[false]);
    g_free(block->failed_map[true]);
    g_free(block->hidden_map[false]);
    g_free(block->hidden_map[true]);
    g_free(block->toggled_map);
    g_free(block->name);
    g_free(block);
}

static UpmBlock *block_new(RAMBlock *rb, const char *name, uint64_t size,
                           uint64_t page_size)
{
    UpmBlock *block = g_new0(UpmBlock, 1);

    block->rb = rb;
    block->name = g_strdup(name);
    block->size = size;
    block->began_shared = begin_shared;
    block->shared_frames = begin_shared ? size >> UPM_FRAME_BITS : 0;
    block->page_size = MAX(page_size, UPM_FRAME_SIZE);
    block->toggled_map = bitmap_try_new(size >> UPM_FRAME_BITS);
    block->hidden_map[false] = bitmap_try_new(size >> UPM_FRAME_BITS);
    block->hidden_map[true] = bitmap_try_new(size >> UPM_FRAME_BITS);
    if (!block->toggled_map || !block->hidden_map[false] ||
        !block->hidden_map[true]) {
        block_free(block);
        return NULL;
    }
    return block;
}

static bool block_publish(UpmBlock *block, int fd, Error **errp)
{
    if (upm_provider->block_added && !upm_provider->block_added(block, errp)) {
        return false;
    }
    if (!block->recorded) {
        upm_memory_prepare(block);
    }
    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        block->own_discard = block->recorded;
        block->discard = block->recorded ? UPM_DISCARD_POLICY_NONE
                                         : default_discard;
        QLIST_INSERT_HEAD_RCU(&blocks, block, next);
    }
    trace_upm_block_added(block->name, block->size, fd);
    return true;
}

/* Returns the descriptor of the private half, or -1. */
static int block_create(UpmBlock *block, Error **errp)
{
    int fd = upm_provider->create_private(block->size, errp);

    if (fd >= 0 && !block_publish(block, fd, errp)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        error_prepend(errp, "cannot set up the private half of '%s' (%" PRIu64
                      " bytes): ", block->name, block->size);
    }
    return fd;
}

int upm_block_register(RAMBlock *rb, const char *name, uint64_t size,
                       uint64_t page_size, Error **errp)
{
    ERRP_GUARD();
    UpmBlock *block;
    int fd;

    if (!upm_provider) {
        error_setg(errp, "cannot set up the private half of '%s' (%" PRIu64
                   " bytes): the accelerator cannot keep guest memory private",
                   name, size);
        error_append_hint(errp, "Use an accelerator that supports the "
                          "confidential guest given by "
                          "confidential-guest-support.\n");
        return -1;
    }
    block = block_new(rb, name, size, page_size);
    if (!block) {
        error_setg(errp, "cannot set up the private half of '%s' (%" PRIu64
                   " bytes): no memory for its page states", name, size);
        return -1;
    }
    fd = block_create(block, errp);
    if (fd < 0) {
        block_free(block);
    }
    return fd;
}

bool upm_block_record(RAMBlock *rb, const char *name, uint64_t size,
                      Error **errp)
{
    UpmBlock *block = block_new(rb, name, size, UPM_FRAME_SIZE);

    if (!block) {
        error_setg(errp, "cannot record page states of '%s' (%" PRIu64
                   " bytes): no memory for them", name, size);
        return false;
    }
    block->recorded = true;
    if (!block_publish(block, -1, errp)) {
        block_free(block);
        return false;
    }
    return true;
}

/* Readers may have stood on it on their way to another block until now. */
static void block_reclaim(UpmBlock *block)
{
    if (upm_provider->block_removed) {
        upm_provider->block_removed(block);
    }
    if (!block->recorded) {
        upm_memory_reclaim(block);
    }
    block_free(block);
}

bool upm_block_unregister(RAMBlock *rb)
{
    UpmBlock *block;

    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        block = upm_block_find(rb);
        if (!block) {
            return false;
        }
        QLIST_REMOVE_RCU(block, next);
    }
    trace_upm_block_removed(block->name);
    call_rcu(block, block_reclaim, rcu);
    return true;
}

void upm_block_watch(UpmBlock *block, bool begin)
{
    qatomic_set(&block->watchers, block->watchers + (begin ? 1 : -1));
}

UpmBlock *upm_block_find(RAMBlock *rb)
{
    UpmBlock *block;

    QLIST_FOREACH_RCU(block, &blocks, next) {
        if (block->rb == rb) {
            return block;
        }
    }
    return NULL;
}

void upm_foreach_block_locked(void (*fn)(UpmBlock *block, void *opaque),
                              void *opaque)
{
    UpmBlock *block;

    QLIST_FOREACH(block, &blocks, next) {
        fn(block, opaque);
    }
}

void upm_foreach_block(void (*fn)(UpmBlock *block, void *opaque),
                       void *opaque)
{
    QEMU_LOCK_GUARD(&upm_lock);
    upm_foreach_block_locked(fn, opaque);
}

int upm_punch_hole(int fd, uint64_t offset, uint64_t size)
{
    int ret;

    do {
        ret = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        offset, size);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}
