/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what is asked for, before anything changes
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "request.h"

int upm_check_range(const UpmRequest *r, Error **errp)
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

/* Sections of a memory map may split what is one extent of one block. */
static bool goes_on(const UpmExtent *extent, const UpmExtent *next)
{
    return next->block == extent->block &&
           next->offset == upm_extent_end(extent);
}

int upm_find_extent(const UpmRequest *r, hwaddr gpa, uint64_t size,
                    UpmExtent *extent, Error **errp)
{
    UpmExtent next;

    if (!upm_memory_resolve(gpa, size, extent)) {
        g_autofree char *what = upm_memory_describe(gpa);

        return upm_refuse(errp, r, -EINVAL, "at 0x%" HWADDR_PRIx " is %s",
                          gpa, what);
    }
    while (extent->size < size &&
           upm_memory_resolve(gpa + extent->size, size - extent->size,
                              &next) && goes_on(extent, &next)) {
        extent->size += next.size;
    }
    return 0;
}

/* An alias: the same frames would be marked and discarded twice. */
static bool overlaps_earlier(GArray *extents, const UpmExtent *extent)
{
    unsigned int i;

    for (i = 0; i < extents->len; i++) {
        const UpmExtent *other = &g_array_index(extents, UpmExtent, i);

        if (other->block == extent->block &&
            other->offset < upm_extent_end(extent) &&
            extent->offset < upm_extent_end(other)) {
            return true;
        }
    }
    return false;
}

/* What is behind @extent, the first of the range */
static int check_rest(const UpmRequest *r, UpmExtent extent, Error **errp)
{
    g_autoptr(GArray) extents = g_array_new(false, false, sizeof(extent));
    uint64_t done = extent.size;

    while (done < r->size) {
        int ret;

        g_array_append_val(extents, extent);
        ret = upm_find_extent(r, r->gpa + done, r->size - done, &extent, errp);
        if (ret < 0) {
            return ret;
        }
        if (overlaps_earlier(extents, &extent)) {
            return upm_refuse(errp, r, -EINVAL, "at 0x%" HWADDR_PRIx " is "
                              "memory of '%s' that the range has at another "
                              "address, too", extent.gpa, extent.block->name);
        }
        done += extent.size;
    }
    return 0;
}

int upm_check_request(const UpmRequest *r, UpmExtent *extent, Error **errp)
{
    int ret = upm_check_range(r, errp);

    ret = ret ?: upm_find_extent(r, r->gpa, r->size, extent, errp);
    if (ret < 0 || extent->size == r->size) {
        return ret;
    }
    return check_rest(r, *extent, errp);
}
