/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: a conversion in steps
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qapi/error.h"
#include "request.h"

/*
 * Room for one more element behind @n: there is some for a power of two, and
 * @one is where the first is.  May be asked for again.
 */
static void *make_room(void *all, void *one, unsigned int n, size_t size)
{
    if (!n) {
        return one;
    }
    if (n & (n - 1)) {
        return all;
    }
    return all == one ? memcpy(g_malloc_n(2, size), one, size)
                      : g_realloc_n(all, 2 * n, size);
}

void upm_request_add_extent(UpmRequest *r, const UpmExtent *extent)
{
    r->extents = make_room(r->extents, &r->one_extent, r->n_extents,
                           sizeof(*extent));
    r->extents[r->n_extents++] = *extent;
}

UpmStep *upm_request_next_step(UpmRequest *r)
{
    r->steps = make_room(r->steps, &r->one_step, r->n_steps,
                         sizeof(*r->steps));
    return &r->steps[r->n_steps];
}

void upm_request_free(UpmRequest *r)
{
    unsigned int i;

    for (i = 0; i < r->n_steps; i++) {
        upm_step_free(&r->steps[i]);
    }
    if (r->steps != &r->one_step) {
        g_free(r->steps);
    }
    if (r->n_claims > 1) {
        g_free(r->claims);
    }
    if (r->n_extents > 1) {
        g_free(r->extents);
    }
}

int upm_refuse(Error **errp, const UpmRequest *r, int err, const char *fmt,
               ...)
{
    g_autofree char *why = NULL;
    va_list ap;

    va_start(ap, fmt);
    why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_setg(errp, "cannot convert 0x%" HWADDR_PRIx " +0x%" PRIx64
               " to %s: %s", r->gpa, r->size, upm_state_name(r->to_private),
               why);
    return err;
}

void upm_enter(void)
{
    if (upm_provider->enter) {
        upm_provider->enter();
    }
}

void upm_leave(void)
{
    if (upm_provider->leave) {
        upm_provider->leave();
    }
}

/* From the first run, whose beginning @extent is, to the last one */
static void make_of_several(UpmStep *step, const UpmExtent *extent,
                            bool to_private)
{
    uint64_t frames = extent->size >> UPM_FRAME_BITS;
    unsigned long *changing = bitmap_new(frames);

    upm_map_copy(changing, extent, !to_private);
    step->extent.size = (find_last_bit(changing, frames) + 1)
                        << UPM_FRAME_BITS;
    step->changed = bitmap_count_one(changing, frames) << UPM_FRAME_BITS;
    step->changing = changing;
}

bool upm_step_make(UpmStep *step, const UpmExtent *extent, bool to_private)
{
    UpmExtent rest = *extent;
    UpmExtent run, more;

    if (extent->size == UPM_FRAME_SIZE) {
        *step = (UpmStep) { .extent = *extent, .changed = extent->size };
        return upm_block_is_private(extent->block, extent->offset) !=
               to_private;
    }
    if (!upm_next_run_in(extent, extent->offset, !to_private, &run)) {
        return false;
    }
    *step = (UpmStep) { .extent = run, .changed = run.size };
    if (upm_extent_end(&run) < upm_extent_end(extent) &&
        upm_next_run_in(extent, upm_extent_end(&run), !to_private, &more)) {
        upm_extent_skip(&rest, run.offset - rest.offset);
        make_of_several(step, &rest, to_private);
    }
    return true;
}

void upm_step_free(UpmStep *step)
{
    g_free(step->changing);
}

bool upm_step_next(const UpmStep *step, uint64_t from, UpmExtent *run)
{
    uint64_t start = step->extent.offset >> UPM_FRAME_BITS;
    uint64_t frames = step->extent.size >> UPM_FRAME_BITS;
    uint64_t first = (from >> UPM_FRAME_BITS) - start;
    uint64_t end = frames;

    if (step->changing && first < frames) {
        first = find_next_bit(step->changing, frames, first);
        end = find_next_zero_bit(step->changing, frames, first);
    }
    if (first >= frames) {
        return false;
    }
    *run = step->extent;
    upm_extent_skip(run, first << UPM_FRAME_BITS);
    run->size = (end - first) << UPM_FRAME_BITS;
    return true;
}
