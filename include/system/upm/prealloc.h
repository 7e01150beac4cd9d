/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: memory policy and allocation of a private half
 */
#ifndef SYSTEM_UPM_PREALLOC_H
#define SYSTEM_UPM_PREALLOC_H

#include "qemu/thread-context.h"
#include "system/hostmem.h"

/**
 * UpmNumaPolicy: where a backend wants its memory
 * @mode: MPOL_* of linux/mempolicy.h
 * @nodes: bit map of the nodes, with room for one bit more than @bits
 * @bits: number of bits
 */
typedef struct UpmNumaPolicy {
    int mode;
    const unsigned long *nodes;
    unsigned long bits;
} UpmNumaPolicy;

/**
 * upm_prealloc: allocate all of a descriptor
 * @name: for messages about progress, which come every few seconds
 * @size: bytes, not 0
 * @threads: how many to use, not 0
 * @context: where they run, or NULL
 * @policy: where they allocate, unless the file has a policy of its own; or
 *     NULL.  That of the calling thread stays as it is.
 *
 * A private half can not be touched, so it is allocated by fallocate().
 *
 * Returns: true, or false with @errp naming the offset and the cause; what
 * was allocated goes with the descriptor.
 */
bool upm_prealloc(int fd, const char *name, uint64_t size,
                  unsigned int threads, ThreadContext *context,
                  const UpmNumaPolicy *policy, Error **errp);

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
 * @name: for a message
 * @prealloc: upm_prealloc() will allocate it with this policy
 *
 * The policy of a file is set through a mapping of it, see mbind(2).  Linux
 * maps no guest_memfd that is made without GUEST_MEMFD_FLAG_MMAP, and with
 * that flag KVM would take shared pages from it as well (virt/kvm/guest_memfd.c
 * of Linux 7.3: KVM_MEMSLOT_GMEM_ONLY).  That nothing is bound is then said
 * once, and is no error.
 *
 * Returns: true, or false with @errp set.
 */
bool upm_bind(int fd, const char *name, uint64_t size, bool prealloc,
              const UpmNumaPolicy *policy, Error **errp);

#endif
