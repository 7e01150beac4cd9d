/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what is asked for, before anything changes
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "request.h"

static int check_range(const UpmRequest *r, Error **errp)
{
    if (!r->size) {
        return upm_refuse(errp, r, -EINVAL, "the range is empty");
    }
    if ((r->gpa | r->size) & (UPM_FRAME_SIZE - 1)) {
        return upm_refuse(errp, r, -EINVAL,
                          "address and size must be multiples of %llu",
                          UPM_FRAME_SIZE);
    }
    if (r->gpa + (r->size - 1) < r->gpa) {
        return upm_refuse(errp, r, -EINVAL,
                          "the range goes beyond the last address");
    }
    return 0;
}

/*
 * The extent at @gpa, of @size bytes at most.  Sections of a memory map may
 * split what is one extent of one block.
 */
static bool find_extent(hwaddr gpa, uint64_t size, UpmExtent *extent)
{
    UpmExtent next;

    if (!upm_memory_resolve(gpa, size, extent)) {
        return false;
    }
    while (extent->size < size &&
           upm_memory_resolve(gpa + extent->size, size - extent->size,
                              &next) &&
           next.block == extent->block &&
           next.offset == upm_extent_end(extent)) {
        extent->size += next.size;
    }
    return true;
}

bool upm_still_there(const UpmRequest *r, const UpmExtent *extent)
{
    UpmExtent now;

    if (r->block || upm_memory_map() == r->memory_map) {
        return true;
    }
    return find_extent(extent->gpa, extent->size, &now) &&
           now.block == extent->block && now.offset == extent->offset &&
           now.size == extent->size;
}

/* An alias: the same frames would be marked and discarded twice. */
static bool overlaps_earlier(const UpmRequest *r, const UpmExtent *extent)
{
    unsigned int i;

    for (i = 0; i < r->n_extents; i++) {
        const UpmExtent *other = &r->extents[i];

        if (other->block == extent->block &&
            other->offset < upm_extent_end(extent) &&
            extent->offset < upm_extent_end(other)) {
            return true;
        }
    }
    return false;
}

static int add_extent(UpmRequest *r, hwaddr gpa, uint64_t size, Error **errp)
{
    UpmExtent extent;

    if (!find_extent(gpa, size, &extent)) {
        g_autofree char *what = upm_memory_describe(gpa);

        return upm_refuse(errp, r, -EINVAL, "at 0x%" HWADDR_PRIx " is %s",
                          gpa, what);
    }
    if (overlaps_earlier(r, &extent)) {
        return upm_refuse(errp, r, -EINVAL, "at 0x%" HWADDR_PRIx " is memory "
                          "of '%s' that the range has at another address, too",
                          gpa, extent.block->name);
    }
    upm_request_add_extent(r, &extent);
    return 0;
}

int upm_check_request(UpmRequest *r, Error **errp)
{
    int ret = check_range(r, errp);
    uint64_t done = 0;

    if (r->block) {
        upm_request_add_extent(r, &(UpmExtent) {
            .block = r->block, .size = r->size,
        });
        return ret;
    }
    r->memory_map = upm_memory_map();
    while (!ret && done < r->size) {
        ret = add_extent(r, r->gpa + done, r->size - done, errp);
        if (!ret) {
            done += r->extents[r->n_extents - 1].size;
        }
    }
    return ret;
}
