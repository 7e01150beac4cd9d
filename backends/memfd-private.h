/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory backend with a shared and a private half: what its files share
 */
#ifndef BACKENDS_MEMFD_PRIVATE_H
#define BACKENDS_MEMFD_PRIVATE_H

#include "qapi/qapi-types-upm-common.h"
#include "qom/object.h"
#include "system/hostmem.h"

#define TYPE_MEMFD_PRIVATE "memory-backend-memfd-private"

OBJECT_DECLARE_SIMPLE_TYPE(MemfdPrivate, MEMFD_PRIVATE)

struct MemfdPrivate {
    HostMemoryBackend parent_obj;

    bool hugetlb;
    uint64_t hugetlbsize;
    /* discard= was given; else the block follows the guest's default */
    bool has_discard;
    UpmDiscardPolicy discard;
    bool prealloc_shared;
    /* Another backend, which goes when this one comes */
    char *replaces;
};

/*
 * memfd-private-check.c: what can be said before anything is allocated.  All
 * return false with @errp set.
 */

/** memfd_private_check: options, guest, and the backend to be replaced */
bool memfd_private_check(HostMemoryBackend *backend, Error **errp);

/** memfd_private_check_size: is @size a multiple of a page, and not 0? */
bool memfd_private_check_size(uint64_t size, uint64_t page, Error **errp);

/**
 * memfd_private_delete_replaced: delete what replaces= names
 *
 * For the end, when nothing can fail any more.
 */
bool memfd_private_delete_replaced(HostMemoryBackend *backend, Error **errp);

/*
 * memfd-shared-half.c
 */

/**
 * memfd_private_open_shared: make the shared half
 *
 * Returns: a sealed memfd of the backend's size, or -1 with @errp set.
 */
int memfd_private_open_shared(MemfdPrivate *m, Error **errp);

/**
 * memfd_private_map_shared: make the memory region of the shared half
 * @fd: belongs to the region on success
 *
 * With it comes the private half, see upm_block_add().
 */
bool memfd_private_map_shared(HostMemoryBackend *backend, int fd,
                              Error **errp);

#endif
