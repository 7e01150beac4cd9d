/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: memory policy and allocation of a private half
 */
#ifndef SYSTEM_UPM_PREALLOC_H
#define SYSTEM_UPM_PREALLOC_H

#include "qemu/thread-context.h"
#include "system/hostmem.h"

/**
 * upm_prealloc: allocate all of a descriptor
 * @name: for messages about progress, which come every few seconds
 * @size: bytes, not 0
 * @threads: how many to use, not 0
 * @context: where they run, or NULL
 *
 * A private half can not be touched, so it is allocated by fallocate().
 *
 * Returns: true, or false with @errp naming the offset and the cause; what
 * was allocated goes with the descriptor.
 */
bool upm_prealloc(int fd, const char *name, uint64_t size,
                  unsigned int threads, ThreadContext *context, Error **errp);

/**
 * upm_prealloc_later: prealloc=on for a memory backend that is in use
 *
 * Returns: false, and nothing is done, where @backend is not of the type
 * memory-backend-memfd-private; else true, with @errp set on failure.
 */
#ifdef CONFIG_LINUX
bool upm_prealloc_later(HostMemoryBackend *backend, Error **errp);
#else
static inline bool upm_prealloc_later(HostMemoryBackend *backend,
                                      Error **errp)
{
    return false;
}
#endif

/**
 * upm_bind: give all of a descriptor a NUMA policy
 * @mode: MPOL_* of linux/mempolicy.h
 * @nodes: bit map of the nodes, of @bits bits
 *
 * The policy of a file is set through a mapping of it.  Linux maps no
 * guest_memfd of a VM with private memory, which is the usual failure.
 *
 * Returns: true, or false with @errp set.
 */
bool upm_bind(int fd, uint64_t size, int mode, const unsigned long *nodes,
              unsigned long bits, Error **errp);

#endif
